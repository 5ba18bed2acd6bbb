package layer

import (
	"sort"
	"strings"
)

// builder collects the entries of one archive in the order they come and
// resolves what later entries do to earlier ones: the last of several wins.
//
// Nothing is ever followed. An entry below a file or a symbolic link of the
// same archive is refused: what extractors make of it differs (some write
// through the link, some replace it), so an image that relies on it means
// different things to different runtimes.
type builder struct {
	lim     Limits
	root    *node
	entries int
}

// node is one name while the archive is read. entry.Kind is 0 for a directory
// that is only implied, and for a whiteout alone.
type node struct {
	children         map[string]*node
	entry            *Entry // shared by the names of a hard link
	whiteout, opaque bool
}

func newBuilder(lim Limits) *builder { return &builder{lim: lim, root: &node{}} }

// count bounds the number of entries.
func (b *builder) count(name string) error {
	if b.entries++; b.entries > b.lim.Entries {
		return refuse(name, ErrLimit, "more than %d entries", b.lim.Entries)
	}
	return nil
}

// at returns the node for path, making it and the directories above it.
func (b *builder) at(path string) (*node, error) {
	n := b.root
	if path == "" {
		return n, nil
	}
	for rest := path; ; {
		name, below, more := strings.Cut(rest, "/")
		if n.entry != nil && n.entry.Kind != Dir {
			return nil, refuse(path, ErrParent, "%q is a %s", path[:len(path)-len(rest)-1], n.entry.Kind)
		}
		next := n.children[name]
		if next == nil {
			if n.children == nil {
				n.children = make(map[string]*node)
			}
			next = &node{}
			n.children[name] = next
		}
		if n = next; !more {
			return n, nil
		}
		rest = below
	}
}

// find returns the entry at path, or nil.
func (b *builder) find(path string) *Entry {
	n := b.root
	for part := range strings.SplitSeq(path, "/") {
		if n = n.children[part]; n == nil {
			return nil
		}
	}
	return n.entry
}

// put sets what is at e.Path. What was there goes, with all below it, unless
// both are directories.
func (b *builder) put(e *Entry) error {
	n, err := b.at(e.Path)
	if err != nil {
		return err
	}
	if e.Kind != Dir {
		if n == b.root {
			return refuse(e.Path, ErrName, "the root is a directory")
		}
		n.children, n.opaque = nil, false
	}
	n.entry = e
	return nil
}

// link makes path one more name of the file at target.
func (b *builder) link(path, target string, attrs Entry) error {
	if path == "" {
		return refuse(path, ErrName, "the root is a directory")
	}
	if path == target {
		return refuse(path, ErrLink, "it points to itself")
	}
	e := b.find(target)
	switch {
	case e == nil:
		attrs.Path, attrs.Kind, attrs.Link = path, File, target
		e = &attrs
	case e.Kind == Dir:
		return refuse(path, ErrLink, "%q is a directory", target)
	}
	n, err := b.at(path)
	if err != nil {
		return err
	}
	n.children, n.opaque, n.entry = nil, false, e
	return nil
}

// listed is an entry with the one that all names of the same file share.
type listed struct {
	e      Entry
	shared *Entry
}

// index lists everything in order, the first name of every file as the file.
func (b *builder) index() *Index {
	all := b.root.list("", nil)
	sort.Slice(all, func(i, j int) bool { return Less(&all[i].e, &all[j].e) })
	x := &Index{Entries: make([]Entry, len(all))}
	first := make(map[*Entry]string)
	for i := range all {
		e := &all[i].e
		if e.Kind == File && e.Link == "" {
			if p, ok := first[all[i].shared]; ok {
				e.Link, e.Content = p, Ref{}
			} else {
				first[all[i].shared] = e.Path
			}
		}
		x.Entries[i] = *e
	}
	return x
}

func (n *node) list(path string, all []listed) []listed {
	if n.whiteout {
		all = append(all, listed{e: Entry{Path: path, Kind: Whiteout}})
	}
	if n.opaque {
		all = append(all, listed{e: Entry{Path: path, Kind: Opaque}})
	}
	if n.entry != nil {
		e := *n.entry
		e.Path = path
		all = append(all, listed{e, n.entry})
	}
	for name, c := range n.children {
		all = c.list(join(path, name), all)
	}
	return all
}
