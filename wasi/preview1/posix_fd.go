package preview1

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
)

// StatFD describes what is open. What is no file has Kind 0.
func (p *POSIX) StatFD(fd uint32) (rootfs.Stat, Errno) {
	d, e := p.host.fds.get(fd, 0)
	if e != esuccess {
		return rootfs.Stat{}, e
	}
	switch o := d.object.(type) {
	case *regular:
		st, err := o.file.Stat()
		return st, errnoOf(err)
	case *directory:
		st, err := o.file.Stat()
		return st, errnoOf(err)
	}
	st := rootfs.Stat{Ino: uint64(fd) + 1, Nlink: 1, Mode: 0o600}
	if d.object.fileType() == typeCharacterDevice {
		st.Kind = rootfs.KindDevice
	}
	return st, esuccess
}

// Terminal tells whether it is one.
func (p *POSIX) Terminal(fd uint32) (bool, Errno) {
	d, e := p.host.fds.get(fd, 0)
	if e != esuccess {
		return false, e
	}
	switch o := d.object.(type) {
	case *input:
		return o.Terminal(), esuccess
	case *output:
		return o.Terminal(), esuccess
	}
	return false, esuccess
}

// Close gives a number up, and closes what has no other.
func (p *POSIX) Close(fd uint32) Errno {
	d, e := p.host.fds.remove(fd)
	if e != esuccess {
		return e
	}
	return errnoOf(p.host.closeDescriptor(d))
}

func (p *POSIX) open(fd uint32, need rights) (*rootfs.File, Errno) { return p.host.openFile(fd, need) }

// ChmodFD sets the permission bits of what is open.
func (p *POSIX) ChmodFD(fd, mode uint32) Errno {
	file, e := p.open(fd, 0)
	if e != esuccess {
		return e
	}
	return errnoOf(file.Chmod(mode & 0o7777))
}

// SetTimesFD sets the times of what is open; nil leaves one as it is.
func (p *POSIX) SetTimesFD(fd uint32, access, change *time.Time) Errno {
	file, e := p.open(fd, 0)
	if e != esuccess {
		return e
	}
	return errnoOf(file.SetTimes(rootfs.Times{Atime: access, Mtime: change}))
}

// Truncate sets the size of what is open for writing.
func (p *POSIX) Truncate(fd uint32, size int64) Errno {
	_, r, e := p.host.regular(fd, 0)
	if e == espipe || e == eisdir {
		return einval
	}
	if e != esuccess {
		return e
	}
	if d, _ := p.host.fds.get(fd, 0); size < 0 || !d.base.has(rightFDWrite) {
		return einval
	}
	return errnoOf(r.file.Truncate(size))
}

// Allocate makes room in a file.
func (p *POSIX) Allocate(fd uint32, off, n int64) Errno {
	_, r, e := p.host.regular(fd, rightFDWrite)
	switch {
	case e != esuccess:
		return e
	case off < 0 || n <= 0:
		return einval
	case off > math.MaxInt64-n:
		return efbig
	}
	return errnoOf(r.file.Allocate(off, n))
}

// Sync makes durable what was written.
func (p *POSIX) Sync(fd uint32, dataOnly bool) Errno {
	file, e := p.open(fd, 0)
	if e != esuccess {
		return e
	}
	return errnoOf(file.Sync(dataOnly))
}

// ReadAt reads from a file, or what of it there is.
func (p *POSIX) ReadAt(fd uint32, b []byte, off int64) (int, Errno) {
	_, r, e := p.host.regular(fd, rightFDRead)
	if e != esuccess {
		return 0, e
	}
	n, err := r.file.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, errnoOf(err)
}

// WriteAt writes to a file.
func (p *POSIX) WriteAt(fd uint32, b []byte, off int64) Errno {
	_, r, e := p.host.regular(fd, rightFDWrite)
	if e != esuccess {
		return e
	}
	_, err := r.file.WriteAt(b, off)
	return errnoOf(err)
}

// Next gives at most so many entries of a folder, from where the last call ended, but
// stays there: Skip goes on behind them.
func (p *POSIX) Next(fd uint32, most int) ([]rootfs.Dirent, Errno) {
	_, dir, e := p.host.fds.directory(fd, 0)
	if e != esuccess {
		return nil, e
	}
	list, err := dir.file.ReadDir(dir.next, most)
	return list, errnoOf(err)
}

// Skip is where Next goes on in a folder, an entry's Next. It tells whether fd is one.
func (p *POSIX) Skip(fd uint32, next uint64) bool {
	_, dir, e := p.host.fds.directory(fd, 0)
	if e == esuccess {
		dir.next = next
	}
	return e == esuccess
}

// At is where Next goes on in a folder, and whether fd is one.
func (p *POSIX) At(fd uint32) (uint64, bool) {
	_, dir, e := p.host.fds.directory(fd, 0)
	if e != esuccess {
		return 0, false
	}
	return dir.next, true
}

