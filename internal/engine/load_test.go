package engine

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// runs makes an instance of a bulky module and calls it.
func runs(tb testing.TB, e *Engine, m *Module) {
	tb.Helper()
	i, err := e.Instantiate(tb.Context(), m, InstanceConfig{})
	if err != nil {
		tb.Fatal(err)
	}
	defer i.Close(context.Background())
	if got, err := i.Call(tb.Context(), "run", 41); err != nil || got[0] != 42 {
		tb.Fatal(got, err)
	}
}

func TestLoadOnce(t *testing.T) {
	for _, dir := range []string{"", tempDir(t)} {
		e := newEngine(t, Config{CacheDir: dir})
		bin := bulky(2000, 40)
		var made atomic.Int32
		prepare := func(context.Context) (Artifact, error) {
			made.Add(1)
			return Artifact{Wasm: bin}, nil
		}
		var wg sync.WaitGroup
		modules := make([]*Module, 8)
		for n := range modules {
			wg.Go(func() {
				m, err := e.Load(context.Background(), keyOf(bin), prepare, nil)
				if err != nil {
					t.Error(err)
					return
				}
				modules[n] = m
				runs(t, e, m)
			})
		}
		wg.Wait()
		if made.Load() != 1 {
			t.Errorf("prepared %d times", made.Load())
		}
		for _, m := range modules[1:] {
			m.Close(t.Context())
			m.Close(t.Context())
		}
		runs(t, e, modules[0])
		modules[0].Close(t.Context())
		if len(e.loaded) != 0 {
			t.Error("the module is still there after its last Close")
		}
		m, err := e.Load(t.Context(), keyOf(bin), prepare, nil)
		if err != nil {
			t.Fatal(err)
		}
		if hit := dir != ""; m.Stats().Hit != hit || (made.Load() == 1) != hit {
			t.Errorf("in %q: prepared %d times, %+v", dir, made.Load(), m.Stats())
		}
		m.Close(t.Context())
	}
}

// TestModuleOutlivesClose keeps an instance while its module is closed.
func TestModuleOutlivesClose(t *testing.T) {
	e := newEngine(t, Config{})
	bin := bulky(1, 1)
	m, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := instance(t, e, m, InstanceConfig{})
	m.Close(t.Context())
	if got, err := i.Call(t.Context(), "run", 41); err != nil || got[0] != 42 {
		t.Fatal(got, err)
	}
	i.Close(t.Context())
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{}); !errors.Is(err, ErrClosed) {
		t.Error("an instance of what is closed:", err)
	}
}

func TestLoadErrors(t *testing.T) {
	errOurs := errors.New("ours")
	gives := func(a Artifact, err error) MakeFunc {
		return func(context.Context) (Artifact, error) { return a, err }
	}
	key := keyOf(nil)
	isInvalid := func(err error) bool { var e *InvalidModuleError; return errors.As(err, &e) }
	valid := bulky(1, 1)
	for _, c := range []struct {
		name string
		key  string
		make MakeFunc
		want func(error) bool
	}{
		{"key with a path", "../../" + key[6:], gives(Artifact{Wasm: valid}, nil), func(err error) bool { return err != nil }},
		{"key in capitals", strings.ToUpper(key), gives(Artifact{Wasm: valid}, nil), func(err error) bool { return err != nil }},
		{"short key", key[2:], gives(Artifact{Wasm: valid}, nil), func(err error) bool { return err != nil }},
		{"failing make", key, gives(Artifact{}, errOurs), func(err error) bool { return errors.Is(err, errOurs) }},
		{"panicking make", key, func(context.Context) (Artifact, error) { panic("lost") },
			func(err error) bool { return err != nil && strings.Contains(err.Error(), "lost") }},
		{"empty", key, gives(Artifact{}, nil), isInvalid},
		{"not wasm", key, gives(Artifact{Wasm: []byte("#!/bin/sh\n")}, nil), isInvalid},
		{"truncated", key, gives(Artifact{Wasm: valid[:len(valid)-2]}, nil), isInvalid},
		{"ill-typed", key, gives(Artifact{Wasm: append([]byte(nil), strings.Replace(string(valid), "\x41\x01\x6a", "\x6a\x6a\x6a", 1)...)}, nil), isInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, dir := range []string{"", tempDir(t)} {
				e := newEngine(t, Config{CacheDir: dir})
				if m, err := e.Load(t.Context(), c.key, c.make, nil); m != nil || !c.want(err) {
					t.Errorf("got %v", err)
				}
				if !validKey(c.key) {
					continue
				}
				// The failure is not remembered, and leaves nothing behind.
				m, err := e.Load(t.Context(), c.key, gives(Artifact{Wasm: valid}, nil), nil)
				if err != nil {
					t.Fatal(err)
				}
				runs(t, e, m)
				m.Close(t.Context())
				if dir != "" {
					wantEmpty(t, e.cache.path("drafts"))
				}
			}
		})
	}
}

// TestCancelCompile cancels a Load while the compiler works: it returns at once, and the work is not lost.
func TestCancelCompile(t *testing.T) {
	for funcs := sized(8000); !cancelsCompile(t, funcs); funcs *= 2 {
		if funcs > 60_000 {
			t.Fatal("the compiler is always done before it can be canceled")
		}
	}
}

