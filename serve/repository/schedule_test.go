package repository

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wherry-run/wherry/model"
)

func TestInfer(t *testing.T) {
	f := newFake()
	r := open(t, one(f, func(l *Loaded) { l.Digest = "sha256:abc" }))
	a, err := r.Infer(t.Context(), &Call{Request: numbers(1, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if got := values(a.Response); !slices.Equal(got, []float32{2, 3}) {
		t.Errorf("got %v", got)
	}
	want := Receipt{Model: "fake", Version: "1", Digest: "sha256:abc", Fuel: 10, Memory: 100, Rows: 2, Batch: 2}
	a.Receipt.Compute = 0
	if a.Receipt != want {
		t.Errorf("receipt %+v, want %+v", a.Receipt, want)
	}
	for _, c := range []Call{{Model: "other"}, {Model: "fake", Version: "2"}} {
		var missing *NotFoundError
		if _, err := r.Infer(t.Context(), &c); !errors.As(err, &missing) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestInstancesAndOrder(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	r := open(t, one(f, nil))
	first := ask(t.Context(), r, &Call{Request: numbers(0)})
	<-g.came
	var calls []chan result
	for i, p := range []int{0, 2, 0, 1, 2} {
		calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(float32(i + 1)), Priority: p}))
		waitFor(t, "it waits", func() bool { return waiting(r) == i+1 })
	}
	g.pass <- nil
	if got := <-first; got.err != nil {
		t.Fatal(got.err)
	}
	var order []float32
	for range calls {
		order = append(order, values(plusOne(<-g.came))[0]-1)
		g.pass <- nil
	}
	if want := []float32{4, 2, 5, 1, 3}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	for i, c := range calls {
		if got := <-c; got.err != nil || values(got.answer.Response)[0] != float32(i+2) {
			t.Errorf("request %d: %v, %v", i+1, got.answer, got.err)
		}
	}
	if n := f.most.Load(); n != 1 {
		t.Errorf("%d at once on one instance", n)
	}
}

func TestFull(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	c := one(f, func(l *Loaded) { l.Instances = 2 })
	c.Waiting = 1
	r := open(t, c)
	var calls []chan result
	for range 2 {
		calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(1)}))
		<-g.came
	}
	calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(1)}))
	waitFor(t, "it waits", func() bool { return waiting(r) == 1 })
	var full *OverloadedError
	if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); !errors.As(err, &full) || !full.Full {
		t.Errorf("the fourth: %v", err)
	}
	for range calls {
		g.pass <- nil
	}
	for _, c := range calls {
		if got := <-c; got.err != nil {
			t.Error(got.err)
		}
	}
	st, err := r.Statistics("", "")
	if err != nil || st[0].Success.Count != 3 || st[0].Rejected != 1 || st[0].Fail.Count != 1 {
		t.Errorf("statistics %+v, %v", st, err)
	}
}

// TestDeadlines: who cannot be begun in time hears so at once, as soon as it is
// known how long a request takes; who was not begun when its time was over hears
// the same then; who was begun gets the error of its context.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.delay = time.Second
		r := open(t, one(f, nil))
		first := ask(t.Context(), r, &Call{Request: numbers(1)})
		synctest.Wait()
		began := time.Now()
		var late *OverloadedError
		if _, err := r.Infer(t.Context(), &Call{Request: numbers(1), Timeout: 300 * time.Millisecond}); !errors.As(err, &late) || late.Full {
			t.Errorf("not begun: %v", err)
		}
		if d := time.Since(began); d != 300*time.Millisecond {
			t.Errorf("it took %v to say so", d)
		}
		if got := <-first; got.err != nil {
			t.Fatal(got.err)
		}
		if _, err := r.Infer(t.Context(), &Call{Request: numbers(1), Timeout: 300 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("begun: %v", err)
		}
		if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); err != nil {
			t.Error(err)
		}
		// Now the pace is known, about a second.
		for range 20 {
			if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); err != nil {
				t.Fatal(err)
			}
		}
		var calls []chan result
		for range 3 {
			calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(1)}))
			synctest.Wait()
		}
		began = time.Now()
		_, err := r.Infer(t.Context(), &Call{Request: numbers(1), Timeout: 2 * time.Second})
		if !errors.As(err, &late) || late.Full || time.Since(began) != 0 {
			t.Errorf("no chance: %v after %v", err, time.Since(began))
		}
		if late != nil && (late.RetryAfter < time.Second || late.RetryAfter > 4*time.Second) {
			t.Errorf("again after %v", late.RetryAfter)
		}
		if _, err := r.Infer(t.Context(), &Call{Request: numbers(1), Timeout: 5 * time.Second}); err != nil {
			t.Errorf("there was time: %v", err)
		}
		for _, c := range calls {
			<-c
		}
	})
}

