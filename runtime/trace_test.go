package runtime_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/runtime"
)

// TestTraceOffsets: a trace names the instruction by its offset in the module's
// file, whatever was rewritten around it, on both engines, and also when the
// machine code comes from the cache.
func TestTraceOffsets(t *testing.T) {
	bin := wat(t, `(module (memory 1) (global $g (mut f64) (f64.const 0))
	  (func $divide (param i32) (result i32) (local f64) (local i64 i64)
	    (local.set 1 (select (f64.const 1) (f64.const 2) (local.get 0)))
	    (block (loop (br_if 1 (i32.eqz (local.get 0))) (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br 0)))
	    (memory.fill (i32.const 0) (i32.const 7) (i32.const 9))
	    (local.set 1 (f64.copysign (local.get 1) (f64.const -3)))
	    (i32.div_u (i32.const 0x1234) (local.get 0)))
	  (func $middle (result i32) (drop (i32.const 0x4321)) (call $divide (i32.const 5)))
	  (func $unused (loop (nop)))
	  (func (export "_start") (loop (nop)) (drop (i32.const 0x2345)) (drop (call $middle))))`)
	// Before each place there is a number that is nowhere else.
	at := func(number, skip []byte) string {
		i := bytes.Index(bin, number)
		if i < 0 || bytes.Contains(bin[i+1:], number) {
			t.Fatalf("% x is not in it once", number)
		}
		i += len(number)
		if !bytes.HasPrefix(bin[i:], skip) {
			t.Fatalf("after % x comes % x", number, bin[i:i+8])
		}
		return fmt.Sprintf("(%#x)", i+len(skip))
	}
	want := []string{
		"divide " + at([]byte{0x41, 0xb4, 0x24}, []byte{0x20, 0}),          // local.get
		"middle " + at([]byte{0x41, 0xa1, 0x86, 1}, []byte{0x1a, 0x41, 5}), // drop, i32.const 5
		"_start " + at([]byte{0x41, 0xc5, 0xc6, 0}, []byte{0x1a}),          // drop
	}
	cache := t.TempDir()
	for _, how := range []string{"compiled", "cached", "interpreted"} {
		options := []runtime.Option{runtime.WithCacheDir(cache)}
		if how == "interpreted" {
			options = []runtime.Option{runtime.WithInterpreter()}
		}
		rt, err := runtime.New(t.Context(), options...)
		if err != nil {
			t.Fatal(err)
		}
		c := createOn(t, rt, runtime.Program("m", bin), runtime.Spec{})
		err = c.Run(t.Context())
		var trap *runtime.TrapError
		if !errors.As(err, &trap) || !slices.Equal(trap.Backtrace, want) {
			t.Errorf("%s: %v, %q, want %q", how, err, trap.Backtrace, want)
		}
		if hit := c.Stats().Compile == 0; hit != (how == "cached") {
			t.Errorf("%s: compiled anew is %v", how, !hit)
		}
		if err := rt.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestTraceOfLarge: a module of more code has offsets when they are asked for.
func TestTraceOfLarge(t *testing.T) {
	var text strings.Builder
	text.WriteString(`(module (func $fail unreachable) (func (export "_start") (call $fail))`)
	for range 2000 {
		text.WriteString(`(func (param i64) (result i64)` + strings.Repeat(`(i64.mul (local.get 0) `, 12) + `(i64.const 3)` + strings.Repeat(`)`, 13))
	}
	bin := wat(t, text.String()+")")
	for _, c := range []struct {
		ask  bool
		want []string
	}{{false, []string{"fail", "_start"}}, {true, []string{
		fmt.Sprintf("fail (%#x)", bytes.Index(bin, []byte{3, 0, 0, 0x0b})+2),
		fmt.Sprintf("_start (%#x)", bytes.Index(bin, []byte{4, 0, 0x10, 0, 0x0b})+2),
	}}} {
		err := create(t, runtime.Program("m", bin), runtime.Spec{Trace: c.ask}).Run(t.Context())
		var trap *runtime.TrapError
		if !errors.As(err, &trap) || !slices.Equal(trap.Backtrace, c.want) {
			t.Errorf("asked %v: %v, %q, want %q", c.ask, err, trap.Backtrace, c.want)
		}
	}
}
