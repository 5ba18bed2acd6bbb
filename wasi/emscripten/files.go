package emscripten

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// Flags of open, by Emscripten's numbers.
const (
	openAccess    = 0o3
	openCreate    = 0o100
	openExclusive = 0o200
	openTruncate  = 0o1000
	openAppend    = 0o2000
	openNonblock  = 0o4000
	openDataSync  = 0o10000
	openSync      = 0o4010000
	openDirectory = 0o200000
	openNoFollow  = 0o400000
)

// Flags of functions that take a folder and a path.
const (
	atSymlinkNoFollow = 0x100
	atRemoveDir       = 0x200
	atSymlinkFollow   = 0x400
	atEmptyPath       = 0x1000
)

// Types of files, in a mode and in an entry of a folder.
const (
	modeType    = 0o170000
	modePipe    = 0o010000
	modeDevice  = 0o020000
	modeFolder  = 0o040000
	modeRegular = 0o100000
	modeLink    = 0o120000
)

// files are system calls on a program's files: those of its descriptors, by paths.
type files struct {
	*preview1.POSIX
}

// syscall is a system call of up to so many arguments: what it returns, or an error.
type syscall func(f files, c *kernel) (uint32, preview1.Errno)

// kernel is one system call under way.
type kernel struct {
	ctx  context.Context
	g    *wasi.Guest
	host *host
	args []uint64
}

func (c *kernel) u32(i int) uint32 { return uint32(c.args[i]) }
func (c *kernel) i32(i int) int32  { return int32(uint32(c.args[i])) }
func (c *kernel) i64(i int) int64  { return int64(c.args[i]) }

// path is the string that argument i points to.
func (c *kernel) path(i int) (string, preview1.Errno) {
	m, at := c.g.Memory(), c.u32(i)
	if at == 0 || uint64(at) >= m.Size() {
		return "", preview1.EFAULT
	}
	b, _ := m.Read(at, uint32(min(maxText+1, m.Size()-uint64(at))))
	end := bytes.IndexByte(b, 0)
	if end < 0 { // longer than any path: whoever resolves it says so
		end = len(b)
	}
	return string(b[:end]), 0
}

// out is n bytes of memory that argument i points to.
func (c *kernel) out(i int, n uint32) ([]byte, preview1.Errno) {
	b, ok := c.g.Memory().Read(c.u32(i), n)
	if !ok {
		return nil, preview1.EFAULT
	}
	return b, 0
}

// word is the word that argument i points to; 0 where it points to none.
func (c *kernel) word(i int) (uint32, preview1.Errno) {
	if c.u32(i) == 0 {
		return 0, 0
	}
	b, e := c.out(i, 4)
	if e != 0 {
		return 0, e
	}
	return binary.LittleEndian.Uint32(b), 0
}

// call makes a host function of a system call. wide are its arguments of 64 bits; the
// signature says whether they are one parameter or two.
func (h *host) call(do syscall, wide ...int) func(halves bool) call {
	return func(halves bool) call {
		return func(ctx context.Context, g *wasi.Guest, stack []uint64) {
			c := &kernel{ctx: ctx, g: g, host: h, args: stack}
			if halves {
				c.args = joinHalves(stack, wide)
			}
			n, e := do(files{h.Files}, c)
			switch {
			case ctx.Err() != nil:
				g.Fail(context.Cause(ctx))
			case e == notCapable:
				n = negative(ePerm)
			case e != 0:
				n = negative(int32(e))
			}
			stack[0] = uint64(n)
		}
	}
}

// notCapable is an error of preview 1 that Emscripten has no word for.
const (
	notCapable = 76
	ePerm      = 63
)

// joinHalves puts together arguments that came in two parts.
func joinHalves(stack []uint64, wide []int) []uint64 {
	args := make([]uint64, 0, len(stack))
	for at := 0; at < len(stack); at++ {
		v := stack[at]
		for _, w := range wide {
			if w == len(args) && at+1 < len(stack) {
				at++
				v = uint64(uint32(v)) | stack[at]<<32
				break
			}
		}
		args = append(args, v)
	}
	return args
}

// howOf reads the flags of open.
func howOf(flags, mode uint32) preview1.How {
	access := flags & openAccess
	return preview1.How{
		Read: access == 0 || access == 2, Write: access == 1 || access == 2,
		Create: flags&openCreate != 0, Exclusive: flags&openExclusive != 0, Cut: flags&openTruncate != 0,
		Directory: flags&openDirectory != 0, NoFollow: flags&openNoFollow != 0,
		Append: flags&openAppend != 0, Nonblock: flags&openNonblock != 0,
		Durable: flags&openSync == openSync, DurableData: flags&openDataSync != 0 && flags&openSync != openSync, Mode: mode,
	}
}

// flagsOf is the other way round.
func flagsOf(how preview1.How) uint32 {
	flags := uint32(0)
	switch {
	case how.Read && how.Write:
		flags = 2
	case how.Write:
		flags = 1
	}
	for flag, on := range map[uint32]bool{
		openAppend: how.Append, openNonblock: how.Nonblock, openSync: how.Durable, openDataSync: how.DurableData, openDirectory: how.Directory,
	} {
		if on {
			flags |= flag
		}
	}
	return flags
}

