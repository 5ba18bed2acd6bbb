package oip

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
)

// buffers are used again: JSON is written into them.
var buffers = sync.Pool{New: func() any { return &buffer{json: make([]byte, 0, 4<<10)} }}

// buffer is an answer while it is written.
type buffer struct {
	json  []byte
	parts [][]byte
}

// maxKept bounds the buffers that are kept.
const maxKept = 4 << 20

func (b *buffer) free() {
	clear(b.parts)
	b.parts = b.parts[:0]
	if b.json = b.json[:0]; cap(b.json) <= maxKept {
		buffers.Put(b)
	}
}

var (
	jsonType   = []string{typeJSON}
	binaryType = []string{typeBinary}
)

// send answers with a response.
func send(w http.ResponseWriter, r *http.Request, a *response) error {
	b := buffers.Get().(*buffer)
	defer b.free()
	b.json, b.parts = a.append(b.json, b.parts)
	h := w.Header()
	h["Content-Type"] = jsonType
	size := len(b.json)
	if len(b.parts) > 0 {
		h["Content-Type"] = binaryType
		h[headerLength] = []string{strconv.Itoa(len(b.json))}
		for _, p := range b.parts {
			size += len(p)
		}
	}
	if accept, ok := r.Header["Accept-Encoding"]; ok {
		h.Add("Vary", "Accept-Encoding")
		if encoding := encodingOf(accept); encoding != "" && size >= worthPacking {
			h["Content-Encoding"] = []string{encoding}
			pack(w, encoding, b)
			return nil
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(size)}
	_, err := w.Write(b.json)
	for i := 0; i < len(b.parts) && err == nil; i++ {
		_, err = w.Write(b.parts[i])
	}
	return nil // who does not read the answer has left
}

// worthPacking is how long an answer is at least that is compressed: one that fits
// into a packet of the network does not become faster.
const worthPacking = 1400

// encodingOf is how a client wants an answer compressed, "" if not at all.
func encodingOf(accept []string) string {
	best := ""
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			name, quality, _ := strings.Cut(part, ";")
			if q := strings.ReplaceAll(quality, " ", ""); strings.HasPrefix(q, "q=0") && strings.Trim(q[3:], ".0") == "" {
				continue
			}
			switch strings.TrimSpace(name) {
			case "gzip":
				return "gzip"
			case "deflate":
				best = "deflate"
			}
		}
	}
	return best
}

var (
	gzips = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed); return z }}
	zlibs = sync.Pool{New: func() any { z, _ := zlib.NewWriterLevel(io.Discard, zlib.BestSpeed); return z }}
)

// packer is what both compressions have.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

func pack(w io.Writer, encoding string, b *buffer) {
	pool := &gzips
	if encoding == "deflate" {
		pool = &zlibs
	}
	z := pool.Get().(packer)
	defer pool.Put(z)
	z.Reset(w)
	_, err := z.Write(b.json)
	for i := 0; i < len(b.parts) && err == nil; i++ {
		_, err = z.Write(b.parts[i])
	}
	_ = z.Close() // who does not read the answer has left
	z.Reset(io.Discard)
}
