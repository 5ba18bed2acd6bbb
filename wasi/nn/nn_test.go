package nn

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
)

// fakeMemory is a guest's memory without a guest.
type fakeMemory []byte

func (m fakeMemory) Read(off, n uint32) ([]byte, bool) {
	if uint64(off)+uint64(n) > uint64(len(m)) {
		return nil, false
	}
	return m[off : uint64(off)+uint64(n) : uint64(off)+uint64(n)], true
}

// echo is a backend whose graphs give back what they get.
type echo struct {
	inputs []Input
	err    error
	open   int
	loaded []string
}

func (e *echo) Load(_ context.Context, file []byte) (Graph, error) {
	return e.make("bytes " + string(file))
}

func (e *echo) Named(_ context.Context, name string) (Graph, error) {
	if name == "none" {
		return nil, fmt.Errorf("look for it: %w", ErrNotFound)
	}
	return e.make("name " + name)
}

func (e *echo) make(what string) (Graph, error) {
	if e.err != nil {
		return nil, e.err
	}
	e.open++
	e.loaded = append(e.loaded, what)
	return &echoGraph{e}, nil
}

type echoGraph struct{ e *echo }

func (g *echoGraph) Inputs() []Input { return g.e.inputs }

func (g *echoGraph) Run(_ context.Context, inputs []Tensor) ([]Tensor, error) {
	if g.e.err != nil {
		return nil, g.e.err
	}
	out := make([]Tensor, len(inputs))
	for i, t := range inputs {
		out[i] = Tensor{t.Type, t.Shape, bytes.Clone(t.Data)}
	}
	return out, nil
}

func (g *echoGraph) Close(context.Context) error { g.e.open--; return nil }

// purse is a quota.
type purse struct{ left, held uint64 }

func (p *purse) Grow(n uint64) bool {
	if n > p.left {
		return false
	}
	p.left, p.held = p.left-n, p.held+n
	return true
}

func (p *purse) Release(n uint64) { p.left, p.held = p.left+n, p.held-n }

// guest calls a host's functions with a memory of its own.
type guest struct {
	*testing.T
	host  *Host
	mem   fakeMemory
	funcs map[string]function
	at    uint32
}

