package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Microsoft/go-winio"
	"golang.org/x/sys/windows"
)

const pipePrefix = "pipe:"

// pipes are named pipes: every Windows has them, Wine too.
func pipes(name string) []string { return []string{pipePrefix + `\\.\pipe\wherry-` + name} }

// listenPipe listens on a pipe that only this user may open. It is one of messages,
// which can be closed by half.
func listenPipe(at string) (net.Listener, error) {
	path, ok := strings.CutPrefix(at, pipePrefix)
	if !ok {
		return nil, fmt.Errorf("%q is nowhere to listen", at)
	}
	user, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return nil, fmt.Errorf("find out who the user is: %w", err)
	}
	l, err := winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "D:P(A;;GA;;;" + user.User.Sid.String() + ")", MessageMode: true})
	if err != nil || windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() != nil {
		return l, err
	}
	return occupied(l, path)
}

// occupied is a listener under Wine. The instance by which go-winio has the name of a
// pipe takes no clients on Windows, for it is opened without access to data; Wine's
// NtCreateNamedPipeFile makes no difference there, and the first client would wait for
// ever. So the first one is our own.
func occupied(l net.Listener, path string) (net.Listener, error) {
	patience := time.Second
	c, err := winio.DialPipe(path, &patience)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on a pipe under Wine: %w", err), l.Close())
	}
	return &first{l, c}, nil
}

// first keeps the first connection until nobody listens any more.
type first struct {
	net.Listener
	conn net.Conn
}

// Close implements net.Listener.
func (f *first) Close() error { return errors.Join(f.Listener.Close(), f.conn.Close()) }

func dialPipe(ctx context.Context, at string) (net.Conn, error) {
	path, ok := strings.CutPrefix(at, pipePrefix)
	if !ok {
		return nil, fmt.Errorf("%q is nowhere to dial", at)
	}
	return winio.DialPipeContext(ctx, path)
}

func privateTemp() string { return filepath.Join(os.TempDir(), "wherry") }

// privateDir makes a folder; those of a user are the user's alone on Windows.
func privateDir(dir string) error { return os.MkdirAll(dir, 0o700) }
