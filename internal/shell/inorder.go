package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// With Process.InOrder a script has one command at work at a time, so that no
// two can race for a file, for stderr, or for the next reading of a clock. Of
// what the shell runs at once, pipelines stay: the right side begins when the
// left has ended, and reads what was held back of its output. Background
// commands are refused.

// heldOutput is the command that reads a pipe to its end and prints the name
// under which what it read is opened. The redirection that each right side is
// given is all that calls it.
const (
	heldOutput = "\x01held"
	heldPrefix = "/\x01held/"
)

// maxHeld bounds what one shell holds back in its pipes. What goes beyond flows
// as it does in any pipe, with both sides at work: a left side that never ends
// must not wait for its end.
const maxHeld = 16 << 20

// inOrder rewrites a parsed script so that its commands run one by one.
func inOrder(node syntax.Node) error {
	var err error
	refuse := func(p syntax.Pos, what string) {
		if err == nil {
			err = fmt.Errorf("line %d: %s, so it is refused in a deterministic run; run without --deterministic, or leave it away", p.Line(), what)
		}
	}
	syntax.Walk(node, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Stmt:
			if n.Background || n.Coprocess || n.Disown {
				refuse(n.Pos(), "a command in the background has no fixed place in time")
			}
		case *syntax.CoprocClause:
			refuse(n.Pos(), "a coprocess has no fixed place in time")
		case *syntax.TimeClause:
			refuse(n.Pos(), "time measures this machine")
		case *syntax.BinaryCmd:
			if n.Op == syntax.Pipe || n.Op == syntax.PipeAll {
				n.Y = fromHeld(n.Y)
			}
		}
		return err == nil
	})
	return err
}

// fromHeld is the right side of a pipe, with what the left wrote as its input.
func fromHeld(right *syntax.Stmt) *syntax.Stmt {
	call := &syntax.CallExpr{Args: []*syntax.Word{{Parts: []syntax.WordPart{&syntax.Lit{Value: heldOutput}}}}}
	name := &syntax.DblQuoted{Parts: []syntax.WordPart{&syntax.CmdSubst{Stmts: []*syntax.Stmt{{Cmd: call}}}}}
	return &syntax.Stmt{
		Position: right.Position,
		Cmd:      &syntax.Block{Stmts: []*syntax.Stmt{right}},
		Redirs:   []*syntax.Redirect{{Op: syntax.RdrIn, Word: &syntax.Word{Parts: []syntax.WordPart{name}}}},
	}
}

// held is what a shell holds back of the output of left sides.
type held struct {
	mu    sync.Mutex
	next  int
	size  int
	pipes map[string]*heldPipe
}

// heldPipe is the input of one right side.
type heldPipe struct {
	io.Reader
	set  *held
	size int
}

func (p *heldPipe) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close gives back the room that was taken.
func (p *heldPipe) Close() error {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	p.set.size -= p.size
	p.size = 0
	return nil
}

// hold reads a pipe to its end, or as far as there is room.
func (s *held) hold(pipe io.Reader) (name string, err error) {
	var data bytes.Buffer
	var n int64
	for s.room() && err == nil {
		if n, err = io.CopyN(&data, pipe, heldChunk); n > 0 {
			s.add(int(n))
		}
	}
	p := &heldPipe{Reader: &data, set: s, size: data.Len()}
	switch {
	case err == nil:
		p.Reader = io.MultiReader(&data, pipe)
	case !errors.Is(err, io.EOF):
		p.Close()
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pipes == nil {
		s.pipes = map[string]*heldPipe{}
	}
	s.next++
	name = fmt.Sprint(heldPrefix, s.next)
	s.pipes[name] = p
	return name, nil
}

// heldChunk is how much is read of a pipe before the room is looked at again.
const heldChunk = 64 << 10

func (s *held) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size < maxHeld
}

func (s *held) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size += n
}

// take opens what was held, once.
func (s *held) take(name string) (io.ReadWriteCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pipes[name]
	if p == nil {
		return nil, os.ErrNotExist
	}
	delete(s.pipes, name)
	return p, nil
}

// holdOutput is the command heldOutput.
func (h *handlers) holdOutput(ctx context.Context) error {
	hc := interp.HandlerCtx(ctx)
	name, err := h.held.hold(hc.Stdin)
	if err != nil {
		return fmt.Errorf("read pipe: %w", err)
	}
	_, err = io.WriteString(hc.Stdout, name)
	return err
}
