package onnx

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/wherry-run/wherry/model"
)

// request is one run of a session.
type request struct {
	*calls
	s       *loaded
	inputs  []model.Tensor
	names   []uint32 // where the guest has the inputs' names
	outputs []name
	*feed
}

// run answers a request whose tensors are right by themselves.
func (c *calls) run(s *loaded, inputs []model.Tensor, wanted []string) ([]model.Tensor, error) {
	r := &request{calls: c, s: s, inputs: inputs}
	for i := range inputs {
		at := find(s.Inputs, inputs[i].Name)
		if at < 0 {
			return nil, &model.InputError{Tensor: inputs[i].Name, Reason: "the model has no such input"}
		}
		if slices.Contains(r.names, s.Inputs[at].At) {
			return nil, &model.InputError{Tensor: inputs[i].Name, Reason: "it is there twice"}
		}
		r.names = append(r.names, s.Inputs[at].At)
	}
	for _, in := range s.Inputs { // ONNX Runtime would not survive it
		if !slices.Contains(r.names, in.At) {
			return nil, &model.InputError{Tensor: in.Name, Reason: "the model needs it"}
		}
	}
	if r.outputs = s.Outputs; len(wanted) > 0 {
		r.outputs = nil
	}
	for _, w := range wanted {
		at := find(s.Outputs, w)
		if at < 0 {
			return nil, &model.InputError{Tensor: w, Reason: "the model has no such output"}
		}
		r.outputs = append(r.outputs, s.Outputs[at])
	}
	if s.kept.serves(r) {
		r.feed, s.kept = s.kept, nil
		return r.again()
	}
	if old := s.kept; old != nil {
		s.kept = nil
		c.drop(old)
	}
	r.feed = newFeed(r)
	return r.answer()
}

// again answers a request in the place of the one before.
func (r *request) again() ([]model.Tensor, error) {
	b := r.view(uint32(r.base), r.size)
	if b == nil {
		return nil, r.err
	}
	for i := range r.inputs {
		copy(b[r.data[i]:], r.inputs[i].Data)
	}
	if r.steady && r.ready == nil && !r.unready && r.answers != nil {
		r.prepare()
	}
	if out, ok := r.quick(); ok || r.err != nil {
		return out, r.err
	}
	clear(r.view(uint32(r.base+r.outValues), r.told-r.outValues))
	return r.finish()
}

// prepare makes places for outputs as they were the last time.
func (r *request) prepare() {
	if slices.ContainsFunc(r.answers, func(t model.Tensor) bool { return t.Type == model.Bytes }) {
		r.unready = true
		return
	}
	l := layOut(r.answers, 0)
	if l.size > mostKept {
		r.unready = true
		return
	}
	p := &prepared{piece: r.alloc(l.size + align)}
	base := aligned(uint64(p.piece))
	if b := r.view(uint32(base), l.size); b != nil {
		clear(b)
		for i := range r.answers {
			_ = putDims(b[l.dims[i]:], &r.answers[i]) // they have come from there
		}
	}
	for i := range r.answers {
		t := &r.answers[i]
		h := r.handle("OrtCreateTensor", uint64(elementNumber(t.Type)), base+l.data[i], uint64(room(t)), base+l.dims[i], uint64(len(t.Shape)), onCPU)
		if r.err == nil {
			p.handles, p.data = append(p.handles, h), append(p.data, base+l.data[i])
		}
	}
	if refusal(r.err) { // there is no room, say: it goes without
		r.err, r.unready = nil, true
		r.discard(p)
		return
	}
	r.ready = p
}

