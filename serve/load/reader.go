package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Bounds of what a server may send.
const (
	bufferSize = 16 << 10 // a line has to fit
	maxHeaders = 256
)

var (
	errAnswer = errors.New("no answer of HTTP/1.1")
	errChunk  = errors.New("a chunk that is none")
)

// reader reads answers of a connection to their ends.
type reader struct {
	*bufio.Reader
	read  int64
	retry bool // the last answer has a Retry-After
}

func newReader(r io.Reader) *reader {
	return &reader{Reader: bufio.NewReaderSize(r, bufferSize)}
}

// answer reads one. again tells whether another may follow on the connection.
func (r *reader) answer(body io.Writer) (status int, again bool, err error) {
	for {
		head, err := r.head()
		if err != nil {
			return 0, false, err
		}
		if head.status >= 200 {
			err = r.body(head, body)
			return head.status, !head.close, err
		}
	}
}

// head is what has to be known of an answer to find its end.
type head struct {
	status         int
	length         int64 // -1: not said
	chunked, close bool
}

func (r *reader) line() ([]byte, error) {
	line, err := r.ReadSlice('\n')
	r.read += int64(len(line))
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func (r *reader) head() (head, error) {
	h := head{length: -1}
	r.retry = false
	line, err := r.line()
	if err != nil {
		return h, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return h, errAnswer
	}
	if h.status, err = strconv.Atoi(string(line[9:12])); err != nil || h.status < 100 {
		return h, errAnswer
	}
	old := line[7] == '0' // it knows no chunks
	h.close = old
	for range maxHeaders {
		if line, err = r.line(); err != nil {
			return h, noEOF(err)
		}
		if len(line) == 0 {
			return h, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return h, errAnswer
		}
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			if h.length, err = strconv.ParseInt(string(value), 10, 64); err != nil || h.length < 0 {
				return h, errAnswer
			}
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			h.chunked = !old && bytes.EqualFold(value, []byte("chunked"))
		case len(name) == 11 && bytes.EqualFold(name, []byte("Retry-After")):
			r.retry = len(value) > 0
		case len(name) == 10 && bytes.EqualFold(name, []byte("Connection")):
			h.close = h.close || bytes.EqualFold(value, []byte("close"))
		}
	}
	return h, errAnswer
}

func (r *reader) body(h head, to io.Writer) error {
	switch {
	case h.status == http.StatusNoContent || h.status == http.StatusNotModified:
		return nil
	case h.chunked:
		return r.chunks(to)
	case h.length >= 0:
		return r.pass(h.length, to)
	}
	return r.rest(to)
}

// pass reads n bytes.
func (r *reader) pass(n int64, to io.Writer) error {
	if to != nil {
		got, err := io.CopyN(to, r.Reader, n)
		r.read += got
		return noEOF(err)
	}
	for n > 0 {
		got, err := r.Discard(int(min(n, 1<<30)))
		r.read += int64(got)
		n -= int64(got)
		if err != nil {
			return noEOF(err)
		}
	}
	return nil
}

// rest reads what comes until the connection is closed.
func (r *reader) rest(to io.Writer) error {
	if to == nil {
		to = io.Discard
	}
	n, err := io.Copy(to, r.Reader)
	r.read += n
	return err
}

func (r *reader) chunks(to io.Writer) error {
	for {
		line, err := r.line()
		if err != nil {
			return noEOF(err)
		}
		size, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(size)), 16, 62)
		if err != nil {
			return errChunk
		}
		if n == 0 {
			break
		}
		if err := r.pass(int64(n), to); err != nil {
			return err
		}
		if line, err = r.line(); err != nil || len(line) > 0 {
			return errors.Join(errChunk, noEOF(err))
		}
	}
	for range maxHeaders {
		line, err := r.line()
		if err != nil || len(line) == 0 {
			return noEOF(err)
		}
	}
	return errChunk
}

// noEOF is the error of an end in the middle.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
