package rootfstest

import (
	"fmt"
	"strings"

	"github.com/wherry-run/wherry/internal/rootfs"
)

func symlinks(e *env) {
	e.mkdir("d")
	e.write("d/f", "data")
	e.symlink("d/f", "s")
	e.symlink("d", "sd")
	e.symlink("nothing", "dangling")
	e.symlink("../d/f", "d/up")
	e.has("s", "data")
	e.has("sd/f", "data")
	e.has("d/up", "data")
	e.openErr("s", rootfs.How{Read: true, NoFollow: true}, rootfs.ELOOP)
	e.openErr("dangling", r, rootfs.ENOENT)
	e.has("sd/../d/f", "data")
	if st := e.stat("s"); st.Kind != rootfs.KindSymlink || st.Size != 3 {
		e.Errorf("%+v", st)
	}
	if st, err := e.tree.Stat(e.at, "s", true); err != nil || st.Kind != rootfs.KindFile {
		e.Errorf("%+v, %v", st, err)
	}
	_, err := e.tree.Readlink(e.at, "d/f")
	e.want(err, rootfs.EINVAL, "readlink of a file")
	// Creating through a link makes its target; exclusively it does not.
	excl := rwc
	excl.Excl = true
	e.openErr("dangling", excl, rootfs.EEXIST)
	e.open("dangling", rwc)
	if e.stat("nothing").Kind != rootfs.KindFile {
		e.Error("target not created")
	}
	e.ok(e.tree.Unlink(e.at, "s"))
	e.has("d/f", "data")
	e.want(e.tree.Rmdir(e.at, "sd"), rootfs.ENOTDIR, "rmdir of a link to a directory")
	e.want(e.tree.Symlink("x", e.at, "sd"), rootfs.EEXIST, "link over a link")
	e.want(e.tree.Symlink("", e.at, "n"), rootfs.ENOENT, "empty target")
	e.want(e.tree.Mkdir(e.at, "sd", 0o755), rootfs.EEXIST, "mkdir over a link")
	// rename moves the link, not what it points to.
	e.ok(e.tree.Rename(e.at, "sd", e.at, "d/sd"))
	if got, _ := e.tree.Readlink(e.at, "d/sd"); got != "d" {
		e.Errorf("moved link points to %q", got)
	}
}

func loops(e *env) {
	e.symlink("b", "a")
	e.symlink("a", "b")
	e.openErr("a", r, rootfs.ELOOP)
	e.openErr("a/x", r, rootfs.ELOOP)
	e.openErr("a", rwc, rootfs.ELOOP)
	e.symlink("self/x", "self")
	e.openErr("self", r, rootfs.ELOOP)
	e.write("f", "found")
	last := "f"
	for n := range rootfs.MaxLinks {
		name := fmt.Sprintf("l%d", n)
		e.symlink(last, name)
		last = name
	}
	e.has(last, "found")
	e.symlink(last, "toomany")
	e.openErr("toomany", r, rootfs.ELOOP)
}

func slashes(e *env) {
	e.mkdir("d")
	e.write("f", "")
	e.openErr("d/", rootfs.How{Read: true, Dir: true}, nil)
	e.openErr("d//", rootfs.How{Read: true}, nil)
	e.openErr("f/", r, rootfs.ENOTDIR)
	e.openErr("f/.", r, rootfs.ENOTDIR)
	e.openErr("new/", rwc, rootfs.EISDIR)
	e.ok(e.tree.Mkdir(e.at, "m/", 0o755))
	e.ok(e.tree.Rmdir(e.at, "m/"))
	e.want(e.tree.Unlink(e.at, "f/"), rootfs.ENOTDIR, "unlink f/")
	e.ok(e.tree.Rename(e.at, "d/", e.at, "e/"))
	e.want(e.tree.Rename(e.at, "f", e.at, "g/"), rootfs.ENOTDIR, "rename of a file to g/")
	e.want(e.tree.Rename(e.at, "f/", e.at, "g"), rootfs.ENOTDIR, "rename of f/")
	e.want(e.tree.Link(e.at, "f", false, e.at, "g/"), rootfs.ENOENT, "link to g/")
	if e.f.NoSymlinks {
		return
	}
	e.want(e.tree.Symlink("f", e.at, "g/"), rootfs.ENOENT, "symlink g/")
	e.symlink("f", "sf")
	e.symlink("e", "se")
	e.symlink("f/", "sfs")
	e.openErr("sf/", r, rootfs.ENOTDIR)
	e.openErr("sfs", r, rootfs.ENOTDIR)
	e.openErr("se/", rootfs.How{Read: true, Dir: true, NoFollow: true}, nil)
	if st, err := e.tree.Stat(e.at, "se/", false); err != nil || st.Kind != rootfs.KindDir {
		e.Errorf("stat se/: %+v, %v", st, err)
	}
	_, err := e.tree.Readlink(e.at, "se/")
	e.want(err, rootfs.EINVAL, "readlink se/")
}

