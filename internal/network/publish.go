package network

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// maxPublished bounds the ports that one container publishes.
const maxPublished = 1024

// DefaultHost is where a port is published that names no address: for this
// machine alone.
const DefaultHost = "127.0.0.1"

// A Port is a port of a container that is published on the host.
type Port struct {
	// Host is the address on this machine; HostPort 0 is one that is free.
	Host     netip.Addr
	HostPort uint16
	// Guest is the container's port.
	Guest uint16
}

func (p Port) String() string {
	return fmt.Sprintf("%s->%d/tcp", p.Address(), p.Guest)
}

// Address is where the port is on this machine.
func (p Port) Address() string { return netip.AddrPortFrom(p.Host, p.HostPort).String() }

// A PublishError is a -p that cannot be read.
type PublishError struct {
	// Text is what was written, Problem what is wrong with it.
	Text, Problem string
}

func (e *PublishError) Error() string { return fmt.Sprintf("-p %.80s: %s", e.Text, e.Problem) }

// ParsePublish reads what was written after -p as Docker does:
// [[ADDRESS:][PORT]:]PORT[/tcp], where a PORT may be a range.
func ParsePublish(text string) ([]Port, error) {
	bad := func(format string, args ...any) ([]Port, error) {
		return nil, &PublishError{text, fmt.Sprintf(format, args...)}
	}
	rest := text
	if cut, proto, ok := strings.Cut(text, "/"); ok {
		switch strings.ToLower(proto) {
		case "tcp":
			rest = cut
		case "udp", "sctp":
			return bad("only TCP is published: a program here hears datagrams of those alone that it has sent some to")
		default:
			return bad("%q is no protocol", proto)
		}
	}
	address, hostPorts, guestPorts, err := cutPublish(rest)
	if err != nil {
		return bad("%v", err)
	}
	host, err := publishHost(address)
	if err != nil {
		return bad("%v", err)
	}
	first, last, err := parseRange(guestPorts)
	if err != nil {
		return bad("%v", err)
	}
	count := int(last) - int(first) + 1
	from := 0
	if hostPorts != "" && hostPorts != "0" {
		f, l, err := parseRange(hostPorts)
		if err != nil {
			return bad("%v", err)
		}
		if int(l)-int(f)+1 != count {
			return bad("the two ranges have not as many ports")
		}
		from = int(f)
	}
	if count > maxPublished {
		return bad("more than %d ports", maxPublished)
	}
	ports := make([]Port, count)
	for i := range ports {
		ports[i] = Port{Host: host, Guest: first + uint16(i)}
		if from > 0 {
			ports[i].HostPort = uint16(from + i)
		}
	}
	return ports, nil
}

// cutPublish takes a -p apart.
func cutPublish(text string) (address, host, guest string, err error) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		var found bool
		if address, rest, found = strings.Cut(rest, "]:"); !found {
			return "", "", "", nameError("after an address in brackets comes a colon")
		}
		if _, err := netip.ParseAddr(address); err != nil || !strings.Contains(address, ":") {
			return "", "", "", nameError("in brackets stands an address of IPv6")
		}
		host, guest, found = strings.Cut(rest, ":")
		if !found {
			return "", "", "", nameError("after an address come two ports, ADDRESS:PORT:PORT")
		}
		return address, host, guest, nil
	}
	switch parts := strings.Split(text, ":"); len(parts) {
	case 1:
		return "", "", parts[0], nil
	case 2:
		return "", parts[0], parts[1], nil
	case 3:
		return parts[0], parts[1], parts[2], nil
	}
	return "", "", "", nameError("an address of IPv6 is written in brackets, [::1]:8080:80")
}

// publishHost is the address on which a port is published.
func publishHost(text string) (netip.Addr, error) {
	switch text {
	case "":
		text = DefaultHost
	case "localhost":
		text = DefaultHost
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%.60q is no address of this machine", text)
	}
	return a.Unmap(), nil
}

// hostPort is the number in an address of TCP.
func hostPort(a net.Addr) uint16 {
	if t, ok := a.(*net.TCPAddr); ok {
		return uint16(t.Port)
	}
	if u, ok := a.(*net.UDPAddr); ok {
		return uint16(u.Port)
	}
	_, text, _ := net.SplitHostPort(a.String())
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}
