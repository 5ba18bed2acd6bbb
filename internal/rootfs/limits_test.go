package rootfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

func TestQuota(t *testing.T) {
	for name, upper := range map[string]rootfs.Upper{"memory": {}, "disk": {Dir: tempDir(t)}} {
		t.Run(name, func(t *testing.T) {
			tree := newTree(t, rootfs.Options{MaxBytes: 1 << 20, MaxInodes: 10, Upper: upper})
			f, err := tree.Open(tree.Root(), "f", rootfs.How{Read: true, Write: true, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			n, err := f.WriteAt(make([]byte, 2<<20), 0)
			if n != 1<<20 || err != rootfs.ENOSPC {
				t.Errorf("wrote %d, %v", n, err)
			}
			if err := f.Truncate(1 << 40); err != nil {
				t.Errorf("a hole costs nothing: %v", err)
			}
			if _, err := f.WriteAt([]byte("x"), 1<<39); err != rootfs.ENOSPC {
				t.Errorf("%v", err)
			}
			if err := f.Truncate(0); err != nil {
				t.Fatal(err)
			}
			if err := f.Allocate(0, 2<<20); err != rootfs.ENOSPC {
				t.Errorf("allocate: %v", err)
			}
			// What an open file without a name holds is given back at its end.
			if n, err := f.WriteAt(make([]byte, 1<<20), 0); n != 1<<20 {
				t.Fatal(err)
			}
			tree.Unlink(tree.Root(), "f")
			if err := openErr(tree, "g", rootfs.How{Write: true, Create: true}); err != nil {
				t.Fatal(err)
			}
			g, _ := tree.Open(tree.Root(), "g", rootfs.How{Write: true})
			if _, err := g.WriteAt([]byte("x"), 0); err != rootfs.ENOSPC {
				t.Errorf("%v while an unlinked file is open", err)
			}
			f.Close()
			if _, err := g.WriteAt([]byte("x"), 0); err != nil {
				t.Errorf("%v", err)
			}
			g.Close()
			for k := range 9 {
				if err := tree.Mkdir(tree.Root(), fmt.Sprint("d", k), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := tree.Mkdir(tree.Root(), "more", 0o755); err != rootfs.ENOSPC {
				t.Errorf("inodes: %v", err)
			}
			tree.Rmdir(tree.Root(), "d0")
			if err := tree.Symlink("x", tree.Root(), "s"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDepth(t *testing.T) {
	tree := newTree(t, rootfs.Options{})
	at := tree.Root()
	var err error
	depth := 0
	for ; depth < 5000; depth++ {
		if err = tree.Mkdir(at, "d", 0o755); err != nil {
			break
		}
		n, lerr := tree.Lookup(at, "d", false)
		if lerr != nil {
			t.Fatal(lerr)
		}
		at = n
	}
	if err != rootfs.ENAMETOOLONG {
		t.Errorf("after %d directories: %v", depth, err)
	}
	// Nor can deep trees be put into each other.
	tree.Mkdir(tree.Root(), "e", 0o755)
	tree.Mkdir(tree.Root(), "e/e", 0o755)
	tree.Mkdir(tree.Root(), "e/e/e", 0o755)
	deep := strings.Repeat("d/", depth-3) + "d"
	if err := tree.Rename(tree.Root(), "e", tree.Root(), deep+"/e"); err != rootfs.ENAMETOOLONG {
		t.Errorf("%v", err)
	}
	if err := tree.Rename(tree.Root(), "d", tree.Root(), "e/d"); err != rootfs.ENAMETOOLONG {
		t.Errorf("a deep tree moved down: %v", err)
	}
}

// copies counts what is read from a layer.
type counting struct {
	layer.Content
	read int
}

type countingBlob struct {
	layer.Blob
	c *counting
}

func (c *counting) OpenContent(d string) (layer.Blob, error) {
	b, err := c.Content.OpenContent(d)
	return countingBlob{b, c}, err
}

func (b countingBlob) ReadAt(p []byte, off int64) (int, error) {
	b.c.read += len(p)
	return b.Blob.ReadAt(p, off)
}

func TestCopyUpCopiesLittle(t *testing.T) {
	var c layer.Memory
	big := strings.Repeat("0123456789abcdef", 1<<16) // 1 MiB
	l := lay(t, &c, "big="+big)
	count := &counting{Content: &c}
	l.Content = count
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{l}, Upper: rootfs.Upper{Dir: tempDir(t)}})
	f, err := tree.Open(tree.Root(), "big", rootfs.How{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	if ref, blob, ok := f.Content(); !ok || ref.Size != 1<<20 || blob == nil {
		t.Error("content of an unchanged file is not told")
	}
	f.WriteAt([]byte("XX"), 500_000)
	if _, _, ok := f.Content(); ok {
		t.Error("content of a changed file is told")
	}
	if count.read > 64<<10 {
		t.Errorf("%d bytes copied for a write of 2", count.read)
	}
	f.Truncate(1<<20 - 10)
	f.Truncate(1 << 20)
	f.Close()
	want := []byte(big)
	copy(want[500_000:], "XX")
	clear(want[1<<20-10:])
	if got := read(t, tree, "big"); got != string(want) {
		t.Error("content differs")
	}
}

func TestMissingContent(t *testing.T) {
	var c, empty layer.Memory
	l := lay(t, &c, "f=data")
	l.Content = &empty
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{l}})
	_, err := tree.Open(tree.Root(), "f", rootfs.How{Read: true})
	if rootfs.ErrnoOf(err) != rootfs.EIO || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	l.Content = shortContent{}
	tree = newTree(t, rootfs.Options{Layers: []rootfs.Layer{l}})
	if _, err := tree.Open(tree.Root(), "f", rootfs.How{Read: true}); rootfs.ErrnoOf(err) != rootfs.EIO {
		t.Errorf("%v", err)
	}
}

type shortContent struct{}

func (shortContent) OpenContent(string) (layer.Blob, error) {
	var m layer.Memory
	return m.OpenContent(m.PutBytes([]byte("d")))
}

func TestDevices(t *testing.T) {
	tree := newTree(t, rootfs.Options{ReadOnly: true, Random: bytes.NewReader([]byte("rrrr")), Mounts: []rootfs.Mount{{Target: "dev", Devices: true}}})
	p := []byte("1234")
	dev := func(name string) *rootfs.File {
		f, err := tree.Open(tree.Root(), "dev/"+name, rootfs.How{Read: true, Write: true, Trunc: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	if n, err := dev("null").ReadAt(p, 7); n != 0 || err != io.EOF {
		t.Errorf("null: %d, %v", n, err)
	}
	if n, err := dev("null").WriteAt(p, 7); n != 4 || err != nil {
		t.Errorf("null: %d, %v", n, err)
	}
	if n, _ := dev("urandom").ReadAt(p, 0); n != 4 || string(p) != "rrrr" {
		t.Errorf("urandom: %q", p)
	}
	if n, _ := dev("zero").ReadAt(p, 1<<50); n != 4 || string(p) != "\x00\x00\x00\x00" {
		t.Errorf("zero: %q", p)
	}
	if _, err := dev("full").WriteAt(p, 0); err != rootfs.ENOSPC {
		t.Errorf("full: %v", err)
	}
	if err := tree.Unlink(tree.Root(), "dev/null"); err != rootfs.EROFS {
		t.Errorf("unlink: %v", err)
	}
	if st, _ := tree.Stat(tree.Root(), "dev/zero", true); st.Kind != rootfs.KindDevice {
		t.Errorf("%+v", st)
	}
}

func TestMountPointsAreNoChange(t *testing.T) {
	var c layer.Memory
	host := tempDir(t)
	one := filepath.Join(host, "one")
	if err := os.WriteFile(one, []byte("1"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{lay(t, &c, "a/f=1")}, Mounts: []rootfs.Mount{
		{Target: "/a/new/tmp"}, {Target: "/x/y", Host: host}, {Target: "/x/y/inner"}, {Target: "/etc/one", Host: one},
	}})
	write(t, tree, "a/new/tmp/t", "t")
	write(t, tree, "x/y/inner/t", "t")
	write(t, tree, "x/y/h", "h")
	write(t, tree, "etc/one", "2")
	if b, _ := os.ReadFile(one); string(b) != "2" {
		t.Errorf("mounted file holds %q", b)
	}
	if b, _ := os.ReadFile(filepath.Join(host, "h")); string(b) != "h" {
		t.Errorf("file in the mount holds %q", b)
	}
	if list, _ := os.ReadDir(filepath.Join(host, "inner")); len(list) != 0 {
		t.Error("what was written to the inner mount is on the host")
	}
	if err := tree.Unlink(tree.Root(), "etc/one"); err != rootfs.EBUSY {
		t.Errorf("unlink of a mounted file: %v", err)
	}
	x, _, err := tree.Diff(t.Context())
	if err != nil || len(x.Entries) != 0 {
		t.Errorf("%+v, %v", x, err)
	}
	write(t, tree, "etc/other", "o")
	x, _, err = tree.Diff(t.Context())
	if err != nil || len(x.Entries) != 2 || x.Entries[1].Path != "etc/other" {
		t.Errorf("%+v, %v", x, err)
	}
}

func BenchmarkNew(b *testing.B) {
	x := &layer.Index{}
	for k := range 50_000 {
		x.Entries = append(x.Entries, layer.Entry{Path: fmt.Sprintf("usr/lib/python/site-packages/package%03d/module%05d.py", k/200, k), Kind: layer.File})
	}
	o := rootfs.Options{Layers: []rootfs.Layer{{Index: x, Content: &layer.Memory{}}, {Index: x, Content: &layer.Memory{}}}}
	b.Run("two layers of 50,000 files", func(b *testing.B) {
		for b.Loop() {
			tree, err := rootfs.New(o)
			if err != nil {
				b.Fatal(err)
			}
			tree.Close()
		}
	})
	b.Run("and look at one", func(b *testing.B) {
		for b.Loop() {
			tree, _ := rootfs.New(o)
			if _, err := tree.Stat(tree.Root(), "usr/lib/python/site-packages/package100/module20007.py", true); err != nil {
				b.Fatal(err)
			}
			tree.Close()
		}
	})
	tree, _ := rootfs.New(o)
	b.Run("stat", func(b *testing.B) {
		for b.Loop() {
			tree.Stat(tree.Root(), "usr/lib/python/site-packages/package100/module20007.py", true)
		}
	})
}

// shared is a quota of n bytes for several trees.
type shared struct{ left atomic.Int64 }

func (s *shared) Grow(n uint64) bool {
	if s.left.Add(-int64(n)) < 0 {
		s.left.Add(int64(n))
		return false
	}
	return true
}

func (s *shared) Release(n uint64) { s.left.Add(int64(n)) }

func TestSharedQuota(t *testing.T) {
	var q shared
	q.left.Store(1 << 20)
	dir := tempDir(t)
	write := func(tree *rootfs.Tree, name string, size int) error {
		f, err := tree.Open(tree.Root(), name, rootfs.How{Write: true, Create: true, Mode: 0o644})
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt(make([]byte, size), 0)
		return err
	}
	one := newTree(t, rootfs.Options{Quota: &q, Upper: rootfs.Upper{Dir: dir}})
	two := newTree(t, rootfs.Options{Quota: &q, Mounts: []rootfs.Mount{{Target: "tmp"}}})
	if err := write(one, "f", 600<<10); err != nil {
		t.Fatal(err)
	}
	if err := one.Symlink("f", one.Root(), "link"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f", "tmp/f"} {
		if err := write(two, name, 600<<10); err != rootfs.EDQUOT {
			t.Errorf("%s: more than both may have: %v", name, err)
		}
		if err := two.Unlink(two.Root(), name); err != nil {
			t.Error(err)
		}
	}
	if err := write(two, "tmp/f", 300<<10); err != nil {
		t.Error(err)
	}
	held := 1<<20 - q.left.Load()
	if err := two.Close(); err != nil {
		t.Fatal(err)
	}
	alone := 1<<20 - q.left.Load()
	if held-alone != 300<<10 {
		t.Errorf("a closed tree gave back %d bytes", held-alone)
	}
	if err := one.Close(); err != nil || q.left.Load() != 1<<20 {
		t.Errorf("%d bytes are still held, %v", 1<<20-q.left.Load(), err)
	}
	again := newTree(t, rootfs.Options{Quota: &q, Upper: rootfs.Upper{Dir: dir}})
	if now := 1<<20 - q.left.Load(); now != alone {
		t.Errorf("reopened it holds %d bytes, it was %d", now, alone)
	}
	again.Close()
	if left := q.left.Load(); left != 1<<20 {
		t.Errorf("%d bytes are left in the end", left)
	}
}
