package repository

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
)

// TestStress has many clients ask for a while, who leave, have deadlines, and send
// what fails, alone and in batches, while the models are loaded anew, unloaded, put
// to sleep and drained. Every call ends, exactly once, with its own answer or an
// error that it earned, and no model is asked after it was closed.
func TestStress(t *testing.T) {
	for _, batch := range []Batching{{}, {Max: 8}, {Max: 8, Delay: 200 * time.Microsecond}} {
		t.Run(fmt.Sprintf("%d %v", batch.Max, batch.Delay), func(t *testing.T) { stress(t, batch) })
	}
}

func stress(t *testing.T, batch Batching) {
	var mu sync.Mutex
	var fakes []*fake
	var observed, asked atomic.Int64
	next := func() (*Loaded, error) {
		if rand.IntN(5) == 0 {
			return nil, errGuilty
		}
		f := newFake()
		f.answer = func(ctx context.Context, r *model.Request) (*model.Response, error) {
			if rand.IntN(4) == 0 {
				select {
				case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
				case <-ctx.Done():
					return nil, context.Cause(ctx)
				}
			}
			a := plusOne(r)
			for _, v := range values(a) {
				switch {
				case v < 0 && v > -10:
					return nil, errGuilty
				case v < -10:
					panic("a bug")
				}
			}
			return a, nil
		}
		mu.Lock()
		fakes = append(fakes, f)
		mu.Unlock()
		return &Loaded{Predictor: f, Instances: 1 + rand.IntN(3), Batch: batch, Memory: func() int64 { return 100 }}, nil
	}
	first := func(next func() (*Loaded, error)) func() (*Loaded, error) { // the first time it works
		return func() (*Loaded, error) {
			for {
				if l, err := next(); err == nil {
					return l, nil
				}
			}
		}
	}
	var begun [3]atomic.Bool
	var sources []Source
	for i := range 3 {
		sources = append(sources, source(fmt.Sprint("m", i), "", func() (*Loaded, error) {
			if !begun[i].Swap(true) {
				return first(next)()
			}
			return next()
		}))
	}
	r := open(t, Config{Sources: sources, Memory: 250, Waiting: 20, MaxTimeout: time.Second,
		Observe: func(context.Context, Event) { observed.Add(1) }})
	stop := make(chan struct{})
	var clients, others sync.WaitGroup
	for range 24 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				stressCall(t, r)
			}
		})
	}
	others.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rand.IntN(3)) * time.Millisecond):
			}
			name := fmt.Sprint("m", rand.IntN(3))
			var err error
			if rand.IntN(6) == 0 {
				err = r.Unload(t.Context(), name)
			} else {
				err = r.Load(t.Context(), name)
			}
			if err != nil && !errors.Is(err, errGuilty) && r.Ready() {
				t.Error(err)
			}
		}
	})
	time.Sleep(700 * time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := r.Drain(ctx); err != nil {
		t.Errorf("drain: %v", err)
	}
	close(stop)
	clients.Wait()
	others.Wait()
	if asked.Load() != observed.Load() {
		t.Errorf("%d asked, %d observed", asked.Load(), observed.Load())
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for i, f := range fakes {
		if f.late.Load() > 0 || !f.closed.Load() || f.atOnce.Load() != 0 {
			t.Errorf("model %d: %d late calls, closed %v, %d run", i, f.late.Load(), f.closed.Load(), f.atOnce.Load())
		}
	}
	t.Logf("%d calls, %d models", asked.Load(), len(fakes))
}

// stressCall asks something, and checks that it ends as it may.
func stressCall(t *testing.T, r *Repository) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v := float32(rand.IntN(1000))
	c := &Call{Model: fmt.Sprint("m", rand.IntN(3)), Priority: rand.IntN(4)}
	leaves, guilty, panics := false, false, false
	switch rand.IntN(10) {
	case 0:
		leaves = true
		time.AfterFunc(time.Duration(rand.IntN(300))*time.Microsecond, cancel)
	case 1:
		c.Timeout = time.Duration(1+rand.IntN(300)) * time.Microsecond
	case 2:
		guilty, v = true, -5
	case 3:
		panics, v = true, -50
	}
	c.Request = numbers(v, v+0.25)
	a, err := r.Infer(ctx, c)
	var busy *OverloadedError
	var unready *NotReadyError
	var bug *PanicError
	switch {
	case err == nil:
		if got := values(a.Response); len(got) != 2 || got[0] != v+1 || got[1] != v+1.25 || guilty || panics {
			t.Errorf("%v gave %v", v, got)
		}
	case errors.As(err, &busy), errors.As(err, &unready):
	case errors.Is(err, context.DeadlineExceeded) && (c.Timeout > 0 || r.config.MaxTimeout > 0):
	case errors.Is(err, context.Canceled) && leaves:
	case errors.Is(err, errGuilty): // it may be that of loading
	case errors.As(err, &bug) && panics:
	default:
		t.Errorf("%v: %v", v, err)
	}
}
