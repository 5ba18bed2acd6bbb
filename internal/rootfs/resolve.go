package rootfs

import "strings"

// walker resolves one path beneath a directory, name by name. The directories
// on the way stay on a stack, so ".." is the directory we came from: it cannot
// lead anywhere else, whatever is renamed meanwhile.
type walker struct {
	tree *Tree
	// stack[0] is the directory beneath which everything stays.
	stack []vdir
	// rooted: stack[0] is the root of the tree, where an absolute symbolic link
	// starts again and ".." in a link stays, as in every container.
	rooted bool
	links  int
	// last is the node found, when the path named one that exists.
	last vnode
}

// target is where a path ends.
type target struct {
	dir vdir
	// name is the last name in dir; empty when the path ends in dir itself.
	name string
	// dots is "." or ".." when that is how the path ends, "/" for no name at all.
	dots string
	// slash: the path ends in a slash and wants a directory.
	slash bool
	// node is what is there, nil when nothing is.
	node vnode
}

func (t *Tree) walker(at *Node) (*walker, error) {
	if at == nil || at.tree != t {
		return nil, EBADF
	}
	if at.v.kind() != KindDir {
		return nil, ENOTDIR
	}
	d := at.v.(vdir)
	d.retain()
	return &walker{tree: t, stack: []vdir{d}, rooted: at == t.rootNode || at.v == t.rootNode.v}, nil
}

func (w *walker) close() {
	for _, d := range w.stack {
		d.release()
	}
	w.stack = nil
	w.setLast(nil)
}

func (w *walker) setLast(v vnode) {
	if w.last != nil {
		w.last.release()
	}
	w.last = v
}

// take keeps the node beyond close.
func (w *walker) take() vnode {
	v := w.last
	w.last = nil
	return v
}

func (w *walker) top() vdir { return w.stack[len(w.stack)-1] }

// up goes to the parent of the current directory.
func (w *walker) up(inLink bool) error {
	if len(w.stack) > 1 {
		w.top().release()
		w.stack = w.stack[:len(w.stack)-1]
		return nil
	}
	if w.rooted && inLink {
		return nil
	}
	return ENOTCAPABLE
}

func checkPath(path string) error {
	switch {
	case path == "":
		return ENOENT
	case len(path) > MaxPath-1:
		return ENAMETOOLONG
	case strings.IndexByte(path, 0) >= 0:
		return EINVAL
	case path[0] == '/':
		return ENOTCAPABLE
	}
	return nil
}

// walk resolves path. With follow, a symbolic link at the end is followed; a
// trailing slash follows it in any case.
func (w *walker) walk(path string, follow bool) (target, error) {
	if err := checkPath(path); err != nil {
		return target{}, err
	}
	// own is how much of the remaining path was given by the caller; what is
	// in front of it comes from symbolic links.
	own := len(path)
	for {
		path = strings.TrimLeft(path, "/")
		if path == "" {
			return w.here("/"), nil
		}
		inLink := len(path) > own
		name, rest := cut(path)
		if !inLink {
			own = len(rest)
		}
		final := strings.Trim(rest, "/") == ""
		if name == "." || name == ".." {
			if name == ".." {
				if err := w.up(inLink); err != nil {
					return target{}, err
				}
			}
			if final {
				return w.here(name), nil
			}
			path = rest
			continue
		}
		if len(name) > MaxName {
			return target{}, ENAMETOOLONG
		}
		v, err := w.lookup(name)
		if err != nil {
			if final && err == ENOENT {
				return target{dir: w.top(), name: name, slash: rest != ""}, nil
			}
			return target{}, err
		}
		if v.kind() == KindSymlink && (!final || follow || rest != "") {
			if path, err = w.expand(v, rest); err != nil {
				return target{}, err
			}
			continue
		}
		if final {
			w.setLast(v)
			if rest != "" && v.kind() != KindDir {
				return target{}, ENOTDIR
			}
			return target{dir: w.top(), name: name, slash: rest != "", node: v}, nil
		}
		if v.kind() != KindDir {
			v.release()
			return target{}, ENOTDIR
		}
		if len(w.stack) >= maxDepth {
			v.release()
			return target{}, ENAMETOOLONG
		}
		w.stack = append(w.stack, v.(vdir))
		path = rest
	}
}

// maxDepth bounds the directories held while a path is resolved.
const maxDepth = 1024

func cut(path string) (name, rest string) {
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// here ends a path in the current directory itself.
func (w *walker) here(dots string) target {
	d := w.top()
	d.retain()
	w.setLast(d)
	return target{dir: d, dots: dots, node: d}
}

// lookup finds name in the current directory and steps onto what is mounted there.
func (w *walker) lookup(name string) (vnode, error) {
	v, err := w.top().lookup(name)
	if err != nil {
		return nil, err
	}
	if m := v.mount().points.at(v); m != nil {
		v.release()
		m.root.retain()
		return m.root, nil
	}
	return v, nil
}

// expand puts the target of a symbolic link in front of the rest of the path.
func (w *walker) expand(v vnode, rest string) (string, error) {
	link, err := v.readlink()
	v.release()
	if err != nil {
		return "", err
	}
	if w.links++; w.links > MaxLinks {
		return "", ELOOP
	}
	if link == "" {
		return "", ENOENT
	}
	if link[0] == '/' {
		if !w.rooted {
			return "", ENOTCAPABLE
		}
		for len(w.stack) > 1 {
			w.top().release()
			w.stack = w.stack[:len(w.stack)-1]
		}
	}
	return link + rest, nil
}
