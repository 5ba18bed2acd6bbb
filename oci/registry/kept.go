package registry

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
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

func (k keptUploads) file(key string) string { return filepath.Join(k.dir, key) }

func (k keptUploads) load(key string) *url.URL {
	if k.dir == "" {
		return nil
	}
	st, err := os.Stat(k.file(key))
	if err != nil || time.Since(st.ModTime()) > keptFor || st.Size() > maxAddress {
		k.drop(key)
		return nil
	}
	b, err := os.ReadFile(k.file(key))
	if err != nil {
		return nil
	}
	u, err := url.Parse(strings.TrimSpace(string(b)))
	if err != nil || u.Host == "" {
		return nil
	}
	return u
}

// maxAddress bounds an address that is kept.
const maxAddress = 16 << 10

func (k keptUploads) keep(key string, where *url.URL) {
	if k.dir == "" {
		return
	}
	k.tidy()
	if os.MkdirAll(k.dir, 0o700) == nil {
		_ = os.WriteFile(k.file(key), []byte(where.String()+"\n"), 0o600)
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
			_ = os.Remove(k.file(e.Name()))
		}
	}
}

func (k keptUploads) drop(key string) {
	if k.dir != "" {
		_ = os.Remove(k.file(key))
	}
}
