package rootfs

import (
	"testing"
	"testing/fstest"

	"github.com/wherry-run/wherry/internal/layer"
)

func TestFirst(t *testing.T) {
	var c layer.Memory
	file := func(p, s string) layer.Entry {
		return layer.Entry{Path: p, Kind: layer.File, Mode: 0o644, Size: int64(len(s)), Content: layer.Ref{Digest: c.PutBytes([]byte(s)), Size: int64(len(s))}}
	}
	a := &layer.Index{Entries: []layer.Entry{file("a/x", "x"), file("a/y", "y"), file("b/c/d", "hello"), {Path: "b/l", Kind: layer.Symlink, Target: "/a/x"}}}
	b := &layer.Index{Entries: []layer.Entry{{Path: "a/x", Kind: layer.Whiteout}, file("a/z", "z"), file("b/c-d", "q")}}
	a.Sort()
	b.Sort()
	tr, err := New(Options{Layers: []Layer{{Index: a, Content: &c}, {Index: b, Content: &c}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(tr.FS(), "a/y", "a/z", "b/c/d", "b/c-d"); err == nil {
		t.Error("dangling link not seen")
	}
	f, err := tr.Open(tr.Root(), "b/c/d", How{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("E"), 1)
	if err := tr.Unlink(tr.Root(), "b/c/d"); err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 10)
	n, err := f.ReadAt(p, 0)
	if string(p[:n]) != "hEllo" {
		t.Errorf("%q %v", p[:n], err)
	}
	if _, err := tr.Stat(tr.Root(), "b/l", true); err != ENOENT {
		t.Error(err)
	}
	tr.Unlink(tr.Root(), "b/l")
	if err := fstest.TestFS(tr.FS(), "a/y", "a/z", "b/c-d"); err != nil {
		t.Error(err)
	}
}
