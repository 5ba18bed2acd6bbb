package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/prepare"
)

// splitParts are Parts of a module that can be held up and made to fail.
type splitParts struct {
	*prepare.Split
	gate   chan struct{} // not nil: Group waits for it
	begun  chan struct{} // not nil: Group says that it has begun
	fail   atomic.Pointer[error]
	made   atomic.Int32 // groups
	closed atomic.Int32
}

func (p *splitParts) GroupOf(slot uint32) (uint32, bool, error) {
	g, ok := p.Split.GroupOf(slot)
	return g, ok, nil
}

func (p *splitParts) Group(ctx context.Context, g uint32) (Artifact, error) {
	p.made.Add(1)
	if p.begun != nil {
		p.begun <- struct{}{}
	}
	if p.gate != nil {
		select {
		case <-p.gate:
		case <-ctx.Done():
			return Artifact{}, ctx.Err()
		}
	}
	if err := p.fail.Load(); err != nil {
		return Artifact{}, *err
	}
	part, err := p.Split.Group(ctx, g)
	if err != nil {
		return Artifact{}, err
	}
	return partArtifact(part), nil
}

func (p *splitParts) Close() error {
	p.closed.Add(1)
	return nil
}

func partArtifact(p *prepare.Part) Artifact {
	part := &Part{First: p.First, Origins: p.Origins}
	for _, f := range p.Fills {
		part.Fills = append(part.Fills, Fill(f))
	}
	return Artifact{Wasm: p.Wasm, Part: part}
}

func newSplitParts(t *testing.T, bin []byte) *splitParts {
	t.Helper()
	o := prepare.Options{Fuel: true, EngineFixes: true, GroupBytes: 1}
	facts, err := prepare.Survey(t.Context(), bin, o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := prepare.NewSplit(bin, facts, o)
	if err != nil {
		t.Fatal(err)
	}
	return &splitParts{Split: s}
}

// loadParts loads a module in parts, of which the primary has what is exported.
func loadParts(t *testing.T, e *Engine, bin []byte, p *splitParts, o prepare.PrimaryOptions) *Module {
	t.Helper()
	key := keyOf(append(bin[:len(bin):len(bin)], byte(o.Pages)))
	m, err := e.LoadParts(t.Context(), key, keyOf(bin), func(ctx context.Context) (Artifact, error) {
		part, err := p.Split.Primary(ctx, o)
		if err != nil {
			return Artifact{}, err
		}
		return partArtifact(part), nil
	}, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.Background()) })
	return m
}

const inParts = `(module
  (memory (export "memory") 1) (table 3 funcref) (elem (i32.const 0) $add $deep)
  (type $t (func (param i32) (result i32)))
  (global $n (mut i32) (i32.const 7)) (global $l (mut i64) (i64.const -5)) (global $f (mut f32) (f32.const 1.5)) (global $d (mut f64) (f64.const nan:0x8000000000001)) (global i32 (i32.const 3))
  (func $add (param i32) (result i32) (global.set $n (i32.add (global.get $n) (local.get 0))) (global.get $n))
  (func $deep (param i32) (result i32) (call $deeper (local.get 0)))
  (func $deeper (param i32) (result i32) (if (i32.eqz (local.get 0)) (then unreachable)) (call $add (local.get 0)))
  (func $fib (param i32) (result i32) (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (i32.const 1))
    (else (i32.add (call $fib2 (i32.sub (local.get 0) (i32.const 1))) (call $fib2 (i32.sub (local.get 0) (i32.const 2)))))))
  (func $fib2 (param i32) (result i32) (call $fib (local.get 0)))
  (func $tail (param i32) (result i32) (return_call $tail2 (local.get 0)))
  (func $tail2 (param i32) (result i32) (return_call $tail (local.get 0)))
  (func $store (param i32) (result i32) (i32.store (i32.const 16) (local.get 0)) (f64.store (i32.const 24) (global.get $d)) (global.set $f (f32.const -2)) (i32.load (i32.const 16)))
  (func (export "run") (param i32) (result i32) (call $deep (local.get 0)))
  (func (export "again") (param i32) (result i32) (call $add (local.get 0)))
  (func (export "fib") (param i32) (result i32) (call $fib (local.get 0)))
  (func (export "tail") (param i32) (result i32) (call $tail (local.get 0)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "store") (param i32) (result i32) (call $store (local.get 0)))
  (func (export "load") (result i32) (i32.load (i32.const 16))))`

