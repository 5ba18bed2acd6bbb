package emscripten

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// Events of poll.
const (
	pollIn      = 0x01
	pollOut     = 0x04
	pollError   = 0x08
	pollHangup  = 0x10
	pollInvalid = 0x20

	sizePoll = 8
	maxPolls = 4096
)

// poll waits for descriptors, for so many milliseconds or for ever.
func poll(f files, c *kernel) (uint32, preview1.Errno) {
	n := c.u32(1)
	if n > maxPolls {
		return 0, preview1.EINVAL
	}
	b, e := c.out(0, n*sizePoll)
	if e != 0 {
		return 0, e
	}
	var list []preview1.Poll
	var at []int
	for i := 0; i < len(b); i += sizePoll {
		fd, events := int32(binary.LittleEndian.Uint32(b[i:])), binary.LittleEndian.Uint16(b[i+4:])
		binary.LittleEndian.PutUint16(b[i+6:], 0)
		if fd < 0 {
			continue
		}
		list = append(list, preview1.Poll{FD: uint32(fd), Read: events&pollIn != 0, Write: events&pollOut != 0})
		at = append(at, i)
	}
	timeout := time.Duration(c.i32(2)) * time.Millisecond
	count, e := f.Poll(c.ctx, list, timeout)
	if e != 0 {
		return 0, e
	}
	if b, e = c.out(0, n*sizePoll); e != 0 {
		return 0, e
	}
	for k, q := range list {
		events := uint16(0)
		for event, on := range map[uint16]bool{pollIn: q.Readable, pollOut: q.Writable, pollHangup: q.Ended, pollError: q.Failed, pollInvalid: q.Bad} {
			if on {
				events |= event
			}
		}
		binary.LittleEndian.PutUint16(b[at[k]+6:], events)
	}
	return uint32(count), 0
}

const (
	maxSelect = 1024 // FD_SETSIZE
	sizeSet   = maxSelect / 8
)

// newselect is select: sets of descriptors to read from, to write to, and that have
// something exceptional, which none ever has.
func newselect(f files, c *kernel) (uint32, preview1.Errno) {
	n := c.u32(0)
	if n > maxSelect {
		return 0, preview1.EINVAL
	}
	var sets [3][sizeSet]byte // as they are asked for: memory is looked at anew after the wait
	for i := range sets {
		if c.u32(1+i) == 0 {
			continue
		}
		b, e := c.out(1+i, sizeSet)
		if e != 0 {
			return 0, e
		}
		copy(sets[i][:], b)
	}
	timeout := time.Duration(-1)
	if c.u32(4) != 0 {
		b, e := c.out(4, 16)
		if e != 0 {
			return 0, e
		}
		seconds, micros := int64(binary.LittleEndian.Uint64(b)), int64(int32(binary.LittleEndian.Uint32(b[8:])))
		if seconds < 0 || micros < 0 || micros >= 1e6 {
			return 0, preview1.EINVAL
		}
		timeout = time.Duration(min(seconds, math.MaxInt32))*time.Second + time.Duration(micros)*time.Microsecond
	}
	has := func(set *[sizeSet]byte, fd uint32) bool { return set[fd/8]&(1<<(fd%8)) != 0 }
	var list []preview1.Poll
	for fd := range n {
		if q := (preview1.Poll{FD: fd, Read: has(&sets[0], fd), Write: has(&sets[1], fd)}); q.Read || q.Write {
			list = append(list, q)
		}
	}
	if _, e := f.Poll(c.ctx, list, timeout); e != 0 {
		return 0, e
	}
	sets = [3][sizeSet]byte{}
	count := uint32(0)
	for _, q := range list {
		if q.Bad {
			return 0, preview1.EBADF
		}
		for i, on := range []bool{q.Readable, q.Writable} {
			if on {
				sets[i][q.FD/8] |= 1 << (q.FD % 8)
				count++
			}
		}
	}
	for i := range sets {
		if c.u32(1+i) == 0 {
			continue
		}
		b, e := c.out(1+i, sizeSet)
		if e != 0 {
			return 0, e
		}
		copy(b, sets[i][:])
	}
	return count, 0
}

// pipe makes one; its flags are an argument, or -1 for none.
func pipe(flags int) syscall {
	return func(f files, c *kernel) (uint32, preview1.Errno) {
		b, e := c.out(0, 8)
		if e != 0 {
			return 0, e
		}
		nonblock := flags >= 0 && c.u32(flags)&openNonblock != 0
		read, write, e := f.Pipe(nonblock)
		if e == 0 {
			binary.LittleEndian.PutUint32(b, read)
			binary.LittleEndian.PutUint32(b[4:], write)
		}
		return 0, e
	}
}

// What memory that maps a file may be used for, and how.
const (
	protectWrite = 2
	mapShared    = 1
)

// mmap gives memory of the program's own with the content of a file: it is written back
// when it is no longer mapped.
func mmap(f files, c *kernel) (uint32, preview1.Errno) {
	const noMemory = 48
	size := c.u32(0)
	if size == 0 || size > math.MaxUint32-page || c.i64(4) < 0 {
		return 0, preview1.EINVAL
	}
	if _, e := f.Flags(c.u32(3)); e != 0 {
		return 0, e
	}
	whole := (size + page - 1) &^ (page - 1)
	got := c.host.must(c.ctx, c.g, []string{"emscripten_builtin_memalign"}, page, uint64(whole))
	if len(got) != 1 || uint32(got[0]) == 0 {
		return 0, noMemory
	}
	at := uint32(got[0])
	b, ok := c.g.Memory().Read(at, whole)
	if !ok {
		return 0, preview1.EFAULT
	}
	clear(b)
	if _, e := f.ReadAt(c.u32(3), b[:size], c.i64(4)); e != 0 {
		return 0, e
	}
	m := c.g.Memory()
	if !m.WriteUint32Le(c.u32(5), 1) || !m.WriteUint32Le(c.u32(6), at) {
		return 0, preview1.EFAULT
	}
	return 0, 0
}

// munmap writes back what was mapped to be written; the program frees the memory.
func munmap(f files, c *kernel) (uint32, preview1.Errno) {
	if c.u32(2)&protectWrite == 0 || c.u32(3)&mapShared == 0 {
		return 0, 0
	}
	b, e := c.out(0, c.u32(1))
	if e != 0 {
		return 0, e
	}
	return 0, f.WriteAt(c.u32(4), b, c.i64(5))
}
