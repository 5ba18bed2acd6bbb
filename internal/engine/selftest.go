package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// self is what the engine found out about itself.
type self struct {
	version  string
	compiler bool
	inexact  bool
}

// examine runs the self-test. A failure to run it counts as the worst result.
func examine(ctx context.Context, interpreter bool) self {
	s := self{version: wazeroVersion()}
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(interpreter))
	defer r.Close(ctx)
	mod, err := r.InstantiateWithConfig(ctx, selfTestModule(), wazero.NewModuleConfig().WithName("").WithStartFunctions())
	if err != nil {
		s.inexact = true
		return s
	}
	// wazero chooses the interpreter by itself where it has no compiler or may not make memory executable, and says so
	// nowhere but in the type of its functions.
	s.compiler = !strings.Contains(fmt.Sprintf("%T", mod.ExportedFunction("select")), "interpreter")
	for name, want := range selfTestResults {
		if got, err := mod.ExportedFunction(name).Call(ctx); err != nil || len(got) != 1 || got[0] != want {
			s.inexact = true
		}
	}
	return s
}

// runtimeConfig is the configuration of every wazero runtime of ours. Debug information is off but for traceable
// modules: reading it back from the compile cache takes ten times as long as all the rest.
func runtimeConfig(interpreter bool) wazero.RuntimeConfig {
	c := wazero.NewRuntimeConfig()
	if interpreter {
		c = wazero.NewRuntimeConfigInterpreter()
	}
	return c.WithCoreFeatures(coreFeatures()).WithDebugInfoEnabled(false).WithCloseOnContextDone(false)
}

// selfTestResults are the right results of the functions of selfTestModule.
var selfTestResults = map[string]uint64{
	"select":   0,                        // wazero 1.12.0 on amd64 gives 5
	"copysign": uint64(api.EncodeF32(5)), // gives -5
	"replace":  uint64(api.EncodeF64(7)), // gives 0
}

// selfTestModule has one function for each family of instructions that wazero's amd64 compiler is known to get wrong.
// All have the same shape: a float is loaded, passed to a call in the first float register, and then used by the
// instruction, at whose place a temporary sits in the register that the float is reloaded into. In the text format:
//
//	(func $sink32 (param f32))  (func $sink64 (param f64))  (func $sink2 (param f32 f32))
//	(func (export "select") (result f32) (local $x f32)
//	  (local.set $x (f32.load (i32.const 0)))  (call $sink32 (local.get $x))
//	  (select (local.get $x) (f32.const 0) (i32.load (i32.const 24))))
//	(func (export "copysign") (result f32) (local $x f32) (local $y f32)
//	  (local.set $x (f32.load (i32.const 0)))  (local.set $y (f32.load (i32.const 4)))
//	  (call $sink2 (local.get $x) (local.get $y))
//	  (f32.copysign (local.get $x) (local.get $y)))
//	(func (export "replace") (result f64) (local $x f64)
//	  (local.set $x (f64.load (i32.const 8)))  (call $sink64 (local.get $x))
//	  (f64x2.extract_lane 1 (f64x2.replace_lane 0 (v128.load (i32.const 8)) (local.get $x))))
func selfTestModule() []byte {
	const (
		end, call, sel          = 0x0b, 0x10, 0x1b
		get, set                = 0x20, 0x21
		i32Load, f32Load        = 0x28, 0x2a
		f64Load                 = 0x2b
		i32Const, f32Const      = 0x41, 0x43
		f32Copysign, simdPrefix = 0x98, 0xfd
		f32, f64                = byte(F32), byte(F64)
	)
	body := func(locals []byte, code ...byte) []byte {
		b := append(append(locals, code...), end)
		return append([]byte{byte(len(b))}, b...)
	}
	selectBody := body([]byte{1, 1, f32},
		i32Const, 0, f32Load, 2, 0, set, 0, get, 0, call, 0,
		get, 0, f32Const, 0, 0, 0, 0, i32Const, 24, i32Load, 2, 0, sel)
	copysignBody := body([]byte{1, 2, f32},
		i32Const, 0, f32Load, 2, 0, set, 0, i32Const, 4, f32Load, 2, 0, set, 1, get, 0, get, 1, call, 2,
		get, 0, get, 1, f32Copysign)
	replaceBody := body([]byte{1, 1, f64},
		i32Const, 8, f64Load, 3, 0, set, 0, get, 0, call, 1,
		i32Const, 8, simdPrefix, 0, 3, 0, get, 0, simdPrefix, 34, 0, simdPrefix, 33, 1)
	empty := body([]byte{0})

	section := func(id byte, parts ...[]byte) []byte {
		var b []byte
		for _, p := range parts {
			b = append(b, p...)
		}
		return append([]byte{id, byte(len(b))}, b...)
	}
	export := func(name string, index byte) []byte {
		return append(append([]byte{byte(len(name))}, name...), 0, index)
	}
	m := []byte("\x00asm\x01\x00\x00\x00")
	m = append(m, section(1, []byte{5, 0x60, 1, f32, 0, 0x60, 1, f64, 0, 0x60, 2, f32, f32, 0,
		0x60, 0, 1, f32, 0x60, 0, 1, f64})...)
	m = append(m, section(3, []byte{6, 0, 1, 2, 3, 3, 4})...)
	m = append(m, section(5, []byte{1, 0, 1})...)
	m = append(m, section(7, []byte{3}, export("select", 3), export("copysign", 4), export("replace", 5))...)
	m = append(m, section(10, []byte{6}, empty, empty, empty, selectBody, copysignBody, replaceBody)...)
	// At 0: f32 5, f32 6, f64 5, f64 7, i32 0.
	m = append(m, section(11, []byte{1, 0, i32Const, 0, end, 28,
		0, 0, 0xa0, 0x40, 0, 0, 0xc0, 0x40, 0, 0, 0, 0, 0, 0, 0x14, 0x40,
		0, 0, 0, 0, 0, 0, 0x1c, 0x40, 0, 0, 0, 0})...)
	return m
}
