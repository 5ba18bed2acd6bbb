package rootfs

import (
	"sort"
	"strings"
)

// directory holds names in two ways: by name, and in the order they came, which
// is what cookies count.
type directory struct {
	names map[string]*dirent
	order []*dirent // by seq; ino is nil when the name is gone
	dead  int
	next  uint64
	// hidden are names of the layers below that were removed or replaced.
	hidden map[string]struct{}
	// parts are what the layers hold for a directory that was not looked at yet.
	parts []part
}

// dirent is one name. lower: it came with the layers, in this place.
type dirent struct {
	name  string
	ino   *inode
	seq   uint64
	lower bool
	// ghost is a mount point made by us; it is no change of the container.
	ghost bool
}

func newDirectory() *directory {
	return &directory{names: make(map[string]*dirent), next: cookieDotDot + 1}
}

func (d *directory) insert(name string, i *inode, lower bool) *dirent {
	e := &dirent{name: name, ino: i, seq: d.next, lower: lower}
	d.next++
	d.names[name] = e
	d.order = append(d.order, e)
	return e
}

func (d *directory) remove(e *dirent) {
	if e.lower {
		if d.hidden == nil {
			d.hidden = make(map[string]struct{})
		}
		d.hidden[e.name] = struct{}{}
	}
	delete(d.names, e.name)
	e.ino = nil
	if d.dead++; d.dead > 32 && d.dead > len(d.order)/2 {
		live := make([]*dirent, 0, len(d.names))
		for _, e := range d.order {
			if e.ino != nil {
				live = append(live, e)
			}
		}
		d.order, d.dead = live, 0
	}
}

// readDir lists what comes after the cookie.
func (d *directory) readDir(cookie uint64, limit int) []Dirent {
	at := sort.Search(len(d.order), func(i int) bool { return d.order[i].seq > cookie })
	var out []Dirent
	for _, e := range d.order[at:] {
		if len(out) >= limit {
			break
		}
		if e.ino != nil {
			out = append(out, Dirent{Name: e.name, Ino: e.ino.ino, Kind: e.ino.knd, Next: e.seq})
		}
	}
	return out
}

// names of a directory, loaded and locked for writing: the way into every
// change. The caller unlocks fs.mu.
func (i *inode) lockDir() (*directory, error) {
	i.fs.mu.Lock()
	if i.parent == nil {
		return nil, ENOENT
	}
	return i.load()
}

// load makes the names of a directory from its layers; fs.mu is held for writing.
func (i *inode) load() (*directory, error) {
	if i.dir == nil {
		return nil, ENOTDIR
	}
	if i.dir.parts != nil {
		parts := i.dir.parts
		i.dir.parts = nil
		if err := i.fs.below.load(i, parts); err != nil {
			return nil, err
		}
	}
	return i.dir, nil
}

func (i *inode) lookup(name string) (vnode, error) {
	if i.knd != KindDir {
		return nil, ENOTDIR
	}
	i.fs.mu.RLock()
	if i.dir.parts == nil {
		defer i.fs.mu.RUnlock()
	} else {
		i.fs.mu.RUnlock()
		i.fs.mu.Lock()
		defer i.fs.mu.Unlock()
		if _, err := i.load(); err != nil {
			return nil, err
		}
	}
	if e := i.dir.names[name]; e != nil {
		return e.ino, nil
	}
	return nil, ENOENT
}

// add puts a new inode under a name; fs.mu is held.
func (i *inode) add(d *directory, name string, child *inode) {
	e := d.insert(name, child, false)
	e.ghost = i.fs.placing
	if child.knd == KindDir {
		child.parent = i
		i.nlink++
	}
	if !e.ghost {
		i.modified(child.fs.now().UnixNano())
	}
}

// fresh makes a new inode under name.
func (i *inode) fresh(name string, k Kind, mode uint32, prepare func(*inode) error) (*inode, error) {
	d, err := i.lockDir()
	defer i.fs.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if d.names[name] != nil {
		return nil, EEXIST
	}
	if err := i.roomBelow(name, extent{}); err != nil {
		return nil, err
	}
	if err := i.fs.quota.inode(1); err != nil {
		return nil, err
	}
	child := i.fs.newInode(k, mode)
	if err := prepare(child); err != nil {
		i.fs.quota.inode(-1)
		return nil, err
	}
	i.add(d, name, child)
	return child, nil
}

// roomBelow bounds where a new name may be, with size more below it, so that
// every file of the tree can be named by one path and be kept in a layer.
func (i *inode) roomBelow(name string, size extent) error {
	size = size.below(name)
	for d := i; d != d.fs.root && d.parent != nil; d = d.parent {
		size.length += d.nameLength + 1
		size.depth++
	}
	if size.length >= MaxPath || size.depth > maxDepth-8 {
		return ENAMETOOLONG
	}
	return nil
}

// extent is how long and how deep the longest paths below a directory are.
type extent struct{ length, depth int }

func (e extent) below(name string) extent { return extent{e.length + len(name) + 1, e.depth + 1} }

func (e extent) or(o extent) extent { return extent{max(e.length, o.length), max(e.depth, o.depth)} }

// extent measures what is below an inode; fs.mu is held.
func (i *inode) extent() extent {
	var e extent
	if i.knd != KindDir {
		return e
	}
	for _, p := range i.dir.parts {
		for k := p.lo; k < p.hi; k++ {
			if path := p.l.entries[k].Path; len(path) > p.prefix {
				e = e.or(extent{len(path) - p.prefix + 1, strings.Count(path[p.prefix:], "/") + 1})
			}
		}
	}
	for name, c := range i.dir.names {
		e = e.or(c.ino.extent().below(name))
	}
	return e
}