// TestParts checks that groups are loaded when they are needed, from memory and from the cache, that traces have the
// names of the whole module, and that everything is given back once.
func TestParts(t *testing.T) {
	bin := wat(t, inParts)
	dir := tempDir(t)
	for _, c := range []struct {
		name   string
		config Config
		made   int32
	}{{"memory", Config{}, 3}, {"cold", Config{CacheDir: dir}, 3}, {"warm", Config{CacheDir: dir}, 0}, {"interpreter", Config{CacheDir: tempDir(t), Interpreter: true}, 3}} {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t, c.config)
			p, other := newSplitParts(t, bin), newSplitParts(t, bin)
			m := loadParts(t, e, bin, p, prepare.PrimaryOptions{})
			m2 := loadParts(t, e, bin, other, prepare.PrimaryOptions{})
			if other.closed.Load() != 1 || p.closed.Load() != 0 || m2.Parts() != Parts(p) {
				t.Fatal("the second load's parts are not closed, or the first's are")
			}
			a, err := e.Instantiate(t.Context(), m, InstanceConfig{})
			if err != nil {
				t.Fatal(err)
			}
			b := instance(t, e, m2, InstanceConfig{})
			for n, i := range []*Instance{a, b, a} {
				want := []uint64{12, 12, 17}[n]
				if got, err := i.Call(t.Context(), "run", 5); err != nil || got[0] != want {
					t.Fatalf("call %d: %v, %v, want %d", n, got, err, want)
				}
				if i.Groups() != 3 {
					t.Errorf("%d groups are loaded", i.Groups())
				}
			}
			var trap *Trap
			if _, err := a.Call(t.Context(), "run", 0); !errors.As(err, &trap) || trap.Kind != TrapUnreachable {
				t.Fatal(err)
			}
			var names []string
			for _, f := range trap.Frames {
				names = append(names, f.Func)
			}
			if !slices.Equal(names[:2], []string{"deeper", "deep"}) || names[len(names)-1] != "run" && names[len(names)-1] != "" {
				t.Errorf("trace %q", names)
			}
			if n := p.made.Load(); n != c.made {
				t.Errorf("%d groups were made, want %d", n, c.made)
			}
			m.Close(t.Context())
			m2.Close(t.Context())
			b.Close(t.Context())
			if _, err := a.Call(t.Context(), "run", 1); err != nil || p.closed.Load() != 0 {
				t.Error("an instance does not keep its parts", err)
			}
			a.Close(t.Context())
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if p.closed.Load() != 1 {
				t.Errorf("the parts were closed %d times", p.closed.Load())
			}
			if c.config.CacheDir != "" {
				if left, err := os.ReadDir(filepath.Join(c.config.CacheDir, "sessions")); err != nil || len(left) > 0 {
					t.Errorf("sessions left: %v, %v", left, err)
				}
			}
		})
	}
}

// TestPartsOfNothing checks that parts are closed when they do not come into use.
func TestPartsOfNothing(t *testing.T) {
	e := newEngine(t, Config{})
	bin := wat(t, inParts)
	failed := errors.New("failed")
	whole := func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }
	for name, c := range map[string]struct {
		key, groups string
		make        MakeFunc
	}{
		"key":    {"x", keyOf(bin), whole},
		"groups": {keyOf(bin), "x", whole},
		"make":   {keyOf(bin), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{}, failed }},
		"whole":  {keyOf(bin), keyOf(bin), whole},
	} {
		p := newSplitParts(t, bin)
		if _, err := e.LoadParts(t.Context(), c.key, c.groups, c.make, p, nil); err == nil || p.closed.Load() != 1 {
			t.Errorf("%s: %v, closed %d times", name, err, p.closed.Load())
		}
	}
	// A primary that was loaded as if it were whole has no groups, and says so.
	p := newSplitParts(t, bin)
	part, err := p.Split.Primary(t.Context(), prepare.PrimaryOptions{Hot: []uint32{0, 1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	i := instance(t, e, mustLoad(t, e, partArtifact(part)), InstanceConfig{})
	if _, err := i.Call(t.Context(), "fib", 3); err == nil || !strings.Contains(err.Error(), "without its groups") {
		t.Error(err)
	}
	var trap *Trap
	if _, err := i.Call(t.Context(), "run", 0); !errors.As(err, &trap) {
		t.Error(err)
	}
}

// TestPartsCancel checks that a call ends at once when its group takes long, and that the group comes all the same.
func TestPartsCancel(t *testing.T) {
	bin := wat(t, inParts)
	for name, config := range map[string]Config{"memory": {}, "cache": {CacheDir: tempDir(t)}} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, config)
			p := newSplitParts(t, bin)
			p.gate, p.begun = make(chan struct{}), make(chan struct{}, 10)
			m := loadParts(t, e, bin, p, prepare.PrimaryOptions{})
			i, j := instance(t, e, m, InstanceConfig{}), instance(t, e, m, InstanceConfig{})
			end := func(i *Instance, call func(context.Context) error, want error) {
				t.Helper()
				ended := make(chan error, 1)
				ctx, cancel := context.WithCancel(t.Context())
				go func() { ended <- call(ctx) }()
				if p.made.Load() == 0 {
					<-p.begun
				} else {
					time.Sleep(20 * time.Millisecond)
				}
				at := time.Now()
				if want == ErrClosed {
					i.Close(t.Context())
				}
				cancel()
				if err := <-ended; !errors.Is(err, want) || time.Since(at) > time.Minute { // the group does not come before that
					t.Errorf("ended after %v with %v, want %v", time.Since(at), err, want)
				}
			}
			again := func(i *Instance) func(context.Context) error {
				return func(ctx context.Context) error { _, err := i.Call(ctx, "again", 1); return err }
			}
			end(i, again(i), context.Canceled)
			end(j, again(j), ErrClosed)
			close(p.gate)
			if got, err := i.Call(t.Context(), "again", 1); err != nil || got[0] != 8 || p.made.Load() != 1 {
				t.Errorf("%v, %v, made %d times", got, err, p.made.Load())
			}
		})
	}
}

