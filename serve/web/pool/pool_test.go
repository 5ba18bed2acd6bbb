package pool_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/web/pool"
)

func TestPool(t *testing.T) {
	ctx := t.Context()
	var made, ended atomic.Int64
	p := pool.New(pool.Config[int64]{
		Most: 2, Waiting: 1,
		Make: func(context.Context) (int64, error) { return made.Add(1), nil },
		End:  func(context.Context, int64) { ended.Add(1) },
	})
	a, err := p.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Get(ctx)
	if err != nil || a == b {
		t.Fatal(a, b, err)
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	waits := make(chan error)
	go func() {
		for { // the one that looks whether somebody waits takes the place for a moment, too
			if _, err := p.Get(short); !errors.Is(err, pool.ErrFull) {
				waits <- err
				return
			}
		}
	}()
	for deadline := time.Now().Add(time.Second); ; {
		if _, err := p.Get(alreadyOver(ctx)); errors.Is(err, pool.ErrFull) {
			break // the other one waits
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
	}
	if err := <-waits; !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	p.Put(ctx, a)
	if again, err := p.Get(ctx); err != nil || again != a {
		t.Errorf("%d, %v: the idle one is %d", again, err, a)
	}
	p.Drop(ctx, b)
	if c, err := p.Get(ctx); err != nil || c == b {
		t.Error(c, err)
	} else {
		p.Put(ctx, c)
	}
	p.Put(ctx, a)
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if made.Load() != ended.Load() {
		t.Errorf("%d were made, %d ended", made.Load(), ended.Load())
	}
	if _, err := p.Get(ctx); !errors.Is(err, pool.ErrClosed) {
		t.Error(err)
	}
}

func alreadyOver(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

// TestMany borrows from many goroutines, while instances break and the pool is closed.
func TestMany(t *testing.T) {
	var inUse, most, open atomic.Int64
	p := pool.New(pool.Config[*int]{
		Most: 3, Waiting: 1000,
		Make: func(context.Context) (*int, error) { open.Add(1); return new(int), nil },
		End:  func(context.Context, *int) { open.Add(-1) },
	})
	var wait sync.WaitGroup
	for n := range 50 {
		wait.Go(func() {
			for i := range 50 {
				one, err := p.Get(t.Context())
				if err != nil {
					return
				}
				if now := inUse.Add(1); now > most.Load() {
					most.Store(now)
				}
				*one++
				inUse.Add(-1)
				if (n+i)%7 == 0 {
					p.Drop(t.Context(), one)
				} else {
					p.Put(t.Context(), one)
				}
			}
		})
	}
	wait.Wait()
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if most.Load() > 3 || open.Load() != 0 {
		t.Errorf("%d at once, %d left", most.Load(), open.Load())
	}
}
