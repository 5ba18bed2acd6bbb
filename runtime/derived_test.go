package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// waitingWasm builds the guest that loads something and then works with it.
func waitingWasm(t *testing.T) []byte { return guestWasm(t, "waiting") }

// guestWasm builds a reactor of testdata.
func guestWasm(t *testing.T, name string) []byte {
	t.Helper()
	probeWasm(t) // skips without clang
	out := filepath.Join(t.TempDir(), name+".wasm")
	if text, err := exec.Command("clang", "--target=wasm32-wasi", "-mexec-model=reactor", "-O1", "-o", out, "testdata/"+name+".c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// derivedImage is an image in memory with what was recorded of it.
type derivedImage struct {
	image
	dir   string
	facts []byte
	doc   oci.Derived
}

func (d *derivedImage) Derived() *oci.Derived { return &d.doc }
func (d *derivedImage) Facts(context.Context, *oci.DerivedModule) ([]byte, error) {
	return d.facts, nil
}
func (d *derivedImage) Memory(context.Context, *oci.Snapshot) (*os.File, error) {
	return os.Open(filepath.Join(d.dir, "memory"))
}

func waitingImage(t *testing.T) image {
	return newImage(t, ispec.ImageConfig{Entrypoint: []string{"/bin/waiting"}, Env: []string{"MODE=fast"}},
		file{"bin/waiting", 0o755, waitingWasm(t)}, file{"data/words", 0o644, []byte("words")}, file{"link", 0o120777, []byte("/data")})
}

func newRuntime(t *testing.T, o ...runtime.Option) *runtime.Runtime {
	t.Helper()
	rt, err := runtime.New(t.Context(), append([]runtime.Option{runtime.WithGroupBytes(2048)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

// record records the image's program.
func record(t *testing.T, rt *runtime.Runtime, img runtime.Image, spec runtime.Spec) (*runtime.Recording, error) {
	t.Helper()
	spec.Clock, spec.Random = wasi.NewFixedClock(time.Unix(1e9, 0)), wasi.SeededRandom([]byte("test"))
	c, err := rt.Create(t.Context(), img, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	return c.Record(t.Context(), runtime.RecordSpec{Process: runtime.Process{Args: c.Command()}, Snapshot: true})
}

// derive is record and the image with what came of it.
func derive(t *testing.T, rt *runtime.Runtime, img image) *derivedImage {
	t.Helper()
	r, err := record(t, rt, img, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Snapshot == nil {
		t.Fatal(r.Refused)
	}
	d := &derivedImage{image: img, dir: t.TempDir(), facts: r.Facts}
	if err := os.WriteFile(filepath.Join(d.dir, "memory"), r.Memory, 0o600); err != nil {
		t.Fatal(err)
	}
	d.doc = oci.Derived{Modules: []oci.DerivedModule{{Content: r.Content, Hot: r.Hot}}, Snapshots: []oci.Snapshot{*r.Snapshot}}
	return d
}

// start runs an image and returns what it printed, how it started and how it ended.
func start(t *testing.T, rt *runtime.Runtime, img runtime.Image, spec runtime.Spec) (string, runtime.Stats, error) {
	t.Helper()
	var out bytes.Buffer
	spec.Stdout = &out
	c, err := rt.Create(t.Context(), img, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	err = c.Run(t.Context())
	return out.String(), c.Stats(), err
}

// TestRestore checks that a restored program does what it does from its beginning, cold and from the cache, with a hot
// set that is right, empty or nonsense.
func TestRestore(t *testing.T) {
	plain := waitingImage(t)
	dir := t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, rt, plain)
	var everything []uint32
	for i := range uint32(300) {
		everything = append(everything, i*3)
	}
	for name, hot := range map[string]oci.Functions{"recorded": d.doc.Snapshots[0].Hot, "none": nil, "nonsense": everything} {
		d.doc.Snapshots[0].Hot = hot
		for round := range 2 {
			rt := newRuntime(t, runtime.WithCacheDir(dir))
			for _, args := range [][]string{{}, {"rare"}, {"seven"}, {"trap"}} {
				want, _, wantErr := start(t, rt, plain, runtime.Spec{Args: args})
				got, stats, gotErr := start(t, rt, d, runtime.Spec{Args: args})
				// Parts do not know the offset in the file.
				end, _, _ := strings.Cut(fmt.Sprint(wantErr), " (0x")
				if got != want || fmt.Sprint(gotErr) != end {
					t.Errorf("%s %v, round %d: got %q, %v; want %q, %v", name, args, round, got, gotErr, want, wantErr)
				}
				if stats.Restored != 1 || len(stats.Notes) > 0 {
					t.Errorf("%s %v: restored %d times: %v", name, args, stats.Restored, stats.Notes)
				}
				if name == "none" && stats.Groups == 0 {
					t.Errorf("%s %v: no group was loaded", name, args)
				}
			}
			rt.Close(t.Context())
		}
	}
}

// TestRestoredState checks that no two restores share randomness, that time does not go back, and that what makes a run
// differ from the one that was recorded has it start from its beginning.
func TestRestoredState(t *testing.T) {
	rt := newRuntime(t)
	d := derive(t, rt, waitingImage(t))
	random := func() string {
		out, stats, err := start(t, rt, d, runtime.Spec{Args: []string{"random"}})
		if err != nil || stats.Restored != 1 {
			t.Fatal(err, stats.Notes)
		}
		return out
	}
	if a, b := random(), random(); a == b {
		t.Errorf("two restores drew the same randomness: %s", a)
	}
	out, _, err := start(t, rt, d, runtime.Spec{Args: []string{"clock"}})
	var now int64
	if _, serr := fmt.Sscan(strings.Split(out, "\n")[1], &now); err != nil || serr != nil || now < d.doc.Snapshots[0].Monotonic {
		t.Errorf("the clock shows %q after %d: %v, %v", out, d.doc.Snapshots[0].Monotonic, err, serr)
	}
	host := t.TempDir()
	for _, tt := range []struct {
		name, note string
		spec       runtime.Spec
		want       string
	}{
		{"another environment", "MODE", runtime.Spec{Env: []string{"MODE=slow"}}, "slow"},
		{"one more variable", "environment", runtime.Spec{Env: []string{"MORE=1"}}, "fast"},
		{"a deterministic run", "deterministic", runtime.Spec{Deterministic: true}, "fast"},
		{"files that are kept", "keeps its files", runtime.Spec{Dir: filepath.Join(host, "upper")}, "fast"},
		{"another program", "", runtime.Spec{Entrypoint: []string{"/bin/waiting", "x"}}, "fast"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, stats, err := start(t, rt, d, tt.spec)
			if tt.name == "another program" {
				if stats.Restored != 1 { // the prefix is the same: the rest is arguments
					t.Errorf("not restored: %v", stats.Notes)
				}
				return
			}
			if stats.Restored != 0 || !strings.Contains(strings.Join(stats.Notes, "\n"), tt.note) {
				t.Errorf("restored %d times, notes %q", stats.Restored, stats.Notes)
			}
			if tt.want != "" && (err != nil || !strings.Contains(out, tt.want)) {
				t.Errorf("printed %q: %v", out, err)
			}
		})
	}
}

// TestMountOverRead checks that a mount over what a program had read starts it from its beginning.
func TestMountOverRead(t *testing.T) {
	rt := newRuntime(t)
	img := waitingImage(t)
	img.config.Env = []string{"MODE=fast"}
	d := derive(t, rt, img)
	d.doc.Snapshots[0].Reads.Dirs = []string{"/data"}
	mounts := map[string]runtime.Mount{
		"/data": {Target: "/data"}, "/other": {Target: "/other"}, "/data/words": {Target: "/data/words", Data: []byte("x"), Mode: 0o444},
	}
	for target, restored := range map[string]int64{"/data": 0, "/other": 1, "/data/words": 0} {
		_, stats, err := start(t, rt, d, runtime.Spec{Mounts: []runtime.Mount{mounts[target]}})
		if err != nil || stats.Restored != restored {
			t.Errorf("%s: restored %d times (%v): %v", target, stats.Restored, stats.Notes, err)
		}
	}
}

// TestMountOverSought checks that a mount starts a program from its beginning where it had looked for what was not
// there, asked what something is, or went through a symbolic link; and that its answers are those of such a start.
func TestMountOverSought(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles twenty modules one after another, in one goroutine: it is for a run without -short")
	}
	rt := newRuntime(t)
	for _, c := range []struct {
		mode, target string
		file         bool
		restored     int64
	}{
		{"probe", "/data/config", true, 0}, {"probe", "/data", false, 0}, {"probe", "/other", false, 1},
		{"stat", "/conf", true, 0}, {"stat", "/conf", false, 0}, {"stat", "/data", false, 1}, {"stat", "/data/words", true, 1},
		{"linked", "/data", false, 0}, {"linked", "/data/words", true, 0}, {"linked", "/link", false, 0}, {"linked", "/other", false, 1},
		{"readlink", "/other", true, 1}, {"readlink", "/data", false, 0},
	} {
		img := waitingImage(t)
		img.config.Env = []string{"MODE=" + c.mode}
		d := derive(t, rt, img)
		m := runtime.Mount{Target: c.target}
		if c.file {
			m.Data, m.Mode = []byte("x"), 0o444
		}
		spec := runtime.Spec{Mounts: []runtime.Mount{m}}
		got, stats, gotErr := start(t, rt, d, spec)
		want, _, wantErr := start(t, rt, img, spec)
		if stats.Restored != c.restored || got != want || fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Errorf("%s, %s mounted: restored %d times (%v), printed %q, %v; want %q, %v", c.mode, c.target, stats.Restored, stats.Notes, got, gotErr, want, wantErr)
		}
	}
}

// TestLies checks that derived data that is wrong makes a program start as if there were none.
func TestLies(t *testing.T) {
	rt := newRuntime(t)
	plain := waitingImage(t)
	want, _, err := start(t, rt, plain, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	honest := derive(t, rt, plain)
	lies := map[string]func(d *derivedImage){
		"no facts":        func(d *derivedImage) { d.facts = nil },
		"cut facts":       func(d *derivedImage) { d.facts = d.facts[:len(d.facts)/2] },
		"turned facts":    func(d *derivedImage) { d.facts = bytes.Clone(d.facts); d.facts[len(d.facts)/2] ^= 5 },
		"memory missing":  func(d *derivedImage) { d.dir = t.TempDir() },
		"another module":  func(d *derivedImage) { d.doc.Modules[0].Content = "sha256:00@0+1" },
		"too few globals": func(d *derivedImage) { d.doc.Snapshots[0].Globals = nil },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			d := *honest
			d.doc.Modules = append([]oci.DerivedModule(nil), honest.doc.Modules...)
			d.doc.Snapshots = append([]oci.Snapshot(nil), honest.doc.Snapshots...)
			lie(&d)
			got, stats, err := start(t, rt, &d, runtime.Spec{})
			if name == "turned facts" && err != nil {
				return // a function's bytes may be taken from elsewhere: it traps, and nothing else
			}
			if err != nil || got != want {
				t.Errorf("got %q, %v; want %q (%v)", got, err, want, stats.Notes)
			}
		})
	}
}

// TestRecordRefusals checks the reasons for which there is no snapshot.
func TestRecordRefusals(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles twenty modules one after another, in one goroutine: it is for a run without -short")
	}
	rt := newRuntime(t)
	for mode, why := range map[string]string{
		"keep": "open", "write": "writes /data/new", "mkdir": "writes /tmp/made", "remove": "writes /data/words", "swap": "keeps a file open",
		"draw": "draws randomness", "device": "draws randomness", "print": "prints 8 bytes",
	} {
		img := waitingImage(t)
		img.config.Env = []string{"MODE=" + mode}
		r, err := record(t, rt, img, runtime.Spec{})
		if err != nil || r.Snapshot != nil || !strings.Contains(r.Refused, why) {
			t.Errorf("%s: %+v, %v", mode, r, err)
		}
	}
	for _, mode := range []string{"again", "redraw", "probe", "stat", "linked", "readlink"} {
		img := waitingImage(t)
		img.config.Env = []string{"MODE=" + mode}
		if r, err := record(t, rt, img, runtime.Spec{}); err != nil || r.Refused != "" {
			t.Errorf("%s: refused: %+v, %v", mode, r, err)
		}
	}
	img := newImage(t, ispec.ImageConfig{Entrypoint: []string{"/bin/probe"}}, file{"bin/probe", 0o755, probeWasm(t)})
	r, err := record(t, rt, img, runtime.Spec{})
	if err != nil || r.Snapshot != nil || !strings.Contains(r.Refused, "needs an export wizer.initialize") {
		t.Errorf("a plain command: %+v, %v", r, err)
	}
}

// TestRecordTwice checks that two recordings are the same.
func TestRecordTwice(t *testing.T) {
	img := waitingImage(t)
	a, err := record(t, newRuntime(t), img, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := record(t, newRuntime(t), img, runtime.Spec{})
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("recorded twice, not the same (%v)", err)
	}
}

// TestRecordWithFacts records where the facts of the module are known, or are not those of it.
func TestRecordWithFacts(t *testing.T) {
	rt, img := newRuntime(t), waitingImage(t)
	plain, err := record(t, rt, img, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	for name, facts := range map[string][]byte{"its own": plain.Facts, "none": nil, "damaged": plain.Facts[:len(plain.Facts)/2]} {
		d := &asked{derivedImage: derivedImage{image: img, facts: facts, doc: oci.Derived{Modules: []oci.DerivedModule{{Content: plain.Content}}}}}
		r, err := record(t, rt, d, runtime.Spec{})
		if err != nil || !reflect.DeepEqual(r, plain) {
			t.Errorf("%s: another recording, %v", name, err)
		}
		if d.times == 0 {
			t.Errorf("%s: nobody asked for them", name)
		}
	}
}

// asked is a derivedImage that counts how often it is asked for facts.
type asked struct {
	derivedImage
	times int
}

func (a *asked) Facts(ctx context.Context, m *oci.DerivedModule) ([]byte, error) {
	a.times++
	return a.derivedImage.Facts(ctx, m)
}

// TestPartsUnderStress creates, cancels and closes containers at random while their groups load.
func TestPartsUnderStress(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, rt, waitingImage(t))
	d.doc.Snapshots[0].Hot = nil
	n := 1000
	if testing.Short() {
		n = 200
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(7, uint64(worker)))
			for range n / 4 {
				c, err := rt.Create(t.Context(), d, runtime.Spec{Args: []string{[]string{"rare", "trap", "seven", "x"}[r.IntN(4)]}})
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				leave := r.IntN(2) == 0
				stop := time.AfterFunc(time.Duration(r.IntN(3000))*time.Microsecond, func() {
					if leave {
						cancel()
					} else {
						c.Close(context.Background())
					}
				})
				err = c.Run(ctx)
				var exit *runtime.ExitError
				var trap *runtime.TrapError
				if err != nil && !errors.As(err, &exit) && !errors.As(err, &trap) && !errors.Is(err, context.Canceled) && !errors.Is(err, runtime.ErrClosed) {
					t.Error(err)
				}
				stop.Stop()
				cancel()
				c.Close(t.Context())
			}
		})
	}
	wg.Wait()
	if s := rt.Stats(); s.Memory != 0 {
		t.Errorf("%d bytes of guest memory are left", s.Memory)
	}
}
