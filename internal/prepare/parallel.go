package prepare

import (
	"context"
	"sync"
	"sync/atomic"
)

// each calls do(i) for every i below n on so many goroutines and returns the error of the lowest i
// that failed, so that a bad module gives the same message however its functions were shared out.
func each(ctx context.Context, workers, n int, do func(i int) error) error {
	if workers > n {
		workers = n
	}
	errs := make([]error, n)
	var next, failed atomic.Int64
	failed.Store(int64(n))
	run := func() {
		for {
			i := next.Add(1) - 1
			if i >= failed.Load() || ctx.Err() != nil {
				return
			}
			if errs[i] = do(int(i)); errs[i] != nil {
				lower(&failed, i)
			}
		}
	}
	var wg sync.WaitGroup
	for range workers - 1 {
		wg.Go(run)
	}
	run()
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lower makes v at most i.
func lower(v *atomic.Int64, i int64) {
	for {
		old := v.Load()
		if old <= i || v.CompareAndSwap(old, i) {
			return
		}
	}
}
