package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
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

// orderText is inOrder for a text that the shell is about to parse by itself:
// the operand of eval or trap. One that does not parse is left for the shell
// to report.
func orderText(text string) (string, error) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
	if err != nil {
		return text, nil
	}
	if err := inOrder(file); err != nil {
		return "", err
	}
	var b strings.Builder
	err = syntax.NewPrinter().Print(&b, file)
	return b.String(), err
}

// orderCall keeps what a command makes the shell parse in order.
func (h *handlers) orderCall(hc interp.HandlerContext, args []string) ([]string, error) {
	switch {
	case args[0] == "eval" && len(args) > 1:
		text, err := orderText(strings.Join(args[1:], " "))
		return []string{"eval", text}, err
	case args[0] == "trap" && len(args) > 2 && !strings.HasPrefix(args[1], "-"):
		text, err := orderText(args[1])
		return append([]string{"trap", text}, args[2:]...), err
	case (args[0] == "source" || args[0] == ".") && len(args) > 1:
		return h.orderSource(hc, args)
	}
	return args, nil
}

// orderSource has the shell read a script into itself from a copy in order.
func (h *handlers) orderSource(hc interp.HandlerContext, args []string) ([]string, error) {
	for _, name := range sourceNames(hc, guestPath(args[1])) {
		text, ok, err := h.readSource(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if !ok {
			continue
		}
		if text, err = orderText(text); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		copied, err := h.held.hold(strings.NewReader(text))
		return append([]string{args[0], copied}, args[2:]...), err
	}
	return args, nil
}

// readSource reads a script, if there is one of that name.
func (h *handlers) readSource(name string) (text string, ok bool, err error) {
	if info, err := h.world.Stat(name, true); err != nil || info.IsDir() {
		return "", false, nil
	}
	f, err := h.world.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "", false, nil // the shell says so in its own words
	}
	defer f.Close()
	data, err := readScript(f)
	return string(data), err == nil, err
}
