package static

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// epoch is the time of every file of an image that was built without another: it says
// nothing, least of all whether a file has changed.
var epoch = time.Unix(315532800, 0)

// answer sends the file of a page, in the smallest form that the client takes.
func (s *Site) answer(w http.ResponseWriter, r *http.Request, p page) {
	plain, err := s.load(p.name, p.info)
	if err != nil {
		refuse(w, r, http.StatusNotFound) // removed meanwhile, or not to be read
		return
	}
	defer s.kept.release(plain)
	kind := typeOf(p.name)
	c, encoding, varies := s.choose(r, p.name, kind, plain)
	if c != plain {
		defer s.kept.release(c)
	}
	h := w.Header()
	h["Content-Type"] = []string{kind}
	h["Etag"] = []string{c.etag}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = revalidated
	if p.status == http.StatusOK && !p.fallback && named(p.name) {
		h["Cache-Control"] = forever
	}
	if varies {
		h["Vary"] = append(h["Vary"], "Accept-Encoding")
	}
	if encoding != "" {
		h["Content-Encoding"] = []string{encoding}
	}
	s.send(w, r, p, c)
}

// Headers that many answers have in common.
var (
	noSniff     = []string{"nosniff"}
	revalidated = []string{"no-cache"}
	forever     = []string{"public, max-age=31536000, immutable"}
	inBytes     = []string{"bytes"}
)

// choose gives the form of a file that a client gets: a packed file beside it, one
// packed here, or as it is. It tells whether other clients may get another.
func (s *Site) choose(r *http.Request, name, kind string, plain *content) (c *content, encoding string, varies bool) {
	may := identity
	if list := r.Header["Accept-Encoding"]; len(list) > 0 {
		may = accepts(strings.Join(list, ","))
	}
	best := plain
	if may&identity == 0 {
		best = nil
	}
	for _, code := range coded {
		p, ok := s.beside(name + code.suffix)
		if !ok {
			continue
		}
		varies = true
		if may&code.bit == 0 || best != nil && p.info.Size() >= best.size {
			continue
		}
		found, err := s.load(p.name, p.info)
		if err != nil {
			continue
		}
		if best != nil && best != plain {
			s.kept.release(best)
		}
		best, encoding = found, code.name
	}
	if encoding != "" {
		return best, encoding, true
	}
	if packs(kind) && plain.data != nil && plain.size >= leastPacked && plain.size <= mostPacked {
		varies = true
		if may&gzipped != 0 {
			if c := s.packed(plain); c != nil {
				return c, "gzip", true
			}
		}
	}
	return plain, "", varies
}

// beside is the page of a packed file; that there is none is remembered, too.
func (s *Site) beside(name string) (page, bool) {
	if !s.frozen {
		return s.file(name)
	}
	s.names.mu.RLock()
	p, ok := s.names.pages["\x00"+name]
	s.names.mu.RUnlock()
	if !ok {
		p, _ = s.file(name)
		s.names.mu.Lock()
		if s.names.pages == nil || len(s.names.pages) >= maxNames {
			s.names.pages = make(map[string]page, 64)
		}
		s.names.pages["\x00"+name] = p
		s.names.mu.Unlock()
	}
	return p, p.name != ""
}

// conditions are the headers that make a request more than one for the whole file.
var conditions = [...]string{"Range", "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range"}

func plainly(r *http.Request) bool {
	for _, name := range conditions {
		if r.Header[name] != nil {
			return false
		}
	}
	return true
}

// maxRanges bounds the parts of a file that one request gets.
const maxRanges = 16

// send answers with a content.
func (s *Site) send(w http.ResponseWriter, r *http.Request, p page, c *content) {
	h := w.Header()
	changed := p.info.ModTime()
	if changed.Sub(epoch).Abs() < time.Second || changed.Unix() <= 0 {
		changed = time.Time{}
	}
	if p.status != http.StatusOK || plainly(r) {
		if !changed.IsZero() {
			h["Last-Modified"] = []string{changed.UTC().Format(http.TimeFormat)}
		}
		h["Accept-Ranges"] = inBytes
		h["Content-Length"] = []string{strconv.FormatInt(c.size, 10)}
		w.WriteHeader(p.status)
		if r.Method != http.MethodHead {
			c.writeTo(w)
		}
		return
	}
	if strings.Count(strings.Join(r.Header["Range"], ","), ",") >= maxRanges {
		r = r.Clone(r.Context())
		delete(r.Header, "Range")
	}
	http.ServeContent(w, r, "", changed, c.reader())
}

// piece is how much is written at a time: a client has its time for each.
const piece = 256 << 10

// writeTo writes the content; an error is that of the client, who left.
func (c *content) writeTo(w io.Writer) {
	if c.data == nil {
		_, _ = io.Copy(w, io.NewSectionReader(c.file, 0, c.size))
		return
	}
	for b := c.data; len(b) > 0; {
		n, err := w.Write(b[:min(len(b), piece)])
		if err != nil {
			return
		}
		b = b[n:]
	}
}

func (c *content) reader() io.ReadSeeker {
	if c.data != nil {
		return bytes.NewReader(c.data)
	}
	return io.NewSectionReader(c.file, 0, c.size)
}
