package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/wherry-run/wherry/wasi"
)

var (
	localhost  = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	anyAddress = netip.AddrFrom4([4]byte{})
	// lonely is the address of a container that is in no network.
	lonely = netip.AddrFrom4([4]byte{127, 0, 0, 2})
)

// listener is a port of a container. Several who listen on one share what comes.
type listener struct {
	endpoint *Endpoint
	port     uint16
	address  netip.Addr // loopback ones are for the container itself
	queue    chan net.Conn
	done     chan struct{}
	once     sync.Once
	holders  int  // handles that are open
	waiting  bool // listened on before the program asked
}

// end closes the port, and what nobody took.
func (l *listener) end() {
	l.once.Do(func() { close(l.done) })
	for {
		select {
		case c := <-l.queue:
			_ = c.Close()
		default:
			return
		}
	}
}

// handle is one who listens.
type handle struct {
	*listener
	closing sync.Once
	closed  chan struct{}
}

// Accept implements wasi.Listener.
func (h *handle) Accept() (net.Conn, error) {
	select {
	case <-h.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case c := <-h.queue:
		return c, nil
	case <-h.closed:
	case <-h.done:
	}
	return nil, net.ErrClosed
}

// Close implements wasi.Listener. The port is free when all have closed it.
func (h *handle) Close() error {
	h.closing.Do(func() {
		close(h.closed)
		e := h.endpoint
		e.mu.Lock()
		h.holders--
		free := h.holders == 0 && !h.waiting
		if free && e.listeners[h.port] == h.listener {
			delete(e.listeners, h.port)
		}
		e.mu.Unlock()
		if free {
			h.end()
		}
	})
	return nil
}

// Addr is the address that is listened on.
func (h *handle) Addr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(h.address, h.port))
}

// Listen has a program of the container listen. The network is "tcp", "tcp4" or
// "tcp6"; an address of the container's own, loopback or none takes what comes to
// it. A port that is published or exposed is open already, and is shared.
func (e *Endpoint) Listen(ctx context.Context, network, address string) (wasi.Listener, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, fmt.Errorf("listen on %s: %w", network, syscall.EPROTONOSUPPORT)
	}
	if e.config.Mode == Host {
		return (&net.ListenConfig{}).Listen(ctx, network, address)
	}
	name, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("listen: %.60q is not ADDRESS:PORT", address)
	}
	port := uint16(0)
	if text != "0" && text != "" {
		if port, err = parsePort(text); err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
	at := anyAddress
	if name != "" {
		h, err := parseHost(name)
		switch {
		case err != nil:
			return nil, fmt.Errorf("listen: %w", err)
		case h.name == "localhost":
			at = localhost
		case !h.addr.IsValid() || !h.addr.IsUnspecified() && !h.addr.IsLoopback() && !e.isOwn(h.addr):
			return nil, fmt.Errorf("listen on %s: %w", h, syscall.EADDRNOTAVAIL)
		default:
			at = h.addr
		}
	}
	return e.listen(port, at, false)
}

// isOwn tells whether an address is the container's.
func (e *Endpoint) isOwn(a netip.Addr) bool {
	if a == lonely {
		return true
	}
	for _, m := range e.memberships() {
		if m.self.Address == a {
			return true
		}
	}
	return false
}

// listen opens a port. preopened says that it is kept open for the program.
func (e *Endpoint) listen(port uint16, at netip.Addr, preopened bool) (*handle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended {
		return nil, net.ErrClosed
	}
	if port == 0 {
		for port = firstEphemeral; e.listeners[port] != nil; port++ {
		}
	}
	l := e.listeners[port]
	switch {
	case l != nil && !preopened && !l.waiting:
		return nil, fmt.Errorf("listen on port %d: %w", port, syscall.EADDRINUSE)
	case l == nil && len(e.listeners) >= maxListeners:
		return nil, fmt.Errorf("listen on port %d: %w", port, syscall.EMFILE)
	case l == nil:
		l = &listener{
			endpoint: e, port: port, address: at, waiting: preopened,
			queue: make(chan net.Conn, backlog), done: make(chan struct{}),
		}
		e.listeners[port] = l
	}
	l.holders++
	return &handle{listener: l, closed: make(chan struct{})}, nil
}

// Preopen is a listener for a port that is published or exposed, to be open when a
// program starts.
func (e *Endpoint) Preopen(ctx context.Context, port uint16) (wasi.Listener, error) {
	if e.config.Mode == Host {
		for _, p := range e.config.Publish {
			if p.Guest == port {
				return (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(p.Host, port).String())
			}
		}
		return (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(localhost, port).String())
	}
	return e.listen(port, anyAddress, true)
}

// find is who listens on a port; a valid address is the one by which it is
// reached from inside the container.
func (e *Endpoint) find(port uint16, from netip.Addr) *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.listeners[port]
	if l == nil || l.address.IsLoopback() && l.address != lonely && !from.IsLoopback() {
		return nil
	}
	return l
}

// removeFile removes a file that may be gone.
func removeFile(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
