package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// addingText is a module that is no program: its host adds numbers in it.
const addingText = `(module
	(import "lib" "ask" (func $ask (param i32) (result i32)))
	(import "lib" "grow" (func $grow (param i32) (result i32)))
	(memory (export "memory") 1)
	(global $calls (mut i32) (i32.const 0))
	(func (export "begin") (i32.store (i32.const 1024) (call $ask (i32.const 7))))
	(func (export "add") (param i32) (result i32)
		(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
		(i32.store (i32.const 1024) (i32.add (i32.load (i32.const 1024)) (local.get 0)))
		(i32.load (i32.const 1024)))
	(func (export "calls") (result i32) (global.get $calls))
	(func (export "more") (param i32) (result i32) (call $grow (local.get 0)))
	(func (export "loop") (loop $l (br $l)))
	(func (export "trap") (unreachable)))`

const libraryPath = "/bin/library.wasm"

func libraryImage(t *testing.T) image {
	return newImage(t, ispec.ImageConfig{Entrypoint: []string{libraryPath}}, file{libraryPath[1:], 0o755, wat(t, addingText)},
		file{"data/number", 0o644, []byte{35}})
}

// adding drives the library. What it begins with is in a file.
type adding struct {
	key    string
	name   string
	world  *runtime.World
	begins *int // from nothing
	fails  error
}

func (d *adding) Name() string {
	if d.name != "" {
		return d.name
	}
	return "adding/1"
}
func (d *adding) Key() string { return d.key }

func (d *adding) Hosts(w *runtime.World) ([]wasi.HostModule, error) {
	d.world = w
	word := []wasi.ValueType{wasi.I32}
	return []wasi.HostModule{{Name: "lib", Funcs: []wasi.HostFunc{
		{Name: "ask", Params: word, Results: word, Call: func(_ context.Context, _ *wasi.Guest, s []uint64) {
			f, err := w.Open("/data/number")
			if err != nil {
				panic(err)
			}
			defer f.Close()
			var b [1]byte
			if _, err := f.ReadAt(b[:], 0); err != nil {
				panic(err)
			}
			s[0] = uint64(b[0]) + uint64(uint32(s[0]))
		}},
		{Name: "grow", Params: word, Results: word, Call: func(_ context.Context, g *wasi.Guest, s []uint64) {
			before, ok := g.Grow(uint32(s[0]))
			if s[0] = uint64(before); !ok {
				s[0] = uint64(^uint32(0))
			}
		}},
	}}}, nil
}

func (d *adding) Begin(ctx context.Context, m *runtime.Machine, state []byte) ([]byte, error) {
	if d.fails != nil {
		return nil, d.fails
	}
	switch string(state) {
	case "begun":
		return state, nil
	case "half": // there is nothing left to do
		return []byte("begun"), nil
	}
	if state != nil {
		return nil, runtime.ErrState
	}
	if d.begins != nil {
		*d.begins++
	}
	_, err := m.Call(ctx, "begin")
	return []byte("begun"), err
}

func (d *adding) Rehearse(ctx context.Context, m *runtime.Machine) error {
	_, err := m.Call(ctx, "add", 1)
	return err
}

