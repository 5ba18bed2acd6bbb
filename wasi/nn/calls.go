package nn

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// errno is what a program is told of an error.
func (h *Host) errno(err error) Errno {
	var end *EndError
	switch {
	case errors.As(err, &end):
		h.end = end.Err
	case err == nil:
		return Success
	case errors.Is(err, ErrNotFound):
		return NotFound
	case errors.Is(err, ErrInvalid):
		return InvalidArgument
	case errors.Is(err, ErrUnsupported):
		return UnsupportedOperation
	case errors.Is(err, ErrMemory):
		return MissingMemory
	}
	return RuntimeError
}

// word reads a word of the guest's.
func word(m memory, at uint32) (uint32, bool) {
	b, ok := m.Read(at, 4)
	if !ok {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b), true
}

// put writes one.
func put(m memory, at, v uint32) bool {
	b, ok := m.Read(at, 4)
	if ok {
		binary.LittleEndian.PutUint32(b, v)
	}
	return ok
}

// load(builders, count, encoding, target, out graph). An ONNX model is one builder.
func (h *Host) load(ctx context.Context, m memory, args []uint32) Errno {
	builders, count, encoding, target, out := args[0], args[1], args[2], args[3], args[4]
	switch {
	case encoding != encodingONNX && encoding != encodingAutodetect:
		return InvalidEncoding
	case target != targetCPU && target != targetAuto:
		return UnsupportedOperation
	case count != 1:
		return InvalidArgument
	}
	pair, ok := m.Read(builders, 8)
	if !ok {
		return InvalidArgument
	}
	file, ok := m.Read(binary.LittleEndian.Uint32(pair), binary.LittleEndian.Uint32(pair[4:]))
	if !ok || len(file) == 0 {
		return InvalidArgument
	}
	return h.add(ctx, m, out, uint64(len(file)), func() (Graph, error) { return h.backend.Load(ctx, bytes.Clone(file)) })
}

// load_by_name(name, length, out graph)
func (h *Host) loadByName(ctx context.Context, m memory, args []uint32) Errno {
	name, ok := m.Read(args[0], min(args[1], maxName+1))
	if !ok || len(name) == 0 || len(name) > maxName || !utf8.Valid(name) || bytes.IndexByte(name, 0) >= 0 {
		return InvalidArgument
	}
	text := string(name)
	return h.add(ctx, m, args[2], 0, func() (Graph, error) { return h.backend.Named(ctx, text) })
}

// load_by_name_with_config(name, length, config, length, out graph). There is nothing
// that a config could set of an ONNX model.
func (h *Host) loadByNameWithConfig(ctx context.Context, m memory, args []uint32) Errno {
	if args[3] > maxConfig {
		return TooLarge
	}
	if _, ok := m.Read(args[2], args[3]); !ok {
		return InvalidArgument
	}
	return h.loadByName(ctx, m, []uint32{args[0], args[1], args[4]})
}

// add makes a graph and tells the program its number. While it is made, as many bytes
// are held for the program.
func (h *Host) add(_ context.Context, m memory, out uint32, size uint64, load func() (Graph, error)) Errno {
	if _, ok := word(m, out); !ok {
		return InvalidArgument
	}
	switch {
	case h.backend == nil:
		return UnsupportedOperation
	case h.graphs.full():
		return Busy
	case !h.take(size):
		return MissingMemory
	}
	defer h.give(size)
	g, err := load()
	if err != nil {
		return h.errno(err)
	}
	put(m, out, h.graphs.add(&graph{g, g.Inputs()}))
	return Success
}

// init_execution_context(graph, out context)
func (h *Host) initExecutionContext(_ context.Context, m memory, args []uint32) Errno {
	g, ok := h.graphs.all[args[0]]
	if _, writable := word(m, args[1]); !ok || !writable {
		return InvalidArgument
	}
	if h.contexts.full() {
		return Busy
	}
	if !h.take(contextCost + uint64(len(g.inputs))*contextCost) {
		return MissingMemory
	}
	put(m, args[1], h.contexts.add(&execution{graph: args[0], inputs: make([]Tensor, len(g.inputs))}))
	return Success
}

// execution finds a context, and the graph that it is of.
func (h *Host) execution(number uint32) (*execution, *graph) {
	e := h.contexts.all[number]
	if e == nil {
		return nil, nil
	}
	return e, h.graphs.all[e.graph]
}

// sizeOfTensor is the length of a tensor's record: dims and their count, the type,
// data and its length.
const sizeOfTensor = 20

