package preview1

import (
	"context"
	"io/fs"
	"net"
	"net/netip"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// Error numbers that the hosts of sockets give by themselves.
const (
	ESUCCESS     = esuccess
	EACCES       = eacces
	EAFNOSUPPORT = eafnosupport
	ECANCELED    = ecanceled
	EINPROGRESS  = einprogress
	EIO          = eio
	EMSGSIZE     = emsgsize
	ENOENT       = enoent
	ENOPROTOOPT  = enoprotoopt
	ENOTSUP      = enotsup
)

// Sockets is a guest's sockets for hosts of ABIs that connect and listen: by the
// same descriptors as preview 1's. It is used by the goroutine that runs the guest.
// A call that waited, and whose context has ended, gives ECANCELED.
type Sockets struct{ host *Host }

// Sockets is the host's sockets.
func (h *Host) Sockets() *Sockets { return &Sockets{h} }

// Open makes a socket, of a stream or of datagrams.
func (s *Sockets) Open(v6, datagram bool) (uint32, Errno) {
	d := &descriptor{base: rightsOfConnection, object: &socket{v6: v6}}
	if datagram {
		d.object = newDatagrams(v6)
	} else {
		d.base |= rightSockAccept
		d.inheriting = rightsOfConnection
	}
	return s.host.fds.insert(d)
}

// Bind gives a socket its address.
func (s *Sockets) Bind(fd uint32, at netip.AddrPort) Errno {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return e
	}
	switch o := d.object.(type) {
	case *socket:
		if o.bound.IsValid() || o.dialing != nil {
			return einval
		}
		o.bound = at
		return esuccess
	case *datagrams:
		if o.bound.IsValid() {
			return einval
		}
		o.bound = at
		return esuccess
	}
	return einval
}

// Listen makes a listener of a socket.
func (s *Sockets) Listen(ctx context.Context, fd uint32) Errno {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return e
	}
	o, ok := d.object.(*socket)
	if _, again := d.object.(*listener); again {
		return esuccess // with another backlog
	}
	if !ok || o.dialing != nil {
		return einval
	}
	if s.host.config.Listen == nil {
		return eacces
	}
	at := o.bound
	if !at.IsValid() {
		at = netip.AddrPortFrom(unspecified(o.v6), 0)
	}
	l, err := s.host.config.Listen(ctx, "tcp", at.String())
	if err != nil {
		return errnoOf(err)
	}
	d.object = newListener(l)
	return esuccess
}

func unspecified(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// Accept takes the next connection of a listener.
func (s *Sockets) Accept(ctx context.Context, fd, flags uint32) (uint32, Errno) {
	return s.host.accept(ctx, fd, flags)
}

// Connect connects a socket. One that does not block says EINPROGRESS always, as on
// Linux, and can be waited for: it becomes writable.
func (s *Sockets) Connect(ctx context.Context, fd uint32, to netip.AddrPort) Errno {
	return s.ConnectWithin(ctx, fd, to, 0)
}

// ConnectWithin is Connect that says EINPROGRESS after some time, too; 0 is for ever.
func (s *Sockets) ConnectWithin(ctx context.Context, fd uint32, to netip.AddrPort, most time.Duration) Errno {
	h := s.host
	d, e := h.socket(fd)
	if e != esuccess {
		return e
	}
	switch o := d.object.(type) {
	case *connection:
		return eisconn
	case *datagrams:
		if !to.IsValid() || to.Port() == 0 {
			o.peer = netip.AddrPort{}
			return esuccess
		}
		if _, e := h.to(ctx, o, to); e != esuccess {
			return s.after(ctx, e)
		}
		o.peer = to
		return esuccess
	case *socket:
		if o.dialing != nil {
			return ealready
		}
		if o.cause = nil; to.Port() == 0 {
			return econnrefused
		}
		if h.config.Dial == nil {
			return eacces
		}
		o.failed = esuccess
		o.dialing = h.dial(ctx, "tcp", to)
		if d.flags&flagNonblock != 0 {
			return einprogress // also when it is made already: what is said does not hang on the moment
		}
		return s.Settled(ctx, fd, most)
	}
	return einval
}

// Secure has a connection go on as what a handshake makes of it: EINPROGRESS, and
// being waited for, are as of Connect. The handshake has the connection for itself,
// and closes it when it fails.
func (s *Sockets) Secure(ctx context.Context, fd uint32, most time.Duration, handshake func(ctx context.Context, conn net.Conn) (net.Conn, error)) Errno {
	d, conn, e := s.host.connection(fd, 0)
	if e != esuccess {
		return e
	}
	raw := conn.Conn
	d.object = &socket{patience: conn.patience, holdOut: conn.holdOut, dialing: begin(ctx, func(ctx context.Context) (net.Conn, error) {
		return handshake(ctx, raw.Under())
	})}
	return s.Settled(ctx, fd, most)
}

// Settled waits until a socket is connected, or cannot be, unless it does not block.
// It says EINPROGRESS when that takes longer; 0 is for ever.
func (s *Sockets) Settled(ctx context.Context, fd uint32, most time.Duration) Errno {
	h := s.host
	d, e := h.socket(fd)
	if e != esuccess {
		return e
	}
	o, ok := d.object.(*socket)
	if !ok {
		return esuccess
	}
	if o.dialing != nil {
		if d.flags&flagNonblock == 0 {
			h.waitFor(ctx, o.dialing.done, most)
		}
		if o.settle(d); d.object != object(o) {
			return esuccess
		}
		if o.dialing != nil {
			if ctx.Err() != nil {
				return ecanceled
			}
			return einprogress
		}
	}
	if ctx.Err() != nil {
		return ecanceled
	}
	if e, o.failed = o.failed, esuccess; e == esuccess {
		return enotconn
	}
	return e
}

// Cause is why a socket could not connect the last time, as it was said; nil is not known.
func (s *Sockets) Cause(fd uint32) error {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return nil
	}
	switch o := d.object.(type) {
	case *socket:
		return o.cause
	case *datagrams:
		return o.cause
	}
	return nil
}

