package runtime

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/wasi/door"
)

// What a Worker and its guest say to each other goes over the door, host.call,
// in frames:
//
//	8 bytes   "\x00wherry" and the version, 1
//	1 byte    the kind
//	4 bytes   the length of the JSON, little-endian
//	n bytes   JSON, in UTF-8
//	the rest  bytes that the JSON speaks of: only a frameMessage and a framePart have any
//
// The host calls the guest's export turn when there is something to do, with
// source text that says no more than whether to begin or to work. The guest sends
// a frameNext, which ends after its kind, and gets a frameRequest back. When it
// begins that is who it is, as in request; it sends a frameError when it cannot be
// a worker. One that was restored begins when there is a request for it. When it
// works that is a list of words, or an object of values; it sends a frameAnswer,
// whose JSON is what came of it, or a frameError. The JSON of an error is an
// exception:
//
//	{"type": "ValueError", "message": "...", "traceback": "...", "misuse": false}
//
// To answers and errors the host says nothing. Before the answer to a request of
// Converse it may send any number of frameParts, in the shape of answers: the host says
// nothing when there may be more, and something when nobody wants any. Every other
// message is for the Spec's Door.
const (
	frameHead = "\x00wherry\x01"

	frameNext    = 'n'
	frameRequest = 'r'
	frameAnswer  = 'a'
	frameError   = 'e'
	frameMessage = 'm'
	framePart    = 'p'

	frameRoom = len(frameHead) + 1 + 4
)

// MaxRequest bounds a request, and an answer, in bytes.
const MaxRequest = 64 << 20

// maxException bounds the text of an exception, in bytes.
const maxException = 64 << 10

// An ExceptionError is a request that the guest did not answer because its
// program raised an exception. The Worker goes on.
type ExceptionError struct {
	// Type is the exception's class, Message its text.
	Type, Message string
	// Traceback is what the interpreter would print of it, in several lines.
	Traceback string
	// Misuse is set when the program was not called, because the request does not
	// fit it.
	Misuse bool
	// Argument names the parameter that did not fit, where it is one alone.
	Argument string
	// anew is set when the program has to begin at its beginning: what its snapshot holds
	// is not what it would have found.
	anew bool
}

func (e *ExceptionError) Error() string {
	if e.Misuse || e.Type == "" {
		return e.Message
	}
	if e.Message == "" {
		return e.Type
	}
	return e.Type + ": " + e.Message
}

// appendFrame makes a frame of JSON.
func appendFrame(kind byte, text []byte) []byte {
	b := make([]byte, 0, frameRoom+len(text))
	b = append(append(b, frameHead...), kind)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

// maxHead bounds the JSON of a message, and MaxData what is behind it.
const (
	maxHead = 4 << 20
	MaxData = 192 << 20
)

// pieceAlign is where the pieces of a message begin.
const pieceAlign = 16

// appendMessage makes a frame of JSON and pieces.
func appendMessage(head []byte, pieces [][]byte) []byte {
	size := aligned(frameRoom + len(head))
	for _, p := range pieces {
		size = aligned(size + len(p))
	}
	b := make([]byte, 0, size)
	b = append(append(b, frameHead...), frameMessage)
	b = binary.LittleEndian.AppendUint32(b, uint32(aligned(frameRoom+len(head))-frameRoom))
	b = pad(append(b, head...), ' ')
	for _, p := range pieces {
		b = pad(append(b, p...), 0)
	}
	return b
}

func aligned(n int) int { return (n + pieceAlign - 1) &^ (pieceAlign - 1) }

// pad fills up to where a piece may begin.
func pad(b []byte, with byte) []byte {
	for len(b)%pieceAlign != 0 {
		b = append(b, with)
	}
	return b
}

// isFrame tells whether a message is for the Worker.
func isFrame(message []byte) bool { return bytes.HasPrefix(message, []byte(frameHead)) }

var errFrame = errors.New("a frame of another shape")

// frame is a frame of the guest, taken apart.
type frame struct {
	kind       byte
	text, data []byte
}

// parseFrame takes a frame of the guest apart.
func parseFrame(message []byte) (f frame, err error) {
	if !isFrame(message) || len(message) == len(frameHead) {
		return frame{}, errFrame
	}
	f.kind = message[len(frameHead)]
	rest := message[len(frameHead)+1:]
	if f.kind == frameNext && len(rest) == 0 {
		return f, nil
	}
	carries := f.kind == frameMessage || f.kind == framePart
	if f.kind != frameAnswer && f.kind != frameError && !carries || len(rest) < 4 {
		return frame{}, errFrame
	}
	n, rest := uint64(binary.LittleEndian.Uint32(rest)), rest[4:]
	if n > uint64(len(rest)) || n != uint64(len(rest)) && !carries {
		return frame{}, errFrame
	}
	f.text, f.data = rest[:n:n], rest[n:]
	if carries && (n > maxHead || len(f.data) > MaxData) {
		return frame{}, fmt.Errorf("more than %d bytes of JSON, or %d behind it", maxHead, MaxData)
	}
	if n > MaxRequest {
		return frame{}, fmt.Errorf("more than %d bytes", MaxRequest)
	}
	if !json.Valid(f.text) {
		return frame{}, errFrame
	}
	return f, nil
}

// parseException reads the JSON of a frameError.
func parseException(text []byte) *ExceptionError {
	var told struct {
		Type      string `json:"type"`
		Message   string `json:"message"`
		Traceback string `json:"traceback"`
		Misuse    bool   `json:"misuse"`
		Anew      bool   `json:"anew"`
		Argument  string `json:"argument"`
	}
	if len(text) > 4*maxException || json.Unmarshal(text, &told) != nil {
		return &ExceptionError{Type: "exception", Message: "the guest does not say which"}
	}
	return &ExceptionError{Type: cutText(told.Type), Message: cutText(told.Message), Traceback: cutText(told.Traceback), Misuse: told.Misuse, Argument: cutText(told.Argument), anew: told.Anew}
}

func cutText(s string) string { return s[:min(len(s), maxException)] }

// The largest frame fits through the door.
var (
	_ [door.MaxMessage - MaxRequest - frameRoom]struct{}
	_ [door.MaxMessage - MaxData - maxHead - frameRoom - 1<<20]struct{} // padding
)
