package runtime_test

import (
	"context"
	"crypto/sha256"
	"errors"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/wherry-run/wherry/internal/hostmath"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

// productText is a program whose status is the product that its function 0 computes.
const productText = `(module (memory (export "memory") 1)
	(func $product (param i32 i32) (result i32) (i32.mul (local.get 0) (local.get 1)))
	(func (export "run") (result i32) (call $product (i32.load (i32.const 8)) (i32.const 20)))
	(data (i32.const 8) "\06"))`

// pinned are the pins of one function of a module, of type (i32, i32) -> i32 or (i32) -> i32.
func pinned(t testing.TB, module []byte, function uint32, typ string) func([32]byte) []hostmath.Pin {
	t.Helper()
	m, err := wasm.Decode(module, wasm.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(module)
	body := sha256.Sum256(m.Bytes(m.Code[int(function)-m.ImportedFuncs()]))
	return func(of [32]byte) []hostmath.Pin {
		if of != sum {
			return nil
		}
		return []hostmath.Pin{{Module: sum, Function: function, Type: typ, Body: body, Kernel: "test.product"}}
	}
}

// product runs productText with a kernel of its own.
func product(t *testing.T, spec runtime.Spec, kernel hostmath.Func, options ...runtime.Option) (status int, stats runtime.Stats, err error) {
	t.Helper()
	module := wat(t, productText)
	find := func(name string) hostmath.Func {
		if name != "test.product" {
			return nil
		}
		return kernel
	}
	rt := newRuntime(t, append([]runtime.Option{runtime.WithPinned("test/1", pinned(t, module, 0, "ii:i"), find)}, options...)...)
	c := createIn(t, rt, runtime.Program("m", module), spec)
	err = c.Run(t.Context())
	status, _ = runtime.Status(err)
	return status, c.Stats(), err
}

// TestAccelerate checks what a kernel is given, what becomes of its answer, and who has none.
func TestAccelerate(t *testing.T) {
	asked := 0
	kernel := func(env hostmath.Env, stack []uint64) (bool, error) {
		if asked++; uint32(stack[0]) != 6 || uint32(stack[1]) != 20 || len(env.Memory()) != 1<<16 || env.Memory()[8] != 6 {
			t.Errorf("called with %v", stack)
		}
		stack[0] = 33
		return true, env.Tick(1600)
	}
	status, stats, err := product(t, runtime.Spec{}, kernel)
	if status != 33 || asked != 1 || stats.Fuel < 100 {
		t.Errorf("status %d, asked %d times, fuel %d: %v", status, asked, stats.Fuel, err)
	}
	if want := []runtime.Accelerated{{Kernel: "test.product", Set: "test/1", Calls: 1, Work: 1600}}; !slices.Equal(stats.Accelerated, want) {
		t.Errorf("told %+v, want %+v", stats.Accelerated, want)
	}
	status, stats, _ = product(t, runtime.Spec{}, func(hostmath.Env, []uint64) (bool, error) { return false, nil })
	if want := []runtime.Accelerated{{Kernel: "test.product", Set: "test/1", Declined: 1}}; status != 120 || !slices.Equal(stats.Accelerated, want) {
		t.Errorf("declined: status %d, told %+v", status, stats.Accelerated)
	}
	asked = 0
	for name, spec := range map[string]runtime.Spec{
		"not wanted":    {NoAcceleration: true},
		"deterministic": {Deterministic: true},
		"a build":       {Deterministic: true, KeepNaNs: true},
	} {
		if status, stats, err := product(t, spec, kernel); status != 120 || asked != 0 || stats.Accelerated != nil {
			t.Errorf("%s: status %d, asked %d times, told %+v: %v", name, status, asked, stats.Accelerated, err)
		}
	}
	if _, err := runtime.New(t.Context(), runtime.WithKernels("abacus")); err == nil || !strings.Contains(err.Error(), "abacus") {
		t.Errorf("kernels that nobody has: %v", err)
	}
}

// TestAccelerateEnds checks that what happens in a kernel ends the guest as its own doing would.
func TestAccelerateEnds(t *testing.T) {
	forever := func(env hostmath.Env, _ []uint64) (bool, error) {
		for {
			if err := env.Tick(1 << 20); err != nil {
				return true, err
			}
		}
	}
	_, _, err := product(t, runtime.Spec{Limits: runtime.Limits{Fuel: 1e6}}, forever)
	if l := limitOf(t, err); l.Resource != "fuel" {
		t.Errorf("fuel: %v", err)
	}
	began := time.Now()
	_, _, err = product(t, runtime.Spec{Limits: runtime.Limits{Timeout: 300 * time.Millisecond}}, func(env hostmath.Env, _ []uint64) (bool, error) {
		began = time.Now()
		for {
			time.Sleep(500 * time.Microsecond)
			if err := env.Tick(1 << 14); err != nil {
				return true, err
			}
		}
	})
	if l := limitOf(t, err); l.Resource != "wall time" || time.Since(began) > 10*time.Second {
		t.Errorf("timeout: %v after %s", err, time.Since(began))
	}
	kernels := map[string]hostmath.Func{
		"index":   func(env hostmath.Env, stack []uint64) (bool, error) { return env.Memory()[1<<20+stack[0]] == 0, nil },
		"nil":     func(hostmath.Env, []uint64) (bool, error) { var p *int; *p = 1; return true, nil },
		"panic":   func(env hostmath.Env, _ []uint64) (bool, error) { env.Hold(1000); panic("told to") },
		"divides": func(_ hostmath.Env, s []uint64) (bool, error) { return 1/(uint32(s[0])-6) == 0, nil },
	}
	if goruntime.GOOS == "linux" { // behind the memory lies address space that nobody may read
		kernels["fault"] = func(env hostmath.Env, _ []uint64) (bool, error) {
			mem := env.Memory()
			return *(*byte)(unsafe.Add(unsafe.Pointer(&mem[0]), len(mem)+1<<16)) == 0, nil
		}
	}
	for name, kernel := range kernels {
		status, stats, err := product(t, runtime.Spec{}, kernel)
		var trap *runtime.TrapError
		if !errors.As(err, &trap) || !strings.Contains(err.Error(), "test.product") || strings.Contains(err.Error(), ".go") || strings.Contains(err.Error(), "0x") {
			t.Errorf("%s: status %d, %v", name, status, err)
		}
		if stats.Memory != 0 {
			t.Errorf("%s: %d bytes are held for ever", name, stats.Memory)
		}
	}
}

// TestAccelerateMemory checks that scratch memory is the container's.
func TestAccelerateMemory(t *testing.T) {
	var granted []bool
	status, stats, err := product(t, runtime.Spec{Limits: runtime.Limits{Memory: 1 << 20}}, func(env hostmath.Env, stack []uint64) (bool, error) {
		granted = []bool{env.Hold(1 << 30), env.Hold(600 << 10), env.Hold(600 << 10), env.Hold(-600 << 10), env.Hold(700 << 10)}
		stack[0] = 1
		return true, nil
	})
	if want := []bool{false, true, false, true, true}; status != 1 || !slices.Equal(granted, want) {
		t.Errorf("status %d, granted %v, want %v: %v", status, granted, want, err)
	}
	if stats.Memory != 0 || stats.PeakMemory != 64<<10+700<<10 {
		t.Errorf("%d bytes are held, %d were", stats.Memory, stats.PeakMemory)
	}
}

// TestAccelerateShare: a share of the processors holds for those that compute for a guest
// beside it.
func TestAccelerateShare(t *testing.T) {
	var rt *runtime.Runtime
	kernel := func(env hostmath.Env, _ []uint64) (bool, error) {
		crew := env.(hostmath.Crew)
		before := rt.Computing()
		crew.Computing(3)
		if n := rt.Computing(); n != before+3 {
			t.Errorf("%d compute, want %d", n, before+3)
		}
		crew.Computing(-3)
		for range 20 {
			crew.Computed(100 * time.Millisecond)
			if err := env.Tick(1 << 24); err != nil {
				return true, err
			}
		}
		return true, nil
	}
	module := wat(t, productText)
	rt = newRuntime(t, runtime.WithPinned("test/1", pinned(t, module, 0, "ii:i"), func(string) hostmath.Func { return kernel }))
	for cpus, want := range map[float64]time.Duration{0: 0, 2: time.Second, 4: 500 * time.Millisecond} {
		c := createIn(t, rt, runtime.Program("m", module), runtime.Spec{Limits: runtime.Limits{CPUs: cpus}})
		_ = c.Run(t.Context())
		s := c.Stats()
		if s.CPU < 2*time.Second || s.Throttled < want-150*time.Millisecond || want == 0 && s.Throttled != 0 {
			t.Errorf("%g processors: computed for %s, rested for %s, want about %s", cpus, s.CPU, s.Throttled, want)
		}
	}
	if n := rt.Computing(); n != 0 {
		t.Errorf("%d compute when all have ended", n)
	}
}

// TestAccelerateSnapshot records a library where kernels are, and where there are none, and starts both in either: nothing
// is accelerated while it is recorded, and the function is known to run.
func TestAccelerateSnapshot(t *testing.T) {
	img := libraryImage(t)
	module := wat(t, addingText)
	var mu sync.Mutex
	asked := 0
	kernel := func(env hostmath.Env, stack []uint64) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		stack[0] += 1000
		return true, nil
	}
	with := runtime.WithPinned("test/1", pinned(t, module, 3, "i:i"), func(string) hostmath.Func { return kernel })
	without := runtime.WithKernels(runtime.NoKernels)
	for name, c := range map[string]struct{ recorded, run runtime.Option }{
		"with, with": {with, with}, "without, with": {without, with}, "with, without": {with, without},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			d := recordDriven(t, newRuntime(t, c.recorded), img)
			if asked != 0 || !slices.Contains(d.doc.Snapshots[0].Hot, 3) {
				t.Errorf("asked %d times while it was recorded, ran %v", asked, d.doc.Snapshots[0].Hot)
			}
			rt := newRuntime(t, c.run)
			for key, no := range map[string]bool{"": false, "shared": false, "no": true} {
				box := createIn(t, rt, d, runtime.Spec{NoAcceleration: no})
				w := drive(t, box, &adding{key: key}, runtime.Limits{})
				for range 2 {
					if name == "with, without" || no {
						must(t, w, 42, "add", 0)
						must(t, w, 1, "calls")
					} else {
						must(t, w, 1007, "add", 7)
						must(t, w, 0, "calls")
					}
					if err := w.Reset(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if s := box.Stats(); s.Restored != 1 || s.Groups != 0 {
					t.Errorf("restored %d, %d groups: %v", s.Restored, s.Groups, s.Notes)
				}
			}
		})
	}
}

// TestAccelerateAtOnce has many programs ask at once.
func TestAccelerateAtOnce(t *testing.T) {
	module := wat(t, productText)
	kernel := func(env hostmath.Env, stack []uint64) (bool, error) {
		stack[0] = 9
		return true, env.Tick(1 << 22)
	}
	rt := newRuntime(t, runtime.WithPinned("test/1", pinned(t, module, 0, "ii:i"), func(string) hostmath.Func { return kernel }))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := createIn(t, rt, runtime.Program("m", module), runtime.Spec{})
			for range 10 {
				err := c.Exec(context.WithoutCancel(t.Context()), runtime.Process{Args: c.Command()})
				if status, _ := runtime.Status(err); status != 9 {
					t.Errorf("status %d: %v", status, err)
				}
			}
			if s := c.Stats(); len(s.Accelerated) != 1 || s.Accelerated[0].Calls != 10 {
				t.Errorf("told %+v", s.Accelerated)
			}
		})
	}
	all.Wait()
}