// quick runs the session into prepared outputs. It reports false when there are none, or
// it has others this time; then nothing has been answered.
func (r *request) quick() ([]model.Tensor, bool) {
	if r.ready == nil || r.err != nil {
		return nil, false
	}
	b := r.view(uint32(r.base+r.outValues), 4*uint64(len(r.outputs)))
	if b == nil {
		return nil, false
	}
	for i, h := range r.ready.handles {
		binary.LittleEndian.PutUint32(b[4*i:], h)
	}
	r.check("OrtRun", uint64(r.s.Session), r.base+r.inNames, r.base, uint64(len(r.inputs)), r.base+r.feed.outNames, uint64(len(r.outputs)),
		r.base+r.outValues, uint64(r.s.Options))
	if refusal(r.err) { // it may be for the shapes of the outputs
		r.err, r.unready = nil, true
		r.discard(r.ready)
		r.ready = nil
		return nil, false
	}
	if r.err != nil {
		return nil, false
	}
	out := make([]model.Tensor, len(r.answers))
	for i := range out {
		t := &out[i]
		t.Name, t.Type, t.Shape = r.outputs[i].Name, r.answers[i].Type, slices.Clone(r.answers[i].Shape)
		if size := uint64(room(t)); size > 0 {
			t.Data = bytes.Clone(r.view(uint32(r.ready.data[i]), size))
		}
	}
	if r.err != nil {
		return nil, false
	}
	r.s.kept = r.feed
	return out, true
}

// discard gives prepared outputs back.
func (c *calls) discard(p *prepared) {
	for _, h := range p.handles {
		c.do("OrtReleaseTensor", uint64(h))
	}
	if p.piece != 0 {
		c.do("free", uint64(p.piece))
	}
}

func find(list []name, text string) int {
	return slices.IndexFunc(list, func(n name) bool { return n.Name == text })
}

// answer runs it, and gives back what it took of the guest.
func (r *request) answer() ([]model.Tensor, error) {
	r.piece = r.alloc(r.size + align)
	r.base = aligned(uint64(r.piece))
	if b := r.view(uint32(r.base), r.size); b != nil {
		if err := r.fill(b); err != nil {
			r.do("free", uint64(r.piece))
			if r.err != nil {
				return nil, r.err
			}
			return nil, err
		}
	}
	r.create()
	return r.finish()
}

// finish runs the session, takes the outputs and gives back what is not kept.
func (r *request) finish() ([]model.Tensor, error) {
	r.check("OrtRun", uint64(r.s.Session), r.base+r.inNames, r.base, uint64(len(r.inputs)), r.base+r.outNames, uint64(len(r.outputs)),
		r.base+r.outValues, uint64(r.s.Options))
	out := r.collect()
	r.release()
	if r.err != nil {
		return nil, r.err
	}
	r.answers = make([]model.Tensor, len(out))
	for i := range out {
		r.answers[i] = model.Tensor{Type: out[i].Type, Shape: slices.Clone(out[i].Shape)}
	}
	return out, nil
}

// fill writes all but the inputs' handles.
func (r *request) fill(b []byte) error {
	clear(b[:r.told+16])
	for i, at := range r.feed.names {
		binary.LittleEndian.PutUint32(b[r.inNames+4*uint64(i):], at)
	}
	for i, o := range r.outputs {
		binary.LittleEndian.PutUint32(b[r.outNames+4*uint64(i):], o.At)
	}
	for i := range r.inputs {
		t := &r.inputs[i]
		if err := putDims(b[r.dims[i]:], t); err != nil {
			return err
		}
		if err := put(b[r.data[i]:r.data[i]+uint64(room(t))], uint32(r.base+r.data[i]), t); err != nil {
			return err
		}
	}
	return nil
}

// onCPU is where tensors are.
const onCPU = 1

// create makes the inputs' handles.
func (r *request) create() {
	for i := range r.inputs {
		t := &r.inputs[i]
		kind, size := elementNumber(t.Type), uint64(len(t.Data))
		if t.Type == model.Bytes {
			n, _ := model.Elements(t.Shape)
			size = 4 * uint64(n)
		}
		h := r.handle("OrtCreateTensor", uint64(kind), r.base+r.data[i], size, r.base+r.dims[i], uint64(len(t.Shape)), onCPU)
		if b := r.view(uint32(r.base)+4*uint32(i), 4); b != nil {
			binary.LittleEndian.PutUint32(b, h)
			r.handles = append(r.handles, h)
		}
	}
}

