package repository

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wherry-run/wherry/model"
)

// TestWasted: what a batch took that failed is known, each request has its share of
// it, and so is what one took that failed alone.
func TestWasted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.answer = func(_ context.Context, r *model.Request) (*model.Response, error) {
			if slices.Contains(values(plusOne(r)), 14) {
				return &model.Response{Usage: model.Usage{Fuel: 100 * uint64(r.Inputs[0].Shape[0]), Memory: 5}}, errGuilty
			}
			return plusOne(r), nil
		}
		config := one(f, batching(4, time.Minute))
		var mu sync.Mutex
		told := map[float32]Receipt{}
		config.Observe = func(_ context.Context, e Event) {
			mu.Lock()
			defer mu.Unlock()
			told[values(&model.Response{Outputs: e.Call.Request.Inputs})[0]] = e.Receipt
		}
		r := open(t, config)
		var calls []chan result
		for _, v := range []float32{1, 13, 3} {
			q := numbers(v)
			if v == 3 {
				q = numbers(3, 3)
			}
			calls = append(calls, ask(t.Context(), r, &Call{Request: q}))
			synctest.Wait()
		}
		for i, c := range calls {
			if got := <-c; (i == 1) != errors.Is(got.err, errGuilty) {
				t.Errorf("request %d: %v", i, got.err)
			}
		}
		for v, want := range map[float32]Receipt{1: {Fuel: 10, Memory: 100, Wasted: 100}, 13: {Fuel: 100, Memory: 5, Wasted: 100}, 3: {Fuel: 10, Memory: 100, Wasted: 200}} {
			if got := told[v]; got.Fuel != want.Fuel || got.Wasted != want.Wasted || got.Memory != want.Memory {
				t.Errorf("%v: %+v", v, got)
			}
		}
	})
}
