package web

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unsafe"
)

// A guest takes several times as long for everything as the host does, to make a piece of
// memory most of all, and most requests are small. So what a request needs is one piece,
// of which several are made at once, and so are its texts and lists. None is used again:
// whoever keeps a request has it for himself.

// exchange is a request and its answer.
type exchange struct {
	request http.Request
	writer  writer
	over    during
	url     url.URL
	body    body
	cut     bool // there is no whole answer
}

const (
	atOnce  = 8       // exchanges
	textual = 4 << 10 // bytes
	listed  = 64      // texts
)

var (
	unused []exchange
	page   []byte // used as far as it is long
	list   []string
)

// next is an exchange that nobody had before.
func next() *exchange {
	if len(unused) == 0 {
		unused = make([]exchange, atOnce)
	}
	x := &unused[0]
	unused = unused[1:]
	x.writer.over = &x.over
	return x
}

// text is a text of these bytes.
func text(b []byte) string {
	n := len(b)
	if n > textual/4 {
		return string(b)
	}
	if cap(page)-len(page) < n {
		page = make([]byte, 0, textual)
	}
	at := len(page)
	page = append(page, b...)
	return unsafe.String(unsafe.SliceData(page[at:]), n)
}

// texted is room for so many texts.
func texted(n int) []string {
	if n > listed/4 {
		return make([]string, n)
	}
	if len(list) < n {
		list = make([]string, listed)
	}
	some := list[:n:n]
	list = list[n:]
	return some
}

// blank is copied by each request: only so one gets a context.
var blank = &http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}

// number is the one at a place of a frame.
func number(b []byte, at int) int {
	return int(*(*uint32)(unsafe.Pointer(&b[at : at+4][0]))) // as WebAssembly has it, and others where this is tested
}

// texts has those of a frame.
type texts struct {
	all string
	at  int
}

func (t *texts) next() string {
	from := t.at + 4
	n := number(unsafe.Slice(unsafe.StringData(t.all), len(t.all)), t.at)
	t.at = from + n
	return t.all[from:t.at]
}

// length is how many bytes of b so many texts take.
func length(b []byte, count int) int {
	at := 0
	for range count {
		at += 4 + number(b, at)
	}
	return at
}

// read makes a request of what the host says. Its body is valid until the answer.
func (x *exchange) read(b []byte) error {
	more, count := number(b, 0)&1 != 0, number(b, 4)
	b = b[8:]
	n := length(b, count)
	t, first := texts{all: text(b[:n])}, b[n:]
	x.request = *blank.WithContext(&x.over)
	r := &x.request
	r.Method, r.RequestURI = t.next(), t.next()
	if proto := t.next(); proto != r.Proto {
		var ok bool
		if r.ProtoMajor, r.ProtoMinor, ok = http.ParseHTTPVersion(proto); !ok {
			r.ProtoMajor, r.ProtoMinor = 1, 1
		}
		r.Proto = proto
	}
	r.Host, r.RemoteAddr = t.next(), t.next()
	t.next() // the scheme
	var err error
	if r.URL, err = target(r.RequestURI, &x.url); err != nil {
		return err
	}
	long := x.headers(&t, (count-6)/2)
	switch {
	case long != "":
		r.ContentLength, _ = strconv.ParseInt(long, 10, 64)
	case more || len(first) > 0:
		r.ContentLength = -1
	}
	if more || len(first) > 0 {
		x.body = body{first: first, more: more}
		r.Body = &x.body
	}
	return nil
}

// headers reads so many, and gives the Content-Length, which is none of a request's.
func (x *exchange) headers(t *texts, n int) (long string) {
	h, values := make(http.Header, n), texted(n)
	for i := range n {
		name := t.next()
		values[i] = t.next()
		if name == "Content-Length" {
			long = values[i]
		} else if have := h[name]; have != nil {
			h[name] = append(have, values[i])
		} else {
			h[name] = values[i : i+1 : i+1]
		}
	}
	x.request.Header = h
	return long
}

// target is url.ParseRequestURI, which most targets do not need: those are in room.
func target(s string, room *url.URL) (*url.URL, error) {
	path, query, asks := strings.Cut(s, "?")
	if path == "" || path[0] != '/' || asks && query == "" {
		return url.ParseRequestURI(s)
	}
	for i := range len(path) {
		if c := path[i]; !('a' <= c && c <= 'z' || '/' <= c && c <= '9' || 'A' <= c && c <= 'Z' || c == '-' || c == '_' || c == '.') {
			return url.ParseRequestURI(s)
		}
	}
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f {
			return url.ParseRequestURI(s)
		}
	}
	room.Path, room.RawQuery = path, query
	return room, nil
}

// body is that of a request: its beginning, and what the host has more of it.
type body struct {
	first []byte
	more  bool
}

var errBody = errors.New("the body of the request did not come")

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if n := copy(p, b.first); n > 0 {
		b.first = b.first[n:]
		return n, nil
	}
	if !b.more {
		return 0, io.EOF
	}
	switch n := hostRead(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p))); {
	case n < 0:
		return 0, errBody
	case n == 0:
		b.more = false
		return 0, io.EOF
	default:
		return int(n), nil
	}
}

func (b *body) Close() error { return nil }
