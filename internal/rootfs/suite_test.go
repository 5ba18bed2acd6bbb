package rootfs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/internal/rootfs/rootfstest"
)

func newTree(t *testing.T, o rootfs.Options) *rootfs.Tree {
	t.Helper()
	tree, err := rootfs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

// tempDir is t.TempDir without its way of removing, which not every Windows
// knows: names are removed one by one, and what is in use stays.
func tempDir(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "windows" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("", "rootfs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var all []string
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
			all = append(all, path)
			return nil
		})
		for _, path := range slices.Backward(all) {
			os.Remove(path)
		}
	})
	return dir
}

func at(t *testing.T, tree *rootfs.Tree, path string) *rootfs.Node {
	t.Helper()
	n, err := tree.Lookup(tree.Root(), path, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// probe finds out what this Windows, or what stands in for it, cannot do.
func probe(t *testing.T, f *rootfstest.Features) {
	t.Helper()
	dir := tempDir(t)
	name := filepath.Join(dir, "probe")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	past := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes(name, past, past); err != nil {
		t.Fatal(err)
	}
	tree := newTree(t, rootfs.Options{Mounts: []rootfs.Mount{{Target: "m", Host: dir}}})
	st, err := tree.Stat(tree.Root(), "m/probe", true)
	if err != nil {
		t.Fatal(err)
	}
	f.NoAtime = !st.Atime.Equal(past)
	os.Remove(name)
	_, err = os.Lstat(name)
	f.NoOpenUnlink = err == nil
	t.Logf("this host: %+v", *f)
}

func TestUnion(t *testing.T) {
	rootfstest.Test(t, func(t *testing.T) (*rootfs.Tree, *rootfs.Node) {
		var c layer.Memory
		x := &layer.Index{Entries: []layer.Entry{{Path: "work", Kind: layer.Dir, Mode: 0o755}}}
		tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{{Index: x, Content: &c}}})
		return tree, at(t, tree, "work")
	}, rootfstest.Features{FreeLinks: true})
}

// TestUnionOnDisk is the same for a container that keeps what it writes.
func TestUnionOnDisk(t *testing.T) {
	rootfstest.Test(t, func(t *testing.T) (*rootfs.Tree, *rootfs.Node) {
		var c layer.Memory
		x := &layer.Index{Entries: []layer.Entry{{Path: "work", Kind: layer.Dir, Mode: 0o755}}}
		tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{{Index: x, Content: &c}}, Upper: rootfs.Upper{Dir: tempDir(t)}})
		return tree, at(t, tree, "work")
	}, rootfstest.Features{FreeLinks: true})
}

func TestTmpfs(t *testing.T) {
	rootfstest.Test(t, func(t *testing.T) (*rootfs.Tree, *rootfs.Node) {
		tree := newTree(t, rootfs.Options{ReadOnly: true, Mounts: []rootfs.Mount{{Target: "/deep/mnt"}}})
		return tree, at(t, tree, "deep/mnt")
	}, rootfstest.Features{FreeLinks: true})
}

func TestHostMount(t *testing.T) {
	f := rootfstest.Features{}
	switch runtime.GOOS {
	case "windows":
		f = rootfstest.Features{NoSymlinks: true, NoOpenRename: true, PlainNames: true, CoarseTimes: time.Microsecond}
		probe(t, &f)
	case "darwin":
		f.CoarseTimes = time.Microsecond
	}
	rootfstest.Test(t, func(t *testing.T) (*rootfs.Tree, *rootfs.Node) {
		tree := newTree(t, rootfs.Options{ReadOnly: true, Mounts: []rootfs.Mount{{Target: "/deep/mnt", Host: tempDir(t)}}})
		return tree, at(t, tree, "deep/mnt")
	}, f)
}
