package emscripten_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/wasi/emscripten"
)

// jumper calls functions of its table by invokes, of which some jump.
const jumper = `(module
	(import "env" "invoke_v" (func $invoke_v (param i32)))
	(import "env" "invoke_iij" (func $invoke_iij (param i32 i32 i64) (result i32)))
	(import "env" "_emscripten_throw_longjmp" (func $jump))
	(memory (export "memory") 1 1)
	(table 6 funcref)
	(elem (i32.const 1) $jumps $adds $traps $nested $deeper)
	(global $sp (mut i32) (i32.const 5000))
	(global $threw (mut i32) (i32.const 0))
	(func $jumps (global.set $sp (i32.const 1)) (call $jump))
	(func $adds (param i32 i64) (result i32) (i32.add (local.get 0) (i32.wrap_i64 (local.get 1))))
	(func $traps unreachable)
	(func $nested (call $invoke_v (i32.const 1)) (if (i32.eqz (global.get $threw)) (then (unreachable))) (global.set $threw (i32.const 0)) (call $jump))
	(func $deeper (call $invoke_v (i32.const 5)))
	(func (export "stackSave") (result i32) (global.get $sp))
	(func (export "stackRestore") (param i32) (global.set $sp (local.get 0)))
	(func (export "setThrew") (param i32 i32) (global.set $threw (local.get 0)))
	(func (export "invoke") (param i32) (result i32)
		(global.set $threw (i32.const 0))
		(call $invoke_v (local.get 0))
		(i32.add (i32.mul (global.get $threw) (i32.const 100000)) (global.get $sp)))
	(func (export "add") (param i32 i64) (result i32) (call $invoke_iij (i32.const 2) (local.get 0) (local.get 1)))
	(func (export "jump") (call $jump)))`

func TestInvoke(t *testing.T) {
	for name, interpreter := range map[string]bool{"compiled": false, "interpreted": true} {
		t.Run(name, func(t *testing.T) { testInvoke(t, makerOf(t, jumper, interpreter)) })
	}
}

func testInvoke(t *testing.T, makes func(func(*emscripten.Config)) machine) {
	m := makes(nil)
	for range 3 {
		m.want(t, 105000, "invoke", 1) // it has jumped, and its stack is where it was
		m.want(t, 105000, "invoke", 4) // and the inner one before
		m.want(t, 42, "add", 40, 2)
	}
	for entry, says := range map[uint64]string{3: "unreachable", 2: "no function of that type", 0: "no function", 99: "no function", 1<<32 - 1: "no function"} {
		if _, err := makes(nil).call(t, "invoke", entry); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("entry %d: %v, want %s", entry, err, says)
		}
	}
	var abort *emscripten.AbortError
	if _, err := makes(nil).call(t, "invoke", 5); !errors.As(err, &abort) {
		t.Errorf("without an end: %v", err)
	}
	if _, err := makes(nil).call(t, "jump"); err == nil || !strings.Contains(err.Error(), "longjmp") {
		t.Errorf("a jump to nowhere: %v", err)
	}
}
