package rootfs

import (
	"sort"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
)

// union merges layers, one directory at a time.
type union struct {
	fs     *memFS
	layers []*lower
	// groups are the files of the layers that have several names.
	groups map[place]*group
}

// lower is one layer of the union.
type lower struct {
	n       int
	entries []layer.Entry
	content layer.Content
}

// place names one entry of one layer.
type place struct {
	layer int
	path  string
}

// group is a file with all the names that layers give it.
type group struct {
	ino   *inode
	names []place
}

// part is what one layer holds inside one directory: the entries from lo to hi,
// whose paths all begin with the first prefix bytes of any of them.
type part struct {
	l      *lower
	lo, hi int
	prefix int
}

// newUnion makes the root of fs from layers, bottom first. Those that are checked
// are known to be valid.
func newUnion(fs *memFS, layers []Layer, checked bool) error {
	u := &union{fs: fs, groups: make(map[place]*group)}
	for n, l := range layers {
		if !checked {
			if err := l.Index.Validate(); err != nil {
				return err
			}
		}
		u.layers = append(u.layers, &lower{n: n, entries: l.Index.Entries, content: l.Content})
	}
	if err := u.gather(); err != nil {
		return err
	}
	fs.below = u
	fs.root.touched = false
	u.setRoot()
	return nil
}

// setRoot gives the root directory its attributes and its layers.
func (u *union) setRoot() {
	root, meta := u.fs.root, false
	for n := len(u.layers) - 1; n >= 0; n-- {
		l := u.layers[n]
		root.dir.parts = append(root.dir.parts, part{l: l, lo: 0, hi: len(l.entries)})
		opaque := false
		for i := 0; i < len(l.entries) && l.entries[i].Path == ""; i++ {
			e := &l.entries[i]
			switch {
			case e.Kind == layer.Opaque:
				opaque = true
			case e.Kind == layer.Dir && !meta:
				root.setOrigin(e)
				meta = true
			}
		}
		if opaque {
			break
		}
	}
	if !meta {
		root.mtime, root.atime, root.ctime = 0, 0, 0
	}
}

// setOrigin takes the attributes of a layer's entry.
func (i *inode) setOrigin(e *layer.Entry) {
	i.origin, i.touched = e, false
	i.mode, i.uid, i.gid = e.Mode&0o1777, e.UID, e.GID
	i.atime, i.mtime, i.ctime = e.ModTime, e.ModTime, e.ModTime
}

// gather collects the hard links of all layers.
func (u *union) gather() error {
	for _, l := range u.layers {
		for k := range l.entries {
			e := &l.entries[k]
			if e.Kind != layer.File || e.Link == "" {
				continue
			}
			at, ok := u.resolveLink(l.n, e.Link)
			if !ok {
				return &layer.EntryError{Name: e.Path, Err: layer.ErrLink, Detail: e.Link}
			}
			g := u.groups[at]
			if g == nil {
				g = &group{names: []place{at}}
				u.groups[at] = g
			}
			g.names = append(g.names, place{l.n, e.Path})
		}
	}
	return nil
}

// resolveLink finds the file that a hard link in layer n means: in the same
// layer, or the one visible below.
func (u *union) resolveLink(n int, path string) (place, bool) {
	for ; n >= 0; n-- {
		l := u.layers[n]
		if e := l.find(path); e != nil {
			if e.Kind != layer.File {
				return place{}, false
			}
			if e.Link == "" {
				return place{n, path}, true
			}
			if e.Link == path {
				continue
			}
			return u.resolveLink(n, e.Link)
		}
		if l.covers(path) {
			return place{}, false
		}
	}
	return place{}, false
}

// find returns the file, directory or link at path.
func (l *lower) find(path string) *layer.Entry {
	x := layer.Index{Entries: l.entries}
	return x.Lookup(path)
}

// covers tells whether the layer hides what the layers below have at path: by
// an entry or whiteout of the path, or of a directory above it.
func (l *lower) covers(path string) bool {
	for p, whole := path, true; ; whole = false {
		for i := l.search(p); i < len(l.entries) && l.entries[i].Path == p; i++ {
			switch l.entries[i].Kind {
			case layer.Whiteout, layer.File, layer.Symlink:
				return true
			case layer.Opaque:
				if !whole {
					return true
				}
			case layer.Dir:
				if whole {
					return true
				}
			}
		}
		if p == "" {
			return false
		}
		p = p[:max(strings.LastIndexByte(p, '/'), 0)]
	}
}

func (l *lower) search(path string) int {
	return sort.Search(len(l.entries), func(i int) bool { return l.entries[i].Path >= path })
}

// visible counts the names of a group that no higher layer hides.
func (u *union) visible(g *group) uint64 {
	var n uint64
names:
	for _, p := range g.names {
		for _, l := range u.layers[p.layer+1:] {
			// A directory of a higher layer that is only implied hides too.
			if l.covers(p.path) || l.implies(p.path) {
				continue names
			}
		}
		n++
	}
	return n
}