func (i *inode) create(name string, how How) (vnode, vfile, error) {
	child, err := i.fresh(name, KindFile, how.Mode, func(c *inode) error {
		c.data = &data{}
		c.opens = 1
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return child, &memFile{i: child}, nil
}

func (i *inode) mkdir(name string, mode uint32) error {
	_, err := i.fresh(name, KindDir, mode, func(c *inode) error {
		c.dir = newDirectory()
		c.nlink = 2
		c.nameLength = len(name)
		return nil
	})
	return err
}

func (i *inode) symlink(name, target string) error {
	_, err := i.fresh(name, KindSymlink, 0o777, func(c *inode) error {
		c.dest = target
		return c.fs.quota.bytes(int64(len(target)))
	})
	return err
}

func (i *inode) link(name string, v vnode) error {
	src, ok := v.(*inode)
	if !ok || src.fs != i.fs {
		return EXDEV
	}
	d, err := i.lockDir()
	defer i.fs.mu.Unlock()
	switch {
	case err != nil:
		return err
	case src.nlink == 0:
		return ENOENT
	case d.names[name] != nil:
		return EEXIST
	case src.nlink >= maxNlink:
		return EMLINK
	}
	if err := i.roomBelow(name, extent{}); err != nil {
		return err
	}
	src.nlink++
	i.add(d, name, src)
	src.renamed(i.fs.now().UnixNano())
	return nil
}

func (i *inode) unlink(name string) error {
	d, err := i.lockDir()
	defer i.fs.mu.Unlock()
	if err != nil {
		return err
	}
	e := d.names[name]
	switch {
	case e == nil:
		return ENOENT
	case e.ino.knd == KindDir:
		return EISDIR
	case e.ino.over != nil:
		return EBUSY
	}
	i.take(d, e)
	return nil
}

func (i *inode) rmdir(name string) error {
	d, err := i.lockDir()
	defer i.fs.mu.Unlock()
	if err != nil {
		return err
	}
	e := d.names[name]
	if e == nil {
		return ENOENT
	}
	if err := e.ino.removable(); err != nil {
		return err
	}
	i.take(d, e)
	return nil
}

// removable tells whether a directory is empty and not in use as a mount point.
func (i *inode) removable() error {
	if i.knd != KindDir {
		return ENOTDIR
	}
	if i.over != nil {
		return EBUSY
	}
	d, err := i.load()
	if err != nil {
		return err
	}
	if len(d.names) > 0 {
		return ENOTEMPTY
	}
	return nil
}

// take removes a name and, with its last name, the inode; fs.mu is held.
func (i *inode) take(d *directory, e *dirent) {
	t := i.fs.now().UnixNano()
	child := e.ino
	d.remove(e)
	if child.knd == KindDir {
		child.parent = nil
		child.nlink = 1
		i.nlink--
	}
	child.unlinked(t)
	i.modified(t)
}

func (i *inode) rename(name string, to vdir, toName string) error {
	dst, ok := to.(*inode)
	if !ok || dst.fs != i.fs {
		return EXDEV
	}
	d, err := i.lockDir()
	defer i.fs.mu.Unlock()
	if err != nil {
		return err
	}
	if dst.parent == nil {
		return ENOENT
	}
	td, err := dst.load()
	if err != nil {
		return err
	}
	e, old := d.names[name], td.names[toName]
	if e == nil {
		return ENOENT
	}
	if old != nil && old.ino == e.ino {
		return nil
	}
	if err := i.mayRename(e.ino, dst, toName, old); err != nil {
		return err
	}
	if old != nil {
		dst.take(td, old)
	}
	i.move(d, e, dst, td, toName)
	return nil
}

// mayRename checks what POSIX forbids.
func (i *inode) mayRename(child, dst *inode, toName string, old *dirent) error {
	if child.over != nil {
		return EBUSY
	}
	if child.knd == KindDir {
		for p := dst; ; p = p.parent {
			if p == child {
				return EINVAL
			}
			if p == i.fs.root || p.parent == nil {
				break
			}
		}
	}
	if err := dst.roomBelow(toName, child.extent()); err != nil {
		return err
	}
	if old == nil {
		return nil
	}
	switch {
	case old.ino.knd == KindDir && child.knd != KindDir:
		return EISDIR
	case old.ino.knd != KindDir && child.knd == KindDir:
		return ENOTDIR
	case old.ino.knd == KindDir:
		return old.ino.removable()
	case old.ino.over != nil:
		return EBUSY
	}
	return nil
}

// move carries a name over; fs.mu is held and the place is free.
func (i *inode) move(d *directory, e *dirent, dst *inode, td *directory, toName string) {
	child, t := e.ino, i.fs.now().UnixNano()
	d.remove(e)
	td.insert(toName, child, false)
	if child.knd == KindDir {
		child.parent = dst
		child.nameLength = len(toName)
		i.nlink--
		dst.nlink++
	}
	child.renamed(t)
	i.modified(t)
	if dst != i {
		dst.modified(t)
	}
}

// memDirFile is an open directory.
type memDirFile struct{ memFile }

func (f *memDirFile) readDir(cookie uint64, limit int) ([]Dirent, error) {
	i := f.i
	i.fs.mu.Lock()
	defer i.fs.mu.Unlock()
	if i.parent == nil {
		return nil, nil
	}
	d, err := i.load()
	if err != nil {
		return nil, err
	}
	return d.readDir(cookie, limit), nil
}

func (f *memDirFile) sync(bool) error { return f.i.fs.sync() }
func (f *memDirFile) close() error    { return nil }
