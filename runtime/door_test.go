package runtime_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/runtime"
)

// burning is a program that works for a while: some millions of instructions.
const burning = `(module (memory (export "memory") 1)
	(func (export "_start") (local $i i32) (local.set $i (i32.const 2000000))
		(loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))))`

// errand is a door that has a program run in a container of its own, which stays.
type errand struct {
	caller *runtime.Caller
	image  runtime.Image
	inner  *runtime.Container
	closed *atomic.Int32
	last   error
}

func (e *errand) Answer(ctx context.Context, message []byte) ([]byte, error) {
	if e.inner == nil {
		var err error
		if e.inner, err = e.caller.Create(ctx, e.image, runtime.Spec{}); err != nil {
			return nil, err
		}
	}
	e.last = e.inner.Run(ctx)
	return []byte{1}, e.last
}

func (e *errand) Close(ctx context.Context) error {
	e.closed.Add(1)
	if e.inner == nil {
		return nil
	}
	return e.inner.Close(ctx)
}

// TestDoorIsCharged has a container work for a Worker's program: what it spends is
// the program's, within the limits of each call.
func TestDoorIsCharged(t *testing.T) {
	rt := newRuntime(t)
	inner := newImage(t, ispec.ImageConfig{Entrypoint: []string{"/burn"}}, file{"burn", 0o755, wat(t, burning)})
	var made, closed atomic.Int32
	var last *errand
	door := func(c *runtime.Caller) runtime.Door {
		made.Add(1)
		last = &errand{caller: c, image: inner, closed: &closed}
		return last
	}
	w, c := hire(t, rt, turningImage(t), runtime.Spec{Door: door}, runtime.Process{Limits: runtime.Limits{Fuel: 50_000_000}})
	if made.Load() != 0 {
		t.Error("a door for nobody")
	}
	work(t, w)
	before := c.Stats().Fuel
	work(t, w)
	alone := c.Stats().Fuel - before
	work(t, w, "door")
	spent := c.Stats().Fuel - before - 2*alone
	if spent < 2_000_000 {
		t.Errorf("%d of fuel for two million rounds", spent)
	}
	for range 50_000_000/spent + 1 { // each call has the limit for itself
		work(t, w, "door")
	}
	if err := w.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	work(t, w, "door")
	if made.Load() != 1 || closed.Load() != 0 {
		t.Errorf("%d doors for one worker, %d closed", made.Load(), closed.Load())
	}
	if err := w.Close(t.Context()); err != nil || closed.Load() != 1 {
		t.Errorf("%d doors closed with the worker: %v", closed.Load(), err)
	}

	w, _ = hire(t, rt, turningImage(t), runtime.Spec{Door: door}, runtime.Process{Limits: runtime.Limits{Fuel: spent / 2}})
	var limit *runtime.LimitError
	_, err := w.Turn(t.Context(), []byte(`["door"]`))
	if !errors.As(last.last, &limit) || limit.Resource != "fuel" || limit.Scope != runtime.ScopeCall {
		t.Errorf("more than a call may: %v, and the call %v", last.last, err)
	}
	w, _ = hire(t, rt, turningImage(t), runtime.Spec{Door: door, Limits: runtime.Limits{Processes: 1}}, runtime.Process{})
	work(t, w)
	if answer, err := w.Turn(t.Context(), []byte(`["door"]`)); err != nil || !errors.As(last.last, &limit) || limit.Resource != "processes" {
		t.Errorf("more programs than the container may have: %s, %v, %v", answer, err, last.last)
	}
}
