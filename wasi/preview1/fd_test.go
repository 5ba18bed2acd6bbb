package preview1

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

func TestPreopens(t *testing.T) {
	g := newGuest(t, nil)
	stat := g.alloc(8)
	g.ok("fd_prestat_get", 3, stat)
	if g.u32(stat) != preopenTypeDir || g.u32(stat+4) != 1 {
		t.Errorf("prestat %x", g.mem[stat:stat+8])
	}
	name := g.alloc(4)
	g.want(enametoolong, "fd_prestat_dir_name", 3, name, 0)
	g.ok("fd_prestat_dir_name", 3, name, 4)
	if got := string(g.mem[name : name+2]); got != "/\x00" {
		t.Errorf("name %q", got)
	}
	for _, fd := range []uint32{0, 1, 4} {
		g.want(ebadf, "fd_prestat_get", fd, stat)
	}
	kind, _, base, inheriting := g.fdstat(3)
	if kind != typeDirectory || base != rightsOfDirectory || inheriting != rightsOfDirectory|rightsOfFile {
		t.Errorf("type %d, rights %x, %x", kind, base, inheriting)
	}
	// A preopen is a descriptor like any other: it can be closed and replaced.
	dir := g.open(".", oflagDirectory, rightsOfDirectory)
	g.ok("fd_renumber", dir, 3)
	g.want(ebadf, "fd_fdstat_get", dir, g.alloc(24))
	g.want(ebadf, "fd_prestat_get", 3, stat)
	g.ok("fd_close", 3)
	g.want(ebadf, "fd_close", 3)
}

func TestRenumber(t *testing.T) {
	var stdout bytes.Buffer
	g := newGuest(t, func(c *Config) { c.Stdout = wasi.NewOutput(&stdout) })
	a, b := g.open("a", oflagCreat, rightsOfFile), g.open("b", oflagCreat, rightsOfFile)
	g.want(ebadf, "fd_renumber", a, 77)
	g.want(ebadf, "fd_renumber", 77, a)
	g.ok("fd_renumber", a, a)
	g.write(a, "in a")
	g.ok("fd_renumber", a, b)
	g.want(ebadf, "fd_tell", a, g.alloc(8))
	at := g.alloc(8)
	if g.ok("fd_tell", b, at); g.u64(at) != 4 {
		t.Errorf("the position did not move along: %d", g.u64(at))
	}
	g.ok("fd_renumber", 1, b) // stdout goes elsewhere
	g.write(b, "to stdout")
	if stdout.String() != "to stdout" {
		t.Errorf("stdout %q", stdout.String())
	}
	// The lowest free number is given next, as dup2 idioms expect.
	if fd := g.open("a", 0, rightsOfFile); fd != 1 {
		t.Errorf("descriptor %d, want 1", fd)
	}
}

func TestStdioIsATerminalOrNot(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		g := newGuest(t, func(c *Config) {
			if terminal {
				c.Stdin, c.Stdout, c.Stderr = wasi.NewTerminalInput(nil), wasi.NewTerminalOutput(nil), wasi.NewTerminalOutput(nil)
			}
		})
		for fd := range uint32(3) {
			kind, _, base, _ := g.fdstat(fd)
			// What wasi-libc's isatty asks.
			isatty := kind == typeCharacterDevice && base&(rightFDSeek|rightFDTell) == 0
			if isatty != terminal {
				t.Errorf("descriptor %d: isatty is %v, want %v", fd, isatty, terminal)
			}
			g.want(espipe, "fd_seek", fd, 0, 0, g.alloc(8))
			g.want(espipe, "fd_tell", fd, g.alloc(8))
			g.want(einval, "fd_sync", fd)
		}
	}
}

