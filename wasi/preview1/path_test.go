package preview1

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

// path calls a function of (fd, path).
func (g *fakeGuest) path(name, path string) errno {
	g.Helper()
	return g.call(name, 3, g.put(path), len(path))
}

func (g *fakeGuest) symlink(target, path string) errno {
	g.Helper()
	return g.call("path_symlink", g.put(target), len(target), 3, g.put(path), len(path))
}

// pathStat is the type, size and modification time of a path.
func (g *fakeGuest) pathStat(follow int, path string) (e errno, kind fileType, nlink, mtim uint64) {
	g.Helper()
	at := g.alloc(64)
	e = g.call("path_filestat_get", 3, follow, g.put(path), len(path), at)
	return e, fileType(g.mem[at+16]), g.u64(at + 24), g.u64(at + 48)
}

func TestPathsThatAreRefused(t *testing.T) {
	g := newGuest(t, nil)
	g.path("path_create_directory", "dir")
	for path, want := range map[string]errno{
		"":                         enoent,
		"a\x00b":                   einval,
		"..":                       eperm,
		"dir/../..":                eperm,
		"/dir":                     eperm,
		"missing/x":                enoent,
		strings.Repeat("x", 256):   enametoolong,
		strings.Repeat("x/", 2049): enametoolong,
	} {
		if e, _, _, _ := g.pathStat(0, path); e != want {
			t.Errorf("%.20q: %d, want %d", path, e, want)
		}
	}
	out := g.alloc(4)
	g.want(efault, "path_open", 3, 0, testMemory-1, 2, 0, 0, 0, 0, out)
	g.want(efault, "path_open", 3, 0, g.put("n"), 1, oflagCreat, 0, 0, 0, testMemory-3)
	if e, _, _, _ := g.pathStat(0, "n"); e != enoent {
		t.Errorf("a call with a bad pointer made a file: %d", e)
	}
	g.want(einval, "path_open", 3, 2, g.put("n"), 1, 0, 0, 0, 0, out)
	g.want(einval, "path_open", 3, 0, g.put("n"), 1, 16, 0, 0, 0, out)
	g.want(einval, "path_filestat_get", 3, 2, g.put("n"), 1, g.alloc(64))
}

func TestReadlinkCutsOff(t *testing.T) {
	g := newGuest(t, nil)
	if e := g.symlink("target", "l"); e != esuccess {
		t.Fatal(e)
	}
	buf, out := g.alloc(10), g.alloc(4)
	for _, tc := range []struct {
		room int
		want string
	}{{10, "target"}, {4, "targ"}, {0, ""}} {
		clear(g.mem[buf : buf+10])
		g.ok("path_readlink", 3, g.put("l"), 1, buf, tc.room, out)
		if got := string(g.mem[buf : buf+10]); got != tc.want+strings.Repeat("\x00", 10-len(tc.want)) || int(g.u32(out)) != len(tc.want) {
			t.Errorf("%d bytes: %q, %d", tc.room, got, g.u32(out))
		}
	}
}

func TestSymlinksHaveTimesOfTheirOwn(t *testing.T) {
	g := newGuest(t, nil)
	g.open("f", oflagCreat, 0)
	g.symlink("f", "l")
	set := func(follow int, mtim uint64) {
		t.Helper()
		g.ok("path_filestat_set_times", 3, follow, g.put("l"), 1, 0, mtim, fstMtim)
	}
	set(0, 111)
	set(lookupSymlinkFollow, 222)
	if _, kind, _, mtim := g.pathStat(0, "l"); kind != typeSymbolicLink || mtim != 111 {
		t.Errorf("link: type %d, time %d", kind, mtim)
	}
	if _, kind, _, mtim := g.pathStat(1, "l"); kind != typeRegularFile || mtim != 222 {
		t.Errorf("file: type %d, time %d", kind, mtim)
	}
}

func TestAbsoluteSymlinks(t *testing.T) {
	g := newGuest(t, nil)
	g.path("path_create_directory", "d")
	if e := g.symlink("/d", "l"); e != esuccess {
		t.Errorf("beneath the root: %d", e)
	}
	if e, kind, _, _ := g.pathStat(1, "l"); e != esuccess || kind != typeDirectory {
		t.Errorf("it leads to %d, type %d", e, kind)
	}
	dir := g.open("d", oflagDirectory, allRights&^rightFDWrite)
	g.want(eperm, "path_symlink", g.put("/x"), 2, dir, g.put("l"), 1)
}

