package sock

import (
	"bytes"
	"net/netip"
	"strconv"

	"github.com/wherry-run/wherry/wasi/preview1"
)

// Error numbers of sock_getaddrinfo, after those of WASI.
const (
	errFlags   preview1.Errno = 79
	errFamily  preview1.Errno = 81
	errMemory  preview1.Errno = 82
	errNoName  preview1.Errno = 84
	errService preview1.Errno = 85
	errType    preview1.Errno = 86
)

// Flags of a question.
const (
	flagPassive     = 1 << 0
	flagNumericHost = 1 << 2
	allFlags        = 1<<7 - 1
)

// The layout of an answer: flags, family, type, protocol, the size of the address,
// where it is, where its name is and how long that may be, where the next is.
const (
	sizeInfo       = 28
	infoFamily     = 2
	infoType       = 3
	infoProtocol   = 4
	infoSize       = 8
	infoAddress    = 12
	infoNameLength = 20
	infoNext       = 24

	// The address of an answer: family, the length of its bytes, where they are.
	sizeSockaddr = 12

	protocolTCP = 1
	protocolUDP = 2
)

// maxAnswers bounds the answers to one question.
const maxAnswers = 64

// services are the names of ports that programs ask for.
func services() map[string]uint16 {
	return map[string]uint16{
		"": 0, "domain": 53, "ftp": 21, "http": 80, "https": 443, "imap": 143, "imaps": 993, "ldap": 389, "ldaps": 636,
		"mysql": 3306, "ntp": 123, "pop3": 110, "pop3s": 995, "postgresql": 5432, "smtp": 25, "ssh": 22, "submission": 587, "telnet": 23,
	}
}

// text is the string at argument i, with its length at the next; it ends at a zero.
func (c *call) text(i int) (string, preview1.Errno) {
	if c.u32(i+1) > maxHost {
		return "", errNoName
	}
	b, e := c.at(c.u32(i), c.u32(i+1))
	if e != preview1.ESUCCESS {
		return "", e
	}
	b, _, _ = bytes.Cut(b, []byte{0})
	return string(b), preview1.ESUCCESS
}

// question is what sock_getaddrinfo is asked.
type question struct {
	name                   string
	port                   uint16
	flags                  uint16
	family, kind, protocol byte
}

func (c *call) addrInfo() preview1.Errno {
	q, e := c.question()
	if e != preview1.ESUCCESS {
		return e
	}
	first, e := c.out(5, 4)
	if e != preview1.ESUCCESS {
		return e
	}
	count, e := c.out(7, 4)
	if e != preview1.ESUCCESS {
		return e
	}
	most := c.u32(6)
	if most < 1 {
		return errMemory
	}
	list, e := c.lookUp(q)
	if e != preview1.ESUCCESS {
		return e
	}
	le.PutUint32(count, 0)
	written, at := uint32(0), le.Uint32(first)
	for _, a := range list {
		if written == min(most, maxAnswers) {
			break
		}
		next, fits, e := c.answer(at, q, a)
		if e != preview1.ESUCCESS {
			return e
		}
		if fits {
			written, at = written+1, next
		}
	}
	if written == 0 {
		return errNoName
	}
	le.PutUint32(count, written)
	return preview1.ESUCCESS
}

// question reads what is asked.
func (c *call) question() (q question, e preview1.Errno) {
	if q.name, e = c.text(0); e != preview1.ESUCCESS {
		return q, e
	}
	service, e := c.text(2)
	if e != preview1.ESUCCESS {
		return q, e
	}
	hints, e := c.out(4, sizeInfo)
	if e != preview1.ESUCCESS {
		return q, e
	}
	q.flags, q.family, q.kind, q.protocol = le.Uint16(hints), hints[infoFamily], hints[infoType], hints[infoProtocol]
	switch {
	case q.name == "" && service == "":
		return q, errNoName
	case q.flags&^allFlags != 0:
		return q, errFlags
	case q.family > familyInet6:
		return q, errFamily
	case q.kind > typeStream || q.protocol > protocolUDP:
		return q, errType
	}
	port, known := services()[service]
	if !known {
		n, err := strconv.ParseUint(service, 10, 16)
		if err != nil {
			return q, errService
		}
		port = uint16(n)
	}
	q.port = port
	return q, preview1.ESUCCESS
}