func dots(e *env) {
	e.mkdir("d")
	e.write("d/f", "x")
	e.has("./d/./f", "x")
	e.has("d/../d/f", "x")
	e.openErr("d/no/../f", r, rootfs.ENOENT)
	e.openErr("d/f/../f", r, rootfs.ENOTDIR)
	e.want(e.tree.Rmdir(e.at, "d/."), rootfs.EINVAL, "rmdir d/.")
	e.want(e.tree.Rmdir(e.at, "d/.."), rootfs.ENOTEMPTY, "rmdir d/..")
	e.want(e.tree.Unlink(e.at, "d/."), rootfs.EISDIR, "unlink d/.")
	e.want(e.tree.Mkdir(e.at, "d/.", 0o755), rootfs.EEXIST, "mkdir d/.")
	e.want(e.tree.Rename(e.at, "d/.", e.at, "x"), rootfs.EBUSY, "rename d/.")
	e.want(e.tree.Rename(e.at, "d", e.at, "d/.."), rootfs.EBUSY, "rename to d/..")
	f := e.open("d", rootfs.How{Read: true, Dir: true})
	list, err := f.ReadDir(0, 2)
	e.ok(err)
	if len(list) != 2 || list[0].Name != "." || list[1].Name != ".." || list[0].Ino != e.stat("d").Ino || list[1].Ino != e.stat(".").Ino {
		e.Errorf("directory begins with %+v", list)
	}
}

func escapes(e *env) {
	e.mkdir("d")
	for _, path := range []string{"/", "/d", "..", "../x", "d/../..", "d/../../x", "./..", "//d"} {
		e.openErr(path, r, rootfs.ENOTCAPABLE)
		_, err := e.tree.Stat(e.at, path, false)
		e.want(err, rootfs.ENOTCAPABLE, "stat %q", path)
		e.want(e.tree.Mkdir(e.at, path, 0o755), rootfs.ENOTCAPABLE, "mkdir %q", path)
		e.want(e.tree.Unlink(e.at, path), rootfs.ENOTCAPABLE, "unlink %q", path)
		e.want(e.tree.Rename(e.at, "d", e.at, path), rootfs.ENOTCAPABLE, "rename to %q", path)
		e.want(e.tree.Link(e.at, path, false, e.at, "l"), rootfs.ENOTCAPABLE, "link to %q", path)
	}
	if e.f.NoSymlinks {
		return
	}
	// Beneath a held directory, a link upwards ends at it too.
	e.symlink("..", "d/up")
	f := e.open("d", rootfs.How{Read: true, Dir: true})
	_, err := e.tree.Open(f.Node(), "up/d", r)
	e.want(err, rootfs.ENOTCAPABLE, "through a link upwards")
	if !e.f.FreeLinks {
		e.want(e.tree.Symlink("/etc", e.at, "abs"), rootfs.EPERM, "absolute link")
		e.want(e.tree.Symlink("d/../../../x", e.at, "out"), rootfs.EPERM, "link out of the mount")
		return
	}
	e.symlink("/d", "d/abs")
	_, err = e.tree.Open(f.Node(), "abs", r)
	e.want(err, rootfs.ENOTCAPABLE, "through an absolute link")
}

func names(e *env) {
	long := strings.Repeat("n", rootfs.MaxName)
	e.write(long, "long")
	e.has(long, "long")
	e.openErr(long+"n", rwc, rootfs.ENAMETOOLONG)
	e.openErr(long+"n/x", r, rootfs.ENAMETOOLONG)
	e.want(e.tree.Mkdir(e.at, long+"n", 0o755), rootfs.ENAMETOOLONG, "mkdir")
	e.openErr(strings.Repeat("./", rootfs.MaxPath/2), r, rootfs.ENAMETOOLONG)
	e.openErr("a\x00b", rwc, rootfs.EINVAL)
	for _, name := range []string{"ünï cödé", " space", "-", "...", "..a", ".hidden", "CASE", "dot.", `back\slash`, "a:b"} {
		if e.f.PlainNames && (strings.ContainsAny(name, `\:`) || strings.HasSuffix(name, ".")) {
			e.openErr(name, rwc, rootfs.EINVAL)
			e.openErr(name, r, rootfs.ENOENT)
			continue
		}
		e.write(name, name)
		e.has(name, name)
	}
}

func identity(e *env) {
	e.mkdir("d")
	e.write("d/a", "")
	e.write("d/b", "")
	a, b := e.stat("d/a"), e.stat("d/b")
	if a.Ino == 0 || a.Ino == b.Ino || a.Dev != b.Dev || a.Dev == 0 {
		e.Errorf("inodes %d/%d and %d/%d", a.Dev, a.Ino, b.Dev, b.Ino)
	}
	f := e.open("d/a", r)
	if st, _ := f.Stat(); st.Ino != a.Ino || st.Dev != a.Dev {
		e.Errorf("open file is %d/%d, by name %d/%d", st.Dev, st.Ino, a.Dev, a.Ino)
	}
	d := e.open("d", rootfs.How{Read: true, Dir: true})
	list, err := d.ReadDir(2, 10)
	e.ok(err)
	for _, l := range list {
		if st := e.stat("d/" + l.Name); st.Ino != l.Ino || st.Kind != l.Kind {
			e.Errorf("%s is listed as %d, its inode is %d", l.Name, l.Ino, st.Ino)
		}
	}
}
