package rootfstest

import (
	"bytes"
	"io"
	"strings"

	"github.com/wherry-run/wherry/internal/rootfs"
)

var (
	r   = rootfs.How{Read: true}
	w   = rootfs.How{Write: true}
	rw  = rootfs.How{Read: true, Write: true}
	rwc = rootfs.How{Read: true, Write: true, Create: true, Mode: 0o644}
)

func createAndOpen(e *env) {
	e.openErr("f", r, rootfs.ENOENT)
	f := e.open("f", rwc)
	f.WriteAt([]byte("one"), 0)
	e.has("f", "one")
	excl := rwc
	excl.Excl = true
	e.openErr("f", excl, rootfs.EEXIST)
	e.open("g", excl)
	trunc := rw
	trunc.Trunc = true
	e.open("f", trunc)
	if got := content(f); got != "" {
		e.Errorf("truncated by another open, holds %q", got)
	}
	e.openErr("f", rootfs.How{Read: true, Trunc: true}, rootfs.EINVAL)
	e.openErr("no/f", rwc, rootfs.ENOENT)
	e.openErr("f/g", rwc, rootfs.ENOTDIR)
	e.openErr("", r, rootfs.ENOENT)
	e.openErr("f", rootfs.How{Read: true, Dir: true}, rootfs.ENOTDIR)
}

func kinds(e *env) {
	e.mkdir("d")
	e.want(e.tree.Mkdir(e.at, "d", 0o755), rootfs.EEXIST, "mkdir over a directory")
	e.write("f", "")
	e.want(e.tree.Mkdir(e.at, "f", 0o755), rootfs.EEXIST, "mkdir over a file")
	e.openErr("d", rw, rootfs.EISDIR)
	e.openErr("d", rwc, rootfs.EISDIR)
	e.want(e.tree.Unlink(e.at, "d"), rootfs.EISDIR, "unlink of a directory")
	e.want(e.tree.Rmdir(e.at, "f"), rootfs.ENOTDIR, "rmdir of a file")
	e.write("d/x", "")
	e.want(e.tree.Rmdir(e.at, "d"), rootfs.ENOTEMPTY, "rmdir of a full directory")
	e.ok(e.tree.Unlink(e.at, "d/x"))
	e.ok(e.tree.Rmdir(e.at, "d"))
	e.want(e.tree.Rmdir(e.at, "d"), rootfs.ENOENT, "rmdir of nothing")
	e.want(e.tree.Unlink(e.at, "d"), rootfs.ENOENT, "unlink of nothing")
	d := e.open(".", rootfs.How{Read: true, Dir: true})
	if _, err := d.ReadAt(make([]byte, 1), 0); err != rootfs.EISDIR {
		e.Errorf("read of a directory: %v", err)
	}
	f := e.open("f", r)
	if _, err := f.ReadDir(0, 1); err != rootfs.ENOTDIR {
		e.Errorf("readdir of a file: %v", err)
	}
}