// Flags are how something is open, and may be changed: Append and Nonblock.
func (p *POSIX) Flags(fd uint32) (How, Errno) {
	d, e := p.host.fds.get(fd, 0)
	if e != esuccess {
		return How{}, e
	}
	_, dir := d.object.(*directory)
	return How{
		Read: d.base.has(rightFDRead) || dir, Write: d.base.has(rightFDWrite), Directory: dir,
		Append: d.flags&flagAppend != 0, Nonblock: d.flags&flagNonblock != 0,
		Durable: d.flags&flagSync != 0, DurableData: d.flags&flagDsync != 0,
	}, esuccess
}

// SetFlags changes them.
func (p *POSIX) SetFlags(fd uint32, how How) Errno {
	d, e := p.host.fds.get(fd, 0)
	if e == esuccess {
		const changeable = flagAppend | flagNonblock
		d.flags = d.flags&^changeable | how.flags()&changeable
	}
	return e
}

// Dup gives the lowest free number, not below least, for what is open: both are one
// file with one position.
func (p *POSIX) Dup(fd, least uint32) (uint32, Errno) {
	d, e := p.host.fds.get(fd, 0)
	if e != esuccess {
		return 0, e
	}
	if uint64(least) >= uint64(p.host.limits.FDs) {
		return 0, einval
	}
	to, e := p.host.fds.insertFrom(d, least)
	if e == esuccess {
		d.holders++
	}
	return to, e
}

// DupTo gives the number to for what is open, in place of what has it.
func (p *POSIX) DupTo(fd, to uint32) Errno {
	h := p.host
	d, e := h.fds.get(fd, 0)
	switch {
	case e != esuccess:
		return e
	case fd == to || uint64(to) >= uint64(h.limits.FDs):
		return einval
	}
	old, e := h.fds.replace(d, to)
	if e != esuccess {
		return e
	}
	d.holders++
	if old != nil {
		_ = h.closeDescriptor(old) // as dup2, it says nothing of the old file
	}
	return esuccess
}

// Pipe gives two numbers: what is written to the second is read from the first.
func (p *POSIX) Pipe(nonblock bool) (read, write uint32, e Errno) {
	shared, flags := &queue{}, fdFlags(0)
	if nonblock {
		flags = flagNonblock
	}
	if read, e = p.host.fds.insert(&descriptor{base: rightsOfInput, flags: flags, object: &pipeEnd{queue: shared}}); e != esuccess {
		return 0, 0, e
	}
	if write, e = p.host.fds.insert(&descriptor{base: rightsOfOutput, flags: flags, object: &pipeEnd{queue: shared, writes: true}}); e != esuccess {
		_, _ = p.host.fds.remove(read)
		return 0, 0, e
	}
	return read, write, esuccess
}

// A Poll is a descriptor that a poll asks for, and what it says.
type Poll struct {
	FD                 uint32
	Read, Write        bool // asked for
	Readable, Writable bool
	Ended, Failed, Bad bool // it has been hung up; an error; it is not open
}

// Poll waits until something asked for has come, no longer than timeout; a negative one
// is for ever. It counts those that have.
func (p *POSIX) Poll(ctx context.Context, list []Poll, timeout time.Duration) (int, Errno) {
	if len(list) > p.host.limits.Subscriptions {
		return 0, einval
	}
	var subs []subscription
	for i := range list {
		q := &list[i]
		if _, e := p.host.fds.get(q.FD, 0); e != esuccess {
			q.Bad = true
			subs = append(subs, subscription{err: e, userdata: uint64(i)})
			continue
		}
		for kind, asked := range map[uint8]bool{eventFDRead: q.Read, eventFDWrite: q.Write} {
			if asked {
				subs = append(subs, p.subscription(i, q.FD, kind))
			}
		}
	}
	if timeout >= 0 {
		subs = append(subs, subscription{kind: eventClock, timeout: timeout})
	}
	if len(subs) == 0 {
		<-ctx.Done()
	}
	if ctx.Err() != nil || !p.host.await(ctx, subs) {
		return 0, ecanceled
	}
	return tell(list, subs), esuccess
}

// subscription is what a poll waits for with a descriptor.
func (p *POSIX) subscription(at int, fd uint32, kind uint8) subscription {
	s := subscription{userdata: uint64(at), kind: kind, timeout: math.MaxInt64}
	need := rightFDRead
	if kind == eventFDWrite {
		need = rightFDWrite
	}
	p.host.subscribe(&s, fd, need)
	if s.err != esuccess { // a folder, or not open for that: it never waits
		s.err, s.ready, s.look = esuccess, nil, nil
	}
	return s
}

// tell writes what has come to those who asked.
func tell(list []Poll, subs []subscription) (n int) {
	for i := range subs {
		s := &subs[i]
		if s.idle || s.kind == eventClock {
			continue
		}
		q := &list[s.userdata]
		switch {
		case q.Bad:
		case s.kind == eventFDWrite:
			q.Writable = true
			if s.look != nil {
				_, q.Failed = s.look()
			}
		default:
			q.Readable = true
			if s.look != nil {
				bytes, ended := s.look()
				q.Ended = ended && bytes == 0
			}
		}
	}
	for i := range list {
		if q := &list[i]; q.Bad || q.Readable || q.Writable {
			n++
		}
	}
	return n
}
