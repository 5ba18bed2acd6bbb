package compose

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
)

// TestWatched: what is written, what is gone and what is left out, and the archive that
// goes into a container.
func TestWatched(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	put("app.py", "1")
	put("sub/b.py", "1")
	put(".dockerignore", "# left out\nsecret\n")
	put("secret", "1")
	put("node_modules/x", "1")
	put(".git/index", "1")
	w, err := newWatched(&Service{Name: "a", Build: &Build{Folder: dir}}, &types.Trigger{Path: dir, Target: "/app", Ignore: []string{"node_modules/"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.files.List(); !slices.Equal(got, []string{".dockerignore", "app.py", "sub/b.py"}) {
		t.Errorf("watched: %v", got)
	}
	if c := w.files.Look(); !c.Empty() {
		t.Errorf("nothing has changed: %v", c)
	}
	put("app.py", "22")
	put("new/c.py", "1")
	put("secret", "22")
	if err := os.Remove(filepath.Join(dir, "sub", "b.py")); err != nil {
		t.Fatal(err)
	}
	c := w.files.Look()
	if !slices.Equal(c.Written, []string{"app.py", "new/c.py"}) || !slices.Equal(c.Gone, []string{"sub/b.py"}) {
		t.Errorf("changes: %+v", c)
	}
	_, r := w.tar(context.Background(), append(c.Written, "gone already"))
	defer r.Close()
	var names []string
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if !slices.Equal(names, []string{"app/", "app/app.py", "app/new/", "app/new/c.py"}) {
		t.Errorf("archive: %v", names)
	}
}
