package shell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"mvdan.cc/sh/v3/interp"
)

// A script is parsed and run by recursion on a goroutine's stack, and a stack
// of a gigabyte ends the whole process, with every other container in it. So
// what can nest is counted before it is parsed, and calls within calls are
// bounded while it runs.
const (
	// maxScript bounds the text of one script, in bytes.
	maxScript = 2 << 20
	// maxNesting bounds the words and signs of one script that may open
	// something.
	maxNesting = 100_000
	// maxSigns bounds the signs of one script that may be operators, which cost
	// less stack.
	maxSigns = 250_000
	// maxFrames bounds the Go calls under way when a command starts; a level of
	// recursion in a script takes about ten.
	maxFrames = 20_000
	// maxOperands bounds the words of one test, which is parsed by recursion.
	maxOperands = 10_000
)

var errTooLong = fmt.Errorf("script of more than %d bytes", maxScript)

// openers are the words after which commands nest, or form a chain that is as
// deep as it is long.
var openers = [][]byte{
	[]byte("if"), []byte("elif"), []byte("else"), []byte("for"), []byte("while"), []byte("until"), []byte("case"),
	[]byte("select"), []byte("function"), []byte("time"), []byte("coproc"), []byte("do"), []byte("then"),
}

// tooDeep refuses a script that might nest too deep. It counts more than what
// does, in comments and texts too: real scripts stay far below.
func tooDeep(text []byte) error {
	if len(text) > maxScript {
		return errTooLong
	}
	n, signs := 0, 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.IndexByte("({[$`&|", c) >= 0:
			n++
		case strings.IndexByte("+-*/%!~=<>?:,^", c) >= 0:
			signs++
		case letter(c) && (i == 0 || !letter(text[i-1])):
			end := i + 1
			for end < len(text) && letter(text[end]) {
				end++
			}
			for _, w := range openers {
				if bytes.Equal(w, text[i:end]) {
					n++
				}
			}
			i = end - 1
		}
	}
	if n > maxNesting {
		return fmt.Errorf("script with more than %d brackets, expansions and compound commands", maxNesting)
	}
	if signs > maxSigns {
		return fmt.Errorf("script with more than %d operators", maxSigns)
	}
	return nil
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// readScript reads the text of a script.
func readScript(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxScript+1))
	if err != nil {
		return nil, err
	}
	return text, tooDeep(text)
}

var errNesting = errors.New("commands nest too deep")

// substitution is what a command substitution has printed so far, which the
// interpreter keeps in memory.
type substitution struct {
	text *strings.Builder
	full bool
}

func (s *substitution) Write(p []byte) (int, error) {
	if s.full = s.full || s.text.Len()+len(p) > maxSubstituted; s.full {
		return 0, errInMemory
	}
	return s.text.Write(p)
}

// What a command costs beside what it does: the interpreter's own work.
const (
	commandFuel = 2000
	commandTime = 3 * time.Microsecond
)

// scanEvery is how much may be added to variables before they are added up
// again.
const scanEvery = 1 << 20

// bounded refuses a command that would go too deep, or whose script holds too
// much. Its error ends the script.
func (h *handlers) bounded(ctx context.Context, hc interp.HandlerContext, args []string) error {
	if runtime.Callers(maxFrames, make([]uintptr, 1)) > 0 {
		return errNesting
	}
	if err := h.world.Spend(ctx, commandFuel, commandTime); err != nil {
		return h.end(err)
	}
	if text, ok := hc.Stdout.(*strings.Builder); ok && text.Len() > maxSubstituted {
		return h.refuse(errInMemory)
	}
	return h.scan(hc, listSize(args))
}

// scan adds up the variables, if they may have become too many since it did so
// last.
func (h *handlers) scan(hc interp.HandlerContext, more uint64) error {
	if more < scanEvery/16 && h.grown.Add(int64(more)+scanEvery/256) < scanEvery {
		return nil
	}
	h.grown.Store(0)
	n := variables(hc.Env)
	if n > maxVariables || n*uint64(h.live.Load()+1) > maxAllVariables {
		return h.refuse(fmt.Errorf("variables of more than %d bytes to hold at once", maxVariables))
	}
	return nil
}

// keep books what the interpreter keeps until the end: folders that were
// pushed, aliases, the text of functions.
func (h *handlers) keep(n int) error {
	if h.kept.Add(int64(n)) > maxPushed {
		return h.refuse(fmt.Errorf("functions, aliases and pushed folders of more than %d bytes to hold at once", maxPushed))
	}
	return nil
}

// maxPushed bounds that.
const maxPushed = 8 << 20
