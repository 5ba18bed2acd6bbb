package ort

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
)

// The build that this package knows.
const (
	Package  = "pkg:npm/onnxruntime-web@1.18.0"
	Checksum = "sha256:b4940dec2f4f63cd98d48597336809d45fdaa1c4ddc6d2e6e61183772a266e07" // of the package
	File     = "package/dist/ort-wasm-simd.wasm"
	Imports  = 36 // functions
)

// imports are the build's names for what its module "a" gives it. Without files
// the rest is never called, or does nothing.
var imports = map[string]string{
	"a": "__cxa_throw", "b": "emscripten_get_now", "d": "abort", "f": "fd_close", "h": "emscripten_date_now",
	"i": "fd_write", "j": "fd_read", "k": "_emscripten_get_now_is_monotonic", "q": "fd_seek",
	"s": "emscripten_resize_heap", "u": "emscripten_get_heap_max",
	"B": "emscripten_asm_const_int", "C": "environ_get", "D": "environ_sizes_get", "I": "emscripten_memcpy_js",
}

// exports are its names for the functions that are called here.
var exports = map[string]string{
	"__wasm_call_ctors": "L", "OrtInit": "M", "OrtGetLastError": "N", "OrtCreateSessionOptions": "O", "OrtCreateSession": "T",
	"OrtReleaseSession": "U", "OrtGetInputOutputCount": "V", "OrtGetInputName": "W", "OrtGetOutputName": "X",
	"OrtFree": "Y", "OrtCreateTensor": "Z", "OrtGetTensorData": "_", "OrtReleaseTensor": "$",
	"OrtCreateRunOptions": "aa", "OrtReleaseRunOptions": "ca", "OrtRun": "ja", "malloc": "la", "free": "ma",
}

// Levels of its own optimizer and log.
const (
	optimizeAll = 99
	logErrors   = 3
)

// A Runtime is one instance of ONNX Runtime.
type Runtime struct {
	instance *engine.Instance
	said     bytes.Buffer
}

// New makes an instance of the compiled module.
func New(ctx context.Context, e *engine.Engine, m *engine.Module) (*Runtime, error) {
	r := &Runtime{}
	h := &host{began: time.Now(), log: &r.said}
	var err error
	r.instance, err = e.Instantiate(ctx, m, engine.InstanceConfig{
		Imports: []engine.HostModule{h.module("a", imports)}, UnknownImports: engine.TrapCalls,
	})
	if err != nil {
		return nil, fmt.Errorf("start ONNX Runtime: %w", err)
	}
	c := r.calls(ctx)
	c.do("__wasm_call_ctors")
	if c.do("OrtInit", 1, logErrors) != 0 {
		c.fail()
	}
	if c.err != nil {
		r.Close(ctx)
		return nil, fmt.Errorf("start ONNX Runtime: %w", c.err)
	}
	return r, nil
}

// Close frees the instance.
func (r *Runtime) Close(ctx context.Context) error { return r.instance.Close(ctx) }

// Fuel is what the instance has spent.
func (r *Runtime) Fuel() uint64 { return r.instance.Fuel() }

// calls are calls in a row: after the first that fails the rest do nothing.
type calls struct {
	r   *Runtime
	ctx context.Context
	err error
}

func (r *Runtime) calls(ctx context.Context) *calls { return &calls{r: r, ctx: ctx} }

func (c *calls) do(name string, args ...uint64) uint32 {
	if c.err != nil {
		return 0
	}
	results, err := c.r.instance.Call(c.ctx, exports[name], args...)
	if err != nil {
		c.err = fmt.Errorf("%s: %w", name, err)
		if said := bytes.TrimSpace(c.r.said.Bytes()); len(said) > 0 {
			c.err = fmt.Errorf("%w\n%s", c.err, said)
		}
		return 0
	}
	if len(results) == 0 {
		return 0
	}
	return uint32(results[0])
}

// handle is a call that gives something, or zero and an error to be asked for.
func (c *calls) handle(name string, args ...uint64) uint32 {
	h := c.do(name, args...)
	if h == 0 {
		c.fail()
	}
	return h
}

// fail asks for the last error.
func (c *calls) fail() {
	if c.err != nil {
		return
	}
	p := c.alloc(8)
	c.do("OrtGetLastError", uint64(p), uint64(p+4))
	code, text := c.word(p), c.text(c.word(p+4))
	c.do("free", uint64(p))
	if c.err == nil {
		c.err = fmt.Errorf("ONNX Runtime: %s (code %d)", text, int32(code))
	}
}

var errOutside = errors.New("an address outside of the memory")

func (c *calls) alloc(n int) uint32 {
	p := c.do("malloc", uint64(n))
	if p == 0 && c.err == nil {
		c.err = fmt.Errorf("no memory for %d bytes", n)
	}
	return p
}

// store copies bytes into memory of the guest's.
func (c *calls) store(data []byte) uint32 {
	p := c.alloc(len(data) + 1)
	if c.err == nil && !c.r.instance.Memory().Write(p, data) {
		c.err = errOutside
	}
	return p
}

func (c *calls) storeWords(list []uint32) uint32 {
	data := make([]byte, 0, 4*len(list))
	for _, w := range list {
		data = binary.LittleEndian.AppendUint32(data, w)
	}
	return c.store(data)
}

func (c *calls) word(p uint32) uint32 {
	w, ok := c.r.instance.Memory().ReadUint32Le(p)
	if !ok && c.err == nil {
		c.err = errOutside
	}
	return w
}

// maxText bounds a name or message of the guest's.
const maxText = 4096

func (c *calls) text(p uint32) string {
	var text []byte
	for i := range uint32(maxText) {
		b, ok := c.r.instance.Memory().ReadUint8(p + i)
		if !ok || b == 0 {
			break
		}
		text = append(text, b)
	}
	return string(text)
}

func bits(f float64) uint64 { return math.Float64bits(f) }
