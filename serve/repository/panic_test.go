package repository

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// warmable panics when it is to be made warm, and when it is closed, if that is asked
// for.
type warmable struct {
	*fake
	warm, close bool
}

func (w *warmable) Warm(context.Context, int) error {
	if w.warm {
		panic("warm")
	}
	return nil
}

func (w *warmable) Stats() model.PoolStats { return model.PoolStats{Instances: 1} }

func (w *warmable) Close(ctx context.Context) error {
	if w.close {
		panic("close")
	}
	return w.fake.Close(ctx)
}

// TestPanicBeside: a panic where no request is, ends what it is in, and nothing else.
func TestPanicBeside(t *testing.T) {
	var told atomic.Int64
	var next *Loaded
	memory := func() int64 { return 0 }
	config := Config{
		Sources: []Source{source("fake", "", func() (*Loaded, error) { return next, nil })},
		Memory:  1, // so that it is looked at
		Failed: func(err error) {
			if errors.As(err, new(*PanicError)) {
				told.Add(1)
			}
		},
	}
	next = &Loaded{Predictor: &warmable{fake: newFake(), close: true}, Digest: "a", Memory: memory}
	r := open(t, config)
	asks := func() error {
		_, err := r.Infer(t.Context(), &Call{Request: numbers(1)})
		return err
	}
	next = &Loaded{Predictor: &warmable{fake: newFake(), warm: true}, Digest: "b"}
	if err := r.Load(t.Context(), "fake"); !errors.As(err, new(*PanicError)) {
		t.Errorf("warm: %v", err)
	}
	if err := asks(); err != nil {
		t.Errorf("the old one: %v", err)
	}
	broken := true
	next = &Loaded{Predictor: &warmable{fake: newFake()}, Digest: "c", Memory: func() int64 {
		if broken {
			panic("memory")
		}
		return 0
	}}
	r.list[0].sleep() // it panics when it is closed
	waitFor(t, "the log has it", func() bool { return told.Load() == 1 })
	if err := asks(); err == nil {
		broken = false
	}
	waitFor(t, "the log has that, too", func() bool { return told.Load() == 2 })
	broken = false
	if err := asks(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// TestWork: what panics is over, and was told.
func TestWork(t *testing.T) {
	var told atomic.Pointer[PanicError]
	w := Work{Panicked: told.Store}
	if err := w.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Go(func() { panic("once") })
	if err := w.Wait(t.Context()); err != nil || told.Load() == nil || told.Load().Value != "once" {
		t.Errorf("%v, %+v", err, told.Load())
	}
	wait := make(chan struct{})
	w.Go(func() { <-wait })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Wait(ctx); err == nil {
		t.Error("it did not wait")
	}
	close(wait)
	if err := w.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
