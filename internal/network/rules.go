package network

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// maxRules bounds the rules of one container.
const maxRules = 1024

// HostName is the name by which containers know the machine that they run on.
const HostName = "host.wherry.internal"

// A Rule allows connections: to a host or a range of addresses, on some ports.
type Rule struct {
	// Text is the rule as it was written.
	Text string

	all      bool         // every address that is everybody's
	name     string       // a name; or
	wildcard bool         // what is below it; or
	prefix   netip.Prefix // addresses
	local    bool         // the name is of this machine
	first    uint16       // ports
	last     uint16
	udp      bool
}

// Rules are what a container may reach outside of its networks.
type Rules []Rule

// ParseRules reads what was written after --allow-net, each a rule or several with
// commas between.
func ParseRules(list []string) (Rules, error) {
	var rules Rules
	for _, text := range list {
		for part := range strings.SplitSeq(text, ",") {
			r, err := ParseRule(strings.TrimSpace(part))
			if err != nil {
				return nil, err
			}
			if rules = append(rules, r); len(rules) > maxRules {
				return nil, fmt.Errorf("more than %d rules of what may be reached", maxRules)
			}
		}
	}
	return rules, nil
}

// A RuleError is a rule that cannot be read.
type RuleError struct {
	// Text is the rule, Problem what is wrong with it.
	Text, Problem string
}

func (e *RuleError) Error() string {
	return fmt.Sprintf("--allow-net %.80q: %s", e.Text, e.Problem)
}

// ParseRule reads HOST[:PORT[-PORT]][/udp]. HOST is a name, *.NAME, an address, a
// range of addresses in the form ADDRESS/BITS, or "all" for every address that is
// everybody's. Without a port all of them are meant.
func ParseRule(text string) (Rule, error) {
	r := Rule{Text: text, first: 1, last: 65535}
	bad := func(format string, args ...any) (Rule, error) {
		return Rule{}, &RuleError{text, fmt.Sprintf(format, args...)}
	}
	if len(text) > maxName+64 {
		return bad("longer than a name can be")
	}
	rest := text
	if cut, ok := strings.CutSuffix(rest, "/udp"); ok {
		rest, r.udp = cut, true
	} else {
		rest = strings.TrimSuffix(rest, "/tcp")
	}
	if strings.Contains(rest, "://") {
		return bad("an address, and no URL: write HOST:PORT")
	}
	target, ports, err := cutPorts(rest)
	if err != nil {
		return bad("%v", err)
	}
	if ports != "" {
		if r.first, r.last, err = parseRange(ports); err != nil {
			return bad("%v", err)
		}
	}
	if err := r.target(target); err != nil {
		return bad("%v", err)
	}
	return r, nil
}

// cutPorts takes the ports off a rule; "" are all.
func cutPorts(text string) (target, ports string, err error) {
	if rest, ok := strings.CutPrefix(text, "["); ok {
		target, ports, ok = strings.Cut(rest, "]")
		if !ok {
			return "", "", nameError("a bracket is not closed")
		}
		bits := ""
		if strings.HasPrefix(ports, "/") {
			bits, ports, _ = cutBefore(ports, ":")
		}
		if ports != "" && (ports[0] != ':' || ports == ":") {
			return "", "", nameError("after the bracket comes :PORT, or nothing")
		}
		return target + bits, noStar(strings.TrimPrefix(ports, ":")), nil
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return text, "", nil
	}
	if _, err := netip.ParsePrefix(text); err == nil {
		return text, "", nil
	}
	if strings.Count(text, ":") > 1 {
		return "", "", nameError("an address of IPv6 with a port is written in brackets, [::1]:80")
	}
	target, ports, found := strings.Cut(text, ":")
	if found && ports == "" {
		return "", "", nameError("no port after the colon")
	}
	return target, noStar(ports), nil
}

// cutBefore is strings.Cut that leaves the separator with what comes after it.
func cutBefore(s, sep string) (before, after string, found bool) {
	if at := strings.Index(s, sep); at >= 0 {
		return s[:at], s[at:], true
	}
	return s, "", false
}

// noStar makes of "*", which are all ports, nothing.
func noStar(ports string) string {
	if ports == "*" {
		return ""
	}
	return ports
}

// parseRange reads PORT or PORT-PORT.
func parseRange(text string) (first, last uint16, err error) {
	from, to, isRange := strings.Cut(text, "-")
	if first, err = parsePort(from); err != nil {
		return 0, 0, err
	}
	if last = first; isRange {
		if last, err = parsePort(to); err != nil {
			return 0, 0, err
		}
	}
	if last < first {
		return 0, 0, fmt.Errorf("%s: the first port is above the last", text)
	}
	return first, last, nil
}

// target reads whom a rule is about.
func (r *Rule) target(text string) error {
	switch {
	case text == "all":
		r.all = true
		return nil
	case strings.Contains(text, "/"):
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Zone() != "" {
			return nameError("no range of addresses: write one as 192.0.2.0/24")
		}
		if p.Addr().Is4In6() {
			return nameError("write an address of IPv4 as one")
		}
		r.prefix = p.Masked()
		return nil
	}
	text, r.wildcard = strings.CutPrefix(text, "*.")
	h, err := parseHost(text)
	switch {
	case err != nil:
		return err
	case h.addr.IsValid() && r.wildcard:
		return nameError("a star is for names")
	case h.addr.IsValid():
		r.prefix = netip.PrefixFrom(h.addr, h.addr.BitLen())
	default:
		r.name = h.name
		r.local = !r.wildcard && isLocalName(h.name)
	}
	return nil
}

// isLocalName tells whether a name is this machine's wherever it is looked up.
func isLocalName(name string) bool {
	return name == "localhost" || name == HostName || name == "host.docker.internal"
}

// port tells whether the rule is about a port.
func (r *Rule) port(port uint16, udp bool) bool {
	return r.udp == udp && r.first <= port && port <= r.last
}

// names tells whether the rule is about a name.
func (r *Rule) names(name string) bool {
	if r.wildcard {
		return strings.HasSuffix(name, "."+r.name)
	}
	return r.name != "" && r.name == name
}

// holds tells whether the rule is about an address by its number. One that is
// special by s must be named by a range that is not wider.
func (r *Rule) holds(a netip.Addr, s special, isSpecial bool) bool {
	switch {
	case !isSpecial:
		return r.all || r.prefix.IsValid() && r.prefix.Contains(a)
	case s.never || !r.prefix.IsValid():
		return false
	}
	return r.prefix.Contains(a) && r.prefix.Bits() >= s.prefix.Bits()
}

// mayLookUp tells whether a name may be asked of the host's resolver: what a
// question carries to the outside is a message as well.
func (rules Rules) mayLookUp(name string) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.all || r.names(name) })
}
