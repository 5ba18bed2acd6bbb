//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

func pipes(string) []string { return nil }

var errNoPipe = errors.New("no address of this machine")

func listenPipe(string) (net.Listener, error)            { return nil, errNoPipe }
func dialPipe(context.Context, string) (net.Conn, error) { return nil, errNoPipe }
func privateTemp() string                                { return filepath.Join(os.TempDir(), fmt.Sprintf("wherry-%d", os.Getuid())) }

// privateDir makes a folder that is this user's alone, and refuses one that is not.
func privateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || ok && int(st.Uid) != os.Getuid() {
		return fmt.Errorf("%s is not a folder of this user alone", dir)
	}
	return nil
}
