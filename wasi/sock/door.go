package sock

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// doorHead begins a message about sockets, with the version of what follows:
// 4 bytes, the length of a JSON object; the object; and bytes that belong to it.
// An answer has the same form, without the head.
const doorHead = "\x00sock\x01"

// maxDoorText bounds the JSON of a message, and maxDoorData what follows it.
const (
	maxDoorText = 1 << 20
	maxDoorData = 4 << 20
)

// Families as the messages have them, which are the first version's numbers.
const (
	doorInet4 = firstInet4
	doorInet6 = firstInet6
)

// message is what a guest asks for.
type message struct {
	Op string `json:"op"`
	FD uint32 `json:"fd"`
	// Family and Datagram are of a new socket.
	Family   int  `json:"family"`
	Datagram bool `json:"datagram"`
	// Host and Port are an address; Host may be a name for "lookup" alone.
	Host string `json:"host"`
	Port int    `json:"port"`
	// Timeout is how long the call waits, in milliseconds; below zero it is for ever.
	Timeout int64 `json:"timeout"`
	// Size and Flags are of a receive, How is of "shutdown".
	Size  uint32 `json:"size"`
	Flags uint32 `json:"flags"`
	How   uint32 `json:"how"`
	// TLS is of "tls".
	TLS *settings `json:"tls"`
}

// reply is what a guest is told. Errno is WASI's; Text says more.
type reply struct {
	Errno  preview1.Errno `json:"errno,omitempty"`
	Text   string         `json:"text,omitempty"`
	FD     uint32         `json:"fd,omitempty"`
	Host   string         `json:"host,omitempty"`
	Port   uint16         `json:"port,omitempty"`
	Hosts  []string       `json:"hosts,omitempty"`
	Count  uint32         `json:"count,omitempty"`  // of bytes
	Unread bool           `json:"unread,omitempty"` // the datagram was longer
	TLS    *secured       `json:"tls,omitempty"`
	Failed *failure       `json:"failed,omitempty"`
	Cert   *certificate   `json:"certificate,omitempty"`

	data []byte
}

// Door has guests that are linked without the extension open, connect and secure
// sockets by messages through the door: a Python's. What they get are descriptors of
// preview 1, by which they read, write, poll and close. What is no message about
// sockets goes to next, which may be nil.
func Door(sockets *preview1.Sockets, next door.Handler) door.Handler {
	o := &office{sockets: sockets, roots: map[string]*authorities{}}
	return func(ctx context.Context, said []byte) ([]byte, error) {
		if !bytes.HasPrefix(said, []byte(doorHead)) {
			if next == nil {
				return nil, door.ErrNobody
			}
			return next(ctx, said)
		}
		m, data, err := parseMessage(said)
		if err != nil {
			return nil, err
		}
		return o.answer(ctx, m, data).encode()
	}
}

// office answers the messages of one guest.
type office struct {
	sockets *preview1.Sockets
	roots   map[string]*authorities // by their digest
}

var errMessage = errors.New("a message about sockets of another shape")

func parseMessage(said []byte) (m message, data []byte, err error) {
	rest, ok := bytes.CutPrefix(said, []byte(doorHead))
	if !ok || len(rest) < 4 {
		return m, nil, errMessage
	}
	n, rest := uint64(binary.LittleEndian.Uint32(rest)), rest[4:]
	if n > maxDoorText || n > uint64(len(rest)) || uint64(len(rest))-n > maxDoorData {
		return m, nil, errMessage
	}
	if err := json.Unmarshal(rest[:n], &m); err != nil {
		return m, nil, errMessage
	}
	return m, rest[n:], nil
}

func (r *reply) encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)+len(r.data)), uint32(len(text)))
	return append(append(b, text...), r.data...), nil
}

func fail(e preview1.Errno) *reply { return &reply{Errno: e} }

// answer does what a message asks for.
func (o *office) answer(ctx context.Context, m message, data []byte) *reply {
	s := o.sockets
	switch m.Op {
	case "open":
		return o.open(m)
	case "lookup":
		return o.lookUp(ctx, m)
	case "connect":
		return o.connect(ctx, m)
	case "settled":
		return o.failed(m.FD, s.Settled(ctx, m.FD, patience(m.Timeout)))
	case "bind":
		at, e := m.address()
		if e == preview1.ESUCCESS {
			e = s.Bind(m.FD, at)
		}
		return fail(e)
	case "listen":
		return fail(s.Listen(ctx, m.FD))
	case "accept":
		fd, e := s.Accept(ctx, m.FD, 0)
		return &reply{Errno: e, FD: fd}
	case "local":
		return address(s.Local(m.FD))
	case "remote":
		return address(s.Remote(m.FD))
	case "patience":
		e := s.SetPatience(m.FD, patience(m.Timeout))
		if e == preview1.ESUCCESS {
			e = s.SetHoldOut(m.FD, patience(m.Timeout))
		}
		return fail(e)
	case "error":
		failed, e := s.Failed(m.FD)
		if e == preview1.ESUCCESS {
			e = failed
		}
		return o.failed(m.FD, e)
	case "shutdown":
		return fail(s.Shutdown(m.FD, m.How))
	case "receive":
		return o.receive(ctx, m)
	case "send":
		return o.send(ctx, m, data)
	case "roots":
		return o.addRoots(data)
	case "tls":
		return o.secure(ctx, m)
	case "secured":
		return o.secured(m.FD, s.Settled(ctx, m.FD, patience(m.Timeout)))
	case "begin":
		return o.begin(m)
	case "step", "seal", "finish":
		return o.stepped(m, data)
	case "pair":
		return o.pair()
	case "certificate":
		return certificateOf(data)
	}
	return fail(preview1.ENOTSUP)
}

