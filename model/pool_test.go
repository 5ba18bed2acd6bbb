package model_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
)

// factory makes instances that count what is done to them.
type factory struct {
	live, most, made, closed, resets atomic.Int64
	fail                             atomic.Pointer[error] // of New
	wait                             chan struct{}         // New waits for it, when there is one
}

var errTrap = errors.New("trap: unreachable")

// fake answers what its request says: BYTES what = "ok", "trap", "refuse", "hang"
// or a duration.
type fake struct {
	f      *factory
	busy   atomic.Bool
	broken bool
	seen   int
}

var fakeSignature = &model.Signature{
	Name: "fake", Platform: model.PlatformONNX,
	Inputs:  []model.Field{{Name: "what", Type: model.Bytes, Shape: []int64{1}}},
	Outputs: []model.Field{{Name: "seen", Type: model.Int64, Shape: []int64{}}},
}

func (f *factory) New(ctx context.Context) (model.Instance, error) {
	if f.wait != nil {
		select {
		case <-f.wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := f.fail.Load(); err != nil {
		return nil, *err
	}
	f.made.Add(1)
	for n := f.live.Add(1); ; {
		most := f.most.Load()
		if n <= most || f.most.CompareAndSwap(most, n) {
			return &fake{f: f}, nil
		}
	}
}

func (i *fake) use() func() {
	if !i.busy.CompareAndSwap(false, true) {
		panic("an instance is used by two at once")
	}
	return func() { i.busy.Store(false) }
}

func (i *fake) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	defer i.use()()
	if i.broken {
		panic("an instance is used after it broke")
	}
	i.seen++
	words, err := model.Values[string](r.Inputs[0])
	if err != nil {
		return nil, err
	}
	switch what := words[0]; what {
	case "ok":
	case "trap":
		i.broken = true
		return nil, fmt.Errorf("predict: %w", errTrap)
	case "refuse":
		return nil, &model.ModelError{Type: "ValueError", Message: "no"}
	case "dear":
		return &model.Response{Outputs: []model.Tensor{model.Scalar("seen", int64(0))}, Usage: model.Usage{Fuel: 5}}, &model.ModelError{Type: "ValueError", Message: "no"}
	case "nonsense":
		return &model.Response{Outputs: []model.Tensor{{Name: "seen", Type: model.Int64, Shape: []int64{0}, Data: make([]byte, 8)}}}, nil
	case "panic":
		i.broken = true
		panic("a mistake of ours")
	default:
		d, _ := time.ParseDuration(what)
		if what == "hang" {
			d = time.Hour
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			i.broken = true
			return nil, context.Cause(ctx)
		}
	}
	return &model.Response{Outputs: []model.Tensor{model.Scalar("seen", int64(i.seen))}, Usage: model.Usage{Fuel: 7}}, nil
}

func (i *fake) Reset(context.Context) error {
	defer i.use()()
	i.f.resets.Add(1)
	i.seen = 0
	return nil
}

func (i *fake) Close(context.Context) error {
	defer i.use()()
	i.f.closed.Add(1)
	i.f.live.Add(-1)
	return nil
}

func pool(t *testing.T, f *factory, c model.PoolConfig) *model.Pool {
	t.Helper()
	c.Signature, c.New = fakeSignature, f.New
	p, err := model.NewPool(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if f.live.Load() != 0 {
			t.Errorf("%d instances are left", f.live.Load())
		}
	})
	return p
}

