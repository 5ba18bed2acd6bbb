package rootfs

import "errors"

// isMountPoint tells whether v is the root of a mount other than its own parent's.
func isMountRoot(dir vdir, v vnode) bool { return v != nil && v.mount() != dir.mount() }

// Open opens or creates the file at path beneath at.
func (t *Tree) Open(at *Node, path string, how How) (*File, error) {
	if how.Trunc && !how.Write {
		return nil, EINVAL
	}
	if how.Create && how.Dir {
		return nil, EINVAL
	}
	// Somebody else may make or remove the file between our look and our
	// opening; each round sees a newer state.
	for range 64 {
		f, again, err := t.openOnce(at, path, how)
		if !again {
			return f, err
		}
	}
	return nil, EBUSY
}

func (t *Tree) openOnce(at *Node, path string, how How) (f *File, again bool, err error) {
	w, err := t.walker(at)
	if err != nil {
		return nil, false, err
	}
	defer w.close()
	follow := !how.NoFollow && !(how.Create && how.Excl)
	tg, err := w.walk(path, follow)
	if err != nil {
		return nil, false, err
	}
	if tg.node == nil {
		if !how.Create {
			return nil, false, ENOENT
		}
		if tg.slash {
			return nil, false, EISDIR
		}
		if tg.dir.mount().readOnly {
			return nil, false, EROFS
		}
		v, vf, err := tg.dir.create(tg.name, how)
		if err == EEXIST {
			return nil, !how.Excl, EEXIST
		}
		if err != nil {
			return nil, false, err
		}
		return t.newFile(v, vf, how, tg.dir), false, nil
	}
	if how.Create && how.Excl {
		return nil, false, EEXIST
	}
	if err := checkOpen(tg.node, how); err != nil {
		return nil, false, err
	}
	vf, err := tg.node.open(how)
	if err != nil {
		return nil, err == ENOENT && how.Create, err
	}
	return t.newFile(w.take(), vf, how, tg.dir), false, nil
}

func checkOpen(v vnode, how How) error {
	switch v.kind() {
	case KindSymlink:
		return ELOOP
	case KindOther:
		return ENOTSUP
	case KindDevice:
		if how.Dir {
			return ENOTDIR
		}
	case KindDir:
		if how.Write || how.Create || how.Trunc || how.Append {
			return EISDIR
		}
	default:
		if how.Dir {
			return ENOTDIR
		}
		if (how.Write || how.Trunc) && v.mount().readOnly {
			return EROFS
		}
	}
	return nil
}

// Lookup holds the file or directory at path beneath at.
func (t *Tree) Lookup(at *Node, path string, follow bool) (*Node, error) {
	w, err := t.walker(at)
	if err != nil {
		return nil, err
	}
	defer w.close()
	tg, err := w.walk(path, follow)
	if err != nil {
		return nil, err
	}
	if tg.node == nil {
		return nil, ENOENT
	}
	return &Node{tree: t, v: w.take(), up: inoOf(tg.dir)}, nil
}

// existing runs fn on the node at path.
func (t *Tree) existing(at *Node, path string, follow, change bool, fn func(v vnode) error) error {
	w, err := t.walker(at)
	if err != nil {
		return err
	}
	defer w.close()
	tg, err := w.walk(path, follow)
	if err != nil {
		return err
	}
	if tg.node == nil {
		return ENOENT
	}
	if change && tg.node.mount().readOnly {
		return EROFS
	}
	return fn(tg.node)
}

// Stat describes the file at path beneath at.
func (t *Tree) Stat(at *Node, path string, follow bool) (st Stat, err error) {
	err = t.existing(at, path, follow, false, func(v vnode) error {
		st, err = v.stat()
		return err
	})
	return st, err
}

// Readlink returns what the symbolic link at path points to.
func (t *Tree) Readlink(at *Node, path string) (s string, err error) {
	err = t.existing(at, path, false, false, func(v vnode) error {
		s, err = v.readlink()
		return err
	})
	return s, err
}

// SetTimes sets time stamps of the file at path.
func (t *Tree) SetTimes(at *Node, path string, follow bool, times Times) error {
	return t.existing(at, path, follow, true, func(v vnode) error { return v.setTimes(times) })
}

// Chmod sets the permission bits of the file at path, links followed.
func (t *Tree) Chmod(at *Node, path string, mode uint32) error {
	return t.existing(at, path, true, true, func(v vnode) error { return v.chmod(mode) })
}

// Chown sets the owner that is recorded for the file at path. It is kept and
// reported, and never checked.
func (t *Tree) Chown(at *Node, path string, follow bool, uid, gid int) error {
	return t.existing(at, path, follow, true, func(v vnode) error { return v.chown(uid, gid) })
}