func newGuest(t *testing.T, b Backend, q Quota) *guest {
	g := &guest{T: t, host: New(b, q), mem: make(fakeMemory, 1<<16), funcs: map[string]function{}, at: 64}
	for _, f := range g.host.functions() {
		g.funcs[f.name] = f
	}
	t.Cleanup(func() {
		if err := g.host.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return g
}

// put places bytes in the memory.
func (g *guest) put(b []byte) uint32 {
	at := g.at
	copy(g.mem[at:], b)
	g.at += uint32(len(b)+15) &^ 15
	return at
}

func words(list ...uint32) (b []byte) {
	for _, w := range list {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

func (g *guest) call(name string, want Errno, args ...uint32) {
	g.Helper()
	f, ok := g.funcs[name]
	if !ok || f.params != len(args) {
		g.Fatalf("%s of %d parameters is called with %d", name, f.params, len(args))
	}
	if got := f.call(g.Context(), g.mem, args); got != want {
		g.Errorf("%s%v: %d, want %d", name, args, got, want)
	}
}

func (g *guest) word(at uint32) uint32 { return binary.LittleEndian.Uint32(g.mem[at:]) }

// tensor places a tensor.
func (g *guest) tensor(kind uint8, data []byte, dims ...uint32) uint32 {
	shape, elements := g.put(words(dims...)), g.put(data)
	return g.put(words(shape, uint32(len(dims)), uint32(kind)|0xabcd00, elements, uint32(len(data))))
}

// load loads a graph and makes a context.
func (g *guest) load() (graph, context uint32) {
	g.Helper()
	file := []byte("model")
	builder := g.put(words(g.put(file), uint32(len(file))))
	out := g.put(words(0xffff, 0xffff))
	g.call("load", Success, builder, 1, encodingONNX, targetCPU, out)
	g.call("init_execution_context", Success, g.word(out), out+4)
	return g.word(out), g.word(out + 4)
}

func TestRow(t *testing.T) {
	b := &echo{inputs: []Input{{FP32}, {Int64}}}
	q := &purse{left: 1 << 20}
	g := newGuest(t, b, q)
	graph, c := g.load()
	one, two := words(1, 2, 3, 4, 5, 6), words(7, 0)
	out, length := g.put(make([]byte, 64)), g.put(words(0xffff))
	g.call("get_output", RuntimeError, c, 0, out, 64, length)
	g.call("set_input", Success, c, 0, g.tensor(1, one, 2, 3))
	g.call("set_input", Success, c, 1, g.tensor(5, two))
	for range 2 { // once more with the same inputs
		g.call("compute", Success, c)
		g.call("get_output", Success, c, 0, out, 24, length)
		if g.word(length) != 24 || !bytes.Equal(g.mem[out:out+24], one) {
			t.Errorf("%d bytes: %v", g.word(length), g.mem[out:out+24])
		}
	}
	clear(g.mem[out : out+64])
	g.call("get_output", TooLarge, c, 0, out, 23, length)
	if g.word(length) != 24 || g.mem[out] != 0 {
		t.Errorf("a buffer that is too small: %d, %v", g.word(length), g.mem[out])
	}
	g.call("get_output", InvalidArgument, c, 2, out, 64, length)
	g.call("compute_single", Success, c)
	g.call("get_output_single", Success, c, 1, out, 64, length)
	g.call("compute_single", EndOfSequence, c)
	g.call("fini_single", Success, c)
	g.call("get_output_single", RuntimeError, c, 1, out, 64, length)
	g.call("compute_single", Success, c)
	g.call("finalize_execution_context", Success, c)
	g.call("compute", InvalidArgument, c)
	g.call("unload", Success, graph)
	g.call("unload", InvalidArgument, graph)
	g.call("init_execution_context", InvalidArgument, graph, out)
	if q.held != 0 || b.open != 0 {
		t.Errorf("%d bytes and %d graphs are held for nothing", q.held, b.open)
	}
}

func TestUnloadEndsContexts(t *testing.T) {
	b := &echo{inputs: []Input{{FP32}}}
	q := &purse{left: 1 << 20}
	g := newGuest(t, b, q)
	graph, c := g.load()
	g.call("set_input", Success, c, 0, g.tensor(1, words(1), 1))
	g.call("compute", Success, c)
	g.call("unload", Success, graph)
	for _, name := range []string{"compute", "compute_single", "fini_single", "finalize_execution_context"} {
		g.call(name, InvalidArgument, c)
	}
	if q.held != 0 {
		t.Errorf("%d bytes are held", q.held)
	}
	if again, _ := g.load(); again == graph {
		t.Error("the number of a graph is given twice")
	}
}

func TestLoad(t *testing.T) {
	b := &echo{inputs: []Input{{FP32}}}
	g := newGuest(t, b, nil)
	file := g.put([]byte("model"))
	builder, outside, empty := g.put(words(file, 5)), g.put(words(file, 1<<16)), g.put(words(file, 0))
	name, config, out := g.put([]byte("a/b.onnx\x00\xff")), g.put([]byte("{}")), g.put(words(99))
	for _, c := range []struct {
		name string
		want Errno
		args []uint32
	}{
		{"load", Success, []uint32{builder, 1, encodingONNX, targetCPU, out}},
		{"load", Success, []uint32{builder, 1, encodingAutodetect, targetAuto, out}},
		{"load", InvalidEncoding, []uint32{builder, 1, 0, targetCPU, out}},
		{"load", InvalidEncoding, []uint32{builder, 1, 6, targetCPU, out}},
		{"load", UnsupportedOperation, []uint32{builder, 1, encodingONNX, 1, out}},
		{"load", InvalidArgument, []uint32{builder, 2, encodingONNX, targetCPU, out}},
		{"load", InvalidArgument, []uint32{builder, 0, encodingONNX, targetCPU, out}},
		{"load", InvalidArgument, []uint32{outside, 1, encodingONNX, targetCPU, out}},
		{"load", InvalidArgument, []uint32{empty, 1, encodingONNX, targetCPU, out}},
		{"load", InvalidArgument, []uint32{1<<16 - 4, 1, encodingONNX, targetCPU, out}},
		{"load", InvalidArgument, []uint32{builder, 1, encodingONNX, targetCPU, 1<<16 - 3}},
		{"load_by_name", Success, []uint32{name, 8, out}},
		{"load_by_name", InvalidArgument, []uint32{name, 9, out}},
		{"load_by_name", InvalidArgument, []uint32{name + 9, 1, out}},
		{"load_by_name", InvalidArgument, []uint32{name, 0, out}},
		{"load_by_name", InvalidArgument, []uint32{name, 1 << 31, out}},
		{"load_by_name", NotFound, []uint32{g.put([]byte("none")), 4, out}},
		{"load_by_name_with_config", Success, []uint32{name, 8, config, 2, out}},
		{"load_by_name_with_config", InvalidArgument, []uint32{name, 8, 1<<16 - 1, 2, out}},
		{"load_by_name_with_config", TooLarge, []uint32{name, 8, config, 1 << 30, out}},
	} {
		g.call(c.name, c.want, c.args...)
	}
	if want := "[bytes model bytes model name a/b.onnx name a/b.onnx]"; fmt.Sprint(b.loaded) != want {
		t.Errorf("loaded %v", b.loaded)
	}
	for err, want := range map[error]Errno{
		ErrInvalid: InvalidArgument, ErrUnsupported: UnsupportedOperation, ErrMemory: MissingMemory, errors.New("else"): RuntimeError,
	} {
		b.err = fmt.Errorf("load: %w", err)
		g.call("load", want, builder, 1, encodingONNX, targetCPU, out)
	}
	g = newGuest(t, nil, nil)
	g.call("load", UnsupportedOperation, g.put(words(g.put([]byte("model")), 5)), 1, encodingONNX, targetCPU, g.put(words(0)))
}

// TestTypes has numbers of both orders.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		number   uint8
		elements uint64
		length   uint64
		wanted   Type
		want     Type
	}{
		{0, 3, 6, FP16, FP16}, {0, 3, 6, "BF16", "BF16"}, {1, 3, 12, FP32, FP32},
		{2, 3, 24, FP64, FP64}, {2, 3, 3, Uint8, Uint8}, {2, 3, 3, "BOOL", "BOOL"}, {2, 0, 0, Uint8, Uint8}, {2, 0, 0, FP64, FP64},
		{3, 3, 3, Uint8, Uint8}, {3, 3, 12, Int32, Int32}, {3, 3, 12, "UINT32", "UINT32"}, {3, 0, 0, Int32, Int32},
		{4, 3, 12, Int32, Int32}, {5, 3, 24, Int64, Int64}, {5, 3, 24, "UINT64", "UINT64"},
		{1, 3, 12, Int32, FP32}, // the model will say what it thinks of that
		{4, 3, 24, Int64, ""}, {1, 3, 11, FP32, ""}, {6, 3, 12, FP32, ""}, {255, 0, 0, FP32, ""}, {2, 3, 12, FP32, ""},
	} {
		got, ok := typeOf(c.number, c.elements, c.length, c.wanted)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%d of %d elements in %d bytes for %s: %q", c.number, c.elements, c.length, c.wanted, got)
		}
	}
}

func TestSetInput(t *testing.T) {
	g := newGuest(t, &echo{inputs: []Input{{FP32}, {"BYTES"}}}, nil)
	_, c := g.load()
	data := words(1, 2)
	many := make([]uint32, maxDims+1)
	for i := range many {
		many[i] = 1
	}
	huge := g.put(words(g.put(words(1<<31, 1<<31, 1<<31, 1<<31)), 4, 1, 0, 0))
	around := g.put(words(g.put(words(1<<31, 1<<9, 1<<24)), 3, 1, 0, 0)) // 2 to the 64th
	for _, s := range []struct {
		want   Errno
		index  uint32
		tensor uint32
	}{
		{Success, 0, g.tensor(1, data, 2)}, {Success, 0, g.tensor(1, nil, 0, 5)}, {Success, 0, g.tensor(1, words(1))},
		{InvalidArgument, 0, g.tensor(1, data, 3)}, {InvalidArgument, 0, g.tensor(9, data, 2)},
		{InvalidArgument, 2, g.tensor(1, data, 2)}, {UnsupportedOperation, 1, g.tensor(3, data, 8)},
		{InvalidArgument, 0, g.tensor(1, words(1), many...)}, {InvalidArgument, 0, huge}, {InvalidArgument, 0, around},
		{InvalidArgument, 0, 1<<16 - 19}, {InvalidArgument, 0, 1<<32 - 1},
		{InvalidArgument, 0, g.put(words(1<<32-4, 2, 1, 0, 8))}, {InvalidArgument, 0, g.put(words(0, 1<<30, 1, 0, 8))},
		{InvalidArgument, 0, g.put(words(g.put(words(2)), 1, 1, 1<<32-4, 8))},
	} {
		g.call("set_input", s.want, c, s.index, s.tensor)
	}
	g.call("set_input", InvalidArgument, c+1, 0, g.tensor(1, data, 2))
}

// TestBounds has a program hold as much as it can.
func TestBounds(t *testing.T) {
	b := &echo{inputs: []Input{{FP32}}}
	q := &purse{left: 100 << 10}
	g := newGuest(t, b, q)
	builder, out := g.put(words(g.put([]byte("model")), 5)), g.put(words(0, 0))
	for range maxGraphs {
		g.call("load", Success, builder, 1, encodingONNX, targetCPU, out)
	}
	g.call("load", Busy, builder, 1, encodingONNX, targetCPU, out)
	g.call("unload", Success, 0)
	g.call("load", Success, builder, 1, encodingONNX, targetCPU, out)
	made := 0
	for ; g.funcs["init_execution_context"].call(t.Context(), g.mem, []uint32{3, out}) == Success; made++ {
		if made > 1000 {
			t.Fatal("contexts without end")
		}
	}
	g.call("init_execution_context", MissingMemory, 3, out)
	for c := range uint32(made / 2) {
		g.call("finalize_execution_context", Success, c)
	}
	big := g.tensor(1, make([]byte, 30<<10), 30<<8)
	g.call("set_input", Success, uint32(made-1), 0, big)
	g.call("set_input", MissingMemory, uint32(made-2), 0, big)
	g.call("compute", MissingMemory, uint32(made-1)) // its output has no room
	if err := g.host.Close(t.Context()); err != nil || q.held != 0 || b.open != 0 {
		t.Errorf("after the end %d bytes and %d graphs are held: %v", q.held, b.open, err)
	}
}

// FuzzCalls has a guest say anything, in any order.
func FuzzCalls(f *testing.F) {
	f.Add([]byte{0, 64, 0, 1, 0, 1, 0, 0, 0, 128, 0, 2, 0, 0, 128, 0}, []byte("model"))
	f.Add(bytes.Repeat([]byte{3, 0, 0, 0, 0, 64, 0}, 5), words(80, 1, 1, 96, 4))
	f.Fuzz(func(t *testing.T, program, memory []byte) {
		q := &purse{left: 1 << 20}
		b := &echo{inputs: []Input{{FP32}, {Uint8}}}
		h := New(b, q)
		mem := make(fakeMemory, 4096)
		copy(mem[64:], memory)
		funcs := h.functions()
		for steps := 0; len(program) > 0 && steps < 200; steps++ {
			f := funcs[int(program[0])%len(funcs)]
			program = program[1:]
			args := make([]uint32, f.params)
			for i := range args {
				if len(program) >= 2 {
					args[i] = uint32(int32(int16(binary.LittleEndian.Uint16(program))))
					program = program[2:]
				}
			}
			f.call(t.Context(), mem, args)
		}
		if err := h.Close(t.Context()); err != nil || b.open != 0 || q.held != 0 || q.left != 1<<20 {
			t.Errorf("%d graphs, %d bytes: %v", b.open, q.held, err)
		}
	})
}