// collect copies the outputs.
func (r *request) collect() []model.Tensor {
	if r.err != nil {
		return nil
	}
	out := make([]model.Tensor, 0, len(r.outputs))
	left := r.guest.Memory().Size() // all outputs together are in it
	for i, o := range r.outputs {
		t := r.tensor(r.word(uint32(r.base+r.outValues)+4*uint32(i)), left)
		t.Name = o.Name
		left -= min(left, uint64(len(t.Data)))
		out = append(out, t)
	}
	return out
}

// tensor copies one output of at most so many bytes.
func (r *request) tensor(handle uint32, most uint64) (t model.Tensor) {
	p := r.base + r.told
	if !r.check("OrtGetTensorData", uint64(handle), p, p+4, p+8, p+12) {
		return t
	}
	kind, data, dims, rank := r.word(uint32(p)), r.word(uint32(p)+4), r.word(uint32(p)+8), r.word(uint32(p)+12)
	if int(kind) < len(elementTypes) {
		t.Type = elementTypes[kind]
	}
	if r.err == nil && (t.Type == "" || rank > model.MaxDims) {
		r.err = &model.ModelError{Type: "NOT_IMPLEMENTED", Message: "an output of a type or rank that tensors of the protocol do not have"}
		return t
	}
	t.Shape = make([]int64, 0, rank)
	for i := range rank {
		t.Shape = append(t.Shape, int64(int32(r.word(dims+4*i))))
	}
	r.do("OrtFree", uint64(dims))
	n, ok := model.Elements(t.Shape)
	if r.err == nil && (!ok || uint64(n) > most) {
		r.err = errGuest
	}
	if r.err != nil {
		return t
	}
	if t.Type == model.Bytes {
		t.Data = r.strings(data, uint64(n), most)
		r.do("free", uint64(data))
		return t
	}
	size := uint64(n) * uint64(t.Type.Size())
	if size > most {
		r.err = errGuest
		return t
	}
	if size > 0 {
		t.Data = bytes.Clone(r.view(data, size))
	}
	return t
}

// strings copies n strings. Their addresses come first; each ends where the next
// begins, and the last at a zero.
func (r *request) strings(at uint32, n, most uint64) []byte {
	var out []byte
	if n == 0 {
		return out
	}
	addresses := r.view(at, 4*n)
	if r.err != nil {
		return nil
	}
	for i := range n {
		from := binary.LittleEndian.Uint32(addresses[4*i:])
		length := uint64(0)
		if i+1 < n {
			next := binary.LittleEndian.Uint32(addresses[4*(i+1):])
			if next < from {
				r.err = errGuest
				return nil
			}
			length = uint64(next - from)
		} else {
			length = r.length(from)
		}
		word := r.view(from, length)
		if r.err != nil {
			return nil
		}
		if uint64(len(out))+4+length > 5*most { // a length is as long as the address it had
			r.err = errGuest
			return nil
		}
		out = append(binary.LittleEndian.AppendUint32(out, uint32(length)), word...)
	}
	return out
}

// length is how many bytes stand before a zero.
func (r *request) length(at uint32) uint64 {
	size := r.guest.Memory().Size()
	if uint64(at) >= size {
		r.err = errGuest
		return 0
	}
	n := bytes.IndexByte(r.view(at, size-uint64(at)), 0)
	if n < 0 {
		r.err = errGuest
		return 0
	}
	return uint64(n)
}

// release gives everything back, after an error of the model, too. After any other
// the guest is not asked again.
func (r *request) release() {
	failed := r.err
	if failed != nil && !refusal(failed) {
		return
	}
	r.err = nil
	for i := range r.outputs {
		if h := r.word(uint32(r.base+r.outValues) + 4*uint32(i)); h != 0 {
			r.do("OrtReleaseTensor", uint64(h))
		}
	}
	if r.size <= mostKept && len(r.handles) == len(r.inputs) && !slices.Contains(r.types, model.Bytes) {
		r.s.kept = r.feed
	} else {
		r.drop(r.feed)
	}
	if failed != nil {
		r.err = failed
	}
}
