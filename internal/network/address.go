package network

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// A special is a range of addresses that are not everybody's: what lies in one is
// reached only by who names it.
type special struct {
	prefix netip.Prefix
	what   string
	never  bool // not even then: it is no address of anything
}

// specials lists them, the narrow before the wide. They are those of the
// registries of IANA for special purposes, and the addresses by which clouds
// tell a machine its secrets.
func specials() []special {
	const metadata = "the metadata service of a cloud"
	list := make([]special, 0, 48)
	add := func(what string, never bool, prefixes ...string) {
		for _, p := range prefixes {
			list = append(list, special{netip.MustParsePrefix(p), what, never})
		}
	}
	add(metadata, false, "169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32",
		"fd00:ec2::254/128", "fd00:ec2::23/128", "fd20:ce::254/128")
	add("an address of nothing", true, "0.0.0.0/8", "::/128", "255.255.255.255/32")
	add("a loopback address", false, "127.0.0.0/8", "::1/128")
	add("a link-local address", false, "169.254.0.0/16", "fe80::/10")
	add("a private address", false, "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10")
	add("a group of machines", true, "224.0.0.0/4", "ff00::/8")
	add("a translated address", false, "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::ffff:0:0:0/96", "192.88.99.0/24")
	add("an IPv4 address in another form", true, "::ffff:0:0/96", "::/96")
	add("a reserved address", false, "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "3fff::/20")
	return list
}

// globalUnicast holds all addresses of IPv6 that are given to anybody.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// classify finds the range that an address is special by; ok is false for one
// that is everybody's. An address of the host's own is special by itself.
func (p *policy) classify(a netip.Addr) (s special, ok bool) {
	for _, s := range p.specials {
		if s.prefix.Contains(a) {
			return s, true
		}
	}
	if a.Is6() {
		if !globalUnicast.Contains(a) {
			return special{prefix: netip.PrefixFrom(a, 128), what: "a reserved address"}, true
		}
		if b := a.As16(); b[8]&^3 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
			return special{prefix: netip.PrefixFrom(a, 128), what: "a translated address"}, true
		}
	}
	own, err := p.own()
	if err != nil { // what it is cannot be told
		return special{prefix: netip.PrefixFrom(a, a.BitLen()), what: "what may be an address of this machine"}, true
	}
	for _, o := range own {
		if o == a {
			return special{prefix: netip.PrefixFrom(a, a.BitLen()), what: "an address of this machine"}, true
		}
	}
	return special{}, false
}

// ownAddresses are those of the host's interfaces.
func ownAddresses() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("list the addresses of this machine: %w", err)
	}
	var out []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				out = append(out, ip.Unmap())
			}
		}
	}
	return out, nil
}

// Bounds of what is taken for a name.
const (
	maxName  = 253
	maxLabel = 63
)

// A host is what somebody wants to reach: an address, or a name in lower case
// without a dot at its end.
type host struct {
	name string
	addr netip.Addr
}

func (h host) String() string {
	if h.addr.IsValid() {
		return h.addr.String()
	}
	return h.name
}

// parseHost reads a host. It is strict: a text that some resolver may take for an
// address, and that is not the usual writing of one, is neither.
func parseHost(text string) (host, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		if a.Zone() != "" {
			return host{}, fmt.Errorf("%.60q: an address with a zone", text)
		}
		return host{addr: a.Unmap()}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	if err := checkName(name); err != nil {
		return host{}, fmt.Errorf("%.60q: %w", text, err)
	}
	return host{name: name}, nil
}

type nameError string

func (e nameError) Error() string { return string(e) }

// checkName tells whether a text can be the name of a host.
func checkName(name string) error {
	if name == "" {
		return nameError("no name")
	}
	if len(name) > maxName {
		return nameError("a name of more than 253 bytes")
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > maxLabel {
			return nameError("no name: a part between two dots is empty, or longer than 63 bytes")
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return nameError("no name: it has more than letters, digits, dots, hyphens and underscores")
			}
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return nameError("no name: a part of it begins or ends with a hyphen")
		}
		last = label
	}
	if number(last) {
		return nameError("no name, and an address in no usual form")
	}
	return nil
}

// number tells whether a label is read as a number by those who read addresses in
// decimal, octal and hexadecimal.
func number(label string) bool {
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(label, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}

// splitTarget reads HOST:PORT.
func splitTarget(address string) (host, uint16, error) {
	if len(address) > maxName+16 {
		return host{}, 0, fmt.Errorf("an address of %d bytes", len(address))
	}
	name, port, err := net.SplitHostPort(address)
	if err != nil {
		return host{}, 0, fmt.Errorf("%.60q is not HOST:PORT", address)
	}
	h, err := parseHost(name)
	if err != nil {
		return host{}, 0, err
	}
	n, err := parsePort(port)
	if err != nil {
		return host{}, 0, err
	}
	return h, n, nil
}

// parsePort reads a number from 1 to 65535, in decimal.
func parsePort(text string) (uint16, error) {
	if text == "" || len(text) > 5 || strings.Trim(text, "0123456789") != "" {
		return 0, fmt.Errorf("%.20q is no port", text)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%.20q is no port: they go from 1 to 65535", text)
	}
	return uint16(n), nil
}