func TestLinksAndRenames(t *testing.T) {
	g := newGuest(t, nil)
	g.open("f", oflagCreat, 0)
	link := func(follow int, from, to string) errno {
		t.Helper()
		return g.call("path_link", 3, follow, g.put(from), len(from), 3, g.put(to), len(to))
	}
	if e := link(0, "f", "g"); e != esuccess {
		t.Errorf("link: %d", e)
	}
	if _, _, nlink, _ := g.pathStat(0, "g"); nlink != 2 {
		t.Errorf("%d links", nlink)
	}
	g.symlink("nowhere", "dangling")
	if e := link(lookupSymlinkFollow, "dangling", "h"); e != enoent {
		t.Errorf("link through a dangling link: %d", e)
	}
	if e := link(0, "f", "g"); e != eexist {
		t.Errorf("link over a file: %d", e)
	}
	g.ok("path_rename", 3, g.put("g"), 1, 3, g.put("r"), 1)
	g.want(enoent, "path_rename", 3, g.put("g"), 1, 3, g.put("r"), 1)
	for _, tc := range []struct {
		name, path string
		want       errno
	}{
		{"path_create_directory", "d", esuccess},
		{"path_create_directory", "d", eexist},
		{"path_unlink_file", "d", eisdir},
		{"path_remove_directory", "f", enotdir},
		{"path_remove_directory", "d/", esuccess},
		{"path_unlink_file", "r/", enotdir},
		{"path_unlink_file", "r", esuccess},
		{"path_unlink_file", "r", enoent},
	} {
		if e := g.path(tc.name, tc.path); e != tc.want {
			t.Errorf("%s %s: %d, want %d", tc.name, tc.path, e, tc.want)
		}
	}
}

func TestOpenFlags(t *testing.T) {
	g := newGuest(t, nil)
	fd := g.open("f", oflagCreat, rightsOfFile)
	g.write(fd, "content")
	g.symlink("f", "l")
	out := g.alloc(4)
	open := func(path string, follow, oflags int, base rights) errno {
		t.Helper()
		return g.call("path_open", 3, follow, g.put(path), len(path), oflags, base, 0, 0, out)
	}
	for _, tc := range []struct {
		path           string
		follow, oflags int
		base           rights
		want           errno
	}{
		{"f", 0, oflagCreat | oflagExcl, 0, eexist},
		{"f", 0, oflagDirectory, 0, enotdir},
		{"f/", 0, 0, 0, enotdir},
		{"l", 0, 0, 0, eloop},
		{"l", 1, 0, 0, esuccess},
		{"x", 0, 0, 0, enoent},
		{".", 0, 0, rightFDRead, esuccess},
		// What Go asks for to read a file: nearly everything.
		{"f", 1, 0, rightsOfFile &^ (rightFDWrite | rightFDDatasync | rightFDAllocate), esuccess},
	} {
		if e := open(tc.path, tc.follow, tc.oflags, tc.base); e != tc.want {
			t.Errorf("open %s: %d, want %d", tc.path, e, tc.want)
		}
	}
	// A descriptor for reading cannot change the file, whatever was asked.
	ro := g.u32(out)
	g.want(enotcapable, "fd_filestat_set_size", ro, 0)
	g.want(enotcapable, "fd_allocate", ro, 0, 1)
	// One that asked for the size alone can set it.
	if e := open("f", 0, 0, rightFDFilestatSetSize); e != esuccess {
		t.Fatal(e)
	}
	g.ok("fd_filestat_set_size", g.u32(out), 3)
	if e := open("f", 0, oflagTrunc, 0); e != esuccess {
		t.Errorf("truncating without any right: %d", e)
	}
	if g.ok("fd_seek", fd, 0, 2, g.alloc(8)); g.read(fd, 1) != "" {
		t.Error("the file is not empty")
	}
}