// TestPartsEngineClose closes the engine while a group is made that does not end by itself.
func TestPartsEngineClose(t *testing.T) {
	bin := wat(t, inParts)
	for name, config := range map[string]Config{"memory": {}, "cache": {CacheDir: tempDir(t)}} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, config)
			p := newSplitParts(t, bin)
			p.gate, p.begun = make(chan struct{}), make(chan struct{}, 10)
			m := loadParts(t, e, bin, p, prepare.PrimaryOptions{})
			i := instance(t, e, m, InstanceConfig{})
			ended := make(chan error, 1)
			go func() { _, err := i.Call(t.Context(), "run", 1); ended <- err }()
			<-p.begun
			if err := e.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			m.Close(t.Context())
			if p.closed.Load() != 1 {
				t.Errorf("the parts were closed %d times", p.closed.Load())
			}
		})
	}
}

// TestPartsFailure checks that a group that could not be loaded ends the call, and can be loaded later.
func TestPartsFailure(t *testing.T) {
	bin := wat(t, inParts)
	for name, config := range map[string]Config{"memory": {}, "cache": {CacheDir: tempDir(t)}} {
		e := newEngine(t, config)
		p := newSplitParts(t, bin)
		failed := errors.New("the layer is gone")
		p.fail.Store(&failed)
		i := instance(t, e, loadParts(t, e, bin, p, prepare.PrimaryOptions{}), InstanceConfig{})
		for range 2 {
			if _, err := i.Call(t.Context(), "run", 1); !errors.Is(err, failed) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		p.fail.Store(nil)
		if got, err := i.Call(t.Context(), "run", 1); err != nil || got[0] != 8 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestPartsWithoutDisk takes the cache away, or damages it, between two groups.
func TestPartsWithoutDisk(t *testing.T) {
	bin := wat(t, inParts)
	for name, harm := range map[string]func(t *testing.T, dir string){
		"sessions are swept": func(t *testing.T, dir string) {
			old, _ := os.ReadDir(filepath.Join(dir, "sessions"))
			for _, d := range old {
				if err := removeNow(filepath.Join(dir, "sessions", d.Name())); err != nil {
					t.Fatal(err)
				}
			}
		},
		"no cache": func(t *testing.T, dir string) {
			if err := removeNow(dir); err != nil {
				t.Fatal(err)
			}
		},
		"entries are no parts": func(t *testing.T, dir string) {
			p := newSplitParts(t, bin)
			c := newEngine(t, Config{CacheDir: dir})
			for g := range uint32(p.Groups()) {
				m, err := c.Load(t.Context(), groupKey(keyOf(bin), g), func(ctx context.Context) (Artifact, error) {
					a, err := p.Group(ctx, g)
					a.Part = nil
					return a, err
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				m.Close(t.Context())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			e := newEngine(t, Config{CacheDir: dir})
			i := instance(t, e, loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{}), InstanceConfig{})
			if _, err := i.Call(t.Context(), "again", 1); err != nil {
				t.Fatal(err)
			}
			harm(t, dir)
			if got, err := i.Call(t.Context(), "run", 1); err != nil || got[0] != 9 {
				t.Error(got, err)
			}
		})
	}
}

// TestPartsStop checks that recursion and tail calls between parts can be stopped like loops.
func TestPartsStop(t *testing.T) {
	bin := wat(t, inParts)
	e := newEngine(t, Config{})
	m := loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{})
	for _, name := range []string{"fib", "tail"} {
		i := instance(t, e, m, InstanceConfig{Meter: &budget{left: 1_000_000}})
		if _, err := i.Call(t.Context(), name, 60); !errors.Is(err, errSpent) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPartsLimits checks that a module in parts is held to the limits of the whole one.
func TestPartsLimits(t *testing.T) {
	bin := wat(t, inParts)
	e := newEngine(t, Config{})
	m := loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{})
	instance(t, e, m, InstanceConfig{TableLimit: 3})
	var limit *LimitError
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{TableLimit: 2}); !errors.As(err, &limit) || limit.Want != 3 {
		t.Error(err)
	}
}

// TestPartsTrace checks that functions of the host keep their names in a trace, whatever those look like.
func TestPartsTrace(t *testing.T) {
	bin := wat(t, `(module (import "env" "g1.$1" (func $h)) (import "env" "$2" (func $h2))
	  (func $inner (call $h)) (func $inner2 (call $h2)) (func (export "a") (call $inner)) (func (export "b") (call $inner2)))`)
	e := newEngine(t, Config{})
	m := loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{})
	boom := func(context.Context, *Guest, []uint64) { panic("boom") }
	i := instance(t, e, m, InstanceConfig{Imports: []HostModule{{Name: "env", Funcs: []HostFunc{{Name: "g1.$1", Call: boom}, {Name: "$2", Call: boom}}}}})
	for name, want := range map[string]string{"a": "host0.g1.$1", "b": "host0.$2"} {
		var p *HostPanicError
		if _, err := i.Call(t.Context(), name); !errors.As(err, &p) || p.Func != want {
			t.Errorf("%s: %+v, want %s", name, err, want)
		}
	}
}

// TestImage restores memory and globals of every type, in place too, and refuses images of others.
func TestImage(t *testing.T) {
	bin := wat(t, inParts)
	e := newEngine(t, Config{})
	first := instance(t, e, loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{}), InstanceConfig{})
	for name, arg := range map[string]uint64{"grow": 1, "store": 99, "again": 4} {
		if _, err := first.Call(t.Context(), name, arg); err != nil {
			t.Fatal(err)
		}
	}
	globals := first.Globals()
	if want := []uint64{11, ^uint64(4), 0xc0000000, 0x7ff8000000000001, 3}; !reflect.DeepEqual(globals, want) {
		t.Fatalf("globals %#x, want %#x", globals, want)
	}
	memory, _ := first.Memory().Read(0, uint32(first.Memory().Size()))
	name := filepath.Join(tempDir(t), "memory")
	if err := os.WriteFile(name, memory, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image := Image{File: f, Size: 2 * pageSize, Globals: globals}
	m := loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{Pages: 2})
	q := &quota{}
	q.left.Store(3 * pageSize)
	i := instance(t, e, m, InstanceConfig{Image: &image, Quota: q})
	if q.left.Load() != pageSize || i.PeakMemory() != 2*pageSize {
		t.Errorf("%d bytes are left, peak %d", q.left.Load(), i.PeakMemory())
	}
	for round := range 3 {
		if got, err := i.Call(t.Context(), "load"); err != nil || got[0] != 99 || !reflect.DeepEqual(i.Globals(), globals) {
			t.Fatalf("round %d: %v, %v, globals %#x", round, got, err, i.Globals())
		}
		if got, err := i.Call(t.Context(), "again", 1); err != nil || got[0] != 12 {
			t.Fatalf("round %d: %v, %v", round, got, err)
		}
		if _, err := i.Call(t.Context(), "store", 5); err != nil {
			t.Fatal(err)
		}
		if err := i.Reset(&image); err != nil {
			t.Fatal(err)
		}
	}
	if now, err := os.ReadFile(name); err != nil || !reflect.DeepEqual(now, memory) {
		t.Error("the file was written to")
	}
	if got, err := i.Call(t.Context(), "grow", 2); err != nil || int32(got[0]) != -1 {
		t.Error("grows over its quota", got, err)
	}
	if got, err := i.Call(t.Context(), "grow", 1); err != nil || got[0] != 2 {
		t.Error(got, err)
	}
	if err := i.Reset(&image); !errors.Is(err, ErrGrown) {
		t.Error(err)
	}
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{Image: &image, Quota: q}); !errors.Is(err, errNoMemory) {
		t.Error("restores over its quota:", err)
	}
	i.Close(t.Context())
	if q.left.Load() != 3*pageSize {
		t.Errorf("%d bytes are left after Close", q.left.Load())
	}
	if i.Reset(&image) != ErrClosed {
		t.Error("resets a closed instance")
	}
	short, err := os.Create(name + "2")
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	wrong := slices.Clone(globals)
	wrong[4] = 9 // a constant
	for name, bad := range map[string]Image{
		"memory":          {File: f, Size: 3 * pageSize, Globals: globals},
		"fewer globals":   {File: f, Size: 2 * pageSize, Globals: globals[:4]},
		"more globals":    {File: f, Size: 2 * pageSize, Globals: append(slices.Clone(globals), 1)},
		"another's":       {File: f, Size: 2 * pageSize, Globals: wrong},
		"the file is cut": {File: short, Size: 2 * pageSize, Globals: globals},
	} {
		if _, err := e.Instantiate(t.Context(), m, InstanceConfig{Image: &bad}); err == nil {
			t.Errorf("%s: restored", name)
		} else if name != "the file is cut" && !errors.Is(err, ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var limit *LimitError
	if _, err := e.Instantiate(t.Context(), m, InstanceConfig{Image: &image, MemoryLimit: pageSize}); !errors.As(err, &limit) {
		t.Error(err)
	}
	whole := load(t, e, wat(t, `(module (memory 2))`))
	if _, err := e.Instantiate(t.Context(), whole, InstanceConfig{Image: &Image{File: f, Size: 2 * pageSize}}); !errors.Is(err, ErrImage) {
		t.Error("a whole module is restored:", err)
	}
}

// FuzzPart checks that what is read as a part can be written again, and that nothing else is made of damaged bytes.
func FuzzPart(f *testing.F) {
	for _, p := range []*Part{{}, {First: 3, Origins: []uint32{1, 5, ^uint32(0), 2}, Fills: []Fill{{1, 2, 3}, {0, 9, ^uint32(0)}}}} {
		f.Add(encodePart(p))
	}
	f.Add([]byte(partMagic + "\x00\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePart(b)
		if err != nil {
			if !errors.Is(err, errUnusable) {
				t.Fatal(err)
			}
			return
		}
		if len(p.Origins)+3*len(p.Fills) > len(b) {
			t.Fatalf("%d origins and %d fills of %d bytes", len(p.Origins), len(p.Fills), len(b))
		}
		again, err := decodePart(encodePart(p))
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v came back as %+v, %v", p, again, err)
		}
	})
}

// TestSessionSweep checks that what dead processes left goes, and what may be in use stays.
func TestSessionSweep(t *testing.T) {
	dir := tempDir(t)
	c, err := openCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	old, err := c.session()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-oldSession - time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	young, err := c.session()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.session(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an old session stays")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("a young session goes:", err)
	}
	if err := removeNow(c.path("sessions")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.session(); err != nil {
		t.Error("the folder is not made again:", err)
	}
}

// TestPartsTogether has many instances of two engines with one cache want the same groups at once, while some leave and
// some are closed.
func TestPartsTogether(t *testing.T) {
	bin, dir := wat(t, inParts), tempDir(t)
	var wg sync.WaitGroup
	var all []*splitParts
	for n := range 2 {
		e := newEngine(t, Config{CacheDir: dir})
		p := newSplitParts(t, bin)
		all = append(all, p)
		m := loadParts(t, e, bin, p, prepare.PrimaryOptions{})
		for k := range 8 {
			wg.Go(func() {
				i, err := e.Instantiate(t.Context(), m, InstanceConfig{})
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				switch k {
				case 0, 1:
					time.AfterFunc(time.Duration(k+n)*time.Millisecond, cancel)
				case 2:
					time.AfterFunc(time.Millisecond, func() { i.Close(context.Background()) })
				}
				got, err := i.Call(ctx, "run", 5)
				if err == nil && got[0] != 12 || err != nil && (k > 2 || !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed)) {
					t.Errorf("instance %d: %v, %v", k, got, err)
				}
				i.Close(t.Context())
			})
		}
	}
	wg.Wait()
	if n := all[0].made.Load() + all[1].made.Load(); n > 3 {
		t.Errorf("3 groups were made %d times", n)
	}
}
