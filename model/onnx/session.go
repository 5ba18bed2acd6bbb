package onnx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
)

// Levels of ONNX Runtime's optimizer and log.
const (
	optimizeBasic = 1
	optimizeAll   = 99
	logErrors     = 3
)

// Bounds of what a session may have.
const (
	maxNames = 4096 // inputs, and outputs
	maxModel = 2 << 30
)

// A Session is a model that is loaded in a guest. It is for one goroutine at a time.
type Session struct {
	guest Guest
	build *build
	loaded
	// steady takes the outputs of a request to have the shapes of those before, when its
	// inputs have. ONNX Runtime throws when they have not, which ends the guest: it is for
	// who can make it anew.
	steady bool
}

// loaded is where a guest keeps what belongs to a session. It is what a snapshot has to
// know of the memory, as JSON.
type loaded struct {
	Session uint32 `json:"session,omitempty"` // 0: none
	Options uint32 `json:"options,omitempty"` // of its runs
	Inputs  []name `json:"inputs,omitempty"`
	Outputs []name `json:"outputs,omitempty"`
	// Model names what was loaded.
	Model string `json:"model,omitempty"`

	kept *feed // of the last request
}

// name is the name of an input or output, and where it lies.
type name struct {
	Name string `json:"name"`
	At   uint32 `json:"at"`
}

// Load has an instance of ONNX Runtime's module, which has just been made with what
// Hosts gives, begin and load a model.
func Load(ctx context.Context, g Guest, model Source) (*Session, error) {
	s := &Session{guest: g, build: web1180()}
	c := s.calls(ctx)
	c.start()
	s.loaded = c.load(model)
	return s, c.err
}

// calls begins a row of calls.
func (s *Session) calls(ctx context.Context) *calls {
	return &calls{ctx: ctx, guest: s.guest, build: s.build, steady: s.steady}
}

// Run answers a request: the outputs that are wanted, none meaning all, in their order.
// The errors are an *model.InputError, a *model.ModelError, and those of the guest's
// Call, which are its end.
func (s *Session) Run(ctx context.Context, inputs []model.Tensor, wanted []string) ([]model.Tensor, error) {
	for i := range inputs {
		if err := inputs[i].Check(); err != nil {
			return nil, err
		}
	}
	return s.calls(ctx).run(&s.loaded, inputs, wanted)
}

// Source is the file of a model.
type Source interface {
	io.ReaderAt
	Size() int64
}

// start has ONNX Runtime begin.
func (c *calls) start() {
	c.do("__wasm_call_ctors")
	c.check("OrtInit", 1, logErrors)
}

// smallest is a model that gives back what it gets: version 8 of the format, and 13 of
// the operators.
const smallest = "\x08\x08" +
	"\x3a\x2b" + "\x0a\x10\x0a\x01x\x12\x01y\x22\x08Identity" + "\x12\x01g" +
	"\x5a\x09\x0a\x01x\x12\x04\x0a\x02\x08\x01" + "\x62\x09\x0a\x01y\x12\x04\x0a\x02\x08\x01" +
	"\x42\x04\x0a\x00\x10\x0d"

// rouse loads a model and forgets it: with the first of all, ONNX Runtime makes a list of
// the kernels that it has.
func (c *calls) rouse() {
	s := c.load(strings.NewReader(smallest))
	c.do("OrtReleaseRunOptions", uint64(s.Options))
	c.do("OrtReleaseSession", uint64(s.Session))
	for _, n := range slices.Concat(s.Inputs, s.Outputs) {
		c.do("OrtFree", uint64(n.At))
	}
}