func ask(ctx context.Context, p model.Predictor, what string) (int64, error) {
	r, err := p.Predict(ctx, &model.Request{Inputs: []model.Tensor{model.Of("what", []string{what})}})
	if err != nil {
		return 0, err
	}
	v, err := model.Values[int64](r.Outputs[0])
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

func TestPoolReuse(t *testing.T) {
	for _, c := range []struct {
		reuse model.Reuse
		seen  [3]int64
		made  int64
	}{
		{"", [3]int64{1, 2, 3}, 1},
		{model.ReuseAlways, [3]int64{1, 2, 3}, 1},
		{model.ReuseReset, [3]int64{1, 1, 1}, 1},
		{model.ReuseNever, [3]int64{1, 1, 1}, 3},
	} {
		t.Run(string(c.reuse), func(t *testing.T) {
			f := &factory{}
			p := pool(t, f, model.PoolConfig{Reuse: c.reuse})
			for n, want := range c.seen {
				if got, err := ask(t.Context(), p, "ok"); err != nil || got != want {
					t.Errorf("request %d: got %d, %v; want %d", n, got, err, want)
				}
			}
			if f.made.Load() != c.made {
				t.Errorf("%d instances were made, want %d", f.made.Load(), c.made)
			}
		})
	}
}

func TestPoolBroken(t *testing.T) {
	f := &factory{}
	p := pool(t, f, model.PoolConfig{})
	if _, err := ask(t.Context(), p, "refuse"); !errors.As(err, new(*model.ModelError)) {
		t.Errorf("got %v, want the model's error", err)
	}
	if got, err := ask(t.Context(), p, "ok"); err != nil || got != 2 {
		t.Errorf("after a refusal: got %d, %v; want the same instance", got, err)
	}
	if _, err := ask(t.Context(), p, "trap"); !errors.Is(err, errTrap) {
		t.Errorf("got %v, want the trap", err)
	}
	if got, err := ask(t.Context(), p, "ok"); err != nil || got != 1 {
		t.Errorf("after a trap: got %d, %v; want a new instance", got, err)
	}
	if _, err := ask(t.Context(), p, "nonsense"); err == nil || errors.As(err, new(*model.InputError)) {
		t.Errorf("got %v for what is no tensor", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, p, "hang"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic of an instance is swallowed")
			}
		}()
		_, _ = ask(t.Context(), p, "panic")
	}()
	if s := p.Stats(); s.Instances != 0 || s.Broken != 4 || s.Made != 4 || s.Requests != 7 {
		t.Errorf("got %+v", s)
	}
}

func TestPoolWaits(t *testing.T) {
	f := &factory{}
	p := pool(t, f, model.PoolConfig{Instances: 1, Waiting: 1})
	done := make(chan error)
	go func() { _, err := ask(t.Context(), p, "2s"); done <- err }()
	for p.Stats().Requests == 0 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, p, "ok"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	go func() { _, err := ask(t.Context(), p, "ok"); done <- err }()
	for p.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := ask(t.Context(), p, "ok"); !errors.Is(err, model.ErrBusy) {
		t.Errorf("got %v, want that it is busy", err)
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if f.made.Load() != 1 {
		t.Errorf("%d instances were made: who only waited broke one", f.made.Load())
	}
}

// An instance that a request was not patient enough for is there for the next.
func TestPoolMakesOn(t *testing.T) {
	f := &factory{wait: make(chan struct{})}
	p := pool(t, f, model.PoolConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, p, "ok"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v, want the deadline", err)
	}
	close(f.wait)
	if _, err := ask(t.Context(), p, "ok"); err != nil || f.made.Load() != 1 {
		t.Errorf("got %v, after %d instances", err, f.made.Load())
	}
}

func TestPoolCannotMake(t *testing.T) {
	f := &factory{}
	p := pool(t, f, model.PoolConfig{Instances: 4})
	bad := errors.New("no memory")
	f.fail.Store(&bad)
	if _, err := ask(t.Context(), p, "ok"); !errors.Is(err, bad) {
		t.Errorf("got %v, want why none was made", err)
	}
	f.fail.Store(nil)
	if err := p.Warm(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	f.fail.Store(&bad)
	var wg sync.WaitGroup
	for range 20 { // the one that there is serves all
		wg.Go(func() {
			if _, err := ask(t.Context(), p, "1ms"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if f.made.Load() != 1 {
		t.Errorf("%d instances were made", f.made.Load())
	}
}

func TestPoolClose(t *testing.T) {
	f := &factory{}
	p := pool(t, f, model.PoolConfig{Instances: 2})
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := ask(t.Context(), p, "hang"); !errors.Is(err, model.ErrClosed) {
				t.Errorf("got %v, want that it is closed", err)
			}
		})
	}
	for p.Stats().Waiting != 3 || p.Stats().Requests != 2 {
		time.Sleep(time.Millisecond)
	}
	for range 2 {
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if f.live.Load() != 0 {
		t.Error("Close returned before all instances were freed")
	}
	wg.Wait()
	if _, err := ask(t.Context(), p, "ok"); !errors.Is(err, model.ErrClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
}

func TestPoolCloseWhileMaking(t *testing.T) {
	f := &factory{wait: make(chan struct{})}
	p := pool(t, f, model.PoolConfig{})
	done := make(chan error)
	go func() { _, err := ask(t.Context(), p, "ok"); done <- err }()
	for p.Stats().Instances == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, model.ErrClosed) {
		t.Errorf("got %v, want that it is closed", err)
	}
}

func TestPoolChecks(t *testing.T) {
	f := &factory{}
	p := pool(t, f, model.PoolConfig{})
	_, err := p.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("what", []float32{1})}})
	var wrong *model.InputError
	if !errors.As(err, &wrong) || wrong.Tensor != "what" || !strings.Contains(wrong.Reason, "BYTES [1]") {
		t.Errorf("got %v", err)
	}
	if f.made.Load() != 0 {
		t.Error("an instance was made for a request that does not fit")
	}
}

// A thousand at once, many of them cancelled, late or harmful: each has the end
// that it deserves, and nothing is left.
func TestPoolCrowd(t *testing.T) {
	for _, reuse := range []model.Reuse{model.ReuseAlways, model.ReuseReset, model.ReuseNever} {
		t.Run(string(reuse), func(t *testing.T) { crowd(t, reuse) })
	}
}

func crowd(t *testing.T, reuse model.Reuse) {
	before := runtime.NumGoroutine()
	f := &factory{}
	p := pool(t, f, model.PoolConfig{Instances: 8, Reuse: reuse})
	var wg sync.WaitGroup
	for n := range 1000 {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		wg.Go(func() {
			ctx, cancel := t.Context(), func() {}
			what, want := "ok", error(nil)
			switch r.IntN(6) {
			case 0:
				what, want = "trap", errTrap
			case 1:
				what, want = "refuse", &model.ModelError{Type: "ValueError", Message: "no"}
			case 2:
				what, want = "hang", context.DeadlineExceeded
				ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(3000))*time.Microsecond)
			case 3:
				what, want = "hang", context.Canceled
				var stop context.CancelFunc
				ctx, stop = context.WithCancel(ctx)
				time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, stop)
				cancel = stop
			}
			defer cancel()
			_, err := ask(ctx, p, what)
			if (want == nil) != (err == nil) || want != nil && !errors.Is(err, want) && err.Error() != want.Error() {
				t.Errorf("%s: got %v, want %v", what, err, want)
			}
		})
	}
	wg.Wait()
	if f.most.Load() > 8 {
		t.Errorf("there were %d instances at once", f.most.Load())
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Instances != 0 || s.Waiting != 0 || f.made.Load() != f.closed.Load() {
		t.Errorf("left: %+v; %d made, %d closed", s, f.made.Load(), f.closed.Load())
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// TestFailureUsage: a request that failed says what it took, and nothing else.
func TestFailureUsage(t *testing.T) {
	p := pool(t, &factory{}, model.PoolConfig{Instances: 1})
	r, err := p.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("what", []string{"dear"})}})
	if err == nil || r == nil || r.Usage.Fuel != 5 || r.Usage.Compute <= 0 || len(r.Outputs) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	usage, err := p.Stream(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("what", []string{"dear"})}}, func(*model.Response) error { return nil })
	if err == nil || usage.Fuel != 5 {
		t.Errorf("in parts: %+v, %v", usage, err)
	}
}

