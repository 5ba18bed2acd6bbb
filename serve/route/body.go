package route

import (
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
)

// DefaultMaxBody bounds the body of a request, in bytes, where a protocol's options say
// nothing else.
const DefaultMaxBody = 64 << 20

// atOnce is how much room is made for a body on the mere word of its client.
const atOnce = 1 << 20

// A Holder is a request's body that counts what is held in memory for it, as guard's
// does. Hold says that so many bytes more are than were read from it; an error of it
// ends the request.
type Holder interface{ Hold(bytes int64) error }

// Hold counts bytes that were made of a request's body, where it is a Holder.
func Hold(r *http.Request, bytes int64) error {
	if h, ok := r.Body.(Holder); ok {
		return h.Hold(bytes)
	}
	return nil
}

// Body reads the body of a request, at most max bytes of it, as it is without its
// Content-Encoding: gzip and deflate are understood. The errors are a
// *http.MaxBytesError, a *RequestError, or those of the connection.
func Body(w http.ResponseWriter, r *http.Request, max int64) ([]byte, error) {
	if r.ContentLength > max {
		return nil, &http.MaxBytesError{Limit: max}
	}
	body := io.Reader(r.Body)
	if _, ok := body.(Holder); !ok { // which bounds it, too
		body = http.MaxBytesReader(w, r.Body, max)
	}
	switch First(r.Header, "Content-Encoding") {
	case "", "identity":
		return read(body, r.ContentLength, max)
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, unreadable(err, "gzip")
		}
		return unpack(z, r.Body, max, "gzip")
	case "deflate":
		z, err := zlib.NewReader(body)
		if err != nil {
			return nil, unreadable(err, "deflate")
		}
		return unpack(z, r.Body, max, "deflate")
	}
	return nil, &RequestError{http.StatusUnsupportedMediaType, "the Content-Encoding is none of gzip, deflate and identity"}
}

func unpack(r io.Reader, packed io.Reader, max int64, encoding string) ([]byte, error) {
	if h, ok := packed.(Holder); ok {
		r = &unpacked{r, h}
	}
	b, err := read(r, -1, max)
	if err != nil {
		return nil, unreadable(err, encoding)
	}
	return b, nil
}

// unpacked has what comes out of a packed body counted, too: a few bytes of that may
// become many.
type unpacked struct {
	io.Reader
	holder Holder
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if full := u.holder.Hold(int64(n)); full != nil {
		return n, full
	}
	return n, err
}

// unreadable tells what is wrong with the client's bytes from what is with the
// connection, and from what others hold.
func unreadable(err error, encoding string) error {
	if errors.As(err, new(*http.MaxBytesError)) || errors.As(err, new(*RequestError)) {
		return err
	}
	return &RequestError{Message: "the body is not what its Content-Encoding says, " + encoding}
}

// read reads all of r, which says that it has so many bytes, or -1.
func read(r io.Reader, says, max int64) ([]byte, error) {
	room := int64(512)
	if says >= 0 {
		room = min(says+1, atOnce) // one more, to meet the end without growing
	}
	b := make([]byte, 0, room)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case int64(len(b)) > max:
			return nil, &http.MaxBytesError{Limit: max}
		case err == io.EOF:
			return b, nil
		case err != nil:
			return nil, err
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