// cancelsCompile tells whether the compiler was still at work when the Load was canceled: this process may get no
// processor for as long as a compilation takes.
func cancelsCompile(t *testing.T, funcs int) bool {
	e := newEngine(t, Config{CacheDir: tempDir(t)})
	bin := bulky(funcs, 60)
	ctx, cancel := context.WithCancel(t.Context())
	prepared := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		m, err := e.Load(ctx, keyOf(bin), func(context.Context) (Artifact, error) {
			close(prepared)
			return Artifact{Wasm: bin}, nil
		}, nil)
		if err == nil {
			m.Close(t.Context())
		}
		result <- err
	}()
	<-prepared
	time.Sleep(20 * time.Millisecond)
	cancel()
	err := <-result
	entries, wrong := os.ReadDir(e.cache.path("entries"))
	switch {
	case wrong != nil:
		t.Fatal(wrong)
	case err == nil || len(entries) > 0:
		return false
	case !errors.Is(err, context.Canceled):
		t.Fatal(err)
	}
	m, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) {
		return Artifact{}, errors.New("prepared again")
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	runs(t, e, m)
	return true
}

// TestAbort cancels the only Load of a module that could not be kept: the compiler is stopped, and a second Load is
// not harmed by that.
func TestAbort(t *testing.T) {
	e := newEngine(t, Config{})
	bin := bulky(20000, 60)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := e.Load(ctx, keyOf(bin), func(context.Context) (Artifact, error) {
			time.AfterFunc(30*time.Millisecond, cancel)
			return Artifact{Wasm: bin}, nil
		}, nil)
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	e.jobs.Wait()
	t.Log("the compiler stopped after", time.Since(begin))
	small := bulky(1, 1)
	m, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{Wasm: small}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Close(t.Context())
}

// TestCloseWhileCompiling gives the compile up.
func TestCloseWhileCompiling(t *testing.T) {
	dir := tempDir(t)
	e, err := New(t.Context(), Config{CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	bin := bulky(20000, 60)
	prepared, result := make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) {
			close(prepared)
			return Artifact{Wasm: bin}, nil
		}, nil)
		result <- err
	}()
	<-prepared
	time.Sleep(50 * time.Millisecond)
	begin := time.Now()
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > time.Minute { // decoding, which comes first, cannot be interrupted
		t.Errorf("Close took %v", took)
	}
	if err := <-result; !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	wantEmpty(t, e.cache.path("drafts"))
	wantEmpty(t, e.cache.path("entries"))
}

// TestLeaderLeaves cancels the Load whose make is running: it waits for its make, and another caller takes over.
func TestLeaderLeaves(t *testing.T) {
	for _, dir := range []string{"", tempDir(t)} {
		e := newEngine(t, Config{CacheDir: dir})
		bin := bulky(1, 1)
		ctx, cancel := context.WithCancel(t.Context())
		making := make(chan struct{})
		var left atomic.Bool
		first, second := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := e.Load(ctx, keyOf(bin), func(ctx context.Context) (Artifact, error) {
				close(making)
				<-ctx.Done()
				time.Sleep(10 * time.Millisecond)
				left.Store(true)
				return Artifact{}, ctx.Err()
			}, nil)
			if !left.Load() {
				t.Error("Load returned before its make")
			}
			first <- err
		}()
		<-making
		go func() {
			m, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }, nil)
			if m != nil {
				m.Close(context.Background())
			}
			second <- err
		}()
		time.Sleep(10 * time.Millisecond)
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Error("first:", err)
		}
		if err := <-second; err != nil {
			t.Error("second:", err)
		}
	}
}

type recorder struct {
	mu     sync.Mutex
	phases []string
	last   int64
	t      *testing.T
	ended  bool
}

func (r *recorder) Report(phase string, done, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		r.t.Error("reported after Load has returned")
	}
	if len(r.phases) == 0 || r.phases[len(r.phases)-1] != phase {
		r.phases, r.last = append(r.phases, phase), 0
	}
	if done < r.last || done > total {
		r.t.Errorf("%s: %d of %d after %d", phase, done, total, r.last)
	}
	r.last = done
}

func TestProgress(t *testing.T) {
	e := newEngine(t, Config{CacheDir: tempDir(t), Workers: 1})
	bin := bulky(1, 1)
	r := &recorder{t: t}
	m, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) {
		time.Sleep(reportAfter + 3*reportEvery)
		return Artifact{Wasm: bin}, nil
	}, r)
	if err != nil {
		t.Fatal(err)
	}
	m.Close(t.Context())
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	if len(r.phases) == 0 || r.phases[0] != "prepare" {
		t.Errorf("reported %q", r.phases)
	}
	if s := m.Stats(); s.Hit || s.Prepare < reportAfter || s.Compile <= 0 {
		t.Errorf("%+v", s)
	}
}

func TestEstimate(t *testing.T) {
	r := &reporter{}
	stop := r.estimate("compile", 1000, 1e6)
	for begin := processorTime(); processorTime() < begin+5*time.Millisecond; {
		advance(1) // only what computes counts: on a loaded machine a compile waits, too
	}
	r.tell()
	if r.current < 900 || r.current >= 1000 {
		t.Errorf("five times the expected time: %d of 1000", r.current)
	}
	stop()
	r.tell()
	if r.current != 1000 {
		t.Errorf("after the end: %d of 1000", r.current)
	}
	last := -1.0
	for x := 0.0; x < 20; x += 0.01 {
		y := advance(x)
		if y <= last && y < 0.999 || y > 1 || x < 0.8 && y != x {
			t.Fatalf("advance(%v) = %v after %v", x, y, last)
		}
		last = y
	}
}
