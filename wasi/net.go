package wasi

import (
	"context"
	"net"
)

// A Dialer opens connections for guests. What may be reached is its business:
// internal/network satisfies it with the container's egress policy.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A Listener hands incoming connections to a guest. A net.Listener is one.
type Listener interface {
	// Accept waits for the next connection. It returns an error after Close.
	Accept() (net.Conn, error)
	// Close stops listening and wakes a waiting Accept.
	Close() error
}
