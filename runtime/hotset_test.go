package runtime_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/runtime"
)

// missed is what was noted of an image in a cache.
func missed(t *testing.T, dir string, d *derivedImage) prepare.HotSet {
	t.Helper()
	var b bytes.Buffer
	n, err := runtime.Missed(dir, &d.doc, &b)
	if err != nil {
		t.Fatal(err)
	}
	set, err := prepare.ParseHotSet(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range set {
		n -= len(s.Functions)
	}
	if n != 0 {
		t.Errorf("Missed counts %d more functions than it writes", n)
	}
	return set
}

// TestMissed checks that a run which needs more than was foreseen leaves a note of just that, that nothing else does,
// and that a build which takes it in makes the run need nothing more.
func TestMissed(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, rt, waitingImage(t))
	notes := filepath.Join(dir, "hot")
	run := func(want int64, args ...string) {
		t.Helper()
		if _, stats, err := start(t, rt, d, runtime.Spec{Args: args}); err != nil || stats.Restored != 1 || (stats.Groups > 0) != (want > 0) {
			t.Fatalf("%v: restored %d, groups %d, want %d: %v", args, stats.Restored, stats.Groups, want, err)
		}
	}
	run(0)
	if _, err := os.Stat(notes); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a run that needs no more left a note: %v", err)
	}
	run(1, "rare")
	set := missed(t, dir, d)
	if len(set) != 1 || !set[0].Restored || set[0].Content != d.doc.Modules[0].Content || len(set[0].Functions) == 0 {
		t.Fatalf("noted %v", set)
	}
	for _, f := range set[0].Functions {
		if slices.Contains(d.doc.Snapshots[0].Hot, f) {
			t.Errorf("function %d was foreseen", f)
		}
	}
	list, err := os.ReadDir(notes)
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	file := filepath.Join(notes, list[0].Name())
	for name, damage := range map[string]string{
		"nonsense": "\x00", "another module": "module x\n1\n", "too long": strings.Repeat("1\n", 200_000), "too many": "restored " + set[0].Content + "\n0-999998\n",
	} {
		if err := os.WriteFile(file, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		run(1, "rare")
		if again := missed(t, dir, d); name != "too many" && (len(again) != 1 || !slices.Equal(again[0].Functions, set[0].Functions)) {
			t.Errorf("%s: noted %v, want %v", name, again, set)
		}
	}
	if _, err := rt.Sweep(0); err != nil {
		t.Fatal(err)
	}
	if again := missed(t, dir, d); again != nil {
		t.Errorf("a sweep left %v", again)
	}
	d.doc.Snapshots[0].Hot = prepare.Union(d.doc.Snapshots[0].Hot, set[0].Functions)
	run(0, "rare")
}

// TestLater checks that functions of rare runs are loaded together.
func TestLater(t *testing.T) {
	dir := t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(dir))
	d := derive(t, rt, waitingImage(t))
	want, _, err := start(t, rt, d, runtime.Spec{Args: []string{"rare"}})
	if err != nil {
		t.Fatal(err)
	}
	all := missed(t, dir, d)[0].Functions
	snap := &d.doc.Snapshots[0]
	snap.Hot, snap.Later = nil, prepare.Union(snap.Hot, all)
	for range 2 { // made, and from the cache
		got, stats, err := start(t, newRuntime(t, runtime.WithCacheDir(dir)), d, runtime.Spec{Args: []string{"rare"}})
		if err != nil || got != want || stats.Restored != 1 || stats.Groups != 1 {
			t.Errorf("%q, %d groups, %v; want %q and one group: %v", got, stats.Groups, stats.Notes, want, err)
		}
	}
	if again := missed(t, dir, d); again != nil {
		t.Errorf("what was foreseen is noted: %v", again)
	}
	snap.Later = snap.Later[:1] // another group of the same number
	got, _, err := start(t, rt, d, runtime.Spec{Args: []string{"rare"}})
	if err != nil || got != want {
		t.Errorf("another later group: %q, %v", got, err)
	}
}

// TestRecordFunctions checks that a run can be recorded, whether anything is known of its module or not.
func TestRecordFunctions(t *testing.T) {
	rt := newRuntime(t)
	plain := waitingImage(t)
	d := derive(t, rt, plain)
	for name, img := range map[string]runtime.Image{"restored": d, "module": plain} {
		c, err := rt.Create(t.Context(), img, runtime.Spec{Args: []string{"rare"}, RecordFunctions: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(t.Context())
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := c.WriteFunctions(&b); err != nil {
			t.Fatal(err)
		}
		set, err := prepare.ParseHotSet(&b)
		if err != nil || len(set) != 1 || set[0].Content != d.doc.Modules[0].Content || set[0].Restored != (name == "restored") {
			t.Fatalf("%s: %v, %v", name, set, err)
		}
		known := *d
		known.doc.Snapshots = slices.Clone(d.doc.Snapshots)
		known.doc.Modules = slices.Clone(d.doc.Modules)
		known.doc.Snapshots[0].Hot, known.doc.Modules[0].Hot = set[0].Functions, set[0].Functions
		_, stats, err := start(t, rt, &known, runtime.Spec{Args: []string{"rare"}, NoSnapshot: name == "module"})
		if err != nil || stats.Groups != 0 {
			t.Errorf("%s: %d groups after all, %v: %v", name, stats.Groups, stats.Notes, err)
		}
	}
}