// patience is a time-out as the sockets have them, where zero is for ever. None at
// all is a matter of the descriptor's flag.
func patience(ms int64) time.Duration {
	if ms < 0 {
		return 0
	}
	return max(time.Duration(min(ms, 1<<40))*time.Millisecond, time.Millisecond)
}

func (m *message) address() (netip.AddrPort, preview1.Errno) {
	if m.Host == "" {
		m.Host = netip.IPv4Unspecified().String()
	}
	a, err := netip.ParseAddr(m.Host)
	if err != nil || a.Zone() != "" || m.Port < 0 || m.Port > 65535 {
		return netip.AddrPort{}, preview1.EINVAL
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(m.Port)), preview1.ESUCCESS
}

func address(a netip.AddrPort, e preview1.Errno) *reply {
	if e != preview1.ESUCCESS {
		return fail(e)
	}
	return &reply{Host: a.Addr().String(), Port: a.Port()}
}

func (o *office) open(m message) *reply {
	if m.Family != doorInet4 && m.Family != doorInet6 {
		return fail(preview1.EAFNOSUPPORT)
	}
	fd, e := o.sockets.Open(m.Family == doorInet6, m.Datagram)
	return &reply{Errno: e, FD: fd}
}

func (o *office) connect(ctx context.Context, m message) *reply {
	to, e := m.address()
	if e != preview1.ESUCCESS {
		return fail(e)
	}
	return o.failed(m.FD, o.sockets.ConnectWithin(ctx, m.FD, to, patience(m.Timeout)))
}

// failed is the answer to what may not have connected, with the reason where it is
// one for people: a refusal, which names what would allow it.
func (o *office) failed(fd uint32, e preview1.Errno) *reply {
	r := fail(e)
	switch {
	case e == preview1.ESUCCESS:
	case !o.sockets.Networked():
		r.Text = noNetwork
	default:
		r.Text = refusal(o.sockets.Cause(fd))
	}
	return r
}

const noNetwork = "there is no network here: a build has none, nor what runs with --deterministic"

// refusal is the text of an error that says what is not allowed; of others nothing
// is told but their number.
func refusal(err error) string {
	if err != nil && errors.Is(err, fs.ErrPermission) && err != fs.ErrPermission {
		return err.Error()
	}
	return ""
}

// lookUp finds the addresses of a name.
func (o *office) lookUp(ctx context.Context, m message) *reply {
	if len(m.Host) > maxHost {
		return fail(preview1.ENOENT)
	}
	list, err := o.sockets.Find(ctx, m.Host)
	r := &reply{}
	switch {
	case err == nil:
	case !o.sockets.Networked():
		r.Errno, r.Text = preview1.EACCES, noNetwork
	case errors.Is(err, fs.ErrPermission):
		r.Errno, r.Text = preview1.EACCES, refusal(err)
	default:
		r.Errno = preview1.ENOENT
	}
	for _, a := range list[:min(len(list), maxAnswers)] {
		r.Hosts = append(r.Hosts, a.Unmap().String())
	}
	if err == nil && len(r.Hosts) == 0 {
		r.Errno = preview1.ENOENT
	}
	return r
}

// receive is a receive that says from whom, or leaves what it takes where it is.
func (o *office) receive(ctx context.Context, m message) *reply {
	b := make([]byte, min(m.Size, maxDatagram))
	n, from, e := o.sockets.RecvFrom(ctx, m.FD, [][]byte{b}, m.Flags)
	if e != preview1.ESUCCESS && e != preview1.EMSGSIZE {
		return fail(e)
	}
	r := &reply{data: b[:n], Unread: e == preview1.EMSGSIZE}
	if from.IsValid() {
		r.Host, r.Port = from.Addr().String(), from.Port()
	}
	return r
}

// maxDatagram bounds what one message through the door receives.
const maxDatagram = 64 << 10

// send sends a datagram, or to whom the socket is connected.
func (o *office) send(ctx context.Context, m message, data []byte) *reply {
	to := netip.AddrPort{}
	if m.Host != "" {
		var e preview1.Errno
		if to, e = m.address(); e != preview1.ESUCCESS {
			return fail(e)
		}
	}
	n, e := o.sockets.SendTo(ctx, m.FD, [][]byte{data}, to)
	if e != preview1.ESUCCESS && n == 0 {
		return o.failed(m.FD, e)
	}
	return &reply{Count: uint32(n)}
}
