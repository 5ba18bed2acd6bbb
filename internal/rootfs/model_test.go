package rootfs_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

// dump says everything about a tree that a guest could see, times of
// directories apart, for comparing two trees.
func dump(t *testing.T, tree *rootfs.Tree) string {
	t.Helper()
	var out strings.Builder
	first := map[uint64]string{}
	var walk func(n *rootfs.Node, path string)
	walk = func(n *rootfs.Node, path string) {
		d, err := tree.Open(n, ".", rootfs.How{Read: true, Dir: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		list, err := d.ReadDir(2, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		byName := map[string]bool{}
		for _, e := range list {
			byName[e.Name] = true
		}
		for _, name := range sortedKeys(byName) {
			st, err := tree.Stat(d.Node(), name, false)
			if err != nil {
				t.Fatalf("%s/%s: %v", path, name, err)
			}
			full := path + "/" + name
			if st.Kind == rootfs.KindSymlink {
				st.Nlink = 1 // layers keep two names of one link as two links
			}
			fmt.Fprintf(&out, "%s kind %d mode %o links %d", full, st.Kind, st.Mode, st.Nlink)
			switch st.Kind {
			case rootfs.KindFile:
				f, err := tree.Open(d.Node(), name, rootfs.How{Read: true})
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(io.NewSectionReader(f, 0, st.Size))
				if err != nil {
					t.Fatal(err)
				}
				f.Close()
				if first[st.Ino] == "" {
					first[st.Ino] = full
				}
				fmt.Fprintf(&out, " size %d %x same as %s at %d", st.Size, sha256.Sum256(b), first[st.Ino], st.Mtime.UnixNano())
			case rootfs.KindSymlink:
				s, _ := tree.Readlink(d.Node(), name)
				fmt.Fprintf(&out, " to %s", s)
			}
			out.WriteByte('\n')
			if st.Kind == rootfs.KindDir {
				sub, err := tree.Lookup(d.Node(), name, false)
				if err != nil {
					t.Fatal(err)
				}
				walk(sub, full)
				sub.Close()
			}
		}
	}
	walk(tree.Root(), "")
	return out.String()
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	for i := range out {
		for j := i; j > 0 && out[j] < out[j-1]; j-- {
			out[j], out[j-1] = out[j-1], out[j]
		}
	}
	return out
}

// randomPath is a path of few names, so that paths meet.
func randomPath(r *rand.Rand) string {
	var parts []string
	for range 1 + r.IntN(3) {
		parts = append(parts, string("abcde"[r.IntN(5)]))
	}
	return strings.Join(parts, "/")
}

// randomLayer makes a valid layer by unpacking what a random tar would be.
func randomLayer(t *testing.T, r *rand.Rand, c *layer.Memory) rootfs.Layer {
	t.Helper()
	for {
		x := &layer.Index{}
		used := map[string]bool{}
		var files []string
		for range 1 + r.IntN(14) {
			p := randomPath(r)
			if used[p] {
				continue
			}
			used[p] = true
			e := layer.Entry{Path: p, Mode: 0o600 + uint32(r.IntN(0o177)), ModTime: int64(r.IntN(1e9))}
			switch r.IntN(9) {
			case 0:
				e = layer.Entry{Path: p, Kind: layer.Whiteout}
			case 1:
				x.Entries = append(x.Entries, layer.Entry{Path: p, Kind: layer.Opaque})
				e.Kind = layer.Dir
			case 2, 3:
				e.Kind = layer.Dir
			case 4:
				e.Kind, e.Target, e.Mode = layer.Symlink, randomPath(r), 0o777
			case 5:
				if len(files) == 0 {
					continue
				}
				e.Kind, e.Link = layer.File, files[r.IntN(len(files))]
			default:
				data := bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(150_000))
				e.Kind, e.Size = layer.File, int64(len(data))
				if len(data) > 0 {
					e.Content = layer.Ref{Digest: c.PutBytes(data), Size: e.Size}
				}
				files = append(files, p)
			}
			x.Entries = append(x.Entries, e)
		}
		x.Sort()
		if x.Validate() == nil {
			return rootfs.Layer{Index: x, Content: c}
		}
	}
}

// mutate does one random thing to a tree; errors are part of the game.
func mutate(r *rand.Rand, tree *rootfs.Tree) {
	root, p, q := tree.Root(), randomPath(r), randomPath(r)
	switch r.IntN(10) {
	case 0:
		tree.Mkdir(root, p, 0o700)
	case 1:
		tree.Unlink(root, p)
	case 2:
		tree.Rmdir(root, p)
	case 3, 4:
		tree.Rename(root, p, root, q)
	case 5:
		tree.Link(root, p, false, root, q)
	case 6:
		tree.Symlink(q, root, p)
	case 7:
		tree.Chmod(root, p, uint32(r.IntN(0o777)))
	default:
		f, err := tree.Open(root, p, rootfs.How{Read: true, Write: true, Create: true, Mode: 0o644})
		if err != nil {
			return
		}
		defer f.Close()
		data := bytes.Repeat([]byte{byte(r.IntN(256))}, r.IntN(100_000))
		switch r.IntN(3) {
		case 0:
			f.Truncate(int64(r.IntN(200_000)))
		case 1:
			f.Append(data)
		default:
			f.WriteAt(data, int64(r.IntN(200_000)))
		}
	}
}

// TestRandomLives lets random things happen to containers over random layers
// and looks at the same tree in four ways: as it is, stopped and started again,
// as its difference put on its layers, and as that difference gone through tar.
func TestRandomLives(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		var c layer.Memory
		var layers []rootfs.Layer
		for range 1 + r.IntN(3) {
			layers = append(layers, randomLayer(t, r, &c))
		}
		o := rootfs.Options{Layers: layers, Upper: rootfs.Upper{Dir: tempDir(t)}}
		tree, err := rootfs.New(o)
		if err != nil {
			continue // a hard link that a whiteout hides, or the like
		}
		var want string
		for range 1 + r.IntN(3) {
			for range r.IntN(30) {
				mutate(r, tree)
			}
			want = dump(t, tree)
			compareDiff(t, seed, tree, layers, want)
			if err := tree.Close(); err != nil {
				t.Fatal(err)
			}
			if tree, err = rootfs.New(o); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, dump(t, tree)); diff != "" {
				t.Fatalf("seed %d: another tree after a restart (-before +after):\n%s", seed, diff)
			}
		}
		tree.Close()
	}
}

func compareDiff(t *testing.T, seed int, tree *rootfs.Tree, layers []rootfs.Layer, want string) {
	t.Helper()
	x, content, err := tree.Diff(t.Context())
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	over := func(what string, l rootfs.Layer) {
		t.Helper()
		other, err := rootfs.New(rootfs.Options{Layers: append(layers[:len(layers):len(layers)], l)})
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, what, err)
		}
		defer other.Close()
		if diff := cmp.Diff(want, dump(t, other)); diff != "" {
			t.Fatalf("seed %d: %s (-want +got):\n%s\nentries: %+v", seed, what, diff, x.Entries)
		}
	}
	over("difference on the layers", rootfs.Layer{Index: x, Content: content})
	var buf, again bytes.Buffer
	if err := layer.Write(t.Context(), &buf, x.Entries, layer.OpenFrom(content), layer.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := layer.Write(t.Context(), &again, x.Entries, layer.OpenFrom(content), layer.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(buf.Bytes(), again.Bytes()) {
		t.Fatal("two different tars of one difference")
	}
	var m layer.Memory
	y, err := layer.Unpack(t.Context(), &buf, &m, layer.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	over("difference through tar", rootfs.Layer{Index: y, Content: &m})
}