// Conn is the host's connection of a socket, which belongs to the socket; nil: it has none.
func (s *Sockets) Conn(fd uint32) net.Conn {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return nil
	}
	if o, ok := d.object.(*connection); ok {
		return o.Raw()
	}
	return nil
}

// Adopt makes a descriptor of a connection of the host's.
func (s *Sockets) Adopt(conn net.Conn) (uint32, Errno) {
	return s.host.fds.insert(&descriptor{base: rightsOfConnection, object: &connection{Conn: wasi.NewConn(conn)}})
}

// Close closes a socket.
func (s *Sockets) Close(fd uint32) Errno {
	if _, e := s.host.socket(fd); e != esuccess {
		return e
	}
	d, _ := s.host.fds.remove(fd)
	return errnoOf(s.host.closeDescriptor(d))
}

// Shutdown ends one or both directions of a connection.
func (s *Sockets) Shutdown(fd, how uint32) Errno { return s.host.shutdown(fd, how) }

// after is the result of something that waited.
func (s *Sockets) after(ctx context.Context, e Errno) Errno {
	if e != esuccess && ctx.Err() != nil {
		return ecanceled
	}
	return e
}

// addrPort reads an address of a connection.
func addrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	known, ok := a.(interface{ AddrPort() netip.AddrPort })
	if !ok {
		return netip.AddrPort{}
	}
	p := known.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap().WithZone(""), p.Port())
}

// Local is the address of a socket, and whether it is one of IPv6.
func (s *Sockets) Local(fd uint32) (netip.AddrPort, Errno) {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return netip.AddrPort{}, e
	}
	at, v6 := netip.AddrPort{}, false
	switch o := d.object.(type) {
	case *connection:
		at = addrPort(o.LocalAddr())
	case *listener:
		at = addrPort(o.at)
	case *socket:
		at, v6 = o.bound, o.v6
	case *datagrams:
		at, v6 = o.bound, o.v6
	}
	if !at.IsValid() {
		at = netip.AddrPortFrom(unspecified(v6), 0)
	}
	return at, esuccess
}

// Remote is the address that a socket is connected to.
func (s *Sockets) Remote(fd uint32) (netip.AddrPort, Errno) {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return netip.AddrPort{}, e
	}
	switch o := d.object.(type) {
	case *connection:
		if at := addrPort(o.RemoteAddr()); at.IsValid() {
			return at, esuccess
		}
	case *datagrams:
		if o.peer.IsValid() {
			return o.peer, esuccess
		}
	}
	return netip.AddrPort{}, enotconn
}

