package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
)

func TestVersions(t *testing.T) {
	var sources []Source
	for _, v := range []string{"2", "10", "", "beta"} {
		f := newFake()
		f.signature.Name = v
		sources = append(sources, source("m", v, func() (*Loaded, error) { return &Loaded{Predictor: f}, nil }))
	}
	sources = append(sources, source("other", "", func() (*Loaded, error) { return &Loaded{Predictor: newFake()}, nil }))
	r := open(t, Config{Sources: sources, Default: "other"})
	for _, c := range []struct{ name, version, want string }{
		{"m", "", "10"}, {"m", "2", "2"}, {"m", "1", "1"}, {"m", "beta", "beta"}, {"", "", "1"},
	} {
		st, err := r.Status(c.name, c.version)
		if err != nil || st.Version != c.want || st.Default != (c.version == "") || st.State != StateReady {
			t.Errorf("%q %q: %+v, %v", c.name, c.version, st, err)
		}
	}
	if n := len(r.Index()); n != 5 || !r.Ready() {
		t.Errorf("%d in the index", n)
	}
	for _, c := range []Config{
		{}, {Sources: []Source{{Name: "x"}}}, {Sources: sources, Default: "nobody"}, {Sources: append(sources, sources[0])},
	} {
		if r, err := New(t.Context(), c); err == nil {
			r.Close(t.Context())
			t.Errorf("no error: %+v", c)
		}
	}
}

// TestNewFails: what was opened before is closed.
func TestNewFails(t *testing.T) {
	f := newFake()
	_, err := New(t.Context(), Config{Sources: []Source{
		source("a", "", func() (*Loaded, error) { return &Loaded{Predictor: f}, nil }),
		source("b", "", func() (*Loaded, error) { return nil, errGuilty }),
	}})
	if !errors.Is(err, errGuilty) || !f.closed.Load() {
		t.Errorf("%v, closed %v", err, f.closed.Load())
	}
	if _, err = New(t.Context(), Config{Sources: []Source{source("a", "", func() (*Loaded, error) { panic("no") })}}); !strings.Contains(fmt.Sprint(err), "panic") {
		t.Errorf("a panic: %v", err)
	}
}

// TestSwap: a new model answers who comes, the old one who came; one that cannot be
// loaded changes nothing.
func TestSwap(t *testing.T) {
	g, old, fresh := newGate(), newFake(), newFake()
	old.answer = g.answer
	next := atomic.Pointer[fake]{}
	next.Store(old)
	r := open(t, Config{Sources: []Source{source("m", "", func() (*Loaded, error) {
		f := next.Load()
		if f == nil {
			return nil, errGuilty
		}
		return &Loaded{Predictor: f, Digest: fmt.Sprintf("%p", f)}, nil
	})}})
	running := ask(t.Context(), r, &Call{Request: numbers(1)})
	<-g.came
	queued := ask(t.Context(), r, &Call{Request: numbers(2)})
	waitFor(t, "it waits", func() bool { return waiting(r) == 1 })
	next.Store(nil)
	if err := r.Load(t.Context(), "m"); !errors.Is(err, errGuilty) {
		t.Errorf("load: %v", err)
	}
	if st, _ := r.Status("m", ""); st.State != StateReady || st.Digest != fmt.Sprintf("%p", old) {
		t.Errorf("after a load that failed: %+v", st)
	}
	next.Store(fresh)
	if err := r.Load(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	if a, err := r.Infer(t.Context(), &Call{Request: numbers(3)}); err != nil || a.Receipt.Digest != fmt.Sprintf("%p", fresh) {
		t.Errorf("the new one: %+v, %v", a, err)
	}
	if old.closed.Load() {
		t.Error("the old one was closed too soon")
	}
	for range 2 {
		g.pass <- nil
	}
	for _, c := range []chan result{running, queued} {
		if got := <-c; got.err != nil {
			t.Error(got.err)
		}
	}
	waitFor(t, "the old one is closed", old.closed.Load)
	calls := fresh.calls.Load()
	if err := r.Load(t.Context(), "m"); err != nil { // the same digest again
		t.Error(err)
	}
	if fresh.calls.Load() != calls {
		t.Error("it was asked")
	}
}

func TestUnload(t *testing.T) {
	opened := 0
	r := open(t, Config{Sources: []Source{
		source("m", "", func() (*Loaded, error) { opened++; return &Loaded{Predictor: newFake()}, nil }),
		source("other", "", func() (*Loaded, error) { return &Loaded{Predictor: newFake()}, nil }),
	}})
	if err := r.Unload(t.Context(), "m"); err != nil {
		t.Fatal(err)
	}
	var unready *NotReadyError
	if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); !errors.As(err, &unready) {
		t.Errorf("unloaded: %v", err)
	}
	if st, _ := r.Status("m", ""); st.State != StateUnavailable || st.Reason != "unloaded" || !r.Ready() {
		t.Errorf("unloaded: %+v", st)
	}
	if _, err := r.Infer(t.Context(), &Call{Model: "other", Request: numbers(1)}); err != nil {
		t.Error(err)
	}
	if err := r.Load(t.Context(), "m"); err != nil || opened != 2 {
		t.Fatal(err, opened)
	}
	if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); err != nil {
		t.Error(err)
	}
	if err := r.Load(t.Context(), "nobody"); !errors.As(err, new(*NotFoundError)) {
		t.Error(err)
	}
}

