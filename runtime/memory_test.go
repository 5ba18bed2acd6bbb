package runtime_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/runtime"
)

// TestMemoryMet: who dies of a refused memory.grow is said to have met the
// limit, whichever limit it was; who does without is not.
func TestMemoryMet(t *testing.T) {
	const grow = `(module (memory 1) (func $grow (result i32) (memory.grow (i32.const 16)))`
	trap := wat(t, grow+`(func (export "_start") (if (i32.lt_s (call $grow) (i32.const 0)) (then unreachable))))`)
	exit := wat(t, grow+`(func (export "run") (result i32) (i32.lt_s (call $grow) (i32.const 0))))`)
	fine := wat(t, grow+`(func (export "_start") (drop (call $grow))))`)
	const page = 1 << 16
	rt := open(t, t.TempDir(), runtime.Totals{Memory: 40 * page})
	for _, c := range []struct {
		name   string
		module []byte
		limit  uint64
		status int
		says   string
	}{
		{"trap", trap, 17*page - 1, 134, "trap: unreachable in _start (0x3b); it was refused more memory than its limit: 1114111 bytes"},
		{"exit", exit, 8 * page, 1, "it was refused more memory than its limit: 524288 bytes"},
		{"fine", fine, 8 * page, 0, ""},
		{"exactly", trap, 17 * page, 0, ""},
	} {
		err := createOn(t, rt, runtime.Program("m", c.module), runtime.Spec{Limits: runtime.Limits{Memory: c.limit}}).Run(t.Context())
		if status, text := runtime.Status(err); status != c.status || text != c.says {
			t.Errorf("%s: %d %q, want %d %q", c.name, status, text, c.status, c.says)
		}
	}
	most := wat(t, strings.Replace(grow, "16", "40", 1)+`(func (export "_start") (if (i32.lt_s (call $grow) (i32.const 0)) (then unreachable))))`)
	err := createOn(t, rt, runtime.Program("m", most), runtime.Spec{}).Run(t.Context())
	var e *runtime.TrapError
	if !errors.As(err, &e) || e.Limit == nil || e.Limit.Scope != runtime.ScopeRuntime || !strings.Contains(err.Error(), "all containers together") {
		t.Errorf("the limit of all: %v", err)
	}
	script := runtime.Spec{Entrypoint: []string{"sh", "-c"}, Args: []string{"/probe grow; /probe exit 3; echo went on $?"}, Limits: runtime.Limits{Memory: 8 << 20}}
	var out strings.Builder
	script.Stdout = &out
	if err := create(t, runtime.Program("probe", probeWasm(t)), script).Run(t.Context()); err != nil || !strings.HasSuffix(out.String(), "went on 3\n") {
		t.Errorf("a script goes on: %v, %q", err, out.String())
	}
}

// TestFuelExactly: just as much as allowed is allowed.
func TestFuelExactly(t *testing.T) {
	img := runtime.Program("m", wat(t, `(module (func (export "_start") (local i32)
	  (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100000))))))`))
	free := create(t, img, runtime.Spec{})
	if err := free.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	need := free.Stats().Fuel
	if err := create(t, img, runtime.Spec{Limits: runtime.Limits{Fuel: need}}).Run(t.Context()); err != nil {
		t.Errorf("with %d units: %v", need, err)
	}
	// A loop looks at its fuel when it begins a pass: what the last one overdraws ends nothing.
	const pass = 8
	err := create(t, img, runtime.Spec{Limits: runtime.Limits{Fuel: need - 2*pass}}).Run(t.Context())
	if l := limitOf(t, err); l.Resource != "fuel" {
		t.Errorf("with two passes less: %v", err)
	}
}
