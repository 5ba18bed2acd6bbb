package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
)

// shared is where the drivers of a key have come to: a memory that all Workers of the
// key begin with. The first of them makes it while the others wait.
type shared struct {
	key   string
	users int           // of Runtime.mu
	turn  chan struct{} // held by whoever makes it

	// For who holds the turn, or found it made.
	made  bool
	image *engine.Image // nil: what they begin with without it is as good
	state []byte
	since time.Duration // its monotonic clock
	file  *os.File
	named bool // the file still has its name
}

// share joins the users of a key.
func (rt *Runtime) share(key string) *shared {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	s := rt.images[key]
	if s == nil {
		s = &shared{key: key, turn: make(chan struct{}, 1)}
		rt.images[key] = s
	}
	s.users++
	return s
}

// enter waits until it is made, or it is up to the caller to make it, who then gives
// the turn back.
func (s *shared) enter(ctx context.Context) (making bool, err error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	if s.made {
		<-s.turn
		return false, nil
	}
	return true, nil
}

// leave gives a share back.
func (rt *Runtime) leave(s *shared) {
	rt.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		delete(rt.images, s.key)
	}
	rt.mu.Unlock()
	if last && s.file != nil {
		s.file.Close()
		if s.named {
			_ = os.Remove(s.file.Name())
		}
	}
}

// take keeps the memory of an instance. The caller holds the turn.
func (s *shared) take(dir string, i *engine.Instance, state []byte) error {
	f, err := os.CreateTemp(dir, ".tmp-memory-")
	if err != nil {
		return fmt.Errorf("keep memory: %w", err)
	}
	named := os.Remove(f.Name()) != nil // nobody needs its name; where an open file has to have one, leave removes it
	image, err := i.Take(f)
	if err != nil {
		f.Close()
		if named {
			_ = os.Remove(f.Name())
		}
		return err
	}
	s.file, s.named, s.image, s.state = f, named, image, bytes.Clone(state)
	return nil
}

// sweepImages removes memories that a process has left where it could not remove them
// at once.
func sweepImages(cacheDir string, unused time.Duration) error {
	dir := filepath.Join(cacheDir, imagesDir)
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range list {
		if info, ierr := e.Info(); ierr == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) >= unused {
			_ = os.Remove(filepath.Join(dir, e.Name())) // one that is mapped cannot be removed there
		}
	}
	return err
}

// imagesDir is the folder of a cache with memories of instances.
const imagesDir = "tmp"

// imageDir is where memories of instances are kept.
func (rt *Runtime) imageDir() string {
	dir := rt.config.engine.CacheDir
	if dir == "" {
		return os.TempDir()
	}
	dir = filepath.Join(dir, imagesDir)
	if os.MkdirAll(dir, 0o700) != nil {
		return os.TempDir()
	}
	return dir
}
