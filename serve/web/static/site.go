package static

import (
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/wherry-run/wherry/runtime"
)

// Files are those of a container.
type Files interface {
	// Open opens a file by its absolute path.
	Open(name string) (*runtime.File, error)
	// FS shows all of them, with Lstat and ReadLink.
	FS() fs.FS
}

// Config says what a site is.
type Config struct {
	Files Files
	// Root is the folder in which the site is, by its absolute path.
	Root string
	// Fallback is a file below Root that answers for every page that is not there: an
	// application that has its routes in the browser. "" has none.
	Fallback string
	// Frozen says that no file changes while the site is served: names are looked up
	// once then.
	Frozen bool
	// CacheBytes bounds what is kept in memory of small and packed files; 0 means
	// DefaultCache.
	CacheBytes int64
}

// DefaultCache is how many bytes of files are kept in memory.
const DefaultCache = 64 << 20

// A Site is an http.Handler. Close it when nothing is served any more.
type Site struct {
	tree     tree
	files    Files
	fallback string
	frozen   bool
	names    names
	kept     *cache
}

// New looks at the files of a site.
func New(c Config) (*Site, error) {
	links, ok := c.Files.FS().(linkFS)
	if !ok {
		return nil, fmt.Errorf("serve %s: its files cannot be looked at", c.Root)
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = DefaultCache
	}
	s := &Site{tree: tree{links, strings.Trim(path.Clean("/"+c.Root), "/")}, files: c.Files, frozen: c.Frozen, kept: newCache(c.CacheBytes)}
	info, err := links.Stat(s.tree.at(""))
	if err != nil || !info.IsDir() {
		return nil, &NoSiteError{Root: c.Root}
	}
	if c.Fallback != "" {
		s.fallback = strings.Trim(path.Clean("/"+c.Fallback), "/")
		if _, info, err := s.tree.find(s.fallback); err != nil || info.IsDir() {
			return nil, fmt.Errorf("serve %s: the fallback %s is no file of it", c.Root, c.Fallback)
		}
	}
	return s, nil
}

// A NoSiteError is a container without the folder in which its site should be.
type NoSiteError struct{ Root string }

func (e *NoSiteError) Error() string { return "there is no folder " + e.Root + " in the container" }

// Close lets go of the files.
func (s *Site) Close() error { return s.kept.close() }

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		w.Header()["Allow"] = allowed
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.Header()["Allow"] = allowed
		refuse(w, r, http.StatusMethodNotAllowed)
		return
	}
	p := s.page(r.URL.Path)
	switch {
	case p.redirect != "":
		redirect(w, r, p.redirect)
	case p.name == "":
		refuse(w, r, p.status)
	default:
		s.answer(w, r, p)
	}
}

var allowed = []string{"GET, HEAD, OPTIONS"}

// refuse answers without a file.
func refuse(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cache-Control"] = []string{"no-cache"}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "%d %s\n", status, http.StatusText(status))
	}
}

// redirect leads to a path of the site, with the query that was asked with.
func redirect(w http.ResponseWriter, r *http.Request, to string) {
	if r.URL.RawQuery != "" {
		to += "?" + r.URL.RawQuery
	}
	h := w.Header()
	h["Location"] = []string{to}
	h["Cache-Control"] = []string{"no-cache"}
	w.WriteHeader(http.StatusMovedPermanently)
}