// vacant runs fn where path shall be made.
func (t *Tree) vacant(at *Node, path string, dirAllowed bool, fn func(d vdir, name string) error) error {
	w, err := t.walker(at)
	if err != nil {
		return err
	}
	defer w.close()
	tg, err := w.walk(path, false)
	if err != nil {
		// "file/" and "link-to-file/" are taken names, whatever the slash says.
		return err
	}
	if tg.node != nil {
		return EEXIST
	}
	if tg.slash && !dirAllowed {
		return ENOENT
	}
	if tg.dir.mount().readOnly {
		return EROFS
	}
	return fn(tg.dir, tg.name)
}

// Mkdir makes a directory.
func (t *Tree) Mkdir(at *Node, path string, mode uint32) error {
	return t.vacant(at, path, true, func(d vdir, name string) error { return d.mkdir(name, mode) })
}

// Symlink makes a symbolic link at path that points to target.
func (t *Tree) Symlink(target string, at *Node, path string) error {
	switch {
	case target == "":
		return ENOENT
	case len(target) >= MaxPath:
		return ENAMETOOLONG
	}
	for i := range len(target) {
		if target[i] == 0 {
			return EINVAL
		}
	}
	return t.vacant(at, path, false, func(d vdir, name string) error { return d.symlink(name, target) })
}

// Unlink removes a name that is not a directory.
func (t *Tree) Unlink(at *Node, path string) error {
	return t.remove(at, path, func(tg target) error {
		if tg.name == "" || tg.node.kind() == KindDir {
			return EISDIR
		}
		return tg.dir.unlink(tg.name)
	})
}

// Rmdir removes an empty directory.
func (t *Tree) Rmdir(at *Node, path string) error {
	return t.remove(at, path, func(tg target) error {
		switch tg.dots {
		case ".":
			return EINVAL
		case "..":
			return ENOTEMPTY
		case "/":
			return EBUSY
		}
		if tg.node.kind() != KindDir {
			return ENOTDIR
		}
		return tg.dir.rmdir(tg.name)
	})
}

func (t *Tree) remove(at *Node, path string, fn func(tg target) error) error {
	w, err := t.walker(at)
	if err != nil {
		return err
	}
	defer w.close()
	tg, err := w.walk(path, false)
	if err != nil {
		return err
	}
	if tg.node == nil {
		return ENOENT
	}
	if tg.name != "" && isMountRoot(tg.dir, tg.node) {
		return EBUSY
	}
	if tg.dir.mount().readOnly {
		return EROFS
	}
	return fn(tg)
}

// Rename moves from beneath fromAt to to beneath toAt, atomically, replacing
// what is there when that is of the same sort.
func (t *Tree) Rename(fromAt *Node, from string, toAt *Node, to string) error {
	wf, err := t.walker(fromAt)
	if err != nil {
		return err
	}
	defer wf.close()
	src, err := wf.walk(from, false)
	if err != nil {
		return err
	}
	wt, err := t.walker(toAt)
	if err != nil {
		return err
	}
	defer wt.close()
	dst, err := wt.walk(to, false)
	if err != nil {
		return err
	}
	switch {
	case src.node == nil:
		return ENOENT
	case src.name == "" || dst.name == "":
		return EBUSY
	case isMountRoot(src.dir, src.node) || isMountRoot(dst.dir, dst.node):
		return EBUSY
	case src.dir.mount() != dst.dir.mount():
		return EXDEV
	case dst.slash && src.node.kind() != KindDir:
		return ENOTDIR
	case src.dir.mount().readOnly:
		return EROFS
	}
	wt.setLast(nil) // a host may not let go of the name of what is open
	return src.dir.rename(src.name, dst.dir, dst.name)
}

// Link makes to beneath toAt another name of the file at from.
func (t *Tree) Link(fromAt *Node, from string, follow bool, toAt *Node, to string) error {
	wf, err := t.walker(fromAt)
	if err != nil {
		return err
	}
	defer wf.close()
	src, err := wf.walk(from, follow)
	if err != nil {
		return err
	}
	if src.node == nil {
		return ENOENT
	}
	err = t.vacant(toAt, to, false, func(d vdir, name string) error {
		switch {
		case src.node.kind() == KindDir:
			return EPERM
		case d.mount() != src.node.mount():
			return EXDEV
		}
		if isMountRoot(src.dir, src.node) {
			return EXDEV
		}
		return d.link(name, src.node)
	})
	if err == ENOENT && src.node.kind() == KindDir {
		return EPERM
	}
	return err
}

// MkdirAll makes the directory path and its missing parents.
func (t *Tree) MkdirAll(at *Node, path string, mode uint32) error {
	if err := checkPath(path); err != nil {
		return err
	}
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		err := t.Mkdir(at, path[:i], mode)
		if err == nil || errors.Is(err, EROFS) && i < len(path) {
			continue
		}
		st, serr := t.Stat(at, path[:i], true)
		if serr != nil {
			return err
		}
		if st.Kind != KindDir {
			return ENOTDIR
		}
	}
	return nil
}

func inoOf(v vnode) uint64 {
	st, err := v.stat()
	if err != nil {
		return 0
	}
	return st.Ino
}
