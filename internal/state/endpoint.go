package state

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
)

// maxSocketPath is the longest path of a Unix socket that every system takes.
const maxSocketPath = 100

// endpoints are where the supervisor of a container may listen, best first: in the
// store, or, where that has too long a path or lies on a file system without
// sockets, in the folder for temporary files.
func (s *Store) endpoints(id string) []string {
	sum := sha256.Sum256([]byte(s.dir + "\x00" + id))
	name := hex.EncodeToString(sum[:8])
	return append(pipeEndpoints(name),
		"unix:"+s.path(runDir, name+".sock"),
		"unix:"+filepath.Join(privateTemp(), name+".sock"))
}

// listenControl listens at the first endpoint that works.
func (s *Store) listenControl(id string) (net.Listener, string, error) {
	var errs error
	for _, at := range s.endpoints(id) {
		l, err := listenEndpoint(at)
		if err == nil {
			return l, at, nil
		}
		errs = errors.Join(errs, err)
	}
	return nil, "", fmt.Errorf("listen for commands: %w", errs)
}

func listenEndpoint(at string) (net.Listener, error) {
	path, ok := strings.CutPrefix(at, "unix:")
	if !ok {
		return listenPipe(at)
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s: the path is too long for a socket", path)
	}
	if err := privateDir(filepath.Dir(path)); err != nil {
		return nil, err
	}
	// The caller has the container's lock: what lies there is of one that was killed.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

func dialEndpoint(ctx context.Context, at string) (net.Conn, error) {
	if path, ok := strings.CutPrefix(at, "unix:"); ok {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}
	return dialPipe(ctx, at)
}

// removeEndpoint removes what a supervisor that was killed left behind.
func removeEndpoint(at string) error {
	if path, ok := strings.CutPrefix(at, "unix:"); ok && strings.HasSuffix(path, ".sock") {
		return os.Remove(path)
	}
	return nil
}
