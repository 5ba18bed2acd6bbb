package network

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/wherry-run/wherry/internal/local"
)

const (
	// dialTimeout bounds the making of one connection.
	dialTimeout = 30 * time.Second
	// lookupTimeout bounds one question for a name.
	lookupTimeout = 10 * time.Second
	// maxAddresses bounds the addresses of one name that are tried.
	maxAddresses = 16
)

// DialContext connects a program of the container: to itself, to another of its
// networks, or to the world outside as far as it is allowed. What is not is a
// *RefusedError. It implements wasi.Dialer.
func (e *Endpoint) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	udp := false
	switch network {
	case "tcp", "tcp4", "tcp6":
	case "udp", "udp4", "udp6":
		udp = true
	default:
		return nil, fmt.Errorf("connect over %.10s: %w", network, syscall.EPROTONOSUPPORT)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if e.config.Mode == Host {
		return e.dialer.DialContext(ctx, network, address)
	}
	h, port, err := splitTarget(address)
	if err != nil {
		return nil, e.refuse(ctx, &RefusedError{Address: fmt.Sprintf("%.80q", address), Reason: err.Error()})
	}
	select {
	case <-e.closed:
		return nil, net.ErrClosed
	default:
	}
	if h.name == "localhost" || h.addr.IsLoopback() {
		if l := e.find(port, localhost); l != nil && !udp {
			return e.dialSelf(ctx, l, localhost)
		}
	}
	if c, found, err := e.dialMember(ctx, h, port, udp); found {
		return c, err
	}
	return e.dialOut(ctx, h, port, network, udp)
}

// dialSelf connects a container to a port of its own.
func (e *Endpoint) dialSelf(ctx context.Context, l *listener, at netip.Addr) (net.Conn, error) {
	return e.dialMemory(ctx, l, netip.AddrPortFrom(at, ephemeral()), netip.AddrPortFrom(at, l.port))
}

// dialMemory connects to a listener of this process.
func (e *Endpoint) dialMemory(ctx context.Context, l *listener, from, to netip.AddrPort) (net.Conn, error) {
	a, b := pipe(net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
	select {
	case l.queue <- l.endpoint.count(b):
		return e.count(a), nil
	case <-l.done:
	case <-l.endpoint.closed:
	case <-ctx.Done():
		return nil, timedOut(ctx, to)
	}
	return nil, fmt.Errorf("connect to %s: %w", to, syscall.ECONNREFUSED)
}

// timedOut is the error of a connection that nobody took.
func timedOut(ctx context.Context, to netip.AddrPort) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("connect to %s: %w", to, syscall.ETIMEDOUT)
	}
	return context.Cause(ctx)
}

// ephemeral is a port for an end that has none.
func ephemeral() uint16 { return firstEphemeral + uint16(rand.N(65536-firstEphemeral)) }

// peer is a container that is meant by a name or an address.
type peer struct {
	network Network
	self    Member
	other   Member
}

// peers finds the containers of its networks that are meant by a host.
func (e *Endpoint) peers(h host) ([]peer, error) {
	var list []peer
	for _, in := range e.memberships() {
		if h.addr.IsValid() && !in.network.Subnet.Contains(h.addr) {
			continue
		}
		members, err := e.store.listed(in.network)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if h.addr.IsValid() && m.Address == h.addr || h.name != "" && m.answers(within(h.name, in.network)) {
				list = append(list, peer{in.network, in.self, m})
			}
		}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list, nil
}

// within takes the network off a name, which may be written NAME.NETWORK.
func within(name string, n Network) string {
	return strings.TrimSuffix(name, "."+strings.ToLower(n.Name))
}

// dialMember connects to a container of the same network, if one is meant.
func (e *Endpoint) dialMember(ctx context.Context, h host, port uint16, udp bool) (c net.Conn, found bool, err error) {
	if e.socket == nil {
		return nil, false, nil
	}
	peers, err := e.peers(h)
	if err != nil {
		return nil, true, err
	}
	for _, p := range peers {
		if udp {
			return nil, true, fmt.Errorf("connect to %s: containers reach each other by TCP: %w", target(h, port, udp), syscall.EPROTONOSUPPORT)
		}
		to := netip.AddrPortFrom(p.other.Address, port)
		from := netip.AddrPortFrom(p.self.Address, ephemeral())
		if other := e.store.endpoint(p.other.ID); other != nil {
			if l := other.find(port, netip.Addr{}); l != nil {
				c, err = e.dialMemory(ctx, l, from, to)
			} else {
				err = fmt.Errorf("connect to %s: %w", to, syscall.ECONNREFUSED)
			}
		} else {
			c, err = e.dialProcess(ctx, p, from, to)
		}
		if err == nil {
			return c, true, nil
		}
	}
	return nil, len(peers) > 0, err
}

// dialProcess connects to a container of another process.
func (e *Endpoint) dialProcess(ctx context.Context, p peer, from, to netip.AddrPort) (net.Conn, error) {
	raw, err := local.Dial(ctx, p.other.Socket)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, syscall.ECONNREFUSED)
	}
	if err := ask(ctx, raw, hello{network: p.network.ID, from: e.config.ID, source: from.Port(), port: to.Port()}); err != nil {
		_ = raw.Close()
		if ctx.Err() != nil {
			return nil, timedOut(ctx, to)
		}
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	return e.count(&conn{Conn: raw, local: net.TCPAddrFromAddrPort(from), remote: net.TCPAddrFromAddrPort(to)}), nil
}

