package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// Bounds of the head of an answer.
const (
	maxTexts = 512
	maxText  = 32 << 10 // bytes
	maxHead  = 256 << 10
)

// A Head is the head of an answer, as its frame has it. One may be read after the other
// into the same Head.
type Head struct {
	Status int
	Body   []byte // what is left of the frame

	hasType, hasLength bool
	fields             []field // with names as net/http spells them
}

type field struct{ name, value string }

var errShort = errors.New("the answer is cut off")

// Parse reads a frame. Body is a part of it, and nothing else is.
func (h *Head) Parse(b []byte) error {
	*h = Head{fields: h.fields[:0]}
	if len(b) < 8 {
		return errShort
	}
	size, code, count := len(b), binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	b = b[8:]
	if count > maxTexts || count%2 != 0 {
		return fmt.Errorf("the answer has %d names and values of headers: they are to be pairs, and at most %d", count, maxTexts)
	}
	for range count / 2 {
		name, rest, err := cut(b, size)
		if err != nil {
			return err
		}
		value, rest, err := cut(rest, size)
		if err != nil {
			return err
		}
		if err := h.add(name, value); err != nil {
			return err
		}
		b = rest
	}
	if code < 200 || code > 599 {
		return fmt.Errorf("the status of the answer is %d", code)
	}
	h.Status, h.Body = int(code), b
	return nil
}

// cut takes a text of the head of a frame of so many bytes.
func cut(b []byte, size int) (text, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errShort
	}
	n := binary.LittleEndian.Uint32(b)
	b = b[4:]
	switch {
	case uint64(n) > uint64(len(b)):
		return nil, nil, errShort
	case n > maxText || size-len(b) > maxHead:
		return nil, nil, errors.New("the head of the answer is too long")
	}
	return b[:n], b[n:], nil
}

// add takes a field up.
func (h *Head) add(name, value []byte) error {
	n, v, err := checked(usual(name), usual(value))
	if err != nil || n == "" {
		return err
	}
	switch n {
	case "Content-Type":
		h.hasType = true
	case "Content-Length":
		if h.hasLength {
			return badLength(v)
		}
		h.hasLength = true
	}
	h.fields = append(h.fields, field{n, v})
	return nil
}

// usual is a text of these bytes, and none that is made for what most answers say.
func usual(b []byte) string {
	switch string(b) {
	case "Content-Type":
		return "Content-Type"
	case "Content-Length":
		return "Content-Length"
	case "Cache-Control":
		return "Cache-Control"
	case "text/plain; charset=utf-8":
		return "text/plain; charset=utf-8"
	case "text/html; charset=utf-8":
		return "text/html; charset=utf-8"
	case "application/json":
		return "application/json"
	}
	return string(b)
}

// Put puts the fields into a header, in place of what it has of their names.
func (h *Head) Put(into http.Header) {
	if len(h.fields) == 0 {
		return
	}
	values := make([]string, len(h.fields)) // in one piece
	for i, f := range h.fields {
		values[i] = f.value
		if slices.ContainsFunc(h.fields[:i], func(before field) bool { return before.name == f.name }) {
			into[f.name] = append(into[f.name], f.value)
		} else {
			into[f.name] = values[i : i+1 : i+1]
		}
	}
}

// Add adds a field that a program says to the head of an answer, if it is one.
func Add(h http.Header, name, value string) error {
	name, value, err := checked(name, value)
	if err != nil || name == "" {
		return err
	}
	if name == "Content-Length" && h[name] != nil {
		return badLength(value)
	}
	h[name] = append(h[name], value)
	return nil
}

// checked gives a field that a program says as it is sent. Without a name it is none of
// the program's.
func checked(name, value string) (string, string, error) {
	if !Token(name) {
		return "", "", fmt.Errorf("the answer has a header with the name %.80q", name)
	}
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return "", "", fmt.Errorf("the header %s of the answer has control characters", name)
		}
	}
	name = textproto.CanonicalMIMEHeaderKey(name)
	if HopByHop(name) {
		return "", "", nil
	}
	if name == "Content-Length" {
		n, err := strconv.ParseUint(value, 10, 63) // digits: no sign
		if err != nil {
			return "", "", badLength(value)
		}
		if len(value) > 1 && value[0] == '0' { // those read it in two ways who read it at all
			value = strconv.FormatUint(n, 10)
		}
	}
	return name, value, nil
}

func badLength(value string) error {
	return fmt.Errorf("the Content-Length of the answer is %.80q", value)
}

// Token tells the name of a field (RFC 9110, 5.6.2).
func Token(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}