// load makes a session of a model.
func (c *calls) load(model Source) (s loaded) {
	size := model.Size()
	if size > maxModel {
		c.err = fmt.Errorf("a model of %d bytes, and %d are the most that fit the sandbox: keep its weights in files of their own (external data)", size, maxModel)
		return s
	}
	data := c.alloc(uint64(size))
	if b := c.view(data, uint64(size)); b != nil {
		if err := readFull(model, b, 0); err != nil {
			c.err = fmt.Errorf("read the model: %w", err)
		}
	}
	s.Session = c.session(data, size, optimizeAll)
	if overOptimized(c.err) {
		c.err = nil
		s.Session = c.session(data, size, optimizeBasic)
	}
	// What a snapshot keeps, it keeps as zeros.
	clear(c.view(data, uint64(size)))
	c.do("free", uint64(data))
	c.describe(&s)
	s.Options = c.handle("OrtCreateRunOptions", logErrors, 0, 0, 0)
	return s
}

// session makes a session of a file in the guest's memory.
func (c *calls) session(data uint32, size int64, optimize uint64) uint32 {
	id := c.cstring("wherry")
	options := c.handle("OrtCreateSessionOptions", optimize, 1, 1, 0, 0, 0, uint64(id), logErrors, 0, 0)
	made := c.handle("OrtCreateSession", uint64(data), uint64(size), uint64(options))
	failed := c.err
	if refusal(failed) {
		c.err = nil // what was taken is given back
	}
	c.do("OrtReleaseSessionOptions", uint64(options))
	c.do("free", uint64(id))
	if failed != nil {
		c.err = failed
	}
	return made
}

// overOptimized tells whether the optimizer made an operator of its own that has no
// implementation for the model's types, as its FusedMatMul of float64.
func overOptimized(err error) bool {
	var m *model.ModelError
	return errors.As(err, &m) && m.Type == "NOT_IMPLEMENTED" && strings.HasPrefix(m.Message, "Failed to find kernel for com.microsoft.")
}

// The pieces in which free memory is looked for, in bytes.
const (
	mostWiped  = 1 << 30
	leastWiped = 4 << 10
	maxWiped   = 4096 // pieces
)

// wipe fills what is free of the guest's memory with zeros, while it cannot grow: what
// loading has left there, twice as much as the weights, is not kept, nor written into
// an image.
func (c *calls) wipe() {
	var held []uint32
	for size := uint64(mostWiped); size >= leastWiped && len(held) < maxWiped; {
		p := c.do("malloc", size)
		if p == 0 {
			size /= 2
			continue
		}
		clear(c.view(p, size))
		if held = append(held, p); c.err != nil {
			return
		}
	}
	for _, p := range held {
		c.do("free", uint64(p))
	}
}

// describe asks a session for its inputs and outputs.
func (c *calls) describe(s *loaded) {
	p := c.alloc(8)
	c.check("OrtGetInputOutputCount", uint64(s.Session), uint64(p), uint64(p)+4)
	inputs, outputs := c.word(p), c.word(p+4)
	c.do("free", uint64(p))
	if c.err == nil && (inputs > maxNames || outputs > maxNames) {
		c.err = fmt.Errorf("a model with %d inputs and %d outputs, more than %d", inputs, outputs, maxNames)
	}
	s.Inputs, s.Outputs = c.names("OrtGetInputName", s.Session, inputs), c.names("OrtGetOutputName", s.Session, outputs)
}

func (c *calls) names(ask string, handle, n uint32) []name {
	if c.err != nil {
		return nil
	}
	list := make([]name, 0, n)
	for i := range n {
		at := c.handle(ask, uint64(handle), uint64(i))
		list = append(list, name{c.text(at), at})
	}
	return list
}

// cstring copies a string to the guest, with a zero behind it.
func (c *calls) cstring(s string) uint32 {
	p := c.alloc(uint64(len(s)) + 1)
	if b := c.view(p, uint64(len(s))+1); b != nil {
		b[copy(b, s)] = 0
	}
	return p
}

// decode reads a state; its numbers may be anything.
func decode(state []byte) (s loaded, err error) {
	if err := json.Unmarshal(state, &s); err != nil {
		return s, fmt.Errorf("what the snapshot says of its session: %w", err)
	}
	if len(s.Inputs) > maxNames || len(s.Outputs) > maxNames {
		return s, errors.New("what the snapshot says of its session is too much")
	}
	return s, nil
}
