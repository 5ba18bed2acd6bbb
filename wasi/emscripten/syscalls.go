package emscripten

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// entry is a system call: what it does, and its signature with its 64 bits whole.
type entry struct {
	form signature
	do   syscall
}

// syscalls are those on files, by Emscripten's names.
func syscalls(name string) (entry, bool) {
	for _, table := range []func(string) (entry, bool){pathCalls, descriptorCalls, otherCalls} {
		if e, ok := table(name); ok {
			return e, true
		}
	}
	return entry{}, false
}

const here = preview1.CurrentDir

// onPath is a system call on one path.
func onPath(dir, path int, do func(f files, c *kernel, dir int32, path string) preview1.Errno) syscall {
	return func(f files, c *kernel) (uint32, preview1.Errno) {
		p, e := c.path(path)
		if e != 0 {
			return 0, e
		}
		at := int32(here)
		if dir >= 0 {
			at = c.i32(dir)
		}
		return 0, do(f, c, at, p)
	}
}

func pathCalls(name string) (entry, bool) {
	switch name {
	case "__syscall_openat":
		return entry{"iiii:i", openat}, true
	case "__syscall_stat64":
		return entry{"ii:i", statPath(-1, 0, 1, -1)}, true
	case "__syscall_lstat64":
		return entry{"ii:i", statPath(-1, 0, 1, -2)}, true
	case "__syscall_newfstatat":
		return entry{"iiii:i", statPath(0, 1, 2, 3)}, true
	case "__syscall_faccessat":
		return entry{"iiii:i", onPath(0, 1, access)}, true
	case "__syscall_mkdirat":
		return entry{"iii:i", onPath(0, 1, func(f files, c *kernel, dir int32, p string) preview1.Errno { return f.Mkdir(dir, p, c.u32(2)) })}, true
	case "__syscall_rmdir":
		return entry{"i:i", onPath(-1, 0, func(f files, _ *kernel, dir int32, p string) preview1.Errno { return f.Remove(dir, p, true) })}, true
	case "__syscall_unlinkat":
		return entry{"iii:i", onPath(0, 1, func(f files, c *kernel, dir int32, p string) preview1.Errno {
			return f.Remove(dir, p, c.u32(2)&atRemoveDir != 0)
		})}, true
	case "__syscall_renameat":
		return entry{"iiii:i", twoPaths(func(f files, c *kernel, old, to string) preview1.Errno {
			return f.Rename(c.i32(0), old, c.i32(2), to)
		})}, true
	case "__syscall_linkat":
		return entry{"iiiii:i", twoPaths(func(f files, c *kernel, old, to string) preview1.Errno {
			return f.Link(c.i32(0), old, c.u32(4)&atSymlinkFollow != 0, c.i32(2), to)
		})}, true
	case "__syscall_symlinkat":
		return entry{"iii:i", symlinkat}, true
	case "__syscall_readlinkat":
		return entry{"iiii:i", readlinkat}, true
	case "__syscall_chdir":
		return entry{"i:i", onPath(-1, 0, func(f files, _ *kernel, _ int32, p string) preview1.Errno { return f.Chdir(p) })}, true
	case "__syscall_chmod":
		return entry{"ii:i", onPath(-1, 0, func(f files, c *kernel, dir int32, p string) preview1.Errno { return f.Chmod(dir, p, c.u32(1)) })}, true
	case "__syscall_fchmodat2":
		return entry{"iiii:i", onPath(0, 1, func(f files, c *kernel, dir int32, p string) preview1.Errno { return f.Chmod(dir, p, c.u32(2)) })}, true
	case "__syscall_fchmodat":
		return entry{"iii:i", onPath(0, 1, func(f files, c *kernel, dir int32, p string) preview1.Errno { return f.Chmod(dir, p, c.u32(2)) })}, true
	case "__syscall_fchownat": // every file is the program's
		return entry{"iiiii:i", onPath(0, 1, func(f files, c *kernel, dir int32, p string) preview1.Errno {
			_, e := f.Stat(dir, p, c.u32(4)&atSymlinkNoFollow == 0)
			return e
		})}, true
	case "__syscall_utimensat":
		return entry{"iiii:i", utimensat}, true
	case "__syscall_truncate64":
		return entry{"il:i", onPath(-1, 0, truncate)}, true
	case "__syscall_statfs64":
		return entry{"iii:i", onPath(-1, 0, func(f files, c *kernel, dir int32, p string) preview1.Errno {
			if _, e := f.Stat(dir, p, true); e != 0 {
				return e
			}
			return statfs(c)
		})}, true
	}
	return entry{}, false
}

