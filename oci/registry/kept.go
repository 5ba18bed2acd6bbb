package registry

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// keepFrom is how large a blob must be for its upload to be kept.
const keepFrom = 1 << 20

// keptFor is how long an upload is gone on with: registries forget them, too.
const keptFor = 24 * time.Hour

// keptUploads remembers in a folder where uploads go, so that a push that was killed is
// gone on with by the next. An address may carry a secret of the upload, so the files
// are for this user alone. Nothing here is worth a failure.
type keptUploads struct{ dir string }

// WithUploads remembers in a folder uploads that are under way. A push that was killed
// is gone on with by the next that sends the same.
func WithUploads(dir string) Option { return func(c *Client) { c.kept.dir = dir } }

// keptUpload is what is remembered of one upload. A nil one remembers nothing.
type keptUpload struct {
	file string
	lock *flock.Flock
	over bool
}

// hold is for who sends a blob: nil when another program sends the same one, so that
// they do not go on with each other's upload.
func (k keptUploads) hold(key string) *keptUpload {
	if k.dir == "" || os.MkdirAll(k.dir, 0o700) != nil {
		return nil
	}
	k.tidy()
	u := &keptUpload{file: filepath.Join(k.dir, key)}
	u.lock = flock.New(u.file+".lock", flock.SetPermissions(0o600))
	if ok, err := u.lock.TryLock(); err != nil || !ok {
		_ = u.lock.Close()
		return nil
	}
	return u
}

// load is where the upload of an earlier run goes; nil when there is none.
func (u *keptUpload) load() *url.URL {
	if u == nil {
		return nil
	}
	st, err := os.Stat(u.file)
	if err != nil || time.Since(st.ModTime()) > keptFor || st.Size() > maxAddress {
		return nil
	}
	b, err := os.ReadFile(u.file)
	if err != nil {
		return nil
	}
	where, err := url.Parse(strings.TrimSpace(string(b)))
	if err != nil || where.Host == "" {
		return nil
	}
	return where
}

// maxAddress bounds an address that is kept.
const maxAddress = 16 << 10

func (u *keptUpload) keep(where *url.URL) {
	if u != nil {
		_ = os.WriteFile(u.file, []byte(where.String()+"\n"), 0o600)
	}
}

// done says that the blob is there: nothing is to be remembered.
func (u *keptUpload) done() {
	if u != nil {
		u.over = true
	}
}

func (u *keptUpload) release() {
	if u == nil {
		return
	}
	if u.over {
		_ = os.Remove(u.file)
	}
	_ = u.lock.Close()
	if u.over {
		_ = os.Remove(u.file + ".lock") // Windows removes no open file
	}
}

// tidy removes what nobody goes on with.
func (k keptUploads) tidy() {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > keptFor {
			_ = os.Remove(filepath.Join(k.dir, e.Name()))
		}
	}
}
