package network

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
)

// A policy is what one container may reach outside of its networks.
type policy struct {
	rules    Rules
	specials []special
	own      func() ([]netip.Addr, error)
}

// A RefusedError is a connection that a container is not allowed to make.
type RefusedError struct {
	// Address is what the program asked for, HOST:PORT.
	Address string
	// Resolved is what its name stands for, if that was found out.
	Resolved netip.Addr
	// Reason says why not, in half a sentence.
	Reason string
	// Flag is what would allow it; "" when nothing does.
	Flag string
}

func (e *RefusedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "connect to %s: ", e.Address)
	if e.Resolved.IsValid() {
		fmt.Fprintf(&b, "that is %s: ", e.Resolved)
	}
	b.WriteString(e.Reason)
	if e.Flag != "" {
		b.WriteString("; " + e.Flag + " allows it")
	}
	return b.String()
}

// Is has a refusal count as fs.ErrPermission, by which a guest is told EACCES.
func (e *RefusedError) Is(target error) bool { return target == fs.ErrPermission }

// refusal makes the error for a host that is refused.
func refusal(h host, port uint16, udp bool, reason, flag string) *RefusedError {
	return &RefusedError{Address: target(h, port, udp), Reason: reason, Flag: flag}
}

// target writes a host and a port.
func target(h host, port uint16, udp bool) string {
	name := h.String()
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port != 0 {
		name = fmt.Sprintf("%s:%d", name, port)
	}
	if udp {
		name += "/udp"
	}
	return name
}

// check holds an address against the rules; names are those by which the
// container knows it, nil when it knows it by its number.
func (p *policy) check(names []string, a netip.Addr, port uint16, udp bool) *RefusedError {
	s, isSpecial := p.classify(a)
	for i := range p.rules {
		r := &p.rules[i]
		if !r.port(port, udp) {
			continue
		}
		if r.holds(a, s, isSpecial) {
			return nil
		}
		for _, name := range names {
			if r.names(name) && (!isSpecial || r.local && a.IsLoopback()) {
				return nil
			}
		}
	}
	flag := "--allow-net " + target(host{addr: a}, port, udp)
	reason := "it was not allowed"
	switch {
	case s.never:
		reason, flag = s.what+" is not connected to", ""
	case isSpecial:
		reason = s.what + " is reached only by who names it"
	case len(names) > 0:
		flag = "--allow-net " + target(host{name: names[0]}, port, udp)
	}
	e := refusal(host{addr: a}, port, udp, reason, flag)
	if len(names) > 0 {
		e.Address, e.Resolved = target(host{name: names[0]}, port, udp), a
	}
	return e
}

// lookUp tells whether a name may be looked up.
func (p *policy) lookUp(name string, port uint16, udp bool) *RefusedError {
	if p.rules.mayLookUp(name) {
		return nil
	}
	return refusal(host{name: name}, port, udp, "it is no container of its networks, and was not allowed",
		"--allow-net "+target(host{name: name}, port, udp))
}

// namedExactly tells whether a rule is about just this name.
func (p *policy) namedExactly(name string, port uint16, udp bool) bool {
	for i := range p.rules {
		if r := &p.rules[i]; !r.wildcard && r.names(name) && r.port(port, udp) {
			return true
		}
	}
	return false
}
