package rootfs_test

import (
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

// FuzzResolve gives any path, over any link, to a tree: it ends, beneath the
// directory it began in.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"a", "a/../b", "l/x", "../x", "/x", "a//b/", "l/..", strings.Repeat("l/", 100), "\x00", "."} {
		f.Add(s, "d/e")
		f.Add("l/l/f", s)
	}
	f.Fuzz(func(t *testing.T, path, target string) {
		if target == "" || len(target) >= rootfs.MaxPath || strings.ContainsRune(target, 0) {
			return
		}
		var c layer.Memory
		x := &layer.Index{Entries: []layer.Entry{
			{Path: "in/d/e/f", Kind: layer.File}, {Path: "in/l", Kind: layer.Symlink, Target: target},
			{Path: "in/d/l", Kind: layer.Symlink, Target: target}, {Path: "out/f", Kind: layer.File},
		}}
		x.Sort()
		tree, err := rootfs.New(rootfs.Options{Layers: []rootfs.Layer{{Index: x, Content: &c}}})
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		in, err := tree.Lookup(tree.Root(), "in", false)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		out, _ := tree.Stat(tree.Root(), "out", false)
		outFile, _ := tree.Stat(tree.Root(), "out/f", false)
		root, _ := tree.Stat(tree.Root(), ".", false)
		for _, follow := range []bool{true, false} {
			st, err := tree.Stat(in, path, follow)
			if err == nil && (st.Ino == out.Ino || st.Ino == outFile.Ino || st.Ino == root.Ino) {
				t.Fatalf("%q over %q leads out", path, target)
			}
		}
		file, err := tree.Open(in, path, rootfs.How{Write: true, Create: true})
		if err == nil {
			file.Close()
		}
		tree.Mkdir(in, path, 0o755)
		tree.Rename(in, "d", in, path)
		tree.Unlink(in, path)
		tree.Rmdir(in, path)
		if _, err := tree.Stat(tree.Root(), "out/f", false); err != nil {
			t.Fatalf("%q over %q touched what is outside", path, target)
		}
	})
}
