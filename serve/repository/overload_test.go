package repository

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestOverload offers four times what two instances can answer, for a minute of a
// clock of its own: what is taken is answered in about its usual time, the rest is
// turned away at once, and the instances do not rest. Either bound does that, of those
// that wait, or of the time that a request has.
func TestOverload(t *testing.T) {
	const (
		service  = 10 * time.Millisecond
		capacity = 2 * int(time.Second/service) // requests a second
		seconds  = 60
	)
	for _, c := range []struct {
		name    string
		change  func(*Config)
		slowest time.Duration // of 99 %
	}{
		{"waiting", func(c *Config) { c.Waiting = 2 }, 2 * service},
		{"timeout", func(c *Config) { c.Timeout = 25 * time.Millisecond }, 25 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.delay = service
				config := one(f, func(l *Loaded) { l.Instances = 2 })
				c.change(&config)
				r, err := New(context.Background(), config)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close(context.Background())
				var mu sync.Mutex
				var took, refused []time.Duration
				var late int
				var wg sync.WaitGroup
				rnd := rand.New(rand.NewPCG(1, 2))
				for end := time.Now().Add(seconds * time.Second); time.Now().Before(end); {
					wg.Go(func() {
						began := time.Now()
						_, err := r.Infer(context.Background(), &Call{Request: numbers(1)})
						mu.Lock()
						defer mu.Unlock()
						var busy *OverloadedError
						switch {
						case err == nil:
							took = append(took, time.Since(began))
						case errors.As(err, &busy):
							refused = append(refused, time.Since(began))
						case errors.Is(err, context.DeadlineExceeded):
							late++
						default:
							t.Error(err)
						}
					})
					time.Sleep(time.Duration(rnd.ExpFloat64() * float64(time.Second) / (4 * float64(capacity))))
				}
				wg.Wait()
				slices.Sort(took)
				slices.Sort(refused)
				if n := len(took); n < capacity*seconds*95/100 {
					t.Errorf("%d answered, of %d that could be", n, capacity*seconds)
				}
				if p99 := took[len(took)*99/100]; p99 > c.slowest {
					t.Errorf("99 %% were answered in %v, more than %v", p99, c.slowest)
				}
				if median := refused[len(refused)/2]; median != 0 {
					t.Errorf("half of those refused waited %v for that", median)
				}
				if late > len(took)/100 {
					t.Errorf("%d were begun in vain", late)
				}
				t.Logf("%d answered (99 %% in %v), %d refused, %d late", len(took), took[len(took)*99/100], len(refused), late)
			})
		})
	}
}