// cracked is an instance that panics where no request is.
type cracked struct {
	model.Instance
	reset, close bool
}

func (c *cracked) Reset(ctx context.Context) error {
	if c.reset {
		panic("reset")
	}
	return c.Instance.Reset(ctx)
}

func (c *cracked) Close(ctx context.Context) error {
	err := c.Instance.Close(ctx)
	if c.close {
		panic("close")
	}
	return err
}

// TestPanicBeside: a panic while an instance is made, put back or closed ends that, and
// nothing else.
func TestPanicBeside(t *testing.T) {
	for name, c := range map[string]struct {
		reuse        model.Reuse
		make         bool
		reset, close bool
	}{"made": {model.ReuseAlways, true, false, false}, "put back": {model.ReuseReset, false, true, false}, "closed": {model.ReuseNever, false, false, true}} {
		t.Run(name, func(t *testing.T) {
			f, made := &factory{}, 0
			p, err := model.NewPool(t.Context(), model.PoolConfig{Signature: fakeSignature, Instances: 1, Reuse: c.reuse, New: func(ctx context.Context) (model.Instance, error) {
				if made++; c.make && made == 1 {
					panic("made")
				}
				i, err := f.New(ctx)
				return &cracked{i, c.reset, c.close}, err
			}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ask(t.Context(), p, "ok"); (err != nil) != c.make || c.make && !strings.Contains(err.Error(), "panic: made") {
				t.Errorf("the first: %v", err)
			}
			for range 3 {
				if _, err := ask(t.Context(), p, "ok"); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			}
			if err := p.Close(context.WithoutCancel(t.Context())); err != nil || f.live.Load() != 0 {
				t.Errorf("%v, %d are left", err, f.live.Load())
			}
		})
	}
}