func TestRightsOnlyShrink(t *testing.T) {
	g := newGuest(t, nil)
	fd := g.open("f", oflagCreat, rightFDRead|rightFDWrite|rightFDSeek)
	g.write(fd, "data")
	if _, _, base, inheriting := g.fdstat(fd); base != rightFDRead|rightFDWrite|rightFDSeek || inheriting != 0 {
		t.Errorf("rights %x, %x", base, inheriting)
	}
	g.ok("fd_fdstat_set_rights", fd, rightFDSeek, 0)
	iov, out := g.iovec(g.alloc(4), 4), g.alloc(8)
	g.want(ebadf, "fd_read", fd, iov, 1, out)
	g.want(ebadf, "fd_write", fd, iov, 1, out)
	g.want(enotcapable, "fd_sync", fd)
	g.want(enotcapable, "fd_filestat_get", fd, g.alloc(64))
	g.want(enotcapable, "fd_fdstat_set_rights", fd, rightFDSeek|rightFDRead, 0)
	g.want(enotcapable, "fd_fdstat_set_rights", fd, rightFDSeek, rightFDRead)
	g.ok("fd_seek", fd, 1, 0, out)
	g.ok("fd_fdstat_set_rights", fd, 0, 0)
	g.want(enotcapable, "fd_seek", fd, 1, 0, out)
	g.want(enotcapable, "fd_tell", fd, out)
}

func TestRightsAreInherited(t *testing.T) {
	g := newGuest(t, nil)
	path, out := g.put("f"), g.alloc(4)
	g.open("f", oflagCreat, 0)
	g.ok("fd_fdstat_set_rights", 3, rightsOfDirectory, rightFDRead|rightPathOpen|rightFDReaddir)
	g.want(enotcapable, "path_open", 3, 0, path, 1, 0, rightFDWrite, 0, 0, out)
	g.want(enotcapable, "path_open", 3, 0, path, 1, oflagCreat, rightFDSeek, 0, 0, out)
	g.ok("path_open", 3, 0, path, 1, 0, rightFDRead, allRights, 0, out)
	g.ok("path_open", 3, 0, g.put("."), 1, oflagDirectory, rightPathOpen, allRights, 0, out)
	if _, _, base, inheriting := g.fdstat(g.u32(out)); base != rightPathOpen || inheriting != rightFDRead|rightPathOpen|rightFDReaddir {
		t.Errorf("rights %x, %x", base, inheriting)
	}
	dir := g.u32(out)
	for name, args := range map[string][]any{
		"path_create_directory":   {dir, path, 1},
		"path_filestat_get":       {dir, 0, path, 1, g.alloc(64)},
		"path_filestat_set_times": {dir, 0, path, 1, 0, 0, 0},
		"path_link":               {dir, 0, path, 1, dir, path, 1},
		"path_readlink":           {dir, path, 1, out, 4, out},
		"path_remove_directory":   {dir, path, 1},
		"path_rename":             {dir, path, 1, dir, path, 1},
		"path_symlink":            {path, 1, dir, path, 1},
		"path_unlink_file":        {dir, path, 1},
		"fd_readdir":              {dir, out, 4, 0, out},
	} {
		g.want(enotcapable, name, args...)
	}
	g.want(enotcapable, "path_open", dir, 0, path, 1, oflagTrunc, 0, 0, 0, out)
	g.want(enotcapable, "path_open", dir, 0, path, 1, oflagCreat, 0, 0, 0, out)
}

