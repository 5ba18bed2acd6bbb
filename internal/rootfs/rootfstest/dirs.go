package rootfstest

import (
	"fmt"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
)

func times(e *env) {
	e.write("f", "x")
	at, mt := time.Unix(1_000_000_000, 123_456_700), time.Unix(1_500_000_000, 987_654_300)
	early := at
	near := func(what string, got, want time.Time) {
		e.Helper()
		if d := got.Sub(want).Abs(); d > e.f.CoarseTimes {
			e.Errorf("%s is %v, want %v", what, got.UTC(), want.UTC())
		}
	}
	e.ok(e.tree.SetTimes(e.at, "f", true, rootfs.Times{Atime: &at, Mtime: &mt}))
	st := e.stat("f")
	if e.f.NoAtime {
		at = st.Atime
	}
	near("atime", st.Atime, at)
	near("mtime", st.Mtime, mt)
	e.ok(e.tree.SetTimes(e.at, "f", true, rootfs.Times{Mtime: &early}))
	st = e.stat("f")
	if !e.f.NoAtime {
		near("atime", st.Atime, at)
	}
	near("mtime", st.Mtime, early)
	f := e.open("f", rw)
	e.ok(f.SetTimes(rootfs.Times{Mtime: &mt}))
	st, err := f.Stat()
	e.ok(err)
	near("mtime of the open file", st.Mtime, mt)
	f.WriteAt([]byte("y"), 0)
	if st, _ := f.Stat(); !st.Mtime.After(mt) {
		e.Error("writing does not change the time")
	}
	e.mkdir("d")
	e.ok(e.tree.SetTimes(e.at, "d", true, rootfs.Times{Mtime: &mt}))
	near("mtime of a directory", e.stat("d").Mtime, mt)
	e.write("d/f", "")
	if !e.stat("d").Mtime.After(mt) {
		e.Error("a new name does not change the directory's time")
	}
	e.want(e.tree.SetTimes(e.at, "no", true, rootfs.Times{}), rootfs.ENOENT, "times of nothing")
	if e.f.NoSymlinks {
		return
	}
	e.symlink("f", "s")
	before := e.stat("f").Mtime
	e.ok(e.tree.SetTimes(e.at, "s", false, rootfs.Times{Mtime: &mt}))
	near("mtime of the link", e.stat("s").Mtime, mt)
	near("mtime of its target", e.stat("f").Mtime, before)
}

func modes(e *env) {
	e.write("f", "")
	e.ok(e.tree.Chmod(e.at, "f", 0o755))
	if m := e.stat("f").Mode; m&0o700 != 0o700 && !e.f.NoOpenRename {
		e.Errorf("mode %o", m)
	}
	if m := e.stat("f").Mode; m&^0o1777 != 0 {
		e.Errorf("mode %o holds more than permissions", m)
	}
	e.want(e.tree.Chmod(e.at, "no", 0o755), rootfs.ENOENT, "chmod of nothing")
}

func cookies(e *env) {
	e.mkdir("d")
	const count = 300
	for n := range count {
		e.write(fmt.Sprintf("d/%03d", n), "")
	}
	f := e.open("d", rootfs.How{Read: true, Dir: true})
	seen := map[string]int{}
	cookie := uint64(2)
	for round := 0; ; round++ {
		list, err := f.ReadDir(cookie, 7)
		e.ok(err)
		if len(list) == 0 {
			break
		}
		for _, d := range list {
			seen[d.Name]++
			cookie = d.Next
		}
		// What was listed goes, other names come.
		e.ok(e.tree.Unlink(e.at, "d/"+list[0].Name))
		if round < 20 {
			e.write(fmt.Sprintf("d/new%03d", round), "")
		}
		if round > count {
			e.Fatal("the listing does not end")
		}
	}
	for n := range count {
		if name := fmt.Sprintf("%03d", n); seen[name] != 1 {
			e.Errorf("%s was listed %d times", name, seen[name])
		}
	}
	// From the start again, and the same from every cookie.
	all, err := f.ReadDir(0, 1000)
	e.ok(err)
	for k, d := range all[:len(all)-1] {
		next, err := f.ReadDir(d.Next, 1)
		e.ok(err)
		if k >= 1 && (len(next) != 1 || next[0].Name != all[k+1].Name) {
			e.Fatalf("after %q comes %+v, not %q", d.Name, next, all[k+1].Name)
		}
	}
	// Removing everything while listing it.
	g := e.open("d", rootfs.How{Read: true, Dir: true})
	for cookie := uint64(2); ; {
		list, err := g.ReadDir(cookie, 5)
		e.ok(err)
		if len(list) == 0 {
			break
		}
		for _, d := range list {
			e.ok(e.tree.Unlink(e.at, "d/"+d.Name))
			cookie = d.Next
		}
	}
	e.ok(e.tree.Rmdir(e.at, "d"))
}

func removedDir(e *env) {
	if e.f.NoOpenRename {
		e.Skip("this host does not remove directories in use")
	}
	e.mkdir("d")
	d := e.open("d", rootfs.How{Read: true, Dir: true})
	e.ok(e.tree.Rmdir(e.at, "d"))
	_, err := e.tree.Open(d.Node(), "f", rwc)
	e.want(err, rootfs.ENOENT, "create in a removed directory")
	e.want(e.tree.Mkdir(d.Node(), "x", 0o755), rootfs.ENOENT, "mkdir in a removed directory")
	e.mkdir("d")
	if e.list("d") != "" {
		e.Error("a new directory is not empty")
	}
	_, err = e.tree.Stat(d.Node(), "f", false)
	e.want(err, rootfs.ENOENT, "stat in a removed directory")
}

func closed(e *env) {
	f := e.open("f", rwc)
	e.ok(f.Close())
	e.want(f.Close(), rootfs.EBADF, "second close")
	_, err := f.ReadAt(make([]byte, 1), 0)
	e.want(err, rootfs.EBADF, "read after close")
	_, err = f.Stat()
	e.want(err, rootfs.EBADF, "stat after close")
}
