package changes

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// put writes a file, and its folders.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// TestFiles: what is written, what is gone and what is left out, by rules that change.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"app.py", "sub/b.py", "secret", "kept/secret", "node_modules/x", ".git/index", "sub/__pycache__/b.pyc", "app.py~"} {
		put(t, dir, name, "1")
	}
	put(t, dir, ".dockerignore", "# left out\n/secret\n./kept/*\n!kept/secret\n")
	f, err := New(dir, Rules{Ignore: []string{"node_modules/"}, Context: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := f.List(); !slices.Equal(got, []string{".dockerignore", "app.py", "kept/secret", "sub/b.py"}) {
		t.Errorf("files: %v", got)
	}
	if s := f.Look(); !s.Empty() {
		t.Errorf("nothing has changed: %v", s)
	}
	put(t, dir, "app.py", "22")
	put(t, dir, "new/c.py", "1")
	put(t, dir, "secret", "22")
	if err := os.Remove(filepath.Join(dir, "sub", "b.py")); err != nil {
		t.Fatal(err)
	}
	s := f.Look()
	if !slices.Equal(s.Written, []string{"app.py", "new/c.py"}) || !slices.Equal(s.Gone, []string{"sub/b.py"}) {
		t.Errorf("changes: %+v", s)
	}
	if s.String() != "app.py, new/c.py, sub/b.py" {
		t.Errorf("named: %s", s)
	}
	put(t, dir, ".wasmignore", "*.py\n") // goes before the other one
	if s := f.Look(); !slices.Equal(s.Written, []string{".wasmignore", "secret"}) || !slices.Equal(s.Gone, []string{"app.py"}) {
		t.Errorf("by other rules: %+v", s)
	}
}

// TestRecipe: how a folder is built counts, although nothing of that is in the build.
func TestRecipe(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"Wasmfile", "sub/Wasmfile", "a.py"} {
		put(t, dir, name, "1")
	}
	put(t, dir, ".wasmignore", "**/Wasmfile\n.wasmignore\n")
	for _, c := range []struct {
		recipe []string
		want   []string
	}{{nil, []string{"a.py"}}, {[]string{"Wasmfile"}, []string{".wasmignore", "Wasmfile", "a.py"}}} {
		f, err := New(dir, Rules{Context: true, Recipe: c.recipe})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.List(); !slices.Equal(got, c.want) {
			t.Errorf("with the recipe %v: %v, want %v", c.recipe, got, c.want)
		}
	}
}

// TestOneFile: a file is followed by itself.
func TestOneFile(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a.wasm", "1")
	f, err := New(filepath.Join(dir, "a.wasm"), Rules{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "b.wasm", "1")
	put(t, dir, "a.wasm", "22")
	if s := f.Look(); !slices.Equal(s.Written, []string{"."}) || len(s.Gone) > 0 {
		t.Errorf("changes: %+v", s)
	}
}

// TestFollow: several savings are told of together, until ctx ends.
func TestFollow(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a", "1")
	f, err := New(dir, Rules{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	over := errors.New("over")
	ctx, end := context.WithCancelCause(ctx)
	put(t, dir, "a", "22")
	var all Set
	err = Follow(ctx, []*Files{f}, func(_ int, s Set) {
		all = all.with(s)
		if slices.Contains(s.Written, "b") {
			end(over)
			return
		}
		put(t, dir, "b", "1")
		if err := os.Remove(filepath.Join(dir, "a")); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, over) || !slices.Equal(all.Written, []string{"b"}) || !slices.Equal(all.Gone, []string{"a"}) {
		t.Errorf("%v: %+v", err, all)
	}
}
