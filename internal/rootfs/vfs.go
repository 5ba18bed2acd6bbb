package rootfs

// vnode is one object of a mounted file system: an inode of a tree in memory,
// or something seen through a handle of the host. Whoever gets one from lookup
// holds one reference and gives it back with release.
type vnode interface {
	mount() *mount
	kind() Kind
	stat() (Stat, error)
	setTimes(t Times) error
	chmod(mode uint32) error
	chown(uid, gid int) error
	readlink() (string, error)
	// open gives the data of a file or the names of a directory; how has been
	// checked against the kind already.
	open(how How) (vfile, error)
	retain()
	release()
}

// vdir is a directory. Every call takes one name, and follows nothing.
type vdir interface {
	vnode
	lookup(name string) (vnode, error)
	// create makes a new file and opens it; EEXIST when the name is taken.
	create(name string, how How) (vnode, vfile, error)
	mkdir(name string, mode uint32) error
	symlink(name, target string) error
	unlink(name string) error
	rmdir(name string) error
	// rename moves name to another directory of the same mount.
	rename(name string, to vdir, toName string) error
	// link makes name another name of v, a file of the same mount.
	link(name string, v vnode) error
}

// vfile is an open file or directory.
type vfile interface {
	stat() (Stat, error)
	setTimes(t Times) error
	readAt(p []byte, off int64) (int, error)
	writeAt(p []byte, off int64) (int, error)
	appendTo(p []byte) (off int64, n int, err error)
	truncate(size int64) error
	allocate(off, length int64) error
	sync(dataOnly bool) error
	// readDir lists what comes after cookie; "." and ".." are not among it.
	readDir(cookie uint64, limit int) ([]Dirent, error)
	close() error
}

// mount is one file system at its place in the tree.
type mount struct {
	target   string
	dev      uint64
	readOnly bool
	root     vnode
	// points finds the mounts on directories of this file system.
	points mountPoints
	closer func() error
	syncer func() error
}

// mountPoints tells what is mounted over a node of one file system.
type mountPoints interface {
	at(v vnode) *mount
	add(v vnode, m *mount) error
}

// Node is a file or directory of a tree, held: it stays the same one when it is
// renamed or unlinked. Paths are resolved beneath directory nodes.
type Node struct {
	tree *Tree
	v    vnode
	// up is the inode number of the parent at the time of opening.
	up uint64
}

// Stat describes the node.
func (n *Node) Stat() (Stat, error) { return n.v.stat() }

// Close gives the reference back.
func (n *Node) Close() {
	if n != n.tree.rootNode {
		n.v.release()
	}
}