// TestCancel: a request that waits leaves the queue at once, one under way ends with
// its context.
func TestCancel(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	r := open(t, one(f, nil))
	ctx, cancel := context.WithCancel(t.Context())
	running := ask(ctx, r, &Call{Request: numbers(1)})
	<-g.came
	ctx2, cancel2 := context.WithCancel(t.Context())
	queued := ask(ctx2, r, &Call{Request: numbers(2)})
	waitFor(t, "it waits", func() bool { return waiting(r) == 1 })
	last := ask(t.Context(), r, &Call{Request: numbers(3)})
	waitFor(t, "it waits", func() bool { return waiting(r) == 2 })
	cancel2()
	if got := <-queued; !errors.Is(got.err, context.Canceled) {
		t.Errorf("queued: %v", got.err)
	}
	if n := waiting(r); n != 1 {
		t.Errorf("%d wait after one left", n)
	}
	cancel()
	if got := <-running; !errors.Is(got.err, context.Canceled) {
		t.Errorf("running: %v", got.err)
	}
	<-g.came
	g.pass <- nil
	if got := <-last; got.err != nil {
		t.Errorf("the last: %v", got.err)
	}
	if f.calls.Load() != 2 {
		t.Errorf("%d calls", f.calls.Load())
	}
}

func TestPanic(t *testing.T) {
	f := newFake()
	f.answer = func(_ context.Context, r *model.Request) (*model.Response, error) {
		if values(plusOne(r))[0] == 14 {
			panic("13")
		}
		return plusOne(r), nil
	}
	r := open(t, one(f, nil))
	var p *PanicError
	if _, err := r.Infer(t.Context(), &Call{Request: numbers(13)}); !errors.As(err, &p) || len(p.Stack) == 0 {
		t.Errorf("got %v", err)
	}
	if _, err := r.Infer(t.Context(), &Call{Request: numbers(1)}); err != nil {
		t.Error(err)
	}
}

// streamer gives three parts.
type streamer struct{ *fake }

func (s streamer) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	for range 3 {
		if err := emit(plusOne(r)); err != nil {
			return model.Usage{}, err
		}
	}
	return model.Usage{Fuel: 30}, nil
}

func TestStream(t *testing.T) {
	for _, c := range []struct {
		name  string
		p     model.Predictor
		parts int
		fuel  uint64
	}{{"parts", streamer{newFake()}, 3, 30}, {"whole", newFake(), 1, 10}} {
		t.Run(c.name, func(t *testing.T) {
			r := open(t, Config{Sources: []Source{source("fake", "", func() (*Loaded, error) { return &Loaded{Predictor: c.p}, nil })}})
			parts := 0
			a, err := r.Infer(t.Context(), &Call{Request: numbers(1), Emit: func(*model.Response) error { parts++; return nil }})
			if err != nil || parts != c.parts || a.Receipt.Fuel != c.fuel {
				t.Errorf("%d parts, %+v, %v", parts, a, err)
			}
			gone := errors.New("the client is gone")
			if _, err := r.Infer(t.Context(), &Call{Request: numbers(1), Emit: func(*model.Response) error { return gone }}); !errors.Is(err, gone) {
				t.Errorf("after an error of emit: %v", err)
			}
		})
	}
}
