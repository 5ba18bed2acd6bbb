package images_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/store"
)

// unpacked is a tar as files in memory.
func unpacked(t *testing.T, data []byte) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files["image/"+h.Name] = &fstest.MapFile{Data: content}
	}
}

func TestLoadFS(t *testing.T) {
	s := open(t)
	x, y := build(t, s, "code", "weights"), build(t, s, "other code", "weights")
	tag(t, s, "iris:1", x.index)
	tag(t, s, "iris:2", y.index)
	var data bytes.Buffer
	if err := images.Save(t.Context(), s, &data, "iris:1", "iris:2"); err != nil {
		t.Fatal(err)
	}
	files := unpacked(t, data.Bytes())
	files["iris.tar"] = &fstest.MapFile{Data: data.Bytes()}
	for _, name := range []string{"iris.tar", "image"} {
		t.Run(name, func(t *testing.T) {
			there := open(t)
			loaded, err := images.LoadFS(t.Context(), there, files, name)
			if err != nil || len(loaded) != 2 {
				t.Fatalf("loaded %v: %v", loaded, err)
			}
			one, err := images.Only(loaded, "iris:2")
			if err != nil {
				t.Fatal(err)
			}
			img, err := images.Open(t.Context(), there, one.Ref.String(), images.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			if read(t, img, "app.wasm") != "other code" {
				t.Error("another image came out")
			}
			if _, err := images.Only(loaded, ""); err == nil || !strings.Contains(err.Error(), "it has 2 images, and one is needed; say which: iris:1 iris:2") {
				t.Errorf("got %v", err)
			}
			if _, err := images.Only(loaded, "iris:3"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v", err)
			}
		})
	}
	damaged := fstest.MapFS{}
	for name, f := range files {
		if damaged[name] = f; strings.Contains(name, "/blobs/") {
			damaged[name] = &fstest.MapFile{Data: append([]byte("x"), f.Data...)}
		}
	}
	long := t.TempDir() // of 1 TB, which is not read
	if err := os.WriteFile(filepath.Join(long, "oci-layout"), files["image/oci-layout"].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	index, err := os.Create(filepath.Join(long, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(index.Truncate(1<<40), index.Close()); err != nil {
		t.Skip("SKIPPED: no files with holes here:", err)
	}
	for name, c := range map[string]struct {
		files fs.FS
		path  string
	}{
		"long":    {os.DirFS(long), "."},
		"nothing": {files, "none"}, "no layout": {fstest.MapFS{"image/a": &fstest.MapFile{}}, "image"}, "damaged": {damaged, "image"},
	} {
		if loaded, err := images.LoadFS(t.Context(), open(t), c.files, c.path); err == nil {
			t.Errorf("%s: loaded %v", name, loaded)
		}
	}
}
