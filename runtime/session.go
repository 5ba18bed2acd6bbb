package runtime

import (
	"context"
	"io"
	"reflect"
	"sync"

	"github.com/wherry-run/wherry/wasi"
)

// session is one Run or Exec with all the programs that it starts. It knows
// the inputs in use: programs of one script read the same pipe or terminal in
// turn, and what the host read ahead for one must be there for the next.
type session struct {
	container *Container

	mu     sync.Mutex
	recent []sharedInput
}

type sharedInput struct {
	reader io.Reader
	input  *wasi.Input
}

// maxShared bounds the inputs that are remembered: those of the programs that
// run now, and a few before them.
const maxShared = 16

// reader is r for a program of ours: through the Input that read ahead of it,
// if one did.
func (s *session) reader(ctx context.Context, r io.Reader) io.Reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !reflect.TypeOf(r).Comparable() {
		return r
	}
	for _, k := range s.recent {
		if k.reader == r {
			return k.input.Reader(ctx)
		}
	}
	return r
}

// input is the Input over r: the same one for the same reader.
func (s *session) input(r io.Reader, terminal bool) *wasi.Input {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := reflect.TypeOf(r).Comparable()
	for _, k := range s.recent {
		if known && k.reader == r {
			return k.input
		}
	}
	in := wasi.NewInput(r)
	if terminal {
		in = wasi.NewTerminalInput(r)
	}
	if known {
		s.recent = append(s.recent, sharedInput{r, in})
		if len(s.recent) > maxShared {
			s.recent = s.recent[1:]
		}
	}
	return in
}
