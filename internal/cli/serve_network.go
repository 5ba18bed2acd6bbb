package cli

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/wasi"
)

// inside gives a server's programs what they connect by, and has it answer the other
// containers of its networks, too: at the ports that its container has. names are those by which they know it.
func (a *app) inside(ctx context.Context, o runOptions, servers *sockets) (names []string, leave func(), err error) {
	mode, _, err := o.network.mode()
	if err != nil || o.deterministic {
		return nil, func() {}, err
	}
	e, err := a.attach(ctx, o.network, nil, nil, true)
	if err != nil {
		return nil, nil, err
	}
	a.kept.attached(e)
	servers.endpoint = e
	if o.network.id == "" && !o.network.set() { // nobody is there who could ask
		return nil, func() { _ = e.Close() }, nil
	}
	exposed, err := o.network.exposed(nil)
	if err != nil {
		return nil, nil, errors.Join(err, e.Close())
	}
	ports := insidePorts(o.serving.publish, exposed)
	if mode == network.Host { // it has them already
		ports = nil
	}
	for _, port := range ports {
		l, err := e.Listen(ctx, "tcp", ":"+port)
		if err != nil {
			return nil, nil, errors.Join(err, e.Close())
		}
		servers.list = append(servers.list, l.(net.Listener))
		servers.within = cmp.Or(servers.within, net.JoinHostPort(cmp.Or(o.network.name, "localhost"), port))
	}
	return e.Names(), func() { _ = e.Close() }, nil
}

// reachable listens for a server at its addresses and in the networks of its container,
// by whose names it may then be asked. leave ends both.
func (a *app) reachable(ctx context.Context, o runOptions, addresses []string, g *guard.Config) (_ *sockets, leave func(), err error) {
	listeners, err := listen(ctx, addresses)
	if err != nil {
		return nil, nil, err
	}
	for i, l := range listeners.list {
		listeners.list[i] = a.kept.counted(l)
	}
	names, out, err := a.inside(ctx, o, listeners)
	if err != nil {
		listeners.close()
		return nil, nil, err
	}
	g.Hosts = known(g.Hosts, addresses, names)
	return listeners, func() { out(); listeners.close() }, nil
}

// dialer is what the programs behind a server connect by; nil: nothing.
func (s *sockets) dialer() wasi.Dialer {
	if s.endpoint == nil {
		return nil
	}
	return s.endpoint
}

// insidePorts are the ports that a server has in its container: those that are
// published or exposed.
func insidePorts(publish []string, exposed []uint16) []string {
	var list []string
	for _, text := range publish {
		if _, _, port, ok := splitAddress(text); ok && port != "" && !slices.Contains(list, port) {
			list = append(list, port)
		}
	}
	for _, n := range exposed {
		if port := strconv.Itoa(int(n)); !slices.Contains(list, port) {
			list = append(list, port)
		}
	}
	if len(list) == 0 {
		list = []string{strconv.Itoa(servedPort)}
	}
	return list
}

// known adds the names by which other containers know a server to those that it
// answers to, where it does not answer to all.
func known(hosts, addresses, names []string) []string {
	if len(addresses) == 0 { // no browser reaches it
		return hosts
	}
	host, _, err := net.SplitHostPort(addresses[0])
	if err != nil || len(hosts) == 0 && !guard.Loopback(host) {
		return hosts
	}
	return append(slices.Clone(hosts), names...)
}

// traffic is how many bytes came and went at the ports of a server.
type traffic struct{ received, sent atomic.Int64 }

// counted has the bytes at a port of a server counted that is kept; others are not asked.
func (k *keptRun) counted(l net.Listener) net.Listener {
	if k == nil {
		return l
	}
	return &countedListener{l, &k.traffic}
}

type countedListener struct {
	net.Listener
	traffic *traffic
}

// Accept takes the next connection.
func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &countedConn{c, l.traffic}, nil
}

type countedConn struct {
	net.Conn
	traffic *traffic
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.traffic.received.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.traffic.sent.Add(int64(n))
	return n, err
}

// CloseWrite says that nothing follows.
func (c *countedConn) CloseWrite() error {
	if one, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return one.CloseWrite()
	}
	return errors.ErrUnsupported
}
