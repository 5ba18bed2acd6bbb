package packager

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

// node is one file, folder or link that COPY can take.
type node struct {
	kind     layer.Kind // Dir, File or Symlink
	mode     uint32
	uid, gid int
	target   string
	size     int64
	// ref is where the content is; a file of the build context has none yet.
	ref  layer.Ref
	open func() (io.ReadCloser, error)
}

// tree is what COPY takes files from: the build context, or the union of a
// stage's layers. Paths are cleaned and relative; "" is the root.
type tree interface {
	lookup(name string) (node, bool, error)
	list(name string) ([]string, error)
}

// maxLinks bounds how many symbolic links one path may go through.
const maxLinks = 40

// maxDepth bounds the folders below a source of COPY.
const maxDepth = 256

// clean turns a guest's path into the relative form; ".." stops at the root.
func clean(name string) string {
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// follow resolves the symbolic links in a path as a container would: absolute
// targets start at the root of the tree and ".." never leaves it. Names that
// are missing are kept as they are. With last, a link at the end is followed.
func follow(t tree, name string, last bool) (string, error) {
	todo := strings.Split(clean(name), "/")
	done := ""
	for links := 0; len(todo) > 0; {
		next := path.Join(done, todo[0])
		switch todo[0] {
		case "", ".":
			next = done
		case "..":
			next = clean(path.Join(done, ".."))
		}
		todo = todo[1:]
		n, ok, err := t.lookup(next)
		if err != nil {
			return "", err
		}
		if !ok || n.kind != layer.Symlink || (len(todo) == 0 && !last) {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many symbolic links", name)
		}
		if strings.HasPrefix(n.target, "/") {
			done = ""
		}
		todo = append(strings.Split(n.target, "/"), todo...)
		if len(todo) > 4096 {
			return "", fmt.Errorf("%s: path is too long", name)
		}
	}
	return done, nil
}

// walk visits name and everything below it, in sorted order.
func walk(t tree, name string, visit func(name string, n node) error) error {
	return walkDepth(t, name, 0, visit)
}

func walkDepth(t tree, name string, depth int, visit func(string, node) error) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d folders deep", name, maxDepth)
	}
	n, ok, err := t.lookup(name)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	if err := visit(name, n); err != nil || n.kind != layer.Dir {
		if errors.Is(err, fs.SkipDir) {
			return nil
		}
		return err
	}
	names, err := t.list(name)
	if err != nil {
		return err
	}
	for _, child := range names {
		if err := walkDepth(t, path.Join(name, child), depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

// union is the files that layers make together, by path.
type union struct {
	nodes    map[string]node
	children map[string]map[string]bool
}

func newUnion(layers []rootfs.Layer) *union {
	u := &union{nodes: map[string]node{"": {kind: layer.Dir, mode: 0o755}}, children: map[string]map[string]bool{}}
	for _, l := range layers {
		u.apply(l)
	}
	return u
}

// apply puts one layer on top. Whiteouts and opaque folders speak of the layers
// below alone, so they come before any entry of the same layer.
func (u *union) apply(l rootfs.Layer) {
	for i := range l.Index.Entries {
		switch e := &l.Index.Entries[i]; e.Kind {
		case layer.Whiteout:
			u.remove(e.Path)
		case layer.Opaque:
			u.empty(e.Path)
		}
	}
	for i := range l.Index.Entries {
		e := &l.Index.Entries[i]
		if e.Kind == layer.Whiteout || e.Kind == layer.Opaque {
			continue
		}
		u.set(e, l.Content)
	}
}

func (u *union) set(e *layer.Entry, content layer.Content) {
	n := node{kind: e.Kind, mode: e.Mode, uid: e.UID, gid: e.GID, target: e.Target, size: e.Size, ref: e.Content}
	if e.Link != "" {
		if first, ok := u.nodes[e.Link]; ok && first.kind == layer.File {
			n = first
		}
	}
	if n.kind == layer.File && n.open == nil {
		ref := n.ref
		n.open = func() (io.ReadCloser, error) { return openRef(content, ref) }
	}
	u.parents(e.Path)
	if n.kind != layer.Dir {
		u.empty(e.Path)
	}
	u.nodes[e.Path] = n
	u.adopt(e.Path)
}

// parents makes the folders above a name that its layer did not mention.
func (u *union) parents(name string) {
	dir := parent(name)
	if name == "" || u.nodes[dir].kind == layer.Dir {
		return
	}
	u.parents(dir)
	u.empty(dir)
	u.nodes[dir] = node{kind: layer.Dir, mode: 0o755}
	u.adopt(dir)
}

func (u *union) adopt(name string) {
	if name == "" {
		return
	}
	dir := parent(name)
	if u.children[dir] == nil {
		u.children[dir] = map[string]bool{}
	}
	u.children[dir][path.Base(name)] = true
}

func (u *union) remove(name string) {
	if name == "" {
		return
	}
	u.empty(name)
	delete(u.nodes, name)
	delete(u.children[parent(name)], path.Base(name))
}

func (u *union) empty(name string) {
	for child := range u.children[name] {
		u.remove(path.Join(name, child))
	}
	delete(u.children, name)
}

func (u *union) lookup(name string) (node, bool, error) {
	n, ok := u.nodes[name]
	return n, ok, nil
}

func (u *union) list(name string) ([]string, error) {
	names := make([]string, 0, len(u.children[name]))
	for child := range u.children[name] {
		names = append(names, child)
	}
	slices.Sort(names)
	return names, nil
}

// parent is the folder of a name; "" for names at the root.
func parent(name string) string {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		return name[:i]
	}
	return ""
}

// openRef reads the range of a content file or blob that a ref names.
func openRef(content layer.Content, ref layer.Ref) (io.ReadCloser, error) {
	if ref.Size == 0 {
		return io.NopCloser(strings.NewReader("")), nil
	}
	blob, err := content.OpenContent(ref.Digest)
	if err != nil {
		return nil, err
	}
	return section{io.NewSectionReader(blob, ref.Offset, ref.Size), blob}, nil
}

type section struct {
	*io.SectionReader
	io.Closer
}