// drive starts a worker with a driver.
func drive(t *testing.T, c *runtime.Container, d runtime.Driver, l runtime.Limits) *runtime.Worker {
	t.Helper()
	w, err := c.Worker(t.Context(), runtime.Process{Args: []string{libraryPath}, Driver: d, Limits: l})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// does calls an export.
func does(t *testing.T, w *runtime.Worker, name string, args ...uint64) (result uint32, err error) {
	t.Helper()
	err = w.Do(t.Context(), func(ctx context.Context, m *runtime.Machine) error {
		got, err := m.Call(ctx, name, args...)
		if err == nil && len(got) > 0 {
			result = uint32(got[0])
		}
		return err
	})
	return result, err
}

func must(t *testing.T, w *runtime.Worker, want uint32, name string, args ...uint64) {
	t.Helper()
	if got, err := does(t, w, name, args...); err != nil || got != want {
		t.Fatalf("%s%v = %d, %v, want %d", name, args, got, err, want)
	}
}

func TestDriver(t *testing.T) {
	rt := newRuntime(t)
	for _, key := range []string{"", "shared"} {
		t.Run("key="+key, func(t *testing.T) {
			begins := 0
			c := create(t, libraryImage(t), runtime.Spec{})
			if key != "" {
				c = createIn(t, rt, libraryImage(t), runtime.Spec{})
			}
			w := drive(t, c, &adding{key: key, begins: &begins}, runtime.Limits{})
			must(t, w, 42, "add", 0)
			must(t, w, 44, "add", 2)
			if err := w.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			must(t, w, 0, "calls") // globals, too
			must(t, w, 43, "add", 1)
			must(t, w, 1, "more", 5)
			if err := w.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			must(t, w, 42, "add", 0)
			if _, err := w.Turn(t.Context(), []byte("[]")); err == nil {
				t.Error("it answers requests")
			}
			if err := w.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := w.Do(t.Context(), nil); !errors.Is(err, runtime.ErrClosed) {
				t.Errorf("closed: %v", err)
			}
		})
	}
}

func createIn(t *testing.T, rt *runtime.Runtime, img runtime.Image, s runtime.Spec) *runtime.Container {
	t.Helper()
	c, err := rt.Create(t.Context(), img, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// TestDriverBreaks has the guest end in every way, and work fail that is not the guest's.
func TestDriverBreaks(t *testing.T) {
	rt := newRuntime(t)
	c := createIn(t, rt, libraryImage(t), runtime.Spec{})
	w := drive(t, c, &adding{key: "k"}, runtime.Limits{Fuel: 50_000_000})
	own := errors.New("work's own")
	if err := w.Do(t.Context(), func(context.Context, *runtime.Machine) error { return own }); !errors.Is(err, own) {
		t.Fatalf("%v", err)
	}
	must(t, w, 42, "add", 0)
	var trap *runtime.TrapError
	var limit *runtime.LimitError
	for name, is := range map[string]func(error) bool{
		"trap": func(err error) bool { return errors.As(err, &trap) },
		"loop": func(err error) bool { return errors.As(err, &limit) && limit.Resource == "fuel" },
		"none": func(err error) bool { return err != nil },
	} {
		if _, err := does(t, w, name); !is(err) {
			t.Errorf("%s: %v", name, err)
		}
		var broken *runtime.BrokenError
		if _, err := does(t, w, "add", 1); !errors.As(err, &broken) {
			t.Errorf("after %s: %v", name, err)
		}
		if err := w.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		must(t, w, 42, "add", 0)
	}
	// Time: it ends soon, and says why.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	long := drive(t, c, &adding{key: "k"}, runtime.Limits{})
	err := long.Do(ctx, func(ctx context.Context, m *runtime.Machine) error {
		_, err := m.Call(ctx, "loop")
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
	// Memory: growing is refused, and the guest sees it.
	small := drive(t, createIn(t, rt, libraryImage(t), runtime.Spec{Limits: runtime.Limits{Memory: 4 << 16}}), &adding{}, runtime.Limits{})
	must(t, small, 1, "more", 3)
	must(t, small, ^uint32(0), "more", 1)
	must(t, small, ^uint32(0), "more", 1<<31)
	must(t, small, 4, "more", 0)
}

// TestDriverShares has many workers of one key: the first begins, and what the others
// write stays their own.
func TestDriverShares(t *testing.T) {
	rt := newRuntime(t)
	c := createIn(t, rt, libraryImage(t), runtime.Spec{})
	begins := 0 // one at a time begins
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			w, err := c.Worker(t.Context(), runtime.Process{Args: []string{libraryPath}, Driver: &adding{key: "one", begins: &begins}})
			if err != nil {
				t.Error(err)
				return
			}
			for round := range 20 {
				if got, err := does(t, w, "add", uint64(n)); err != nil || got != uint32(42+n) {
					t.Errorf("worker %d, round %d: %d, %v", n, round, got, err)
				}
				if err := w.Reset(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if begins != 1 {
		t.Errorf("begun %d times", begins)
	}
	other := drive(t, c, &adding{key: "two", begins: &begins}, runtime.Limits{})
	must(t, other, 42, "add", 0)
	if begins != 2 {
		t.Errorf("another key: begun %d times", begins)
	}
}

// TestDriverSharesNotOthers has an image whose snapshot lies about its memory: what
// its workers come to from there is not for those of another image.
func TestDriverSharesNotOthers(t *testing.T) {
	rt := newRuntime(t)
	honest := recordDriven(t, rt, libraryImage(t))
	evil := *honest
	evil.dir = t.TempDir()
	memory, err := os.ReadFile(filepath.Join(honest.dir, "memory"))
	if err != nil {
		t.Fatal(err)
	}
	memory[1024] = 66
	if err := os.WriteFile(filepath.Join(evil.dir, "memory"), memory, 0o600); err != nil {
		t.Fatal(err)
	}
	snap := honest.doc.Snapshots[0]
	snap.State, snap.Pages = []byte("half"), []digest.Digest{digest.FromBytes(memory)}
	evil.doc.Snapshots = []oci.Snapshot{snap}
	must(t, drive(t, createIn(t, rt, &evil, runtime.Spec{}), &adding{key: "k"}, runtime.Limits{}), 66, "add", 0)
	must(t, drive(t, createIn(t, rt, honest, runtime.Spec{}), &adding{key: "k"}, runtime.Limits{}), 42, "add", 0)
	must(t, drive(t, createIn(t, rt, honest.image, runtime.Spec{}), &adding{key: "k"}, runtime.Limits{}), 42, "add", 0)
}

// TestDriverFails has Begin fail for the one who makes what others wait for: one of
// them makes it.
func TestDriverFails(t *testing.T) {
	rt := newRuntime(t)
	c := createIn(t, rt, libraryImage(t), runtime.Spec{})
	var all sync.WaitGroup
	for n := range 6 {
		d := &adding{key: "k"}
		if n%2 == 0 {
			d.fails = fmt.Errorf("no %d", n)
		}
		all.Go(func() {
			w, err := c.Worker(t.Context(), runtime.Process{Args: []string{libraryPath}, Driver: d})
			if d.fails != nil {
				if !errors.Is(err, d.fails) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := does(t, w, "add", 0); err != nil || got != 42 {
				t.Errorf("%d, %v", got, err)
			}
		})
	}
	all.Wait()
}

// recordDriven records the library with its driver.
func recordDriven(t *testing.T, rt *runtime.Runtime, img image) *derivedImage {
	t.Helper()
	c := createIn(t, rt, img, runtime.Spec{Clock: wasi.NewFixedClock(time.Unix(1e9, 0)), Random: wasi.SeededRandom([]byte("test"))})
	r, err := c.Record(t.Context(), runtime.RecordSpec{
		Process: runtime.Process{Args: c.Command(), Driver: &adding{}}, Snapshot: true,
	})
	if err != nil || r.Snapshot == nil {
		t.Fatalf("%v, refused: %s", err, r.Refused)
	}
	if s := r.Snapshot; s.Protocol != oci.ProtocolDriver || s.Driver != "adding/1" || string(s.State) != "begun" || len(s.Hot) == 0 {
		t.Fatalf("%+v", s)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "memory"), r.Memory, 0o600); err != nil {
		t.Fatal(err)
	}
	return &derivedImage{image: img, dir: dir, facts: r.Facts, doc: oci.Derived{
		Modules:   []oci.DerivedModule{{Content: r.Content, Functions: r.Functions, Hot: r.Hot}},
		Snapshots: []oci.Snapshot{*r.Snapshot},
	}}
}

func TestDriverRecorded(t *testing.T) {
	rt := newRuntime(t)
	img := recordDriven(t, rt, libraryImage(t))
	for name, c := range map[string]struct {
		change   func(d *derivedImage)
		driver   adding
		spec     runtime.Spec
		restored int64
	}{
		"as it is":       {restored: 1},
		"key":            {driver: adding{key: "k"}, restored: 1},
		"another driver": {driver: adding{name: "adding/2"}},
		"another state":  {change: func(d *derivedImage) { d.doc.Snapshots[0].State = []byte("nonsense") }},
		"no memory":      {change: func(d *derivedImage) { d.doc.Snapshots[0].Globals = nil }},
		"a mounted file": {spec: runtime.Spec{Mounts: []runtime.Mount{{Target: "/data/number", Data: []byte{36}}}}},
		"no snapshot":    {spec: runtime.Spec{NoSnapshot: true}},
	} {
		t.Run(name, func(t *testing.T) {
			d := *img
			d.doc.Snapshots = append([]oci.Snapshot{}, img.doc.Snapshots...)
			if c.change != nil {
				c.change(&d)
			}
			box := createIn(t, rt, &d, c.spec)
			begins := 0
			c.driver.begins = &begins
			w := drive(t, box, &c.driver, runtime.Limits{})
			want := uint32(42)
			if name == "a mounted file" {
				want = 43
			}
			must(t, w, want, "add", 0)
			if err := w.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			must(t, w, want, "add", 0)
			if got := box.Stats().Restored; (got > 0) != (c.restored > 0) || (begins == 0) != (c.restored > 0) {
				t.Errorf("restored %d, begun %d: %v", got, begins, box.Stats().Notes)
			}
		})
	}
}

func TestContainerFiles(t *testing.T) {
	c := create(t, libraryImage(t), runtime.Spec{})
	f, err := c.Open("/data/number")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, ok := f.Bytes(); f.Size() != 1 || ok && b[0] != 35 {
		t.Errorf("%d bytes", f.Size())
	}
	if d, err := f.Digest(); err != nil || len(d) != len("sha256:")+64 {
		t.Errorf("%s %v", d, err)
	}
	for _, name := range []string{"/data", "/none", "/../data/../..", ""} {
		if f, err := c.Open(name); err == nil {
			f.Close()
			t.Errorf("%q is a file", name)
		}
	}
	one, ok := c.Identity("/data")
	other, same := create(t, libraryImage(t), runtime.Spec{}).Identity("data/")
	if !ok || !same || one != other || one == "" {
		t.Errorf("%s %s", one, other)
	}
	if _, ok := create(t, libraryImage(t), runtime.Spec{Mounts: []runtime.Mount{{Target: "/data/x", Data: []byte{}}}}).Identity("/data"); ok {
		t.Error("a folder with a mount in it is the image's")
	}
	changed := newImage(t, ispec.ImageConfig{}, file{"data/number", 0o644, []byte{36}})
	if name, ok := create(t, changed, runtime.Spec{}).Identity("/data"); !ok || name == one {
		t.Error("another file has the same name")
	}
}
