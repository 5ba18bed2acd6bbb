package rootfs

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
)

// applier puts the entries of a state over the layers, in order. fs.mu is held.
type applier struct {
	fs    *memFS
	u     *upper
	files []fileState // of the files still to come
}

func (a *applier) apply(e *layer.Entry) error {
	if e.Path == "" {
		if e.Kind == layer.Dir {
			a.attrs(a.fs.root, e)
		}
		return nil
	}
	dir, name, err := a.parent(e.Path)
	if err != nil {
		return err
	}
	d, err := dir.load()
	if err != nil {
		return err
	}
	old := d.names[name]
	switch e.Kind {
	case layer.Whiteout:
		a.drop(dir, d, old)
		return nil
	case layer.Opaque:
		// The name was in the layers and now is a directory of the container.
		a.drop(dir, d, old)
		a.add(dir, d, name, KindDir)
		return nil
	case layer.Dir:
		if old == nil || old.ino.knd != KindDir {
			a.drop(dir, d, old)
			a.attrs(a.add(dir, d, name, KindDir), e)
			return nil
		}
		a.attrs(old.ino, e)
		return nil
	case layer.Symlink:
		a.drop(dir, d, old)
		i := a.add(dir, d, name, KindSymlink)
		i.dest = e.Target
		if err := a.fs.quota.bytes(int64(len(e.Target))); err != nil {
			return err
		}
		a.attrs(i, e)
		return nil
	}
	a.drop(dir, d, old)
	if e.Link != "" {
		return a.link(dir, d, name, e.Link)
	}
	return a.file(dir, d, name, e)
}

// parent finds the directory above a path; it comes before in the order.
func (a *applier) parent(path string) (*inode, string, error) {
	i := a.fs.root
	for {
		name, rest, more := strings.Cut(path, "/")
		if !more {
			return i, name, nil
		}
		d, err := i.load()
		if err != nil {
			return nil, "", err
		}
		e := d.names[name]
		if e == nil || e.ino.knd != KindDir {
			return nil, "", ENOTDIR
		}
		i, path = e.ino, rest
	}
}

// drop takes away what the layers have under a name, whatever is in it.
func (a *applier) drop(dir *inode, d *directory, old *dirent) {
	if old == nil {
		return
	}
	i := old.ino
	d.remove(old)
	i.nlink--
	if i.knd == KindDir {
		i.parent = nil
		dir.nlink--
	}
}

func (a *applier) add(dir *inode, d *directory, name string, k Kind) *inode {
	i := a.fs.newInode(k, 0o755)
	switch k {
	case KindDir:
		i.dir = newDirectory()
		i.nlink = 2
		i.nameLength = len(name)
		i.parent = dir
		dir.nlink++
	case KindFile:
		i.data = &data{}
	}
	d.insert(name, i, false)
	a.fs.quota.usedInodes.Add(1)
	return i
}

func (a *applier) attrs(i *inode, e *layer.Entry) {
	i.mode, i.uid, i.gid = e.Mode, e.UID, e.GID
	i.atime, i.mtime, i.ctime = e.ModTime, e.ModTime, e.ModTime
	i.touched = true
}

func (a *applier) link(dir *inode, d *directory, name, target string) error {
	from, base, err := a.parent(target)
	if err != nil {
		return err
	}
	td, err := from.load()
	if err != nil {
		return err
	}
	t := td.names[base]
	if t == nil || t.ino.knd != KindFile {
		return ENOENT
	}
	t.ino.nlink++
	d.insert(name, t.ino, false)
	return nil
}

func (a *applier) file(dir *inode, d *directory, name string, e *layer.Entry) error {
	s := a.files[0]
	a.files = a.files[1:]
	i := a.add(dir, d, name, KindFile)
	a.attrs(i, e)
	i.atime, i.ctime = s.atime, s.ctime
	i.data.size = e.Size
	if s.layer >= 0 {
		if a.fs.below == nil || s.layer >= int64(len(a.fs.below.layers)) {
			return fmt.Errorf("it stands on layer %d, and there is none", s.layer)
		}
		i.data.base = &base{from: a.fs.below.layers[s.layer], digest: s.digest, off: s.off, length: min(s.length, e.Size), cut: s.cut}
	}
	if s.store == 0 {
		return nil
	}
	i.data.store = &fileStore{u: a.u, n: s.store}
	a.u.kept[s.store] = true
	i.data.own.words = s.words
	for _, w := range s.words {
		i.data.own.n += int64(bits.OnesCount64(w))
	}
	i.data.own.cut((e.Size + blockSize - 1) / blockSize)
	if err := i.data.charge(a.fs, -1, e.Size); err != nil {
		return err
	}
	// A killed process may have left more in the data file than the state says.
	if err := i.data.store.truncate(e.Size); err != nil {
		return fmt.Errorf("data file %d: %w", s.store, err)
	}
	return i.data.store.idle()
}