// TestAccelerateWarm checks that a run finds what Warm compiled, whole and in parts.
func TestAccelerateWarm(t *testing.T) {
	dir := t.TempDir()
	done := func(env hostmath.Env, stack []uint64) (bool, error) { return true, nil }
	find := func(string) hostmath.Func { return done }
	module := wat(t, productText)
	for name, c := range map[string]struct {
		img  func(rt *runtime.Runtime) runtime.Image
		pins func([32]byte) []hostmath.Pin
		run  func(t *testing.T, c *runtime.Container)
	}{
		"whole": {
			func(*runtime.Runtime) runtime.Image { return runtime.Program("m", module) }, pinned(t, module, 0, "ii:i"),
			func(t *testing.T, c *runtime.Container) { _ = c.Run(t.Context()) },
		},
		"parts": {
			func(rt *runtime.Runtime) runtime.Image { return recordDriven(t, rt, libraryImage(t)) }, pinned(t, wat(t, addingText), 3, "i:i"),
			func(t *testing.T, c *runtime.Container) {
				must(t, drive(t, c, &adding{}, runtime.Limits{}), 7, "add", 7)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			options := []runtime.Option{runtime.WithPinned("test/1", c.pins, find), runtime.WithCacheDir(dir)}
			rt := newRuntime(t, options...)
			img := c.img(rt)
			if _, err := rt.Warm(t.Context(), img, runtime.WarmSpec{}); err != nil {
				t.Fatal(err)
			}
			box := createIn(t, newRuntime(t, options...), img, runtime.Spec{})
			c.run(t, box)
			if s := box.Stats(); s.Compile != 0 || len(s.Accelerated) != 1 || s.Accelerated[0].Calls != 1 {
				t.Errorf("compiled for %v, accelerated %v", s.Compile, s.Accelerated)
			}
		})
	}
}

