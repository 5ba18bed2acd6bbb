package shell

import (
	"bytes"
	"io"
	"os"
	"reflect"
	"sync"

	"github.com/wherry-run/wherry/internal/pattern"
)

// oneAtATime makes writers that the programs of a pipeline can share: their
// writes come one after the other, as a kernel orders those to one file, even
// when both are the same writer. Files are shared as they are.
func oneAtATime(stdout, stderr io.Writer) (io.Writer, io.Writer) {
	mu, other := new(sync.Mutex), new(sync.Mutex)
	if same(stdout, stderr) {
		other = mu // else a full pipe on one side would hold up the other
	}
	return ordered(mu, stdout), ordered(other, stderr)
}

func same(a, b io.Writer) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

func ordered(mu *sync.Mutex, w io.Writer) io.Writer {
	switch w.(type) {
	case *os.File, *orderedWriter: // an outer shell orders them already
		return w
	}
	return &orderedWriter{mu, w}
}

type orderedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (o *orderedWriter) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

// discreet is a stderr that shows nothing of the commands that rewriting puts
// into a script, as `set -x` would.
type discreet struct{ w io.Writer }

func (d discreet) Write(p []byte) (int, error) {
	mark := bytes.IndexByte(p, 1)
	switch {
	case mark < 0:
	case bytes.HasPrefix(p, []byte("+ \x01")), string(p) == errRefused.Error()+"\n":
		return len(p), nil
	case bytes.Contains(p, []byte("$(\x01")):
		if _, err := d.w.Write(hidden.ReplaceAll(p, nil)); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	return d.w.Write(p)
}

var hidden = pattern.New("\\$\\(\x01[^()]*\\)")
