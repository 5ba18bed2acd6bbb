package rootfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

// lay makes a layer from lines: "path" or "path=data" is a file, "path/" a
// directory, "path->target" a link, "path<=other" a hard link, "-path" a
// whiteout, "!path" an opaque mark.
func lay(t *testing.T, c *layer.Memory, lines ...string) rootfs.Layer {
	t.Helper()
	x := &layer.Index{}
	for _, l := range lines {
		e := layer.Entry{Kind: layer.File, Mode: 0o644, ModTime: 1e18}
		switch {
		case strings.HasPrefix(l, "-"):
			e = layer.Entry{Kind: layer.Whiteout, Path: l[1:]}
		case strings.HasPrefix(l, "!"):
			e = layer.Entry{Kind: layer.Opaque, Path: l[1:]}
		case strings.HasSuffix(l, "/"):
			e.Kind, e.Path, e.Mode = layer.Dir, strings.TrimSuffix(l, "/"), 0o711
		case strings.Contains(l, "->"):
			e.Kind = layer.Symlink
			e.Path, e.Target, _ = strings.Cut(l, "->")
		case strings.Contains(l, "<="):
			e.Path, e.Link, _ = strings.Cut(l, "<=")
		default:
			path, data, _ := strings.Cut(l, "=")
			e.Path, e.Size = path, int64(len(data))
			if data != "" {
				e.Content = layer.Ref{Digest: c.PutBytes([]byte(data)), Size: e.Size}
			}
		}
		x.Entries = append(x.Entries, e)
	}
	x.Sort()
	return rootfs.Layer{Index: x, Content: c}
}

// list shows a tree as lines in the same form, without empty directories' modes.
func list(t *testing.T, tree *rootfs.Tree) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(dump(t, tree)) {
		path, rest, _ := strings.Cut(line, " kind ")
		switch path = path[1:]; {
		case strings.HasPrefix(rest, "2"):
			out = append(out, path+"/")
		case strings.HasPrefix(rest, "3"):
			_, target, _ := strings.Cut(strings.TrimSpace(rest), " to ")
			out = append(out, path+"->"+target)
		default:
			out = append(out, path+"="+read(t, tree, path))
		}
	}
	return out
}

