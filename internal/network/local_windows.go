package network

import (
	"context"
	"net"
	"os"
	"path/filepath"
)

// listenLocal opens a socket of the machine that only this user can reach, in
// place of one that nobody listens on any more.
func listenLocal(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err == nil {
		return l, nil
	}
	if c, derr := dialLocal(ctx, path); derr == nil {
		_ = c.Close()
		return nil, err
	}
	if rerr := os.Remove(path); rerr != nil {
		return nil, err
	}
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

func dialLocal(ctx context.Context, path string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", path)
}