// TestMemory: of more memory than there may be, the model goes that was not used
// longest, and comes again when it is asked.
func TestMemory(t *testing.T) {
	opened := map[string]int{}
	var sources []Source
	for _, name := range []string{"a", "b", "c"} {
		sources = append(sources, source(name, "", func() (*Loaded, error) {
			opened[name]++
			return &Loaded{Predictor: newFake(), Memory: func() int64 { return 100 }}, nil
		}))
	}
	r := open(t, Config{Sources: sources, Memory: 200})
	asleep := func() (list []string) {
		for _, st := range r.Index() {
			if st.Asleep {
				list = append(list, st.Name)
			}
			if st.State != StateReady {
				t.Errorf("%+v", st)
			}
		}
		return list
	}
	if got := asleep(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("asleep at first: %v", got)
	}
	for _, name := range []string{"c", "b", "a"} {
		if _, err := r.Infer(t.Context(), &Call{Model: name, Request: numbers(1)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := asleep(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("asleep: %v", got)
	}
	if opened["a"] != 2 || opened["b"] != 1 || opened["c"] != 1 {
		t.Errorf("opened %v", opened)
	}
	// Somebody gives up waiting for a model that wakes: the next has it.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Infer(ctx, &Call{Model: "c", Request: numbers(1)}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := r.Infer(t.Context(), &Call{Model: "c", Request: numbers(1)}); err != nil {
		t.Error(err)
	}
}

// TestMemoryOnce: what cannot be opened again stays.
func TestMemoryOnce(t *testing.T) {
	var sources []Source
	for _, name := range []string{"a", "b", "c"} {
		sources = append(sources, source(name, "", func() (*Loaded, error) {
			return &Loaded{Predictor: newFake(), Memory: func() int64 { return 100 }, Once: name != "b"}, nil
		}))
	}
	for _, st := range open(t, Config{Sources: sources, Memory: 150}).Index() {
		if st.Asleep != (st.Name == "b") {
			t.Errorf("%s is asleep: %v", st.Name, st.Asleep)
		}
	}
}

// TestWakeFails: who asks a model that cannot be loaded again hears why, and who
// comes later has another try.
func TestWakeFails(t *testing.T) {
	bad, tries := atomic.Bool{}, atomic.Int64{}
	r := open(t, Config{Memory: 100, Sources: []Source{
		source("a", "", func() (*Loaded, error) {
			tries.Add(1)
			if bad.Load() {
				return nil, errGuilty
			}
			return &Loaded{Predictor: newFake(), Memory: func() int64 { return 100 }}, nil
		}),
		source("b", "", func() (*Loaded, error) {
			return &Loaded{Predictor: newFake(), Memory: func() int64 { return 100 }}, nil
		}),
	}})
	bad.Store(true)
	for range 3 {
		var unready *NotReadyError
		if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); !errors.Is(err, errGuilty) || !errors.As(err, &unready) {
			t.Error(err)
		}
	}
	if n := tries.Load(); n != 2 {
		t.Errorf("it was tried %d times", n)
	}
	if r.Ready() {
		t.Error("it is ready")
	}
	bad.Store(false)
	waitFor(t, "it is tried again", func() bool {
		_, err := r.Infer(t.Context(), &Call{Request: numbers(1)})
		return err == nil
	})
}

// TestDrain: what was taken is answered, what comes is not taken.
func TestDrain(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	r := open(t, one(f, nil))
	calls := []chan result{ask(t.Context(), r, &Call{Request: numbers(1)})}
	<-g.came
	calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(2)}))
	waitFor(t, "it waits", func() bool { return waiting(r) == 1 })
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(t.Context()) }()
	waitFor(t, "it is not ready", func() bool { return !r.Ready() })
	var unready *NotReadyError
	waitFor(t, "it takes nothing", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := r.Infer(ctx, &Call{Request: numbers(3)})
		return errors.As(err, &unready)
	})
	select {
	case err := <-drained:
		t.Fatal("drained too soon", err)
	default:
	}
	for range calls {
		g.pass <- nil
	}
	for _, c := range calls {
		if got := <-c; got.err != nil {
			t.Error(got.err)
		}
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
	if f.closed.Load() {
		t.Error("it was closed")
	}
}

// TestClose: who waits hears that it is over.
func TestClose(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	r, err := New(t.Context(), one(f, nil))
	if err != nil {
		t.Fatal(err)
	}
	running := ask(t.Context(), r, &Call{Request: numbers(1)})
	<-g.came
	queued := ask(t.Context(), r, &Call{Request: numbers(2)})
	waitFor(t, "it waits", func() bool { return waiting(r) == 1 })
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := <-queued; !errors.Is(got.err, model.ErrClosed) {
		t.Error(got.err)
	}
	g.pass <- nil
	<-running
	if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); !errors.As(err, new(*NotReadyError)) {
		t.Error(err)
	}
}
