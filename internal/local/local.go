// Package local is sockets of this machine that only this user reaches: Unix sockets
// with short paths, or named pipes on Windows. It knows nothing of what is said over
// them.
package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxPath is the longest path of a Unix socket that every system takes.
const maxPath = 100

// probe bounds the look whether somebody listens already.
const probe = time.Second

const unixPrefix = "unix:"

// Addresses are where one may listen who is known by a key, best first: a named
// pipe where there are such, else a socket in dir, or, where that has too long a
// path or lies on a file system without sockets, in the folder for temporary files.
func Addresses(dir, key string) []string {
	sum := sha256.Sum256([]byte(dir + "\x00" + key))
	name := hex.EncodeToString(sum[:8])
	return append(pipes(name), unixPrefix+filepath.Join(dir, name+".sock"), unixPrefix+filepath.Join(privateTemp(), name+".sock"))
}

// Listen listens at the first address that works, in place of who was killed there,
// and tells which it is.
func Listen(ctx context.Context, addresses []string) (net.Listener, string, error) {
	var errs error
	for _, at := range addresses {
		l, err := listen(ctx, at)
		if err == nil {
			return l, at, nil
		}
		errs = errors.Join(errs, err)
	}
	return nil, "", errs
}

func listen(ctx context.Context, at string) (net.Listener, error) {
	path, ok := strings.CutPrefix(at, unixPrefix)
	if !ok {
		return listenPipe(at)
	}
	if len(path) > maxPath {
		return nil, fmt.Errorf("%s: the path is too long for a socket", path)
	}
	if err := privateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if _, err := os.Lstat(path); err == nil {
		short, cancel := context.WithTimeout(ctx, probe)
		defer cancel()
		if c, err := Dial(short, at); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: somebody listens there", path)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Dial connects to an address that Listen told.
func Dial(ctx context.Context, at string) (net.Conn, error) {
	if path, ok := strings.CutPrefix(at, unixPrefix); ok {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return dialPipe(ctx, at)
}

// Remove removes what somebody left who was killed while listening there: nobody
// listens any more.
func Remove(at string) error {
	path, ok := strings.CutPrefix(at, unixPrefix)
	if !ok || !strings.HasSuffix(path, ".sock") {
		return nil // a pipe goes with its process
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