func read(t *testing.T, tree *rootfs.Tree, path string) string {
	t.Helper()
	f, err := tree.Open(tree.Root(), path, rootfs.How{Read: true})
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	st, _ := f.Stat()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, st.Size))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func write(t *testing.T, tree *rootfs.Tree, path, data string) {
	t.Helper()
	f, err := tree.Open(tree.Root(), path, rootfs.How{Write: true, Create: true, Trunc: true, Mode: 0o644})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(data), 0); err != nil {
		t.Fatal(err)
	}
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		layers [][]string
		want   []string
	}{
		{"last wins", [][]string{{"a=1"}, {"a=2"}}, []string{"a=2"}},
		{"directories merge", [][]string{{"d/a=1"}, {"d/b=2"}}, []string{"d/", "d/a=1", "d/b=2"}},
		{"whiteout", [][]string{{"d/a=1", "d/b=2"}, {"-d/a"}}, []string{"d/", "d/b=2"}},
		{"whiteout of a directory", [][]string{{"d/e/a=1"}, {"-d"}}, nil},
		{"whiteout speaks of layers below only", [][]string{{"a=1"}, {"-a", "a=2"}}, []string{"a=2"}},
		{"whiteout and directory of one name", [][]string{{"d/a=1"}, {"-d", "d/", "d/b=2"}}, []string{"d/", "d/b=2"}},
		{"whiteout of nothing", [][]string{{"a=1"}, {"-b", "-c/d"}}, []string{"a=1", "c/"}},
		{"opaque", [][]string{{"d/a=1", "d/s/x=1", "e=1"}, {"!d", "d/b=2"}}, []string{"d/", "d/b=2", "e=1"}},
		{"opaque root", [][]string{{"a=1", "d/b=2"}, {"!", "c=3"}}, []string{"c=3"}},
		{"opaque, then more", [][]string{{"d/a=1"}, {"!d"}, {"d/c=3"}}, []string{"d/", "d/c=3"}},
		{"file over directory", [][]string{{"d/a=1"}, {"d=file"}}, []string{"d=file"}},
		{"directory over file", [][]string{{"d=file"}, {"d/a=1"}}, []string{"d/", "d/a=1"}},
		{"file, directory, file: nothing shines through", [][]string{{"d/old=1"}, {"d=file"}, {"d/new=2"}}, []string{"d/", "d/new=2"}},
		{"an entry under a link of a layer below replaces the link", [][]string{{"usr/lib/a=1", "lib->usr/lib"}, {"lib/b=2"}}, []string{"lib/", "lib/b=2", "usr/", "usr/lib/", "usr/lib/a=1"}},
		{"order of bytes is not order of paths", [][]string{{"a-b=1", "a/c=2", "a.d=3", "a/-=4"}, {"-a/c"}}, []string{"a/", "a-b=1", "a.d=3", "a/-=4"}},
		{"hard link", [][]string{{"a=1", "b<=a"}}, []string{"a=1", "b=1"}},
		{"hard link to a layer below", [][]string{{"d/a=1"}, {"b<=d/a"}}, []string{"b=1", "d/", "d/a=1"}},
		{"hard link whose first name is hidden", [][]string{{"a=1", "b<=a"}, {"-a"}}, []string{"b=1"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c layer.Memory
			var o rootfs.Options
			for _, lines := range tt.layers {
				o.Layers = append(o.Layers, lay(t, &c, lines...))
			}
			got := list(t, newTree(t, o))
			if diff := cmp.Diff(byPath(tt.want), byPath(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func byPath(lines []string) string {
	m := map[string]bool{}
	for _, l := range lines {
		m[l] = true
	}
	return strings.Join(sortedKeys(m), "\n")
}

func TestLinkCounts(t *testing.T) {
	var c layer.Memory
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{
		lay(t, &c, "a=1", "b<=a", "d/c<=a", "gone<=a"), lay(t, &c, "-gone", "top<=b"),
	}})
	st, err := tree.Stat(tree.Root(), "d/c", true)
	if err != nil || st.Nlink != 4 {
		t.Errorf("%d links, %v", st.Nlink, err)
	}
	if err := tree.Unlink(tree.Root(), "a"); err != nil {
		t.Fatal(err)
	}
	write(t, tree, "top", "changed")
	if got := read(t, tree, "d/c"); got != "changed" {
		t.Errorf("another name holds %q", got)
	}
	if st, _ := tree.Stat(tree.Root(), "b", true); st.Nlink != 3 {
		t.Errorf("%d links", st.Nlink)
	}
}

func TestHardLinkToNothing(t *testing.T) {
	var c layer.Memory
	for _, layers := range [][]rootfs.Layer{
		{lay(t, &c, "b<=a")},
		{lay(t, &c, "a/x"), lay(t, &c, "b<=a")},
		{lay(t, &c, "a=1"), lay(t, &c, "-a"), lay(t, &c, "b<=a")},
	} {
		_, err := rootfs.New(rootfs.Options{Layers: layers})
		var e *layer.EntryError
		if !errors.Is(err, layer.ErrLink) || !errors.As(err, &e) || e.Name != "b" {
			t.Errorf("error %v", err)
		}
	}
}

func TestContainerLinks(t *testing.T) {
	var c layer.Memory
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{
		lay(t, &c, "etc/passwd=guest", "a/b/abs->/etc/passwd", "a/b/up->../../../../etc/passwd", "a/d->/etc"),
	}})
	for _, p := range []string{"a/b/abs", "a/b/up", "a/d/passwd"} {
		if got := read(t, tree, p); got != "guest" {
			t.Errorf("%s: %q", p, got)
		}
	}
	if got := read(t, tree, "../etc/passwd"); got != rootfs.ENOTCAPABLE.Error() {
		t.Error(got)
	}
	b := at(t, tree, "a/b")
	if _, err := tree.Stat(b, "abs", true); err != rootfs.ENOTCAPABLE {
		t.Errorf("beneath a/b: %v", err)
	}
}

func TestFS(t *testing.T) {
	var c layer.Memory
	tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{lay(t, &c, "a/b=1", "a/c=2", "l->a/b", "e/")}})
	write(t, tree, "a/new", "3")
	if err := fstest.TestFS(tree.FS(), "a/b", "a/c", "a/new", "l"); err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	var c layer.Memory
	host := tempDir(t)
	if err := os.WriteFile(filepath.Join(host, "f"), []byte("safe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(host, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	tree := newTree(t, rootfs.Options{ReadOnly: true, Layers: []rootfs.Layer{lay(t, &c, "f=safe", "d/")}, Mounts: []rootfs.Mount{
		{Target: "host", Host: host, ReadOnly: true}, {Target: "tmp"},
	}})
	write(t, tree, "tmp/x", "")
	for _, dir := range []string{"", "host/"} {
		root := tree.Root()
		f, err := tree.Open(root, dir+"f", rootfs.How{Read: true})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for what, err := range map[string]error{
			"open for writing": openErr(tree, dir+"f", rootfs.How{Write: true}),
			"open and cut":     openErr(tree, dir+"f", rootfs.How{Read: true, Write: true, Trunc: true}),
			"create":           openErr(tree, dir+"n", rootfs.How{Read: true, Create: true}),
			"mkdir":            tree.Mkdir(root, dir+"n", 0o755),
			"symlink":          tree.Symlink("f", root, dir+"n"),
			"link":             tree.Link(root, dir+"f", false, root, dir+"n"),
			"unlink":           tree.Unlink(root, dir+"f"),
			"rmdir":            tree.Rmdir(root, dir+"d"),
			"rename":           tree.Rename(root, dir+"f", root, dir+"n"),
			"times":            tree.SetTimes(root, dir+"f", true, rootfs.Times{Mtime: &now}),
			"times of a file":  f.SetTimes(rootfs.Times{Mtime: &now}),
			"chmod":            tree.Chmod(root, dir+"f", 0o777),
			"chown":            tree.Chown(root, dir+"f", true, 1, 1),
		} {
			if err != rootfs.EROFS {
				t.Errorf("%s%s: %v", dir, what, err)
			}
		}
		if err := openErr(tree, dir+"f", rootfs.How{Read: true, Trunc: true}); err != rootfs.EINVAL {
			t.Errorf("cutting with a reading open: %v", err)
		}
		if err := openErr(tree, dir+"f", rootfs.How{Read: true, Create: true}); err != nil {
			t.Errorf("opening what is there with create: %v", err)
		}
		if got := read(t, tree, dir+"f"); got != "safe" {
			t.Errorf("%sf holds %q", dir, got)
		}
		f.Close()
	}
	// Names cannot move between mounts, nor get a second name in a writable one.
	if err := tree.Link(tree.Root(), "host/f", false, tree.Root(), "tmp/f"); err != rootfs.EXDEV {
		t.Errorf("link: %v", err)
	}
	if err := tree.Rename(tree.Root(), "host/f", tree.Root(), "tmp/f"); err != rootfs.EXDEV {
		t.Errorf("rename: %v", err)
	}
	if err := tree.Rmdir(tree.Root(), "tmp"); err != rootfs.EBUSY {
		t.Errorf("rmdir of a mount: %v", err)
	}
}

func openErr(tree *rootfs.Tree, path string, how rootfs.How) error {
	f, err := tree.Open(tree.Root(), path, how)
	if err == nil {
		f.Close()
	}
	return err
}

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