// RecvFrom receives, and says from whom. Datagrams that are longer than the buffers
// give what fits, and EMSGSIZE.
func (s *Sockets) RecvFrom(ctx context.Context, fd uint32, bufs [][]byte, flags uint32) (int, netip.AddrPort, Errno) {
	h := s.host
	d, e := h.socket(fd)
	if e == esuccess {
		e = d.check(rightFDRead)
	}
	if e != esuccess {
		return 0, netip.AddrPort{}, e
	}
	switch o := d.object.(type) {
	case *datagrams:
		n, from, e := h.recvFrom(ctx, d, o, bufs, flags&recvPeek != 0)
		return n, from, s.after(ctx, e)
	case *connection:
		n, e := h.recv(&call{ctx: ctx}, d, o, bufs, flags&(recvPeek|recvWaitall))
		return n, addrPort(o.RemoteAddr()), s.after(ctx, e)
	}
	return 0, netip.AddrPort{}, notConnected(d.object)
}

// SendTo sends. A zero address is who the socket is connected to.
func (s *Sockets) SendTo(ctx context.Context, fd uint32, bufs [][]byte, to netip.AddrPort) (int, Errno) {
	h := s.host
	d, e := h.socket(fd)
	if e == esuccess {
		e = d.check(rightFDWrite)
	}
	if e != esuccess {
		return 0, e
	}
	switch o := d.object.(type) {
	case *datagrams:
		n, e := h.sendTo(ctx, o, bufs, to)
		return n, s.after(ctx, e)
	case *connection:
		n, e := h.send(&call{ctx: ctx}, d, o, bufs)
		return n, s.after(ctx, e)
	}
	return 0, notConnected(d.object)
}

// LookUp finds the addresses of a name. Who cannot be asked knows none.
func (s *Sockets) LookUp(ctx context.Context, name string) ([]netip.Addr, Errno) {
	list, err := s.Find(ctx, name)
	return list, s.after(ctx, errnoOf(err))
}

// Find is LookUp with the error as it was said.
func (s *Sockets) Find(ctx context.Context, name string) (list []netip.Addr, err error) {
	r, ok := s.host.config.Dial.(wasi.Resolver)
	if !ok {
		return nil, fs.ErrPermission
	}
	s.host.wait(func() { list, err = r.LookupNetIP(ctx, "ip", name) })
	return list, err
}

// Networked tells whether there is anything that sockets connect to.
func (s *Sockets) Networked() bool { return s.host.config.Dial != nil }

// Socket says what there is to know of a socket beside its addresses.
type Socket struct {
	Datagram, V6, Listens bool
	// Patience is how long a receive waits; 0 is for ever.
	Patience time.Duration
}

// State is what a socket is.
func (s *Sockets) State(fd uint32) (Socket, Errno) {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return Socket{}, e
	}
	switch o := d.object.(type) {
	case *datagrams:
		return Socket{Datagram: true, V6: o.v6, Patience: o.patience}, esuccess
	case *connection:
		return Socket{Patience: o.patience}, esuccess
	case *socket:
		return Socket{V6: o.v6, Patience: o.patience}, esuccess
	}
	return Socket{Listens: true}, esuccess
}

// Failed is why a socket could not connect, once; EINPROGRESS while it connects.
func (s *Sockets) Failed(fd uint32) (Errno, Errno) {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return esuccess, e
	}
	o, ok := d.object.(*socket)
	if !ok {
		return esuccess, esuccess
	}
	if o.dialing != nil {
		return einprogress, esuccess
	}
	failed := o.failed
	o.failed = esuccess
	return failed, esuccess
}

// SetPatience bounds how long a receive waits, and SetHoldOut a send; 0 is for ever.
func (s *Sockets) SetPatience(fd uint32, most time.Duration) Errno {
	return s.set(fd, func(receive, _ *time.Duration) { *receive = most })
}

// SetHoldOut bounds how long a send waits for room.
func (s *Sockets) SetHoldOut(fd uint32, most time.Duration) Errno {
	return s.set(fd, func(_, send *time.Duration) { *send = most })
}

func (s *Sockets) set(fd uint32, put func(receive, send *time.Duration)) Errno {
	d, e := s.host.socket(fd)
	if e != esuccess {
		return e
	}
	switch o := d.object.(type) {
	case *datagrams:
		var none time.Duration // a datagram that finds no room is lost
		put(&o.patience, &none)
	case *connection:
		put(&o.patience, &o.holdOut)
	case *socket:
		put(&o.patience, &o.holdOut)
	}
	return esuccess
}
