package runtime_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/runtime"
)

// turningImage is an image of a guest that answers requests.
func turningImage(t *testing.T) image {
	return newImage(t, ispec.ImageConfig{Entrypoint: []string{"/bin/turning"}},
		file{"bin/turning", 0o755, guestWasm(t, "turning")}, file{"data/words", 0o644, []byte("words")})
}

// reply is what that guest answers.
type reply struct {
	Turns, Sum, Loads, Dirt int
	FD                      int
	Seed, Random            string
}

func work(t *testing.T, w *runtime.Worker, words ...string) reply {
	t.Helper()
	request, err := json.Marshal(words)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.Turn(t.Context(), request)
	if err != nil {
		t.Fatalf("%v: %v", words, err)
	}
	var r reply
	if err := json.Unmarshal(answer, &r); err != nil {
		t.Fatalf("%s: %v", answer, err)
	}
	return r
}

// hire starts a worker in a container of its own.
func hire(t *testing.T, rt *runtime.Runtime, img runtime.Image, spec runtime.Spec, p runtime.Process) (*runtime.Worker, *runtime.Container) {
	t.Helper()
	c, err := rt.Create(t.Context(), img, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	w, err := c.Worker(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	return w, c
}

// TestWorker checks that a worker answers one request after another, from its
// snapshot and from its beginning, and what Reset makes it forget.
func TestWorker(t *testing.T) {
	rt := newRuntime(t, runtime.WithCacheDir(t.TempDir()))
	plain := turningImage(t)
	d := derive(t, rt, plain)
	seeds := map[string]bool{}
	for name, img := range map[string]runtime.Image{"from its snapshot": d, "from its beginning": plain} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			w, c := hire(t, rt, img, runtime.Spec{Stdout: &out}, runtime.Process{})
			restored := c.Stats().Restored
			if want := img == runtime.Image(d); (restored == 1) != want {
				t.Errorf("restored %d times: %v", restored, c.Stats().Notes)
			}
			for round := range 3 {
				a, b := work(t, w, "random", "dirty", "open"), work(t, w, "rare", "rarer", "random", "print")
				if a.Turns != 1 || b.Turns != 2 || a.Loads != 1 || a.FD != 4 || a.Dirt == 0 || a.Random == b.Random {
					t.Errorf("round %d: %+v, %+v", round, a, b)
				}
				for _, s := range []string{a.Seed, a.Random, b.Random} {
					if seeds[s] || len(s) < 8 {
						t.Errorf("round %d: %q was there before", round, s)
					}
					seeds[s] = true
				}
				if round == 1 {
					work(t, w, "grow") // it has to be a new instance
				}
				if err := w.Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
				if r := work(t, w); r.Turns != 1 || r.Dirt != 0 || r.FD != -1 {
					t.Errorf("after reset %d: %+v", round, r)
				}
				if err := w.Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := strings.Count(out.String(), "printed"); n != 3 {
				t.Errorf("printed %q", out.String())
			}
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s := c.Stats(); s.Memory != 0 || s.OpenFiles != 0 {
				t.Errorf("%d bytes and %d files are left", s.Memory, s.OpenFiles)
			}
			if _, err := w.Turn(t.Context(), []byte("[]")); !errors.Is(err, runtime.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

// TestWorkerFailures checks how requests fail, that what broke a worker is said,
// and that Reset repairs it.
func TestWorkerFailures(t *testing.T) {
	rt := newRuntime(t)
	d := derive(t, rt, turningImage(t))
	limits := runtime.Limits{Fuel: 50_000_000, Output: 1000}
	w, _ := hire(t, rt, d, runtime.Spec{}, runtime.Process{Limits: limits})
	for _, tt := range []struct {
		request string
		broken  bool
		is      func(err error) bool
	}{
		{"raise", false, func(err error) bool {
			e := (*runtime.ExceptionError)(nil)
			return errors.As(err, &e) && e.Type == "ValueError" && e.Message == "no" && strings.HasPrefix(e.Traceback, "Traceback\n") && err.Error() == "ValueError: no"
		}},
		{"trap", true, func(err error) bool { return errors.As(err, new(*runtime.TrapError)) }},
		{"exit", true, func(err error) bool {
			e := (*runtime.ExitError)(nil)
			return errors.As(err, &e) && e.Code == 7
		}},
		{"exit0", true, func(err error) bool { return errors.As(err, new(*runtime.ExitError)) }},
		{"loop", true, func(err error) bool {
			l := (*runtime.LimitError)(nil)
			return errors.As(err, &l) && l.Resource == "fuel" && l.Scope == runtime.ScopeCall
		}},
		{"flood", true, func(err error) bool {
			l := (*runtime.LimitError)(nil)
			return errors.As(err, &l) && l.Resource == "output"
		}},
		{"silent", true, func(err error) bool { return strings.Contains(err.Error(), "did not answer") }},
		{"garbage", true, func(err error) bool { return strings.Contains(err.Error(), "did not answer") }},
	} {
		t.Run(tt.request, func(t *testing.T) {
			_, err := w.Turn(t.Context(), []byte(fmt.Sprintf("[%q]", tt.request)))
			if err == nil || !tt.is(err) {
				t.Errorf("%v (%T)", err, err)
			}
			_, err = w.Turn(t.Context(), []byte("[]"))
			b := (*runtime.BrokenError)(nil)
			if broken := errors.As(err, &b); broken != tt.broken || broken && !tt.is(b.Cause) || !broken && err != nil {
				t.Errorf("afterwards: %v", err)
			}
			if err := w.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r := work(t, w); r.Turns != 1 {
				t.Errorf("after a reset: %+v", r)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		w, _ := hire(t, rt, d, runtime.Spec{}, runtime.Process{})
		ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errors.New("enough"))
		defer cancel()
		if _, err := w.Turn(ctx, []byte(`["loop"]`)); err == nil || err.Error() != "enough" {
			t.Errorf("%v", err)
		}
		if _, err := w.Turn(t.Context(), []byte("[]")); !errors.As(err, new(*runtime.BrokenError)) {
			t.Errorf("afterwards: %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		w, c := hire(t, rt, d, runtime.Spec{}, runtime.Process{})
		time.AfterFunc(10*time.Millisecond, func() { c.Close(context.Background()) })
		if _, err := w.Turn(t.Context(), []byte(`["loop"]`)); !errors.Is(err, runtime.ErrClosed) {
			t.Errorf("%v", err)
		}
	})
	t.Run("too long", func(t *testing.T) {
		if _, err := w.Turn(t.Context(), make([]byte, runtime.MaxRequest+1)); err == nil {
			t.Error("no error")
		}
		if _, err := w.Turn(t.Context(), []byte(`["huge"]`)); err == nil {
			t.Error("no error")
		}
	})
}

// TestWorkerBegins checks that a program of a snapshot is told who it is with its
// first request and no sooner, at its own expense, and how it fails then.
func TestWorkerBegins(t *testing.T) {
	rt := newRuntime(t, runtime.WithCacheDir(t.TempDir()))
	d := derive(t, rt, turningImage(t))
	fails := func(w *runtime.Worker) error {
		t.Helper()
		_, err := w.Turn(t.Context(), []byte("[]"))
		e := (*runtime.ExceptionError)(nil)
		if !errors.As(err, &e) || e.Error() != "ImportError: nothing here" {
			t.Errorf("%v (%T)", err, err)
		}
		return err
	}
	w, c := hire(t, rt, d, runtime.Spec{Env: []string{"FAIL=1"}}, runtime.Process{})
	for round := range 2 {
		if err := fails(w); errors.As(err, new(*runtime.BrokenError)) {
			t.Errorf("round %d: it is said to have been broken before", round)
		}
		if err := fails(w); !errors.As(err, new(*runtime.BrokenError)) {
			t.Errorf("round %d: %v: it goes on, and does not know who it is", round, err)
		}
		if err := w.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if c.Stats().Restored != 1 {
		t.Errorf("not from its snapshot: %v", c.Stats().Notes)
	}

	w, c = hire(t, rt, d, runtime.Spec{}, runtime.Process{})
	if n := c.Stats().Fuel; n != 0 {
		t.Errorf("%d units of fuel before the first request", n)
	}
	work(t, w)
	both := c.Stats().Fuel
	work(t, w)
	request := c.Stats().Fuel - both
	begins := both - request
	if request == 0 || begins == 0 {
		t.Fatalf("to begin takes %d units of fuel, a request %d", begins, request)
	}
	for _, tt := range []struct {
		fuel uint64
		ok   bool
	}{{max(begins, request) + min(begins, request)/2, true}, {max(begins, request) / 2, false}} {
		w, _ = hire(t, rt, d, runtime.Spec{}, runtime.Process{Limits: runtime.Limits{Fuel: tt.fuel}})
		limit := (*runtime.LimitError)(nil)
		if _, err := w.Turn(t.Context(), []byte("[]")); (err == nil) != tt.ok || err != nil && !errors.As(err, &limit) {
			t.Errorf("to begin takes %d units of fuel, a request %d, with %d: %v", begins, request, tt.fuel, err)
		}
	}
}

// TestNoWorker checks what cannot be a worker, and why.
func TestNoWorker(t *testing.T) {
	rt := newRuntime(t)
	plain := turningImage(t)
	waiting := waitingImage(t)
	for name, tt := range map[string]struct {
		img  runtime.Image
		spec runtime.Spec
		p    runtime.Process
		want string
	}{
		"a program that ends":     {derive(t, rt, waiting), runtime.Spec{}, runtime.Process{}, "answers no requests"},
		"a program of the shell":  {plain, runtime.Spec{}, runtime.Process{Args: []string{"echo"}}, "answers no requests"},
		"nothing":                 {plain, runtime.Spec{Entrypoint: []string{}}, runtime.Process{}, "no program"},
		"no such program":         {plain, runtime.Spec{}, runtime.Process{Args: []string{"nothing"}}, "not found"},
		"one that fails to load":  {plain, runtime.Spec{Env: []string{"FAIL=1"}}, runtime.Process{}, "ImportError: nothing here"},
		"one that has no room":    {plain, runtime.Spec{Limits: runtime.Limits{Memory: 1 << 16}}, runtime.Process{}, "memory"},
		"one with too many files": {plain, runtime.Spec{Limits: runtime.Limits{OpenFiles: 1}}, runtime.Process{}, "descriptors"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := rt.Create(t.Context(), tt.img, tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			w, err := c.Worker(t.Context(), tt.p)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v", w, err)
			}
			if err := c.Close(t.Context()); err != nil { // would wait for a worker that is left
				t.Error(err)
			}
			if s := c.Stats(); s.Memory != 0 || s.OpenFiles != 0 {
				t.Errorf("%d bytes and %d files are left", s.Memory, s.OpenFiles)
			}
		})
	}
}

// TestTouched checks that files that a worker wrote are told of.
func TestTouched(t *testing.T) {
	rt := newRuntime(t)
	w, c := hire(t, rt, turningImage(t), runtime.Spec{}, runtime.Process{})
	if work(t, w, "open"); c.Touched() {
		t.Error("touched by reading")
	}
	if work(t, w, "write"); !c.Touched() {
		t.Error("not touched by writing")
	}
}