// lookUp finds the addresses: those of IPv4 first, since not all who ask know how
// an answer of the other kind looks.
func (c *call) lookUp(q question) ([]netip.Addr, preview1.Errno) {
	list, e := c.find(q)
	if e != preview1.ESUCCESS {
		return nil, e
	}
	var four, six []netip.Addr
	for _, a := range list {
		if a = a.Unmap(); a.Is4() {
			four = append(four, a)
		} else {
			six = append(six, a)
		}
	}
	switch q.family {
	case familyInet4:
		return four, preview1.ESUCCESS
	case familyInet6:
		return six, preview1.ESUCCESS
	}
	return append(four, six...), preview1.ESUCCESS
}

func (c *call) find(q question) ([]netip.Addr, preview1.Errno) {
	if q.name == "" {
		if q.flags&flagPassive != 0 {
			return []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, preview1.ESUCCESS
		}
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, preview1.ESUCCESS
	}
	if a, err := netip.ParseAddr(q.name); err == nil && a.Zone() == "" {
		return []netip.Addr{a}, preview1.ESUCCESS
	}
	if q.flags&flagNumericHost != 0 {
		return nil, errNoName
	}
	list, e := c.sockets.LookUp(c.ctx, q.name)
	if e != preview1.ESUCCESS && e != preview1.ECANCELED {
		e = errNoName
	}
	return list, e
}

// answer writes one address into the guest's list, if there is room for it, and
// gives where the next one goes.
func (c *call) answer(at uint32, q question, a netip.Addr) (next uint32, fits bool, e preview1.Errno) {
	info, e := c.at(at, sizeInfo)
	if e != preview1.ESUCCESS {
		return 0, false, e
	}
	sockaddr, e := c.at(le.Uint32(info[infoAddress:]), sizeSockaddr)
	if e != preview1.ESUCCESS {
		return 0, false, e
	}
	raw := sockaddrBytes(a, q.port)
	room := le.Uint32(sockaddr[4:])
	if uint64(room) < uint64(len(raw)) {
		return 0, false, preview1.ESUCCESS
	}
	data, e := c.at(le.Uint32(sockaddr[8:]), uint32(len(raw)))
	if e != preview1.ESUCCESS {
		return 0, false, e
	}
	next = le.Uint32(info[infoNext:])
	family := byte(familyInet4)
	if a.Is6() {
		family = familyInet6
	}
	kind, protocol := q.kind, q.protocol
	if kind == typeAny {
		kind = typeStream
	}
	if protocol == 0 {
		if protocol = protocolTCP; kind == typeDgram {
			protocol = protocolUDP
		}
	}
	info[infoFamily], info[infoType], info[infoProtocol] = family, kind, protocol
	le.PutUint16(info, 0)
	le.PutUint32(info[infoSize:], uint32(len(raw))+2)
	le.PutUint32(info[infoNameLength:], 0)
	sockaddr[0] = family
	le.PutUint32(sockaddr[4:], uint32(len(raw)))
	copy(data, raw)
	return next, true, preview1.ESUCCESS
}

// sockaddrBytes is an address as the C library has it, from the port on: after that
// of IPv6 come four bytes of its flow, and its scope at the end.
func sockaddrBytes(a netip.Addr, port uint16) []byte {
	raw := []byte{byte(port >> 8), byte(port)}
	if a.Is4() {
		return append(append(raw, a.AsSlice()...), make([]byte, 8)...)
	}
	raw = append(raw, 0, 0, 0, 0)
	return append(append(raw, a.AsSlice()...), 0, 0, 0, 0)
}
