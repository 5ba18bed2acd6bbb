package local

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

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
	return winio.ListenPipe(path, &winio.PipeConfig{SecurityDescriptor: "D:P(A;;GA;;;" + user.User.Sid.String() + ")", MessageMode: true})
}

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
