//go:build linux && !race

package guard

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// brief reads and writes a socket of the system by calls that Go's scheduler is not told
// of. They do not wait, for such a socket does not block: who has to wait does so at Go's
// poller, as ever. But a thread loses its processor to another program in the middle of a
// call for a moment, often to the client whom it has just woken. The scheduler, if it was
// told, takes that for one that waits: it has another thread go on in its place, and the
// thread that looks for such things goes on to look every 20 us.
type brief struct {
	conn          net.Conn
	raw           syscall.RawConn
	reads, writes step
}

// step is what one call is to do, and what became of it. Who holds mu uses it.
type step struct {
	mu   sync.Mutex
	do   func(fd uintptr) bool // made once
	p    []byte
	done int
	errn syscall.Errno
}

// maxBrief is how much is moved at most while nobody is told.
const maxBrief = 16 << 10

// briefly gives the brief of a connection; one that is none of the system's stays itself.
func briefly(c net.Conn) io.ReadWriter {
	var raw syscall.RawConn
	var err error
	switch own := c.(type) {
	case *net.TCPConn:
		raw, err = own.SyscallConn()
	case *net.UnixConn:
		raw, err = own.SyscallConn()
	}
	if raw == nil || err != nil {
		return c
	}
	b := &brief{conn: c, raw: raw}
	b.reads.do, b.writes.do = b.reads.read, b.writes.write
	return b
}

// read is false when there is nothing yet.
func (s *step) read(fd uintptr) bool {
	s.done, s.errn = s.call(syscall.SYS_READ, fd, s.p)
	return s.errn != syscall.EAGAIN
}

// write is false when there is no room for all of it yet.
func (s *step) write(fd uintptr) bool {
	for s.done < len(s.p) {
		var n int
		n, s.errn = s.call(syscall.SYS_WRITE, fd, s.p[s.done:])
		if s.errn != 0 {
			return s.errn != syscall.EAGAIN
		}
		s.done += n
	}
	return true
}

func (*step) call(number, fd uintptr, p []byte) (int, syscall.Errno) {
	for {
		n, _, errn := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errn {
		case 0:
			return int(n), 0
		case syscall.EINTR:
		default:
			return 0, errn
		}
	}
}

// Read is net.Conn's.
func (b *brief) Read(p []byte) (int, error) {
	if len(p) == 0 || len(p) > maxBrief || !b.reads.mu.TryLock() {
		return b.conn.Read(p)
	}
	defer b.reads.mu.Unlock()
	n, err := b.move("read", &b.reads, b.raw.Read, p)
	if n == 0 && err == nil {
		return 0, io.EOF
	}
	return n, err
}

// Write is net.Conn's.
func (b *brief) Write(p []byte) (int, error) {
	if len(p) == 0 || len(p) > maxBrief || !b.writes.mu.TryLock() {
		return b.conn.Write(p)
	}
	defer b.writes.mu.Unlock()
	return b.move("write", &b.writes, b.raw.Write, p)
}

// move has a step done for p, with errors as the connection itself has them.
func (b *brief) move(name string, s *step, by func(func(fd uintptr) bool) error, p []byte) (int, error) {
	s.p, s.done, s.errn = p, 0, 0
	err := by(s.do)
	n, errn := s.done, s.errn
	s.p = nil
	if err != nil { // closed, or its deadline has come
		if e, ok := err.(*net.OpError); ok {
			e.Op = name
		}
		return n, err
	}
	if errn != 0 {
		local := b.conn.LocalAddr()
		return n, &net.OpError{Op: name, Net: local.Network(), Source: local, Addr: b.conn.RemoteAddr(), Err: os.NewSyscallError(name, errn)}
	}
	return n, nil
}
