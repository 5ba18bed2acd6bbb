package rootfs_test

import (
	"runtime"
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

func at(t *testing.T, tree *rootfs.Tree, path string) *rootfs.Node {
	t.Helper()
	n, err := tree.Lookup(tree.Root(), path, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

func TestUnion(t *testing.T) {
	rootfstest.Test(t, func(t *testing.T) (*rootfs.Tree, *rootfs.Node) {
		var c layer.Memory
		x := &layer.Index{Entries: []layer.Entry{{Path: "work", Kind: layer.Dir, Mode: 0o755}}}
		tree := newTree(t, rootfs.Options{Layers: []rootfs.Layer{{Index: x, Content: &c}}})
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
		f = rootfstest.Features{NoSymlinks: true, NoOpenRename: true, CoarseTimes: time.Microsecond}
	case "darwin":
		f.CoarseTimes = time.Microsecond
	}
	rootfstest.Test(t, func(t *testing.T) (*rootfs.Tree, *rootfs.Node) {
		tree := newTree(t, rootfs.Options{ReadOnly: true, Mounts: []rootfs.Mount{{Target: "/deep/mnt", Host: t.TempDir()}}})
		return tree, at(t, tree, "deep/mnt")
	}, f)
}
