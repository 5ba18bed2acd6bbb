package preview1

import (
	"net"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
)

// A descriptor is one entry of a guest's table.
type descriptor struct {
	base       rights // what may be done with it
	inheriting rights // the most that what is opened through it may have
	flags      fdFlags
	object     object
	holders    int // further numbers that it has, see POSIX.Dup
}

// An object is what a descriptor stands for: one of *regular, *directory,
// *input, *output, *connection, *listener, *socket, *datagrams, *pipeEnd.
type object interface {
	fileType() fileType
	close() error
}

// regular is an open file with a position of its own, or a device, for which the
// position means nothing.
type regular struct {
	file   *rootfs.File
	kind   fileType
	offset int64
}

func (r *regular) fileType() fileType { return r.kind }
func (r *regular) close() error       { return r.file.Close() }

// directory is an open directory. A preopened one has the name under which the
// guest was given it.
type directory struct {
	file    *rootfs.File
	preopen bool
	name    string
	path    string // that it was opened by; "" is not known
	next    uint64 // where POSIX.Next goes on
}

func (*directory) fileType() fileType { return typeDirectory }
func (d *directory) close() error     { return d.file.Close() }

// input and output are standard streams. Closing them leaves the stream, which
// belongs to whoever made it, alone.
type input struct{ *wasi.Input }

func (in *input) fileType() fileType { return streamType(in.Terminal()) }
func (*input) close() error          { return nil }

type output struct{ *wasi.Output }

func (out *output) fileType() fileType { return streamType(out.Terminal()) }
func (*output) close() error           { return nil }

// streamType makes isatty true exactly for terminals: guests ask for a
// character device without the rights to seek and tell. For other streams WASI
// has no better name than "unknown".
func streamType(terminal bool) fileType {
	if terminal {
		return typeCharacterDevice
	}
	return typeUnknown
}

// connection is a socket that was accepted or has connected.
type connection struct {
	*wasi.Conn
	shutRead bool          // the guest has shut its receiving side
	patience time.Duration // how long a receive waits; 0 is for ever
	holdOut  time.Duration // how long a send waits; 0 is for ever
}

func (*connection) fileType() fileType { return typeSocketStream }
func (c *connection) close() error     { c.Conn.Close(); return nil }

// listener is a socket that connections are accepted from.
type listener struct {
	*wasi.Acceptor
	at net.Addr // nil is not known
}

func newListener(l wasi.Listener) *listener {
	known, ok := l.(interface{ Addr() net.Addr })
	if !ok {
		return &listener{Acceptor: wasi.NewAcceptor(l)}
	}
	return &listener{wasi.NewAcceptor(l), known.Addr()}
}

func (*listener) fileType() fileType { return typeSocketStream }
func (l *listener) close() error     { return l.Acceptor.Close() }

// fdTable is a guest's descriptors by number.
type fdTable struct {
	entries []*descriptor
	max     int
	quota   Quota // nil: none
	held    bool  // one more was asked of the quota, and is not in the table yet
}

// admit sees that there is room for one more descriptor, and keeps it until
// insert or dismiss.
func (t *fdTable) admit() errno {
	if t.full() {
		return emfile
	}
	if t.quota == nil || t.held {
		return esuccess
	}
	if t.held = t.quota.Grow(1); !t.held {
		return enfile
	}
	return esuccess
}

// dismiss gives up what admit keeps, if nothing was inserted.
func (t *fdTable) dismiss() {
	if t.held {
		t.held = false
		t.quota.Release(1)
	}
}

// removed is told of n descriptors that are no longer in the table.
func (t *fdTable) removed(n uint64) {
	if t.quota != nil {
		t.quota.Release(n)
	}
}

// insert puts d at the lowest free number, as programs that close 0 and then
// open expect.
func (t *fdTable) insert(d *descriptor) (uint32, errno) {
	if e := t.admit(); e != esuccess {
		return 0, e
	}
	t.held = false
	for i, e := range t.entries {
		if e == nil {
			t.entries[i] = d
			return uint32(i), esuccess
		}
	}
	t.entries = append(t.entries, d)
	return uint32(len(t.entries) - 1), esuccess
}

// insertFrom puts d at the lowest free number that is not below least.
func (t *fdTable) insertFrom(d *descriptor, least uint32) (uint32, errno) {
	fd := least
	for uint64(fd) < uint64(len(t.entries)) && t.entries[fd] != nil {
		fd++
	}
	if uint64(fd) >= uint64(t.max) {
		return 0, emfile
	}
	return t.insertAt(d, fd)
}

// insertAt puts d at a number that is free and below the table's most.
func (t *fdTable) insertAt(d *descriptor, fd uint32) (uint32, errno) {
	if t.quota != nil && !t.held && !t.quota.Grow(1) {
		return 0, enfile
	}
	t.held = false
	for uint64(len(t.entries)) <= uint64(fd) {
		t.entries = append(t.entries, nil)
	}
	t.entries[fd] = d
	return fd, esuccess
}

// replace puts d at a number below the table's most, and gives what had that number,
// or nil. It needs no more of the quota when something had it.
func (t *fdTable) replace(d *descriptor, fd uint32) (old *descriptor, e errno) {
	if uint64(fd) < uint64(len(t.entries)) && t.entries[fd] != nil {
		old, t.entries[fd] = t.entries[fd], d
		return old, esuccess
	}
	_, e = t.insertAt(d, fd)
	return nil, e
}

// full reports whether there is no free number.
func (t *fdTable) full() bool {
	if len(t.entries) < t.max {
		return false
	}
	for _, e := range t.entries {
		if e == nil {
			return false
		}
	}
	return true
}

// get is the descriptor fd, which must have the rights needed.
func (t *fdTable) get(fd uint32, need rights) (*descriptor, errno) {
	if uint64(fd) >= uint64(len(t.entries)) || t.entries[fd] == nil {
		return nil, ebadf
	}
	d := t.entries[fd]
	if s, ok := d.object.(*socket); ok {
		s.settle(d)
	}
	if !d.base.has(need) {
		return nil, enotcapable
	}
	return d, esuccess
}

// directory is the directory fd, which must have the rights needed.
func (t *fdTable) directory(fd uint32, need rights) (*descriptor, *directory, errno) {
	d, e := t.get(fd, 0)
	if e != esuccess {
		return nil, nil, e
	}
	dir, ok := d.object.(*directory)
	if !ok {
		return nil, nil, enotdir
	}
	if !d.base.has(need) {
		return nil, nil, enotcapable
	}
	return d, dir, esuccess
}

// remove takes fd out of the table; closing it is the caller's.
func (t *fdTable) remove(fd uint32) (*descriptor, errno) {
	d, e := t.get(fd, 0)
	if e == esuccess {
		t.entries[fd] = nil
		t.removed(1)
	}
	return d, e
}

// renumber moves from to the number to, which must be open, and returns the
// descriptor that was there.
func (t *fdTable) renumber(from, to uint32) (*descriptor, errno) {
	src, e := t.get(from, 0)
	if e != esuccess {
		return nil, e
	}
	old, e := t.get(to, 0)
	if e != esuccess {
		return nil, e
	}
	if from == to {
		return nil, esuccess
	}
	t.entries[to], t.entries[from] = src, nil
	t.removed(1)
	return old, esuccess
}