// BenchmarkAccelerate is a call that a kernel does, or leaves to the function, beside one without a kernel.
func BenchmarkAccelerate(b *testing.B) {
	const text = `(module (memory (export "memory") 1)
	(func $product (param i32 i32) (result i32) (i32.mul (local.get 0) (local.get 1)))
	(func (export "run") (result i32) (local i32)
		(loop $l (drop (call $product (local.get 0) (i32.const 20)))
			(br_if $l (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000000))))
		(i32.const 0)))`
	module := dock.WAT(b, text, "--enable-all")
	for name, done := range map[string]bool{"done": true, "declined": false} {
		for _, no := range []bool{false, true} {
			if no {
				name = "no-accel"
			}
			if no && !done {
				continue
			}
			b.Run(name, func(b *testing.B) {
				kernel := func(hostmath.Env, []uint64) (bool, error) { return done, nil }
				rt, err := runtime.New(b.Context(), runtime.WithPinned("test/1", pinned(b, module, 0, "ii:i"), func(string) hostmath.Func { return kernel }))
				if err != nil {
					b.Fatal(err)
				}
				defer rt.Close(context.WithoutCancel(b.Context()))
				c, err := rt.Create(b.Context(), runtime.Program("m", module), runtime.Spec{NoAcceleration: no})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close(context.WithoutCancel(b.Context()))
				for b.Loop() {
					if err := c.Run(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/1e6, "ns/call")
			})
		}
	}
}