// dialOut connects to the world outside, to an address that was checked.
func (e *Endpoint) dialOut(ctx context.Context, h host, port uint16, network string, udp bool) (net.Conn, error) {
	names, addrs, err := e.outside(ctx, h, port, udp)
	if err != nil {
		return nil, err
	}
	var first error
	for i, a := range addrs {
		if network[3:] == "4" && !a.Is4() || network[3:] == "6" && a.Is4() {
			continue
		}
		if refused := e.check(names(a), a, port, udp); refused != nil {
			if first == nil {
				first = refused
			}
			continue
		}
		c, err := e.dialAddress(ctx, network, netip.AddrPortFrom(a, port), len(addrs)-i)
		if err == nil {
			return c, nil
		}
		if refused := new(RefusedError); first == nil || errors.As(first, &refused) {
			first = err
		}
	}
	if first == nil {
		return nil, fmt.Errorf("connect to %s: %w", target(h, port, udp), syscall.EADDRNOTAVAIL)
	}
	if refused := new(RefusedError); errors.As(first, &refused) {
		return nil, e.refuse(ctx, refused)
	}
	return nil, first
}

// check holds an address against the policy, after the networks that the
// container is not in: what has an address of theirs is no machine.
func (e *Endpoint) check(names []string, a netip.Addr, port uint16, udp bool) *RefusedError {
	for _, name := range names {
		if at, ok := e.hosts[name]; ok && at == a && e.policy.namedExactly(name, port, udp) {
			return nil // whoever wrote the rule wrote the address, too
		}
	}
	if all, err := e.store.List(); err == nil {
		for _, n := range all {
			if n.Subnet.Contains(a) && !a.IsLoopback() {
				return refusal(host{addr: a}, port, udp, "it is of network "+n.Name+", in which this container is not, or nobody", "--network "+n.Name)
			}
		}
	}
	return e.policy.check(names, a, port, udp)
}

// outside finds the addresses that a host stands for, and the names by which the
// container may know each.
func (e *Endpoint) outside(ctx context.Context, h host, port uint16, udp bool) (func(netip.Addr) []string, []netip.Addr, error) {
	if h.addr.IsValid() {
		return e.known.names, []netip.Addr{h.addr}, nil
	}
	names := func(netip.Addr) []string { return []string{h.name} }
	addrs, err := e.lookUp(ctx, h.name, port, udp)
	return names, addrs, err
}

// lookUp finds the addresses of a name outside of the container's networks.
func (e *Endpoint) lookUp(ctx context.Context, name string, port uint16, udp bool) ([]netip.Addr, error) {
	if at, ok := e.hosts[name]; ok {
		return []netip.Addr{at}, nil
	}
	if isLocalName(name) {
		return []netip.Addr{localhost}, nil
	}
	if refused := e.policy.lookUp(name, port, udp); refused != nil {
		return nil, e.refuse(ctx, refused)
	}
	asked := name
	if strings.Contains(name, ".") {
		asked += "." // whole: no domain of this machine is put behind it
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	list, err := e.resolver.LookupNetIP(ctx, "ip", asked)
	if err != nil {
		return nil, &lookupError{name, err}
	}
	addrs := make([]netip.Addr, 0, len(list))
	for _, a := range list[:min(len(list), maxAddresses)] {
		if a = a.Unmap(); a.Zone() == "" {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, &lookupError{name, errors.New("it has no address")}
	}
	return addrs, nil
}

// lookupError is a name that has no address.
type lookupError struct {
	name string
	err  error
}

func (e *lookupError) Error() string { return fmt.Sprintf("look up %s: %v", e.name, e.err) }
func (e *lookupError) Unwrap() error { return e.err }

// Is has it count as an unknown host.
func (e *lookupError) Is(target error) bool {
	dns := new(net.DNSError)
	return target == syscall.ENOENT && errors.As(e.err, &dns) && dns.IsNotFound
}

// dialAddress makes a connection of the host's to an address in numbers, of which
// there are left ones to try.
func (e *Endpoint) dialAddress(ctx context.Context, network string, to netip.AddrPort, left int) (net.Conn, error) {
	if at, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(at)/time.Duration(left))
		defer cancel()
	}
	c, err := e.dialer.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	return e.own(c, e.address(), hostPort(c.LocalAddr())), nil
}

// LookupNetIP finds the addresses of a name for a program of the container: those
// of its networks, and of what it may reach. It implements wasi.Resolver.
func (e *Endpoint) LookupNetIP(ctx context.Context, network, name string) ([]netip.Addr, error) {
	if e.config.Mode == Host {
		return e.resolver.LookupNetIP(ctx, network, name)
	}
	h, err := parseHost(name)
	if err != nil {
		return nil, &lookupError{fmt.Sprintf("%.80q", name), err}
	}
	if h.addr.IsValid() {
		return []netip.Addr{h.addr}, nil
	}
	if h.name == "localhost" {
		e.known.add(localhost, h.name)
		return []netip.Addr{localhost}, nil
	}
	if e.socket != nil {
		peers, err := e.peers(h)
		if err != nil {
			return nil, err
		}
		var list []netip.Addr
		for _, p := range peers {
			list = append(list, p.other.Address)
		}
		if len(list) > 0 {
			return list, nil
		}
	}
	addrs, err := e.lookUp(ctx, h.name, 0, false)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		e.known.add(a, h.name)
	}
	return addrs, nil
}