// modeOf is a file's type and permission bits.
func modeOf(st rootfs.Stat) uint32 {
	mode := st.Mode &^ modeType
	switch st.Kind {
	case rootfs.KindFile:
		return mode | modeRegular
	case rootfs.KindDir:
		return mode | modeFolder
	case rootfs.KindSymlink:
		return mode | modeLink
	case 0:
		return mode | modePipe
	}
	return mode | modeDevice
}

const (
	sizeStat   = 96
	blockSize  = 4096
	statBlocks = 512 // what a file's size is counted in
)

// putStat writes a struct stat.
func putStat(b []byte, st rootfs.Stat) {
	clear(b)
	le := binary.LittleEndian
	le.PutUint32(b, uint32(st.Dev))
	le.PutUint32(b[4:], modeOf(st))
	le.PutUint32(b[8:], uint32(min(st.Nlink, math.MaxUint32)))
	le.PutUint32(b[12:], uint32(st.UID))
	le.PutUint32(b[16:], uint32(st.GID))
	le.PutUint64(b[24:], uint64(st.Size))
	le.PutUint32(b[32:], blockSize)
	le.PutUint32(b[36:], uint32(min((st.Size+statBlocks-1)/statBlocks, math.MaxInt32)))
	for i, t := range []time.Time{st.Atime, st.Mtime, st.Ctime} {
		le.PutUint64(b[40+16*i:], uint64(t.Unix()))
		le.PutUint32(b[48+16*i:], uint32(t.Nanosecond()))
	}
	le.PutUint64(b[88:], st.Ino)
}

func (c *kernel) stat(i int, st rootfs.Stat, e preview1.Errno) (uint32, preview1.Errno) {
	if e != 0 {
		return 0, e
	}
	b, e := c.out(i, sizeStat)
	if e == 0 {
		putStat(b, st)
	}
	return 0, e
}

const sizeDirent = 280

// putDirent writes a struct dirent. A name that does not fit it does not come from here.
func putDirent(b []byte, d rootfs.Dirent) {
	clear(b)
	le := binary.LittleEndian
	le.PutUint64(b, d.Ino)
	le.PutUint64(b[8:], d.Next)
	le.PutUint16(b[16:], sizeDirent)
	b[18] = byte(modeOf(rootfs.Stat{Kind: d.Kind}) >> 12)
	copy(b[19:sizeDirent-1], d.Name)
}

// getdents fills a buffer with the next entries of a folder.
func getdents(f files, c *kernel) (uint32, preview1.Errno) {
	b, e := c.out(1, c.u32(2))
	if e != 0 {
		return 0, e
	}
	if len(b) < sizeDirent {
		return 0, preview1.EINVAL
	}
	list, e := f.Next(c.u32(0), min(len(b)/sizeDirent, maxEntries))
	if e != 0 {
		return 0, e
	}
	for i, d := range list {
		putDirent(b[i*sizeDirent:][:sizeDirent], d)
		f.Skip(c.u32(0), d.Next)
	}
	return uint32(len(list) * sizeDirent), 0
}

// maxEntries bounds what one call takes of a folder.
const maxEntries = 1024

// fcntl's commands.
const (
	fcntlDup      = 0
	fcntlGetFD    = 1
	fcntlSetFD    = 2
	fcntlGetFlags = 3
	fcntlSetFlags = 4
	fcntlGetLock  = 12
	fcntlSetLock  = 13
	fcntlWaitLock = 14
	fcntlDupExec  = 1030

	unlocked = 2
)

func fcntl(f files, c *kernel) (uint32, preview1.Errno) {
	how, e := f.Flags(c.u32(0))
	if e != 0 {
		return 0, e
	}
	switch c.u32(1) {
	case fcntlDup, fcntlDupExec:
		least, e := c.word(2)
		if e != 0 {
			return 0, e
		}
		return f.Dup(c.u32(0), least)
	case fcntlGetFlags:
		return flagsOf(how), 0
	case fcntlSetFlags:
		flags, e := c.word(2)
		if e != 0 {
			return 0, e
		}
		return 0, f.SetFlags(c.u32(0), howOf(flags, 0))
	case fcntlGetLock: // nobody else has the file
		at, e := c.word(2)
		if e != 0 {
			return 0, e
		}
		if !c.g.Memory().Write(at, []byte{unlocked, 0}) {
			return 0, preview1.EFAULT
		}
		return 0, 0
	case fcntlGetFD, fcntlSetFD, fcntlSetLock, fcntlWaitLock:
		return 0, 0
	}
	return 0, preview1.EINVAL
}

// ioctl's requests, of a terminal and of what has bytes to be read.
const (
	ioctlGetAttributes = 0x5401
	ioctlWindowSize    = 0x5413
	ioctlReadable      = 0x541b
)

func ioctl(f files, c *kernel) (uint32, preview1.Errno) {
	terminal, e := f.Terminal(c.u32(0))
	switch {
	case e != 0:
		return 0, e
	case !terminal:
		return 0, preview1.ENOTTY
	}
	at, e := c.word(2)
	if e != 0 {
		return 0, e
	}
	var answer []byte
	switch c.u32(1) {
	case ioctlGetAttributes: // isatty asks for no more
		answer = make([]byte, 60)
	case ioctlWindowSize:
		answer = []byte{24, 0, 80, 0, 0, 0, 0, 0}
	default:
		return 0, preview1.EINVAL
	}
	if !c.g.Memory().Write(at, answer) {
		return 0, preview1.EFAULT
	}
	return 0, 0
}
