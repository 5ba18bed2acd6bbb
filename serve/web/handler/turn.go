package handler

import (
	"context"
	"io"
	"net/http"

	"github.com/wherry-run/wherry/internal/late"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/wire"
)

// turn is one request at an instance: all that is made for it, in one piece.
type turn struct {
	late.Context // of the call
	request      *http.Request
	frame        []byte
	answer       wire.Answer
	instance     *instance
	wrong        error // what is no answer
}

// expire ends a program that says nothing.
func (t *turn) expire() { t.Cancel(wire.ErrSilent) }

// work has the guest answer.
func (t *turn) work(ctx context.Context, m *runtime.Machine) error {
	rest, err := ask(ctx, m, t.frame)
	if err != nil {
		return err
	}
	return t.finish(rest)
}

// read is the guest's import.
func (t *turn) read(p []byte) int32 {
	if len(p) == 0 {
		return 0
	}
	n, err := t.request.Body.Read(p[:min(len(p), 1<<20)])
	if n > 0 {
		t.instance.silence.heard()
		return int32(n)
	}
	if err == io.EOF {
		return 0
	}
	return -1
}

// write is the guest's import.
func (t *turn) write(p []byte) int32 {
	if t.wrong != nil {
		return -1
	}
	if !t.answer.Begun() {
		head := &t.instance.driver.head
		if err := head.Parse(p); err != nil {
			t.wrong = err
			return -1
		}
		if t.answer.BeginAs(head, -1) != nil {
			return -1
		}
		p = head.Body
	}
	if len(p) > 0 {
		if _, err := t.answer.Write(p); err != nil {
			return -1
		}
	}
	t.instance.silence.heard()
	return 0
}

// protocolError is an answer that is none.
type protocolError struct{ error }

func (e *protocolError) Unwrap() error { return e.error }

// finish sends what the guest returned.
func (t *turn) finish(rest []byte) error {
	if t.wrong != nil {
		return &protocolError{t.wrong}
	}
	if t.answer.Begun() {
		if len(rest) > 0 {
			_, _ = t.answer.Write(rest) // a client that left
		}
		return nil
	}
	head := &t.instance.driver.head
	if err := head.Parse(rest); err != nil {
		return &protocolError{err}
	}
	_ = t.answer.WholeAs(head) // a client that left
	return nil
}