func TestDevicesAreCharacterDevices(t *testing.T) {
	g := newGuest(t, func(c *Config) {
		tree, err := rootfs.New(rootfs.Options{Mounts: []rootfs.Mount{{Target: "dev", Devices: true}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tree.Close() })
		c.Tree, c.Preopens = tree, []Preopen{{GuestPath: "/", Node: tree.Root()}}
	})
	if _, kind, _, _ := g.pathStat(0, "dev/null"); kind != typeCharacterDevice {
		t.Errorf("by path: type %d", kind)
	}
	kind, _, base, _ := g.fdstat(g.open("dev/null", 0, rightsOfFile))
	if kind != typeCharacterDevice {
		t.Errorf("open: type %d", kind)
	}
	if base&(rightFDSeek|rightFDTell) == 0 {
		t.Error("C takes /dev/null for a terminal")
	}
}

// TestStreamsByPath checks that the paths of the standard streams lead to them, however they are opened, and to nothing
// when the stream is closed.
func TestStreamsByPath(t *testing.T) {
	var out bytes.Buffer
	g := newGuest(t, func(c *Config) {
		tree, err := rootfs.New(rootfs.Options{Mounts: []rootfs.Mount{{Target: "dev", Devices: true}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { tree.Close() })
		c.Stdin, c.Stdout = wasi.NewInput(strings.NewReader("typed")), wasi.NewOutput(&out)
		c.Tree, c.Preopens = tree, []Preopen{{GuestPath: "/", Node: tree.Root()}}
	})
	in, to := g.open("dev/stdin", 0, rightFDRead), g.open("dev/stdout", oflagCreat|oflagTrunc, rightFDWrite)
	if got := g.read(in, 10); got != "typed" {
		t.Errorf("read %q", got)
	}
	for range 2 {
		g.write(to, "said;")
		g.ok("fd_close", to)
		to = g.open("dev/stdout", 0, rightFDRead|rightFDWrite)
	}
	g.write(1, "once more")
	if out.String() != "said;said;once more" {
		t.Errorf("written: %q", out.String())
	}
	if _, _, base, _ := g.fdstat(in); base&rightFDWrite != 0 || base&rightFDRead == 0 {
		t.Errorf("rights of the input: %x", base)
	}
	fd := g.alloc(4)
	if e := g.call("path_open", 3, 0, g.put("dev/stdin"), len("dev/stdin"), oflagExcl|oflagCreat, rightFDRead, 0, 0, fd); e != eexist {
		t.Errorf("made anew: %d", e)
	}
	g.ok("fd_close", 2)
	if e := g.call("path_open", 3, 0, g.put("dev/stderr"), len("dev/stderr"), 0, rightFDWrite, 0, 0, fd); e != enxio {
		t.Errorf("closed: %d", e)
	}
}

// Go opens the directory of an os.Root like a file for reading, without the right
// to set sizes by path, and creates files through it.
func TestTruncationWithoutTheRightForPaths(t *testing.T) {
	g := newGuest(t, nil)
	g.path("path_create_directory", "dir")
	out := g.alloc(4)
	open := func(at uint32, path string, oflags int, base, inheriting rights) errno {
		t.Helper()
		return g.call("path_open", at, 0, g.put(path), len(path), oflags, base, inheriting, 0, out)
	}
	for _, tc := range []struct {
		base, inheriting rights
		want             errno
	}{
		{rightPathOpen | rightPathCreateFile, rightsOfFile, esuccess},
		{rightPathOpen | rightPathCreateFile | rightPathFilestatSetSize, rightFDRead, esuccess},
		{rightPathOpen | rightPathCreateFile, rightsOfFile &^ rightFDFilestatSetSize, enotcapable},
		{rightPathOpen | rightPathCreateFile, rightsOfFile &^ rightFDWrite, enotcapable},
		{rightPathOpen, rightsOfFile, enotcapable},
	} {
		if e := open(3, "dir", oflagDirectory, tc.base, tc.inheriting); e != esuccess {
			t.Fatal(e)
		}
		dir := g.u32(out)
		if e := open(dir, "f", oflagCreat|oflagTrunc, rightFDRead, 0); e != tc.want {
			t.Errorf("truncating through a directory with rights %x and %x: %d, want %d", tc.base, tc.inheriting, e, tc.want)
		}
	}
}

// list reads a directory with a buffer of the given size.
func (g *fakeGuest) list(fd uint32, size int) []string {
	g.Helper()
	buf, out := g.alloc(size), g.alloc(4)
	var names []string
	for cookie := uint64(0); ; {
		g.ok("fd_readdir", fd, buf, size, cookie, out)
		used := g.u32(out)
		b := g.mem[buf : buf+used]
		for len(b) >= sizeDirent {
			n := int(le.Uint32(b[16:]))
			if len(b) < sizeDirent+n {
				break
			}
			cookie = le.Uint64(b)
			names = append(names, string(b[sizeDirent:sizeDirent+n]))
			b = b[sizeDirent+n:]
		}
		if int(used) < size {
			return names
		}
		if len(names) > 10_000 {
			g.Fatal("the directory never ends")
		}
	}
}

func TestReaddir(t *testing.T) {
	g := newGuest(t, func(c *Config) { c.Limits.FDs = 2000 })
	want := []string{".", ".."}
	for i := range 300 {
		name := fmt.Sprintf("file-%03d", i)
		want = append(want, name)
		g.open(name, oflagCreat, 0)
	}
	for _, size := range []int{40, 64, 256, 4096, 100_000} {
		g.next = 200_000
		got := g.list(3, size)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("a buffer of %d bytes: %d names, want %d", size, len(got), len(want))
		}
	}
	g.ok("fd_readdir", 3, 0, 0, 0, 64)
	g.want(efault, "fd_readdir", 3, testMemory-10, 11, 0, 64)
}