func TestDirectoriesAreNotFiles(t *testing.T) {
	g := newGuest(t, nil)
	dir := g.open(".", oflagDirectory, allRights&^rightFDWrite)
	if _, _, base, _ := g.fdstat(dir); base&(rightFDSeek|rightFDRead|rightFDFilestatSetSize) != 0 {
		t.Errorf("a directory has the rights of a file: %x", base)
	}
	iov, out := g.iovec(g.alloc(4), 4), g.alloc(8)
	for name, args := range map[string][]any{
		"fd_read":              {dir, iov, 1, out},
		"fd_write":             {dir, iov, 1, out},
		"fd_pread":             {dir, iov, 1, 0, out},
		"fd_pwrite":            {dir, iov, 1, 0, out},
		"fd_seek":              {dir, 0, 0, out},
		"fd_tell":              {dir, out},
		"fd_allocate":          {dir, 0, 1},
		"fd_advise":            {dir, 0, 1, 0},
		"fd_filestat_set_size": {dir, 0},
	} {
		g.want(eisdir, name, args...)
	}
	g.ok("fd_sync", dir)
	g.want(eisdir, "path_open", 3, 0, g.put("."), 1, oflagDirectory, rightFDRead|rightFDWrite, 0, 0, out)
	g.want(eisdir, "path_open", 3, 0, g.put("."), 1, 0, rightFDWrite, 0, 0, out)
	file := g.open("f", oflagCreat, rightsOfFile)
	g.want(enotdir, "path_open", file, 0, g.put("x"), 1, 0, 0, 0, 0, out)
	g.want(enotdir, "fd_readdir", file, out, 8, 0, out)
}

func TestReadWriteSeek(t *testing.T) {
	g := newGuest(t, nil)
	fd := g.open("f", oflagCreat|oflagExcl, rightsOfFile)
	g.write(fd, "hello, world")
	out := g.alloc(8)
	seek := func(delta int64, whence int, want uint64) {
		t.Helper()
		if g.ok("fd_seek", fd, delta, whence, out); g.u64(out) != want {
			t.Errorf("position %d, want %d", g.u64(out), want)
		}
	}
	seek(-5, io.SeekEnd, 7)
	if got := g.read(fd, 100); got != "world" {
		t.Errorf("read %q", got)
	}
	if got := g.read(fd, 100); got != "" {
		t.Errorf("read %q at the end", got)
	}
	seek(-12, io.SeekCurrent, 0)
	g.want(einval, "fd_seek", fd, -1, io.SeekCurrent, out)
	g.want(einval, "fd_seek", fd, 0, 3, out)
	seek(1, io.SeekCurrent, 1)
	g.want(eoverflow, "fd_seek", fd, int64(1<<63-1), io.SeekCurrent, out)
	// Several buffers, an empty one among them.
	list, buf := g.alloc(24), g.alloc(8)
	for i, n := range []uint32{2, 0, 3} {
		le.PutUint32(g.mem[list+uint32(8*i):], buf+uint32(2*min(i, 1)))
		le.PutUint32(g.mem[list+uint32(8*i)+4:], n)
	}
	g.ok("fd_read", fd, list, 3, out)
	if got := string(g.mem[buf : buf+5]); got != "ello," || g.u32(out) != 5 {
		t.Errorf("read %q, %d", got, g.u32(out))
	}
	g.ok("fd_pwrite", fd, list, 3, 20, out)
	g.ok("fd_pread", fd, g.iovec(buf, 8), 1, 18, out)
	if got := string(g.mem[buf : buf+g.u32(out)]); got != "\x00\x00ello," {
		t.Errorf("pread %q", got)
	}
	g.ok("fd_tell", fd, out)
	if g.u64(out) != 6 {
		t.Errorf("pread and pwrite moved the position to %d", g.u64(out))
	}
	g.want(einval, "fd_pread", fd, list, 1, int64(-1), out)
	g.want(einval, "fd_pwrite", fd, list, 1, int64(-1), out)
	g.want(efbig, "fd_pwrite", fd, list, 1, int64(1<<63-10), out)
	g.ok("fd_pread", fd, list, 1, int64(1<<63-10), out)
}

