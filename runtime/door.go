package runtime

import (
	"context"

	"github.com/wherry-run/wherry/wasi/door"
)

// A Door answers the messages that the programs of one call send with host.call.
// Several programs of a script may send at once.
type Door interface {
	// Answer answers a message, which is the Door's own. An error is a fault to the
	// program, without its text; when ctx is done the program ends.
	Answer(ctx context.Context, message []byte) ([]byte, error)
	// Close is called when the programs have ended.
	Close(ctx context.Context) error
}

// handler is the door of a call's programs; nil has none.
func (s *session) handler() door.Handler {
	if s.container.spec.Door == nil {
		return nil
	}
	return s.answer
}

// answer answers a program. The Door is made for the first message.
func (s *session) answer(ctx context.Context, message []byte) ([]byte, error) {
	if s.container.spec.Door == nil {
		return nil, door.ErrNobody
	}
	s.mu.Lock()
	if s.door == nil {
		s.door = s.container.spec.Door(&Caller{s, s.stderr})
	}
	d := s.door
	s.mu.Unlock()
	return d.Answer(ctx, message)
}

// close ends what works for the call. Its programs have ended.
func (s *session) close(ctx context.Context) {
	s.mu.Lock()
	d := s.door
	s.mu.Unlock()
	if d != nil {
		_ = d.Close(context.WithoutCancel(ctx)) // nothing hangs on how it ends
	}
}