func readAndWrite(e *env) {
	f := e.open("f", rwc)
	big := bytes.Repeat([]byte("0123456789abcdef"), 20_000) // several blocks
	n, err := f.WriteAt(big, 0)
	e.ok(err)
	if n != len(big) {
		e.Fatalf("wrote %d", n)
	}
	f.WriteAt([]byte("MIDDLE"), 65_533) // over the edge of a block
	copy(big[65_533:], "MIDDLE")
	if got := content(f); got != string(big) {
		e.Error("content differs")
	}
	p := make([]byte, 10)
	if n, err := f.ReadAt(p, int64(len(big))-4); n != 4 || err != io.EOF {
		e.Errorf("read over the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(p, 1<<40); n != 0 || err != io.EOF {
		e.Errorf("read behind the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(nil, 0); n != 0 || err != nil {
		e.Errorf("empty read: %d, %v", n, err)
	}
	_, err = f.ReadAt(p, -1)
	e.want(err, rootfs.EINVAL, "negative offset")
	_, err = f.WriteAt(p, 1<<62)
	e.want(err, rootfs.EFBIG, "enormous offset")
	ro, wo := e.open("f", r), e.open("f", w)
	_, err = ro.WriteAt(p, 0)
	e.want(err, rootfs.EBADF, "write to a file open for reading")
	e.want(ro.Truncate(0), rootfs.EBADF, "truncate of a file open for reading")
	_, err = wo.ReadAt(p, 0)
	e.want(err, rootfs.EBADF, "read of a file open for writing")
	e.ok(f.Sync(false))
	e.ok(f.Sync(true))
}

func appends(e *env) {
	how := rwc
	how.Append = true
	f, g := e.open("f", how), e.open("f", rw)
	g.WriteAt([]byte("abc"), 0)
	off, n, err := f.Append([]byte("def"))
	if off != 3 || n != 3 || err != nil {
		e.Errorf("append: at %d, %d bytes, %v", off, n, err)
	}
	// pwrite is not appending, whatever the file was opened for.
	f.WriteAt([]byte("X"), 1)
	e.has("f", "aXcdef")
}

func sparse(e *env) {
	f := e.open("f", rwc)
	const far = 5<<20 + 3
	f.WriteAt([]byte("end"), far)
	st, _ := f.Stat()
	if st.Size != far+3 {
		e.Errorf("size %d", st.Size)
	}
	p := make([]byte, 100_000)
	p[0] = 1
	if n, err := f.ReadAt(p, 1<<20); n != len(p) || err != nil || strings.Trim(string(p), "\x00") != "" {
		e.Errorf("hole: %d, %v", n, err)
	}
	f.WriteAt([]byte("x"), 200_000)
	f.ReadAt(p[:3], 199_999)
	if string(p[:3]) != "\x00x\x00" {
		e.Errorf("%q around a byte in a hole", p[:3])
	}
}

func truncates(e *env) {
	f := e.open("f", rwc)
	f.WriteAt([]byte("0123456789"), 0)
	e.ok(f.Truncate(4))
	e.ok(f.Truncate(8))
	e.has("f", "0123\x00\x00\x00\x00")
	f.WriteAt([]byte("z"), 9)
	e.has("f", "0123\x00\x00\x00\x00\x00z")
	e.want(f.Truncate(-1), rootfs.EINVAL, "negative size")
	e.want(f.Truncate(1<<62), rootfs.EFBIG, "enormous size")
	e.ok(f.Allocate(5, 20))
	if st, _ := f.Stat(); st.Size != 25 {
		e.Errorf("allocated size %d", st.Size)
	}
	e.ok(f.Allocate(0, 3))
	e.has("f", "0123\x00\x00\x00\x00\x00z"+strings.Repeat("\x00", 15))
	e.want(f.Allocate(-1, 3), rootfs.EINVAL, "negative offset")
	e.want(f.Allocate(0, 0), rootfs.EINVAL, "no length")
}

func unlinkedButOpen(e *env) {
	if e.f.NoOpenUnlink {
		e.Skip("on this host a file in use keeps its name")
	}
	e.write("f", "alive")
	f := e.open("f", rw)
	e.ok(e.tree.Unlink(e.at, "f"))
	e.openErr("f", r, rootfs.ENOENT)
	if got := content(f); got != "alive" {
		e.Errorf("holds %q", got)
	}
	_, err := f.WriteAt([]byte("A"), 0)
	e.ok(err)
	if got := content(f); got != "Alive" {
		e.Errorf("holds %q", got)
	}
	if st, err := f.Stat(); err != nil || st.Nlink != 0 {
		e.Errorf("%d links, %v", st.Nlink, err)
	}
	e.write("f", "another")
	if got := content(f); got != "Alive" {
		e.Errorf("holds %q after a new file took the name", got)
	}
	e.has("f", "another")
}

func renames(e *env) {
	e.write("a", "A")
	e.write("b", "B")
	ino := e.stat("a").Ino
	e.ok(e.tree.Rename(e.at, "a", e.at, "b"))
	e.has("b", "A")
	if e.stat("b").Ino != ino {
		e.Error("another inode after rename")
	}
	e.openErr("a", r, rootfs.ENOENT)
	e.want(e.tree.Rename(e.at, "a", e.at, "c"), rootfs.ENOENT, "rename of nothing")
	e.mkdir("d")
	e.ok(e.tree.Rename(e.at, "b", e.at, "d/b"))
	e.has("d/b", "A")
	e.write("f", "")
	e.want(e.tree.Rename(e.at, "f", e.at, "d"), rootfs.EISDIR, "file over directory")
	e.want(e.tree.Rename(e.at, "d", e.at, "f"), rootfs.ENOTDIR, "directory over file")
	e.ok(e.tree.Rename(e.at, "f", e.at, "f"))
	e.ok(e.tree.Link(e.at, "f", false, e.at, "f2"))
	e.ok(e.tree.Rename(e.at, "f", e.at, "f2"))
	if got := e.list("."); got != "d f f2" && got != "d f2 f" {
		e.Errorf("rename onto another name of the same file does nothing; there is %q", got)
	}
}

func renameDirs(e *env) {
	e.mkdir("a")
	e.mkdir("a/b")
	e.write("a/b/f", "x")
	e.want(e.tree.Rename(e.at, "a", e.at, "a/b/c"), rootfs.EINVAL, "directory into itself")
	e.want(e.tree.Rename(e.at, "a", e.at, "a/c"), rootfs.EINVAL, "directory into itself")
	e.ok(e.tree.Rename(e.at, "a/b", e.at, "b"))
	e.has("b/f", "x")
	e.mkdir("empty")
	e.mkdir("full")
	e.write("full/f", "")
	e.want(e.tree.Rename(e.at, "b", e.at, "full"), rootfs.ENOTEMPTY, "over a full directory")
	e.want(e.tree.Rename(e.at, "a", e.at, "b/f/x"), rootfs.ENOTDIR, "below a file")
	if e.f.NoOpenUnlink {
		return
	}
	e.ok(e.tree.Rename(e.at, "b", e.at, "empty"))
	e.has("empty/f", "x")
	if e.f.NoOpenRename {
		return
	}
	// A held directory is the same one wherever it goes.
	d := e.open("empty", rootfs.How{Read: true, Dir: true})
	e.ok(e.tree.Rename(e.at, "empty", e.at, "a/moved"))
	f, err := e.tree.Open(d.Node(), "f", r)
	e.ok(err)
	f.Close()
	e.want(e.tree.Rename(d.Node(), "../x", e.at, "y"), rootfs.ENOTCAPABLE, "out of the held directory")
}

func renameOverOpen(e *env) {
	if e.f.NoOpenRename {
		e.Skip("this host does not replace files in use")
	}
	e.write("old", "old")
	f := e.open("old", rw)
	e.write("new", "new")
	e.ok(e.tree.Rename(e.at, "new", e.at, "old"))
	if got := content(f); got != "old" {
		e.Errorf("open file holds %q", got)
	}
	f.WriteAt([]byte("O"), 0)
	e.has("old", "new")
}

func hardLinks(e *env) {
	e.write("a", "data")
	e.ok(e.tree.Link(e.at, "a", false, e.at, "b"))
	a, b := e.stat("a"), e.stat("b")
	if a.Ino != b.Ino || a.Nlink != 2 || b.Nlink != 2 {
		e.Errorf("inodes %d and %d, links %d and %d", a.Ino, b.Ino, a.Nlink, b.Nlink)
	}
	f := e.open("b", rw)
	f.WriteAt([]byte("D"), 0)
	e.ok(f.Close())
	e.has("a", "Data")
	e.want(e.tree.Link(e.at, "a", false, e.at, "b"), rootfs.EEXIST, "link over a file")
	e.want(e.tree.Link(e.at, "no", false, e.at, "c"), rootfs.ENOENT, "link to nothing")
	e.mkdir("d")
	e.want(e.tree.Link(e.at, "d", false, e.at, "c"), rootfs.EPERM, "link to a directory")
	e.ok(e.tree.Unlink(e.at, "a"))
	e.has("b", "Data")
	if n := e.stat("b").Nlink; n != 1 {
		e.Errorf("%d links", n)
	}
	if e.f.NoSymlinks {
		return
	}
	e.symlink("b", "s")
	e.ok(e.tree.Link(e.at, "s", false, e.at, "s2"))
	if got, err := e.tree.Readlink(e.at, "s2"); got != "b" || err != nil {
		e.Errorf("link to a symbolic link: %q, %v", got, err)
	}
	e.ok(e.tree.Link(e.at, "s", true, e.at, "b2"))
	e.has("b2", "Data")
	if e.stat("b2").Kind != rootfs.KindFile {
		e.Error("link through a symbolic link is no file")
	}
}
