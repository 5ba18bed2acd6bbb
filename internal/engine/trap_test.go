package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// TestTraps provokes every trap there is, on both engines, since the kinds are told apart by wazero's words.
func TestTraps(t *testing.T) {
	for _, c := range []struct {
		kind TrapKind
		body string
	}{
		{TrapUnreachable, `unreachable`},
		{TrapMemory, `(drop (i32.load (i32.const 65536)))`},
		{TrapMemory, `(drop (i64.load offset=4294967295 (i32.const -1)))`},
		{TrapMemory, `(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))`},
		{TrapTable, `(call_indirect (type $v) (i32.const 9))`},
		{TrapTable, `(call_indirect (type $v) (i32.const 1))`},
		{TrapIndirectType, `(call_indirect (type $v) (i32.const 0))`},
		{TrapOverflow, `(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))`},
		{TrapOverflow, `(drop (i32.trunc_f64_s (f64.const 1e10)))`},
		{TrapDivideByZero, `(drop (i64.rem_u (i64.const 1) (i64.const 0)))`},
		{TrapConversion, `(drop (i32.trunc_f32_s (f32.const nan)))`},
		{TrapUnaligned, `(drop (i32.atomic.load (i32.const 1)))`},
		{TrapSharedMemory, `(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))`},
		{TrapStack, `(call $deep (i64.const 0)) drop`},
	} {
		text := `(module
		  (type $v (func))
		  (memory 1) (table 2 2 funcref) (elem (i32.const 0) $deep)
		  (func $deep (param i64) (result i64) (i64.add (call $deep (i64.add (local.get 0) (i64.const 1))) (i64.const 1)))
		  (func $culprit ` + c.body + `)
		  (func $caller (call $culprit))
		  (func (export "run") (call $caller)))`
		bin := wat(t, text)
		for _, interpreter := range []bool{false, true} {
			e := newEngine(t, Config{Interpreter: interpreter})
			i := instance(t, e, load(t, e, bin), InstanceConfig{})
			_, err := i.Call(t.Context(), "run")
			var trap *Trap
			if !errors.As(err, &trap) || trap.Kind != c.kind {
				t.Errorf("%s (interpreter %v): got %v, want %s", c.body, interpreter, err, c.kind)
				continue
			}
			if trap.Kind == TrapStack {
				continue // wazero shows no frames of it
			}
			if len(trap.Frames) != 3 || trap.Frames[0].String() != "culprit" || trap.Frames[1].Func != "caller" || trap.Frames[2].Index != 3 {
				t.Errorf("%s (interpreter %v): frames %v", c.body, interpreter, trap.Frames)
			}
			if want := string(c.kind) + " in culprit"; !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%q does not end with %q", err, want)
			}
			// The instance is still there.
			if _, err := i.Call(t.Context(), "run"); !errors.As(err, &trap) {
				t.Errorf("second call: %v", err)
			}
		}
	}
}

func TestUncaughtException(t *testing.T) {
	const text = `(module
	  (import "env" "f" (func $f))
	  (global $pending (export "wherry.pending") (mut i32) (i32.const 0))
	  (func (export "throw") (param i32) (global.set $pending (local.get 0)))
	  (func (export "run") (call $f)))`
	var nested error
	e := newEngine(t, Config{})
	f := HostFunc{Name: "f", Call: callBack(func(g *Guest, call func(string, ...uint64) ([]uint64, error)) {
		_, nested = call("throw", 3)
	})}
	i := instance(t, e, load(t, e, wat(t, text)), InstanceConfig{Imports: env(f)})
	var trap *Trap
	if _, err := i.Call(t.Context(), "throw", 1); !errors.As(err, &trap) || trap.Kind != TrapException {
		t.Error("outermost:", err)
	}
	if _, err := i.Call(t.Context(), "throw", 0); err != nil {
		t.Error("the exception before is over:", err)
	}
	if _, err := i.Call(t.Context(), "run"); err != nil || !errors.As(nested, &trap) || trap.Kind != TrapException {
		t.Errorf("nested: %v, %v", nested, err)
	}
}

func TestFramesWithoutNames(t *testing.T) {
	e := newEngine(t, Config{})
	a := strip(t, wat(t, `(module (func unreachable) (func (export "run") (call 0)))`))
	a.Names = []byte("not a sidecar")
	i := instance(t, e, mustLoad(t, e, a), InstanceConfig{})
	_, err := i.Call(t.Context(), "run")
	var trap *Trap
	if !errors.As(err, &trap) || trap.Backtrace() != "  0: func[0]\n  1: func[1]\n" {
		t.Errorf("got %v", err)
	}
}

// TestFramesOfTheOriginal: the import that a preparation added is not counted.
func TestFramesOfTheOriginal(t *testing.T) {
	e := newEngine(t, Config{})
	a := strip(t, wat(t, `(module (import "env" "f" (func)) (import "wherry" "yield" (func)) (func unreachable) (func (export "run") (call 2)))`))
	a.Names = nil
	f := HostFunc{Name: "f", Call: func(context.Context, *Guest, []uint64) {}}
	i := instance(t, e, mustLoad(t, e, a), InstanceConfig{Imports: env(f)})
	_, err := i.Call(t.Context(), "run")
	var trap *Trap
	if !errors.As(err, &trap) || trap.Backtrace() != "  0: func[1]\n  1: func[2]\n" {
		t.Errorf("got %v", err)
	}
}

// FuzzFrames reads what is not a stack: names of functions are the guest's.
func FuzzFrames(f *testing.F) {
	f.Add(".$1(i32) i32\n\t.main.main()\n\t... maybe followed by omitted frames")
	f.Add("h.$99999999999()")
	i := &Instance{code: &code{}}
	f.Fuzz(func(t *testing.T, stack string) {
		for _, frame := range i.frames(stack) {
			_ = frame.String()
		}
	})
}