// set_input(context, index, tensor)
func (h *Host) setInput(_ context.Context, m memory, args []uint32) Errno {
	e, g := h.execution(args[0])
	record, ok := m.Read(args[2], sizeOfTensor)
	if g == nil || !ok || uint64(args[1]) >= uint64(len(g.inputs)) {
		return InvalidArgument
	}
	field := func(n int) uint32 { return binary.LittleEndian.Uint32(record[n:]) }
	if field(4) > maxDims {
		return InvalidArgument
	}
	dims, ok := m.Read(field(0), field(4)*4)
	data, readable := m.Read(field(12), field(16))
	if !ok || !readable {
		return InvalidArgument
	}
	wanted := g.inputs[args[1]].Type
	if wanted.carrier() == "" {
		return UnsupportedOperation // text, which wasi-nn has no tensors of
	}
	shape, elements, ok := shapeOf(dims)
	if !ok {
		return InvalidArgument
	}
	kind, ok := typeOf(record[8], elements, uint64(len(data)), wanted)
	if !ok {
		return InvalidArgument
	}
	input := &e.inputs[args[1]]
	h.give(uint64(len(input.Data)))
	*input = Tensor{}
	if !h.take(uint64(len(data))) {
		return MissingMemory
	}
	*input = Tensor{Type: kind, Shape: shape, Data: bytes.Clone(data)}
	if input.Data == nil {
		input.Data = []byte{}
	}
	return Success
}

// shapeOf reads the lengths of a tensor's dimensions, and multiplies them.
func shapeOf(dims []byte) (shape []int64, elements uint64, ok bool) {
	shape, elements = make([]int64, len(dims)/4), 1
	empty := false
	for i := range shape {
		d := binary.LittleEndian.Uint32(dims[4*i:])
		shape[i] = int64(d)
		if d == 0 {
			empty = true
			continue
		}
		const most = 1 << 32 // more than any memory, and less than overflows below
		if elements *= uint64(d); elements > most {
			return nil, 0, false
		}
	}
	if empty {
		elements = 0
	}
	return shape, elements, true
}

// compute(context)
func (h *Host) compute(ctx context.Context, _ memory, args []uint32) Errno {
	e, g := h.execution(args[0])
	if g == nil {
		return InvalidArgument
	}
	h.forget(e)
	outputs, err := g.Run(ctx, e.inputs)
	if err != nil {
		return h.errno(err)
	}
	if !h.take(sum(outputs)) {
		return MissingMemory
	}
	e.outputs, e.computed = outputs, true
	return Success
}

// forget drops the outputs of a context.
func (h *Host) forget(e *execution) {
	h.give(sum(e.outputs))
	e.outputs, e.computed = nil, false
}

// sum is how many bytes tensors have.
func sum(list []Tensor) (n uint64) {
	for i := range list {
		n += uint64(len(list[i].Data))
	}
	return n
}

// get_output(context, index, buffer, room, out length). A buffer that is too small
// gets nothing, and the program is told how much there is.
func (h *Host) getOutput(_ context.Context, m memory, args []uint32) Errno {
	e, g := h.execution(args[0])
	if _, ok := word(m, args[4]); g == nil || !ok {
		return InvalidArgument
	}
	switch {
	case !e.computed:
		return RuntimeError
	case uint64(args[1]) >= uint64(len(e.outputs)):
		return InvalidArgument
	}
	output := &e.outputs[args[1]]
	if output.Type.carrier() == "" {
		return UnsupportedOperation
	}
	n := uint32(len(output.Data)) // as much as a sandbox has, at most
	buffer, ok := m.Read(args[2], min(n, args[3]))
	if !ok {
		return InvalidArgument
	}
	put(m, args[4], n)
	if n > args[3] {
		return TooLarge
	}
	copy(buffer, output.Data)
	return Success
}

// compute_single(context) computes for the next of a row of outputs. A graph of ONNX
// has no row: there is one.
func (h *Host) computeSingle(ctx context.Context, m memory, args []uint32) Errno {
	e, g := h.execution(args[0])
	if g == nil {
		return InvalidArgument
	}
	if e.ended {
		return EndOfSequence
	}
	code := h.compute(ctx, m, args)
	e.ended = code == Success
	return code
}

// fini_single(context) ends a row, and lets another begin.
func (h *Host) finiSingle(_ context.Context, _ memory, args []uint32) Errno {
	e, g := h.execution(args[0])
	if g == nil {
		return InvalidArgument
	}
	h.forget(e)
	e.ended = false
	return Success
}

// unload(graph) frees a graph. Its contexts are of no use then.
func (h *Host) unload(ctx context.Context, _ memory, args []uint32) Errno {
	g, ok := h.graphs.all[args[0]]
	if !ok {
		return InvalidArgument
	}
	delete(h.graphs.all, args[0])
	for n, e := range h.contexts.all {
		if e.graph == args[0] {
			h.drop(n, e, g)
		}
	}
	return h.errno(g.Close(context.WithoutCancel(ctx)))
}

// finalize_execution_context(context) frees a context.
func (h *Host) finalizeExecutionContext(_ context.Context, _ memory, args []uint32) Errno {
	e, g := h.execution(args[0])
	if g == nil {
		return InvalidArgument
	}
	h.drop(args[0], e, g)
	return Success
}

func (h *Host) drop(number uint32, e *execution, g *graph) {
	h.forget(e)
	h.give(sum(e.inputs) + contextCost + uint64(len(g.inputs))*contextCost)
	delete(h.contexts.all, number)
}
