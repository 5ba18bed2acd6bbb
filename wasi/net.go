package wasi

import (
	"context"
	"net"
	"net/netip"
)

// A Dialer opens connections for guests. What may be reached is its business:
// internal/network satisfies it with the container's egress policy.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A Resolver looks names up for guests. A Dialer may be one, too: without it the
// only names that a guest can connect to are addresses.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Listen is how guests listen; internal/network satisfies it with the container's
// ports. An address without a host is every one that the guest has.
type Listen func(ctx context.Context, network, address string) (Listener, error)

// A Listener hands incoming connections to a guest. A net.Listener is one.
type Listener interface {
	// Accept waits for the next connection. It returns an error after Close.
	Accept() (net.Conn, error)
	// Close stops listening and wakes a waiting Accept.
	Close() error
}
