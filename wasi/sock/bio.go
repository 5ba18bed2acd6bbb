package sock

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// An engine is TLS over memory: the guest carries what is sealed to and from wherever
// it likes. It stands in the table of descriptors, so that it is counted and ends with
// its guest. Between two messages it does nothing.
type engine struct {
	net.Conn // nil: nobody reads or writes it as a connection
	secure   *tls.Conn

	mu      sync.Mutex
	changed sync.Cond
	in, out []byte // sealed, from and to the peer
	plain   []byte // what was inside
	end     bool   // nothing more comes from the peer
	waits   bool   // there is nothing to do until more comes
	done    bool   // handshake and reading are over
	shaken  bool   // the handshake is
	err     error
	closed  bool
}

// newEngine begins a handshake.
func newEngine(config *tls.Config, server bool) *engine {
	e := &engine{}
	e.changed.L = &e.mu
	if e.secure = tls.Client(sealed{e}, config); server {
		e.secure = tls.Server(sealed{e}, config)
	}
	go e.work()
	return e
}

// work shakes hands, and reads what comes.
func (e *engine) work() {
	err := e.secure.Handshake()
	e.mu.Lock()
	e.shaken = err == nil
	e.mu.Unlock()
	b := make([]byte, 16<<10)
	for err == nil {
		var n int
		n, err = e.secure.Read(b)
		e.mu.Lock()
		e.plain = append(e.plain, b[:n]...)
		e.mu.Unlock()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.done, e.err = true, err
	e.changed.Broadcast()
}

// step takes what came from the peer, and waits until there is nothing left to do.
func (e *engine) step(came []byte, end bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.in = append(e.in, came...)
	e.end = e.end || end
	e.waits = false
	e.changed.Broadcast()
	for !e.waits && !e.done && !e.closed {
		e.changed.Wait()
	}
}

// Close ends it.
func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.changed.Broadcast()
	return nil
}

func (e *engine) SetWriteDeadline(time.Time) error { return nil }
func (e *engine) SetReadDeadline(time.Time) error  { return nil }
func (e *engine) LocalAddr() net.Addr              { return nil }
func (e *engine) RemoteAddr() net.Addr             { return nil }
func (e *engine) Read([]byte) (int, error)         { return 0, io.EOF }
func (e *engine) Write([]byte) (int, error)        { return 0, errors.ErrUnsupported }

// sealed is an engine's side to the peer.
type sealed struct{ *engine }

func (s sealed) Read(p []byte) (int, error) {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	for len(e.in) == 0 && !e.end && !e.closed {
		e.waits = true
		e.changed.Broadcast()
		e.changed.Wait()
	}
	if len(e.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, e.in)
	if e.in = e.in[n:]; len(e.in) == 0 {
		e.in = nil
	}
	return n, nil
}

func (s sealed) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	s.out = append(s.out, p...)
	return len(p), nil
}

func (s sealed) SetDeadline(time.Time) error { return nil }

// begin makes an engine, and gives its descriptor.
func (o *office) begin(m message) *reply {
	config, r := o.prepare(m.TLS)
	if r != nil {
		return r
	}
	e := newEngine(config, m.TLS.Server)
	fd, errno := o.sockets.Adopt(e)
	if errno != preview1.ESUCCESS {
		_ = e.Close()
		return fail(errno)
	}
	e.step(nil, false)
	r = e.told()
	r.FD = fd
	return r
}

// stepped is the answer to a message about an engine: "step" brings what came from
// the peer, Flags 1 that it was the last; "seal" what is to be sealed; "finish" that
// nothing follows.
func (o *office) stepped(m message, data []byte) *reply {
	e, ok := o.sockets.Conn(m.FD).(*engine)
	if !ok {
		return fail(preview1.EINVAL)
	}
	e.mu.Lock()
	shaken := e.shaken
	e.mu.Unlock()
	var err error
	switch {
	case m.Op == "step":
		e.step(data, m.Flags&1 != 0)
	case !shaken:
		return fail(preview1.EINVAL)
	case m.Op == "seal":
		_, err = e.secure.Write(data)
	default:
		err = e.secure.CloseWrite()
	}
	r := e.told()
	if err != nil && r.Failed == nil {
		r.Failed = explain(err)
	}
	return r
}

// told is what there is to tell: Count bytes that are to be carried to the peer, then
// what was inside of what came. Unread says that more is to come.
func (e *engine) told() *reply {
	e.mu.Lock()
	r := &reply{Count: uint32(len(e.out)), data: append(e.out, e.plain...), Unread: !e.done}
	e.out, e.plain = nil, nil
	shaken, err := e.shaken, e.err
	e.mu.Unlock()
	switch {
	case shaken:
		r.TLS = describe(e.secure.ConnectionState())
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			r.Failed = explain(err)
		}
	case err != nil:
		r.Failed = explain(err)
	}
	return r
}

// describe says what there is to know of a connection.
func describe(state tls.ConnectionState) *secured {
	said := &secured{Version: versionName(state.Version), Cipher: cipherName(state.CipherSuite), Bits: cipherBits(state.CipherSuite), Protocol: state.NegotiatedProtocol, Resumed: state.DidResume}
	for _, c := range state.PeerCertificates[:min(len(state.PeerCertificates), maxChain)] {
		said.Chain = append(said.Chain, base64.StdEncoding.EncodeToString(c.Raw))
	}
	return said
}

// pair are two sockets that are connected to each other, within the guest.
func (o *office) pair() *reply {
	a, b := ends()
	one, e := o.sockets.Adopt(a)
	if e == preview1.ESUCCESS {
		var two uint32
		if two, e = o.sockets.Adopt(b); e == preview1.ESUCCESS {
			return &reply{FD: one, Count: two}
		}
		_ = o.sockets.Close(one)
	} else {
		_ = a.Close()
	}
	_ = b.Close()
	return fail(e)
}

// ends are the two of a pair. What is on its way lies in the connections' buffers.
func ends() (a, b net.Conn) {
	r1, w1 := io.Pipe()
	r2, w2 := io.Pipe()
	return &pairEnd{PipeReader: r1, w: w2}, &pairEnd{PipeReader: r2, w: w1}
}

type pairEnd struct {
	*io.PipeReader
	w *io.PipeWriter
}

func (p *pairEnd) Write(b []byte) (int, error)     { return p.w.Write(b) }
func (p *pairEnd) CloseWrite() error               { return p.w.Close() }
func (p *pairEnd) CloseRead() error                { return p.PipeReader.Close() }
func (p *pairEnd) Close() error                    { return errors.Join(p.w.Close(), p.PipeReader.Close()) }
func (p *pairEnd) LocalAddr() net.Addr             { return pairAddr }
func (p *pairEnd) RemoteAddr() net.Addr            { return pairAddr }
func (p *pairEnd) SetDeadline(t time.Time) error   { return p.SetWriteDeadline(t) }
func (p *pairEnd) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline bounds how long a socket that was closed tries to deliver.
func (p *pairEnd) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() {
		time.AfterFunc(time.Until(t), func() { _ = p.w.CloseWithError(os.ErrDeadlineExceeded) })
	}
	return nil
}

// pairAddr is where both ends are.
var pairAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
