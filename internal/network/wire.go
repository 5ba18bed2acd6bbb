package network

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A connection between two containers of different processes begins with a hello:
// who wants what of which network. One byte answers it, and from then on the
// connection is the programs'.
type hello struct {
	network string // both are in it
	from    string // the container that connects
	source  uint16 // its port
	port    uint16 // the port that is wanted
}

const (
	helloMagic = "WNET\x01"
	helloSize  = len(helloMagic) + 32 + 32 + 2 + 2
	// helloTime bounds both the hello and its answer.
	helloTime = 10 * time.Second
)

// The answers to a hello.
const (
	helloTaken   = 0
	helloRefused = 1 // nobody listens there
	helloForeign = 2 // not of that network
)

func (h hello) encode() ([]byte, error) {
	network, err1 := hex.DecodeString(h.network)
	from, err2 := hex.DecodeString(h.from)
	if err := errors.Join(err1, err2); err != nil || len(network) != 32 || len(from) != 32 {
		return nil, errors.New("hello: not the ID of a network and of a container")
	}
	b := make([]byte, 0, helloSize)
	b = append(b, helloMagic...)
	b = append(append(b, network...), from...)
	b = binary.BigEndian.AppendUint16(b, h.source)
	return binary.BigEndian.AppendUint16(b, h.port), nil
}

func decodeHello(b []byte) (hello, error) {
	if len(b) != helloSize || string(b[:len(helloMagic)]) != helloMagic {
		return hello{}, errors.New("hello: of something else")
	}
	b = b[len(helloMagic):]
	return hello{
		network: hex.EncodeToString(b[:32]), from: hex.EncodeToString(b[32:64]),
		source: binary.BigEndian.Uint16(b[64:]), port: binary.BigEndian.Uint16(b[66:]),
	}, nil
}

// ask says hello and waits for the answer.
func ask(ctx context.Context, c net.Conn, h hello) error {
	b, err := h.encode()
	if err != nil {
		return err
	}
	at, ok := ctx.Deadline()
	if !ok {
		at = time.Now().Add(dialTimeout)
	}
	if err := c.SetDeadline(at); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(b); err != nil {
		return syscall.ECONNREFUSED
	}
	var answer [1]byte
	if _, err := io.ReadFull(c, answer[:]); err != nil {
		return syscall.ECONNREFUSED
	}
	switch answer[0] {
	case helloTaken:
		if !stop() {
			return context.Cause(ctx)
		}
		return c.SetDeadline(time.Time{})
	case helloRefused:
		return syscall.ECONNREFUSED
	case helloForeign:
		return fmt.Errorf("it is not in that network: %w", syscall.EHOSTUNREACH)
	}
	return errors.New("an answer that means nothing")
}

// serve takes connections of other processes.
func (e *Endpoint) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			select {
			case <-e.closed:
				return
			case <-time.After(acceptPause):
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		select {
		case e.taking <- struct{}{}:
		case <-e.closed:
			_ = c.Close()
			return
		}
		e.serving.Go(func() {
			defer func() { <-e.taking }()
			if !e.take(c) {
				_ = c.Close()
			}
		})
	}
}

// take answers a hello, and hands the connection on.
func (e *Endpoint) take(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(helloTime))
	stop := context.AfterFunc(e.life, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, helloSize)
	if _, err := io.ReadFull(c, b); err != nil {
		return false
	}
	h, err := decodeHello(b)
	if err != nil {
		return false
	}
	say := func(answer byte) bool {
		_, err := c.Write([]byte{answer})
		return err == nil
	}
	self, other, ok := e.both(h)
	if !ok {
		say(helloForeign)
		return false
	}
	to := e.find(h.port, netip.Addr{})
	if to == nil {
		say(helloRefused)
		return false
	}
	wrapped := e.count(&conn{
		Conn:  c,
		local: net.TCPAddrFromAddrPort(netip.AddrPortFrom(self.Address, h.port)), remote: net.TCPAddrFromAddrPort(netip.AddrPortFrom(other.Address, h.source)),
	})
	timeout := time.NewTimer(helloTime)
	defer timeout.Stop()
	if !say(helloTaken) || c.SetDeadline(time.Time{}) != nil {
		return false
	}
	select {
	case to.queue <- wrapped:
		return true
	case <-to.done:
	case <-timeout.C:
	case <-e.closed:
	}
	return false
}

// both finds the two members that a hello is about.
func (e *Endpoint) both(h hello) (self, other Member, ok bool) {
	n, err := e.store.Get(h.network)
	if err != nil {
		return self, other, false
	}
	if self, err = e.store.member(n, e.config.ID); err != nil {
		return self, other, false
	}
	other, err = e.store.member(n, h.from)
	return self, other, err == nil
}