func descriptorCalls(name string) (entry, bool) {
	done := func(do func(f files, c *kernel) preview1.Errno) syscall {
		return func(f files, c *kernel) (uint32, preview1.Errno) { return 0, do(f, c) }
	}
	switch name {
	case "__syscall_fstat64":
		return entry{"ii:i", func(f files, c *kernel) (uint32, preview1.Errno) {
			st, e := f.StatFD(c.u32(0))
			return c.stat(1, st, e)
		}}, true
	case "__syscall_fstatfs64":
		return entry{"iii:i", done(func(f files, c *kernel) preview1.Errno {
			if _, e := f.StatFD(c.u32(0)); e != 0 {
				return e
			}
			return statfs(c)
		})}, true
	case "__syscall_getdents64":
		return entry{"iii:i", getdents}, true
	case "__syscall_fcntl64":
		return entry{"iii:i", fcntl}, true
	case "__syscall_ioctl":
		return entry{"iii:i", ioctl}, true
	case "__syscall_fchdir":
		return entry{"i:i", done(func(f files, c *kernel) preview1.Errno { return f.ChdirTo(c.u32(0)) })}, true
	case "__syscall_fchmod":
		return entry{"ii:i", done(func(f files, c *kernel) preview1.Errno { return f.ChmodFD(c.u32(0), c.u32(1)) })}, true
	case "__syscall_fchown32":
		return entry{"iii:i", done(func(f files, c *kernel) preview1.Errno { _, e := f.Flags(c.u32(0)); return e })}, true
	case "__syscall_ftruncate64":
		return entry{"il:i", done(func(f files, c *kernel) preview1.Errno { return f.Truncate(c.u32(0), c.i64(1)) })}, true
	case "__syscall_fallocate":
		return entry{"iill:i", done(func(f files, c *kernel) preview1.Errno {
			if c.u32(1) != 0 {
				return preview1.EINVAL
			}
			return f.Allocate(c.u32(0), c.i64(2), c.i64(3))
		})}, true
	case "__syscall_fadvise64":
		return entry{"illi:i", done(func(f files, c *kernel) preview1.Errno { _, e := f.Flags(c.u32(0)); return e })}, true
	case "__syscall_fdatasync":
		return entry{"i:i", done(func(f files, c *kernel) preview1.Errno { return f.Sync(c.u32(0), true) })}, true
	case "__syscall_dup":
		return entry{"i:i", func(f files, c *kernel) (uint32, preview1.Errno) { return f.Dup(c.u32(0), 0) }}, true
	case "__syscall_dup3":
		return entry{"iii:i", func(f files, c *kernel) (uint32, preview1.Errno) { return c.u32(1), f.DupTo(c.u32(0), c.u32(1)) }}, true
	case "__syscall_pipe":
		return entry{"i:i", pipe(-1)}, true
	case "__syscall_pipe2":
		return entry{"ii:i", pipe(1)}, true
	case "__syscall_poll":
		return entry{"iii:i", poll}, true
	case "__syscall__newselect":
		return entry{"iiiii:i", newselect}, true
	}
	return entry{}, false
}

func otherCalls(name string) (entry, bool) {
	switch name {
	case "__syscall_getcwd":
		return entry{"ii:i", getcwd}, true
	case "__syscall_umask":
		return entry{"i:i", func(f files, c *kernel) (uint32, preview1.Errno) { return f.Umask(c.u32(0)), 0 }}, true
	case "_mmap_js", "mmap_js":
		return entry{"iiiilii:i", mmap}, true
	case "_munmap_js", "munmap_js", "_msync_js", "msync_js":
		return entry{"iiiiil:i", munmap}, true
	}
	return entry{}, false
}

func openat(f files, c *kernel) (uint32, preview1.Errno) {
	path, e := c.path(1)
	if e != 0 {
		return 0, e
	}
	mode := uint32(0)
	if flags := c.u32(2); flags&openCreate != 0 {
		if mode, e = c.word(3); e != 0 {
			return 0, e
		}
	}
	return f.Open(c.i32(0), path, howOf(c.u32(2), mode))
}

// statPath describes a path to argument out. flags is the argument with flags; -1
// follows links, and -2 does not.
func statPath(dir, path, out, flags int) syscall {
	return func(f files, c *kernel) (uint32, preview1.Errno) {
		p, e := c.path(path)
		if e != 0 {
			return 0, e
		}
		at, follow := int32(here), flags == -1
		if dir >= 0 {
			at = c.i32(dir)
		}
		if flags >= 0 {
			follow = c.u32(flags)&atSymlinkNoFollow == 0
			if p == "" && c.u32(flags)&atEmptyPath != 0 && at != here {
				st, e := f.StatFD(uint32(at))
				return c.stat(out, st, e)
			}
		}
		st, e := f.Stat(at, p, follow)
		return c.stat(out, st, e)
	}
}

// access tells whether a file is there. To execute one it must be executable; every
// file may be read, and written where its folder can be.
func access(f files, c *kernel, dir int32, path string) preview1.Errno {
	const execute, anybody = 1, 0o111
	const eAccess = 2
	st, e := f.Stat(dir, path, c.u32(3)&atSymlinkNoFollow == 0)
	if e == 0 && c.u32(2)&execute != 0 && st.Kind == rootfs.KindFile && st.Mode&anybody == 0 {
		return eAccess
	}
	return e
}

