package onnx

import (
	"slices"

	"github.com/wherry-run/wherry/model"
)

// feed is what a run needs in the guest, in one piece of its memory. A session keeps the
// last, if it is small: a request of the same shape as the one before takes half the
// calls then.
type feed struct {
	layout
	piece   uint32   // what malloc gave
	base    uint64   // where the layout begins in it
	handles []uint32 // of inputs that were made
	// What it is for.
	names, outputs []uint32
	types          []model.DataType
	shapes         [][]int64

	answers []model.Tensor // of the last request: types and shapes
	ready   *prepared      // places for the outputs of the next; nil: none
	unready bool           // it goes without
}

// prepared are outputs that ONNX Runtime writes into: their shapes are those of the
// request before, which it checks. To ask for them afterwards takes three calls each.
type prepared struct {
	piece   uint32
	handles []uint32
	data    []uint64 // where each begins
}

// mostKept is how large a piece of memory is kept for the next request, in bytes.
const mostKept = 256 << 10

// serves tells whether a feed is for a request, too. Strings are copied when their
// tensor is made.
func (f *feed) serves(r *request) bool {
	if f == nil || len(f.handles) != len(r.inputs) || len(f.outputs) != len(r.outputs) || !slices.Equal(f.names, r.names) {
		return false
	}
	for i := range r.inputs {
		t := &r.inputs[i]
		if t.Type == model.Bytes || f.types[i] != t.Type || !slices.Equal(f.shapes[i], t.Shape) {
			return false
		}
	}
	for i, o := range r.outputs {
		if f.outputs[i] != o.At {
			return false
		}
	}
	return true
}

// newFeed is an empty one for a request.
func newFeed(r *request) *feed {
	f := &feed{layout: layOut(r.inputs, len(r.outputs)), names: r.names}
	for i := range r.inputs {
		f.types, f.shapes = append(f.types, r.inputs[i].Type), append(f.shapes, slices.Clone(r.inputs[i].Shape))
	}
	for _, o := range r.outputs {
		f.outputs = append(f.outputs, o.At)
	}
	return f
}

// layout is where things are in the piece, in bytes from its beginning: the inputs'
// handles, their names, the outputs' names, their handles, four words for an answer,
// and for each input its dimensions, and its elements.
type layout struct {
	inNames, outNames, outValues, told uint64
	dims, data                         []uint64
	size                               uint64
}

func layOut(inputs []model.Tensor, outputs int) layout {
	in, out := 4*uint64(len(inputs)), 4*uint64(outputs)
	l := layout{inNames: in, outNames: 2 * in, outValues: 2*in + out, told: 2*in + 2*out}
	l.size = l.told + 16
	for i := range inputs {
		l.dims = append(l.dims, l.size)
		l.size += 4 * uint64(len(inputs[i].Shape))
	}
	for i := range inputs {
		l.size = aligned(l.size)
		l.data = append(l.data, l.size)
		l.size += uint64(room(&inputs[i]))
	}
	return l
}

// align is where a tensor's elements begin: what the widest load may want.
const align = 64

func aligned(n uint64) uint64 { return (n + align - 1) &^ (align - 1) }

// drop gives a feed back.
func (c *calls) drop(f *feed) {
	for _, h := range f.handles {
		c.do("OrtReleaseTensor", uint64(h))
	}
	if f.piece != 0 {
		c.do("free", uint64(f.piece))
	}
	if f.ready != nil {
		c.discard(f.ready)
	}
}
