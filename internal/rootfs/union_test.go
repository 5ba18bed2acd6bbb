package rootfs_test

import (
	"errors"
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
