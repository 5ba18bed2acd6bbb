package rootfs_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

func dataFiles(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestUpperLasts(t *testing.T) {
	var c layer.Memory
	dir := tempDir(t)
	big := strings.Repeat("0123456789abcdef", 1<<14)
	o := rootfs.Options{Upper: rootfs.Upper{Dir: dir}, Layers: []rootfs.Layer{lay(t, &c, "big="+big, "d/a=1", "gone=x", "h1=hard", "h2<=h1")}}
	tree, err := rootfs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	root := tree.Root()
	write(t, tree, "d/new", "new")
	f, err := tree.Open(root, "big", rootfs.How{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("XX"), 100_000)
	f.Close()
	for _, err := range []error{
		tree.Unlink(root, "gone"), tree.Rename(root, "d", root, "moved"), tree.Symlink("moved/a", root, "s"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write(t, tree, "h2", "HARD")
	nameless, err := tree.Open(root, "nameless", rootfs.How{Write: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	nameless.WriteAt([]byte("x"), 0)
	tree.Unlink(root, "nameless")
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	names := []string{"big=", "h1=HARD", "h2=HARD", "moved/", "moved/a=1", "moved/new=new", "s->moved/a"}
	for range 2 {
		tree, err = rootfs.New(o)
		if err != nil {
			t.Fatal(err)
		}
		got := list(t, tree)
		want := []byte(big)
		copy(want[100_000:], "XX")
		names[0] = "big=" + string(want)
		if diff := cmp.Diff(byPath(names), byPath(got)); diff != "" {
			t.Error(diff)
		}
		if n := dataFiles(t, dir); n != 3 {
			t.Errorf("%d data files, want 3", n)
		}
		if err := tree.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A killed process leaves the last state that was written, and no more.
func TestUpperAfterKill(t *testing.T) {
	dir, later := tempDir(t), tempDir(t)
	tree := newTree(t, rootfs.Options{Upper: rootfs.Upper{Dir: dir}})
	write(t, tree, "kept", "kept")
	write(t, tree, "removed", "was there")
	if err := tree.Sync(); err != nil {
		t.Fatal(err)
	}
	tree.Unlink(tree.Root(), "removed")
	write(t, tree, "never", "never synced")
	f, err := tree.Open(tree.Root(), "kept", rootfs.How{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("longer than before"), 0)
	f.Close()
	// What is on disk now is what a kill would leave.
	if err := os.CopyFS(later, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	other := newTree(t, rootfs.Options{Upper: rootfs.Upper{Dir: later}})
	if got := byPath(list(t, other)); got != "kept=long\nremoved=was there" {
		t.Errorf("%q", got)
	}
	if n := dataFiles(t, later); n != 2 {
		t.Errorf("%d data files", n)
	}
	// Growing shows no bytes that the state did not know.
	g, _ := other.Open(other.Root(), "kept", rootfs.How{Read: true, Write: true})
	g.Truncate(8)
	g.Close()
	if got := read(t, other, "kept"); got != "long\x00\x00\x00\x00" {
		t.Errorf("%q", got)
	}
}

func TestUpperGivesSpaceBack(t *testing.T) {
	dir := tempDir(t)
	tree := newTree(t, rootfs.Options{Upper: rootfs.Upper{Dir: dir}})
	for range 50 {
		write(t, tree, "scratch", "x")
		if err := tree.Unlink(tree.Root(), "scratch"); err != nil {
			t.Fatal(err)
		}
	}
	write(t, tree, "f", "x")
	if err := tree.Sync(); err != nil {
		t.Fatal(err)
	}
	tree.Unlink(tree.Root(), "f")
	if n := dataFiles(t, dir); n != 1 {
		t.Errorf("%d data files before the next state", n)
	}
	tree.Sync()
	if n := dataFiles(t, dir); n != 0 {
		t.Errorf("%d data files after it", n)
	}
}

func TestUpperIsLocked(t *testing.T) {
	dir := tempDir(t)
	newTree(t, rootfs.Options{Upper: rootfs.Upper{Dir: dir}})
	if _, err := rootfs.New(rootfs.Options{Upper: rootfs.Upper{Dir: dir}}); !errors.Is(err, rootfs.EBUSY) {
		t.Errorf("%v", err)
	}
}

func TestDamagedState(t *testing.T) {
	var c layer.Memory
	dir := tempDir(t)
	o := rootfs.Options{Upper: rootfs.Upper{Dir: dir}, Layers: []rootfs.Layer{lay(t, &c, "big="+strings.Repeat("x", 200_000))}}
	tree, err := rootfs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	f, err := tree.Open(tree.Root(), "big", rootfs.How{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("y"), 0)
	f.Close()
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	good, err := os.ReadFile(state)
	if err != nil {
		t.Fatal(err)
	}
	for k := 0; k < len(good); k += 7 {
		bad := append([]byte(nil), good...)
		bad[k] ^= 0x10
		if err := os.WriteFile(state, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := rootfs.New(o); !errors.Is(err, rootfs.ErrState) {
			t.Fatalf("byte %d flipped: %v", k, err)
		}
	}
	if err := os.WriteFile(state, good, 0o600); err != nil {
		t.Fatal(err)
	}
	o.Layers = nil
	if _, err := rootfs.New(o); !errors.Is(err, rootfs.ErrState) {
		t.Errorf("on other layers: %v", err)
	}
	if n := dataFiles(t, dir); n != 1 {
		t.Errorf("a state that cannot be used cost %d data files", 1-n)
	}
}

func TestOpenFilesAcrossSync(t *testing.T) {
	tree := newTree(t, rootfs.Options{Upper: rootfs.Upper{Dir: tempDir(t)}})
	f, err := tree.Open(tree.Root(), "f", rootfs.How{Read: true, Write: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.WriteAt([]byte("one"), 0)
	if err := f.Sync(false); err != nil {
		t.Fatal(err)
	}
	tree.Unlink(tree.Root(), "f")
	tree.Sync()
	p := make([]byte, 3)
	if n, err := f.ReadAt(p, 0); n != 3 || err != nil && err != io.EOF || string(p) != "one" {
		t.Errorf("%q, %v", p[:n], err)
	}
}
