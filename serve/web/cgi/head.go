package cgi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/wherry-run/wherry/serve/web/wire"
)

// Bounds of the head of an answer.
const (
	maxHead   = 64 << 10 // bytes
	maxFields = 256
)

// A head is what a program says before the body of its answer.
type head struct {
	status int
	header http.Header
	// local is the path of this server that is to be answered instead.
	local string
}

// errMore says that the head goes on.
var errMore = errors.New("the head has no end yet")

// parseHead reads the head at the beginning of what a program says, and tells how long
// it is. Lines end with LF, or CR LF.
func parseHead(text []byte) (*head, int, error) {
	h := &head{header: http.Header{}}
	at, fields := 0, 0
	for {
		n := bytes.IndexByte(text[at:], '\n')
		if n < 0 {
			if len(text) > maxHead {
				return nil, 0, fmt.Errorf("its head has more than %d bytes", maxHead)
			}
			return nil, 0, errMore
		}
		line := bytes.TrimSuffix(text[at:at+n], []byte("\r"))
		at += n + 1
		if at > maxHead {
			return nil, 0, fmt.Errorf("its head has more than %d bytes", maxHead)
		}
		if len(line) == 0 {
			if fields == 0 {
				return nil, 0, errors.New("its head has no line")
			}
			return h, at, h.settle()
		}
		if fields++; fields > maxFields {
			return nil, 0, fmt.Errorf("its head has more than %d lines", maxFields)
		}
		if err := h.take(string(line), fields == 1); err != nil {
			return nil, 0, err
		}
	}
}

// take reads one line.
func (h *head) take(line string, first bool) error {
	if first && strings.HasPrefix(line, "HTTP/") {
		return errors.New("it answers with a head of HTTP (NPH), and not of CGI: begin with Content-Type or Status")
	}
	name, value, ok := strings.Cut(line, ":")
	if !ok || !wire.Token(name) {
		return fmt.Errorf("a line of its head is none: %.80q", line)
	}
	value = strings.Trim(value, " \t")
	if strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return fmt.Errorf("its head has a value with control characters: %s", name)
	}
	switch name = textproto.CanonicalMIMEHeaderKey(name); name {
	case "Status":
		code, _, _ := strings.Cut(value, " ")
		n, err := strconv.Atoi(code)
		if err != nil || n < 200 || n > 599 || h.status != 0 {
			return fmt.Errorf("its Status is %.80q", value)
		}
		h.status = n
	case "Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		// how the answer is carried is the server's
	case "Content-Length":
		n, err := strconv.ParseUint(value, 10, 63) // digits: no sign
		if err != nil || len(h.header[name]) > 0 {
			return fmt.Errorf("its Content-Length is %.80q", value)
		}
		h.header.Set(name, strconv.FormatUint(n, 10))
	default:
		h.header.Add(name, value)
	}
	return nil
}

// settle gives the head the status that goes without saying.
func (h *head) settle() error {
	to := h.header["Location"]
	switch {
	case len(to) > 1:
		return errors.New("it has several Locations")
	case len(to) == 1 && h.status == 0 && strings.HasPrefix(to[0], "/") && !strings.HasPrefix(to[0], "//"):
		h.local = to[0]
	case len(to) == 1 && h.status == 0:
		h.status = http.StatusFound
	case h.status == 0:
		h.status = http.StatusOK
	}
	return nil
}