func (l *lower) implies(dir string) bool {
	i := l.search(dir + "/")
	return i < len(l.entries) && strings.HasPrefix(l.entries[i].Path, dir+"/")
}

// seen is one name while a directory is merged.
type seen struct {
	e     *layer.Entry // the entry that gives attributes
	l     *lower
	dir   bool
	gone  bool // a whiteout
	done  bool // layers below do not count any more
	parts []part
}

// child is what one layer says about one name.
type child struct {
	e                *layer.Entry
	whiteout, opaque bool
	lo, hi           int
}

// children lists what a layer says about the names of a directory.
func (p part) children() map[string]*child {
	out := make(map[string]*child)
	get := func(name string) *child {
		c := out[name]
		if c == nil {
			c = &child{}
			out[name] = c
		}
		return c
	}
	entries := p.l.entries
	for i := p.lo; i < p.hi; i++ {
		e := &entries[i]
		if len(e.Path) <= p.prefix {
			continue // the root itself
		}
		name := e.Path[p.prefix:]
		if k := strings.IndexByte(name, '/'); k >= 0 {
			c := get(name[:k])
			past := e.Path[:p.prefix+k] + "0" // "0" is what comes after "/"
			c.lo = i
			c.hi = i + sort.Search(p.hi-i, func(n int) bool { return entries[i+n].Path >= past })
			i = c.hi - 1
			continue
		}
		c := get(name)
		switch e.Kind {
		case layer.Whiteout:
			c.whiteout = true
		case layer.Opaque:
			c.opaque = true
		default:
			c.e = e
		}
	}
	return out
}

// load makes the names of directory i from what the layers say, top first.
func (u *union) load(i *inode, parts []part) error {
	names := make(map[string]*seen)
	for _, p := range parts {
		for name, c := range p.children() {
			s := names[name]
			if s == nil {
				s = &seen{}
				names[name] = s
			}
			if !s.done {
				s.merge(p, name, c)
			}
		}
	}
	sorted := make([]string, 0, len(names))
	for name, s := range names {
		if !s.gone {
			sorted = append(sorted, name)
		}
	}
	sort.Strings(sorted)
	for _, name := range sorted {
		c := u.inode(names[name])
		i.dir.insert(name, c, true)
		if c.knd == KindDir {
			c.parent = i
			c.nameLength = len(name)
			i.nlink++
		}
	}
	return nil
}

// merge adds what a lower layer says to what the layers above said.
func (s *seen) merge(p part, name string, c *child) {
	isDir := c.hi > c.lo || c.opaque || c.e != nil && c.e.Kind == layer.Dir
	switch {
	case c.e != nil && c.e.Kind != layer.Dir:
		s.done = true
		if !s.dir {
			s.e, s.l = c.e, p.l
		}
		return
	case isDir:
		s.dir = true
		if s.e == nil {
			s.e, s.l = c.e, p.l
		}
		if c.hi > c.lo {
			s.parts = append(s.parts, part{l: p.l, lo: c.lo, hi: c.hi, prefix: p.prefix + len(name) + 1})
		}
	case !s.dir:
		s.gone = true
	}
	s.done = c.whiteout || c.opaque
}

// inode makes the inode for a merged name.
func (u *union) inode(s *seen) *inode {
	switch {
	case s.dir:
		i := u.fs.newInode(KindDir, 0o755)
		i.nlink = 2
		i.dir = newDirectory()
		i.dir.parts = s.parts
		i.atime, i.mtime, i.ctime, i.touched = 0, 0, 0, false
		if s.e != nil {
			i.setOrigin(s.e)
		}
		return i
	case s.e.Kind == layer.Symlink:
		i := u.fs.newInode(KindSymlink, 0o777)
		i.setOrigin(s.e)
		i.mode = 0o777
		i.dest = s.e.Target
		return i
	}
	return u.file(s.e, s.l)
}

// file makes the inode of a file, one for all its names.
func (u *union) file(e *layer.Entry, l *lower) *inode {
	at := place{l.n, e.Path}
	if e.Link != "" {
		at, _ = u.resolveLink(l.n, e.Link)
	}
	g := u.groups[at]
	if g != nil && g.ino != nil {
		return g.ino
	}
	l = u.layers[at.layer]
	if e.Link != "" {
		e = l.find(at.path)
	}
	i := u.fs.newInode(KindFile, 0o644)
	i.setOrigin(e)
	i.data = &data{size: e.Size}
	if e.Size > 0 {
		i.data.base = &base{from: l, digest: e.Content.Digest, off: e.Content.Offset, length: e.Size}
	}
	if g != nil {
		g.ino = i
		i.nlink = u.visible(g)
	}
	return i
}