func TestAppend(t *testing.T) {
	g := newGuest(t, nil)
	path, out := g.put("f"), g.alloc(8)
	g.ok("path_open", 3, 0, path, 1, oflagCreat, rightsOfFile, 0, flagAppend|flagSync, out)
	fd := g.u32(out)
	if _, flags, _, _ := g.fdstat(fd); flags != flagAppend|flagSync {
		t.Errorf("flags %d", flags)
	}
	g.write(fd, "ab")
	g.ok("fd_seek", fd, 0, io.SeekStart, out)
	g.write(fd, "cd")
	if g.ok("fd_tell", fd, out); g.u64(out) != 4 {
		t.Errorf("position %d after appending", g.u64(out))
	}
	g.ok("fd_pwrite", fd, g.iovec(g.put("X"), 1), 1, 0, out) // the offset holds
	g.ok("fd_fdstat_set_flags", fd, 0)
	g.ok("fd_seek", fd, 1, io.SeekStart, out)
	g.write(fd, "Y")
	g.ok("fd_seek", fd, 0, io.SeekStart, out)
	if got := g.read(fd, 9); got != "XYcd" {
		t.Errorf("the file holds %q", got)
	}
	g.want(einval, "fd_fdstat_set_flags", fd, 1<<5)
	g.want(einval, "path_open", 3, 0, path, 1, 0, 0, 0, 1<<5, out)
}

func TestSizesAndTimes(t *testing.T) {
	g := newGuest(t, func(c *Config) { c.Clock = wasi.NewFixedClock(testStart) })
	fd := g.open("f", oflagCreat, rightsOfFile)
	st := g.alloc(64)
	stat := func() (size, atim, mtim uint64) {
		t.Helper()
		g.ok("fd_filestat_get", fd, st)
		return g.u64(st + 32), g.u64(st + 40), g.u64(st + 48)
	}
	g.ok("fd_filestat_set_size", fd, 100)
	g.ok("fd_allocate", fd, 100, 50)
	g.ok("fd_advise", fd, 0, 0, 5)
	if size, _, _ := stat(); size != 150 || g.mem[st+16] != byte(typeRegularFile) || g.u64(st+24) != 1 {
		t.Errorf("filestat %x", g.mem[st:st+64])
	}
	g.want(einval, "fd_advise", fd, 0, 0, 6)
	g.want(einval, "fd_allocate", fd, 0, 0)
	g.want(efbig, "fd_allocate", fd, int64(1<<63-1), 10)
	g.want(einval, "fd_filestat_set_size", fd, int64(-1))
	g.want(efbig, "fd_filestat_set_size", fd, int64(1<<63-1))

	g.ok("fd_filestat_set_times", fd, 123, 456, fstMtim)
	_, atim, mtim := stat()
	if mtim != 456 || atim == 123 {
		t.Errorf("times %d, %d", atim, mtim)
	}
	g.ok("fd_filestat_set_times", fd, 0, 0, fstAtimNow)
	if _, atim, mtim := stat(); mtim != 456 || atim < uint64(testStart.UnixNano()) {
		t.Errorf("times %d, %d", atim, mtim)
	}
	for _, flags := range []int{fstAtim | fstAtimNow, fstMtim | fstMtimNow, 16} {
		g.want(einval, "fd_filestat_set_times", fd, 0, 0, flags)
		g.want(einval, "path_filestat_set_times", 3, 0, g.put("f"), 1, 0, 0, flags)
	}
	g.layout = unstable
	g.ok("fd_filestat_get", fd, st)
	if g.u32(st+20) != 1 || g.u64(st+24) != 150 || g.u64(st+40) != 456 {
		t.Errorf("filestat of wasi_unstable %x", g.mem[st:st+56])
	}
	g.ok("fd_seek", fd, 0, 2, st) // SEEK_SET there
	g.ok("fd_seek", fd, 0, 1, st) // SEEK_END
	if g.u64(st) != 150 {
		t.Errorf("the end is at %d", g.u64(st))
	}
}

