package cli

import (
	"path/filepath"
	"testing"
)

// TestBelow: what a run writes below the folder that is followed is left out, by the name
// that the rules have for it.
func TestBelow(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		folder, name string
		want         string
		ok           bool
	}{
		{dir, filepath.Join(dir, "data"), "data", true},
		{dir, filepath.Join(dir, "data", "sub"), "data/sub", true},
		{dir, filepath.Join(dir, "..data"), "..data", true},
		{dir, dir, "", false},
		{dir, filepath.Dir(dir), "", false},
		{dir, dir + "2", "", false},
		{dir, "", "", false}, // a mount in memory
		{".", "sub", "sub", true},
	} {
		if got, ok := below(c.folder, c.name); ok != c.ok || ok && got != c.want {
			t.Errorf("below(%q, %q) = %q, %v, want %q, %v", c.folder, c.name, got, ok, c.want, c.ok)
		}
	}
}

// TestWatchable: what cannot be followed is refused with what to type.
func TestWatchable(t *testing.T) {
	for _, c := range []struct {
		what string
		o    runOptions
		ok   bool
	}{
		{"./site", runOptions{}, true},
		{"./program.wasm", runOptions{}, true},
		{"site:1", runOptions{}, false},
		{"site:1", runOptions{volumes: []string{"./site:/srv/http"}}, false},
		{"./site", runOptions{life: lifeOptions{detach: true}}, false},
		{"./site", runOptions{life: lifeOptions{restart: "always"}}, false},
		{"./site", runOptions{volumesFrom: []string{"other"}}, false},
		{"./site", runOptions{stats: "json"}, false},
	} {
		err := watchable(c.what, c.o)
		if (err == nil) != c.ok {
			t.Errorf("%s with %+v: %v", c.what, c.o.life, err)
		}
		if h, is := err.(*hinted); err != nil && (!is || h.hint == "") {
			t.Errorf("%s: %v says nothing of what to type", c.what, err)
		}
	}
}
