package page

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Files are the files of a page by their names, ready to be sent.
type Files map[string]file

// A file is an embedded one.
type file struct {
	kind, tag string
	content   []byte
}

// kinds of content by the names of files: those that the system knows may differ.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// ReadFiles reads the files of a folder.
func ReadFiles(from fs.FS, folder string) (Files, error) {
	list, err := fs.ReadDir(from, folder)
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	files := make(Files, len(list))
	for _, e := range list {
		content, err := fs.ReadFile(from, folder+"/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("read the page: %w", err)
		}
		sum := sha256.Sum256(content)
		files[e.Name()] = file{kinds[path.Ext(e.Name())], `"` + hex.EncodeToString(sum[:8]) + `"`, content}
	}
	return files, nil
}

// Send answers with a file, or says that there is none of that name.
func (f Files) Send(w http.ResponseWriter, r *http.Request, name string) {
	found, ok := f[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	Secure(h)
	h.Set("Content-Type", found.kind)
	h.Set("ETag", found.tag)
	h.Set("Cache-Control", "no-cache") // ask whether it has changed
	if strings.Contains(r.Header.Get("If-None-Match"), found.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write(found.content) // a client that left needs no answer
}

// policy lets a page load and ask nothing but its server, and run nothing but its
// files: what others wrote that it shows cannot become a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Secure puts on an answer what a browser is to hold a page to.
func Secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
}
