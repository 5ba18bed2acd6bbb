package shell

import (
	"io"
	"os"
	"reflect"
	"sync"
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
