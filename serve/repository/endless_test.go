package repository

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wherry-run/wherry/model"
)

// endless is a model that takes a millisecond, and never ends for a 13.
func endless() *fake {
	f := newFake()
	f.answer = func(ctx context.Context, r *model.Request) (*model.Response, error) {
		if slices.Contains(values(plusOne(r)), 14) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}
		select {
		case <-time.After(time.Millisecond):
			return plusOne(r), nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return f
}

// TestBatchEndless: one row that never ends takes its own time and not that of the
// others of its batch, whether the pace of the model is known or not, wherever in the
// batch it is, and for clients that have little time, too.
func TestBatchEndless(t *testing.T) {
	for _, c := range []struct {
		name    string
		timeout time.Duration
		known   bool
		rows    []float32
		within  time.Duration
	}{
		{"first", 10 * time.Second, true, []float32{13, 1, 2, 3}, time.Second},
		{"last", 10 * time.Second, true, []float32{1, 2, 3, 13}, time.Second},
		{"two of them", 10 * time.Second, true, []float32{13, 1, 13, 2}, time.Second},
		{"little time", 200 * time.Millisecond, true, []float32{13, 1, 2, 3}, 200 * time.Millisecond},
		{"no pace", 10 * time.Second, false, []float32{1, 13, 2, 3}, 8 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := endless()
				config := one(f, batching(4, time.Minute)) // full, or never
				config.Timeout = c.timeout
				r := open(t, config)
				ask4 := func(rows []float32) (calls []chan result) {
					for _, v := range rows {
						calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(v)}))
						synctest.Wait()
					}
					return calls
				}
				if c.known {
					for range 20 {
						for _, call := range ask4([]float32{1, 2, 3, 4}) {
							if got := <-call; got.err != nil {
								t.Fatal(got.err)
							}
						}
					}
				}
				began := time.Now()
				calls := ask4(c.rows)
				for i, v := range c.rows {
					if v == 13 {
						continue
					}
					got := <-calls[i]
					if took := time.Since(began); got.err != nil || took > c.within || values(got.answer.Response)[0] != v+1 {
						t.Errorf("%v: %v after %v", v, got.err, took)
					}
				}
				for i, v := range c.rows {
					if v != 13 {
						continue
					}
					if got := <-calls[i]; !errors.Is(got.err, context.DeadlineExceeded) || time.Since(began) < c.timeout {
						t.Errorf("the guilty: %v after %v", got.err, time.Since(began))
					}
				}
			})
		})
	}
}

// TestPaceOutlier: requests that never end do not make a model look as if it could
// answer none of the others.
func TestPaceOutlier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := endless()
		config := one(f, nil)
		config.Timeout = time.Minute
		r := open(t, config)
		for round := range 5 {
			if got := <-ask(t.Context(), r, &Call{Request: numbers(13)}); got.err == nil {
				t.Fatal("the endless one was answered")
			}
			if got := <-ask(t.Context(), r, &Call{Request: numbers(1)}); got.err != nil {
				t.Fatal(got.err)
			}
			var calls []chan result
			for range 3 {
				calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(1), Timeout: time.Second}))
				synctest.Wait()
			}
			for _, c := range calls {
				if got := <-c; got.err != nil {
					t.Errorf("round %d: %v", round, got.err)
				}
			}
		}
	})
}

// TestDelayBound: while one waits to be joined, no more wait behind it than may.
func TestDelayBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := one(newFake(), batching(4, time.Hour))
		config.Waiting = 8
		r := open(t, config)
		ctx, cancel := context.WithCancel(t.Context())
		calls := []chan result{ask(ctx, r, &Call{Request: numbers(1)})}
		synctest.Wait()
		var busy *OverloadedError
		for i := range 20 {
			c := ask(ctx, r, &Call{Request: numbers()}) // no rows: it cannot be joined
			synctest.Wait()
			select {
			case got := <-c:
				if i < 7 || !errors.As(got.err, &busy) || !busy.Full {
					t.Errorf("request %d: %v", i, got.err)
				}
			default:
				if i >= 7 {
					t.Errorf("request %d waits, too", i)
				}
				calls = append(calls, c)
			}
		}
		cancel()
		for _, c := range calls {
			<-c
		}
	})
}

// TestDelayOldest: nobody waits longer to be joined than the delay, because others of
// a higher priority come all the time.
func TestDelayOldest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := open(t, one(newFake(), batching(100, time.Second)))
		began := time.Now()
		calls := []chan result{ask(t.Context(), r, &Call{Request: numbers(1), Priority: 90})}
		for range 30 {
			time.Sleep(100 * time.Millisecond)
			calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(2), Priority: 1}))
			synctest.Wait()
			select {
			case got := <-calls[0]:
				if took := time.Since(began); got.err != nil || took > time.Second {
					t.Errorf("%v after %v", got.err, took)
				}
				calls = calls[1:]
				for _, c := range calls {
					<-c
				}
				return
			default:
			}
		}
		t.Error("it waits, while others come")
		for _, c := range calls {
			<-c
		}
	})
}

// TestNobodyStarves: one who asks what never ends, again and again, takes one instance,
// and nothing from those who ask what does: not one is turned away or late.
func TestNobodyStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := one(endless(), func(l *Loaded) { l.Instances = 2 })
		config.Timeout = time.Second
		r := open(t, config)
		if got := <-ask(t.Context(), r, &Call{Request: numbers(1)}); got.err != nil {
			t.Fatal(got.err)
		}
		end := time.Now().Add(30 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			for time.Now().Before(end) {
				_, _ = r.Infer(t.Context(), &Call{Request: numbers(13), Timeout: 500 * time.Millisecond})
			}
		})
		var answered, failed atomic.Int64
		for range 3 {
			wg.Go(func() {
				for time.Now().Before(end) {
					if _, err := r.Infer(t.Context(), &Call{Request: numbers(1), Timeout: 20 * time.Millisecond}); err != nil {
						failed.Add(1)
					} else {
						answered.Add(1)
					}
					time.Sleep(2 * time.Millisecond)
				}
			})
		}
		wg.Wait()
		if failed.Load() > 0 || answered.Load() < 10_000 {
			t.Errorf("%d answered, %d failed", answered.Load(), failed.Load())
		}
	})
}