// twoPaths is a system call on the paths of arguments 1 and 3.
func twoPaths(do func(f files, c *kernel, from, to string) preview1.Errno) syscall {
	return func(f files, c *kernel) (uint32, preview1.Errno) {
		from, e := c.path(1)
		if e != 0 {
			return 0, e
		}
		to, e := c.path(3)
		if e != 0 {
			return 0, e
		}
		return 0, do(f, c, from, to)
	}
}

func symlinkat(f files, c *kernel) (uint32, preview1.Errno) {
	target, e := c.path(0)
	if e != 0 {
		return 0, e
	}
	path, e := c.path(2)
	if e != 0 {
		return 0, e
	}
	return 0, f.Symlink(target, c.i32(1), path)
}

func readlinkat(f files, c *kernel) (uint32, preview1.Errno) {
	path, e := c.path(1)
	if e != 0 {
		return 0, e
	}
	b, e := c.out(2, c.u32(3))
	if e != 0 {
		return 0, e
	}
	if len(b) == 0 {
		return 0, preview1.EINVAL
	}
	target, e := f.Readlink(c.i32(0), path)
	return uint32(copy(b, target)), e
}

func getcwd(f files, c *kernel) (uint32, preview1.Errno) {
	b, e := c.out(0, c.u32(1))
	if e != 0 {
		return 0, e
	}
	dir := f.Getwd() + "\x00"
	switch {
	case len(b) == 0:
		return 0, preview1.EINVAL
	case len(dir) > len(b):
		return 0, preview1.ERANGE
	}
	return uint32(copy(b, dir)), 0
}

// truncate cuts a file that it opens for that.
func truncate(f files, c *kernel, dir int32, path string) preview1.Errno {
	fd, e := f.Open(dir, path, preview1.How{Write: true})
	if e != 0 {
		return e
	}
	e = f.Truncate(fd, c.i64(1))
	f.Close(fd)
	return e
}

// Times that stand for now, and for the one that there is.
const (
	timeNow  = 0x3fffffff
	timeOmit = 0x3ffffffe
)

// utimensat sets the times of a path, or of a descriptor without one.
func utimensat(f files, c *kernel) (uint32, preview1.Errno) {
	times, e := c.times(f, 2)
	if e != 0 {
		return 0, e
	}
	if c.u32(1) == 0 {
		return 0, f.SetTimesFD(c.u32(0), times[0], times[1])
	}
	path, e := c.path(1)
	if e != 0 {
		return 0, e
	}
	return 0, f.SetTimes(c.i32(0), path, c.u32(3)&atSymlinkNoFollow == 0, times[0], times[1])
}

// times are two that argument i points to; nothing is now.
func (c *kernel) times(f files, i int) (times [2]*time.Time, e preview1.Errno) {
	now := f.Now()
	if c.u32(i) == 0 {
		return [2]*time.Time{&now, &now}, 0
	}
	b, e := c.out(i, 32)
	if e != 0 {
		return times, e
	}
	for k := range times {
		seconds, nanos := int64(binary.LittleEndian.Uint64(b[16*k:])), binary.LittleEndian.Uint32(b[16*k+8:])
		switch {
		case nanos == timeNow:
			times[k] = &now
		case nanos == timeOmit:
		case nanos >= 1e9:
			return times, preview1.EINVAL
		default:
			t := time.Unix(seconds, int64(nanos))
			times[k] = &t
		}
	}
	return times, 0
}

// Sizes of struct statfs: counts have 64 bits, or 32 in older versions.
const (
	sizeStatfs    = 88
	sizeOldStatfs = 64
)

// statfs describes the file system that all files are in: a large one with room.
func statfs(c *kernel) preview1.Errno {
	const size, room, longest = 1 << 20, 1 << 19, 255
	n := uint32(sizeStatfs)
	words := map[int]uint32{4: blockSize, 8: size, 16: room, 24: room, 32: size, 40: room, 56: longest, 60: blockSize}
	if c.u32(1) == sizeOldStatfs {
		n, words = sizeOldStatfs, map[int]uint32{4: blockSize, 8: size, 12: room, 16: room, 20: size, 24: room, 36: longest, 40: blockSize}
	}
	b, e := c.out(2, n)
	if e != 0 {
		return e
	}
	clear(b)
	for at, v := range words {
		binary.LittleEndian.PutUint32(b[at:], v)
	}
	return 0
}

// seekFolder has fd_seek work on folders: what they are read from.
func (h *host) seekFolder(seek call, halves bool) call {
	if h.Files == nil {
		return seek
	}
	return func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		fd := uint32(stack[0])
		at, folder := h.Files.At(fd)
		if !folder {
			seek(ctx, g, stack)
			return
		}
		args := stack
		if halves {
			args = joinHalves(stack, []int{1})
		}
		next, out := args[1], uint32(args[3])
		if uint32(args[2]) == 1 {
			next += at
		}
		stack[0] = 0
		if uint32(args[2]) > 1 || int64(next) < 0 {
			stack[0] = uint64(preview1.EINVAL)
		} else if !g.Memory().WriteUint64Le(out, next) {
			stack[0] = uint64(preview1.EFAULT)
		} else {
			h.Files.Skip(fd, next)
		}
	}
}