func TestDescriptorsAreBounded(t *testing.T) {
	g := newGuest(t, func(c *Config) { c.Limits.FDs = 6 })
	g.open("a", oflagCreat, 0)
	g.open("a", 0, 0)
	path, out := g.put("new"), g.alloc(4)
	g.want(emfile, "path_open", 3, 0, path, 3, oflagCreat, 0, 0, 0, out)
	g.ok("fd_close", 4)
	g.want(enoent, "path_open", 3, 0, path, 3, 0, 0, 0, 0, out)
	g.ok("path_open", 3, 0, path, 3, oflagCreat, 0, 0, 0, out)
	if g.u32(out) != 4 {
		t.Errorf("descriptor %d, want the free 4", g.u32(out))
	}
}

func TestBuffersAreBounded(t *testing.T) {
	g := newGuest(t, nil)
	out := g.alloc(4)
	// 2^29+1 buffers of 8 bytes: in 32 bits that is a list of 8 bytes.
	for _, n := range []uint32{1<<29 + 1, 1025, 1<<32 - 1} {
		g.want(einval, "fd_write", 1, 0, n, out)
		g.want(einval, "fd_read", 0, 0, n, out)
	}
	// 5,000 times all of the memory is more than a count can say.
	h := newGuest(t, func(c *Config) { c.Limits.Iovecs = maxIovecs })
	h.mem = make(fakeMemory, 1<<20)
	for i := range uint32(5000) {
		le.PutUint32(h.mem[8*i+4:], 1<<20)
	}
	h.want(einval, "fd_write", 1, 0, 5000, 1<<19)
}

func TestOutputIsBounded(t *testing.T) {
	var stdout bytes.Buffer
	g := newGuest(t, func(c *Config) { c.Stdout = wasi.NewOutput(&stdout).Limit(6) })
	g.write(1, "four")
	out, iov := g.alloc(4), g.iovec(g.put("four"), 4)
	g.ok("fd_write", 1, iov, 1, out)
	if g.u32(out) != 2 || stdout.String() != "fourfo" {
		t.Errorf("wrote %d, stdout %q", g.u32(out), stdout.String())
	}
	g.want(edquot, "fd_write", 1, iov, 1, out)
}

// brokenPipe is an output whose reader has gone.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestStreamErrors(t *testing.T) {
	g := newGuest(t, func(c *Config) {
		c.Stdin = wasi.NewInput(io.MultiReader(strings.NewReader("ab"), errReader{}))
		c.Stdout = wasi.NewOutput(brokenPipe{})
	})
	out, iov := g.alloc(4), g.iovec(g.alloc(8), 8)
	g.want(epipe, "fd_write", 1, iov, 1, out)
	if got := g.read(0, 8); got != "ab" {
		t.Errorf("read %q", got)
	}
	g.want(eio, "fd_read", 0, iov, 1, out)
	g.want(ebadf, "fd_read", 1, iov, 1, out)
	g.want(ebadf, "fd_write", 0, iov, 1, out)
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, rootfs.EIO }

func TestNonblockingInput(t *testing.T) {
	in, w := pipe(t)
	g := newGuest(t, func(c *Config) { c.Stdin = in })
	g.ok("fd_fdstat_set_flags", 0, flagNonblock)
	g.want(eagain, "fd_read", 0, g.iovec(g.alloc(8), 8), 1, g.alloc(4))
	if _, err := io.WriteString(w, "now"); err != nil {
		t.Fatal(err)
	}
	g.poll(1, func(_ int, b []byte) { fdSub(b, 0, eventFDRead, 0) })
	if got := g.read(0, 8); got != "now" {
		t.Errorf("read %q", got)
	}
}

func TestArraysDoNotWrap(t *testing.T) {
	c := call{mem: make(fakeMemory, 64)}
	if b, e := c.array(0, 8, 8); e != esuccess || len(b) != 64 {
		t.Errorf("array = %d bytes, %d", len(b), e)
	}
	// In 32 bits each of these products is at most 64.
	for _, n := range []uint32{1 << 29, 1<<29 + 1, 1<<29 + 8} {
		if b, e := c.array(0, n, 8); e != efault {
			t.Errorf("%d elements of 8 bytes: %d bytes, %d", n, len(b), e)
		}
	}
}
