package shell

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"

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
	if s.full = s.full || s.text.Len()+len(p) > maxInMemory; s.full {
		return 0, errInMemory
	}
	return s.text.Write(p)
}

// bounded refuses a command that would go too deep, or whose script holds too
// much. Its error ends the script.
func (h *handlers) bounded(hc interp.HandlerContext, args []string) error {
	if runtime.Callers(maxFrames, make([]uintptr, 1)) > 0 {
		return errNesting
	}
	if text, ok := hc.Stdout.(*strings.Builder); ok && text.Len() > maxInMemory {
		return errInMemory
	}
	held := 0
	for _, v := range hc.Env.Each {
		held += len(v.Str)
	}
	if held > maxInMemory {
		return errInMemory
	}
	switch args[0] {
	case "eval", "trap":
		return tooDeep([]byte(strings.Join(args[1:], " ")))
	case "test", "[":
		if len(args) > maxOperands {
			return errNesting
		}
	case "source", ".":
		if len(args) > 1 {
			return h.sourced(hc, guestPath(args[1]))
		}
	}
	return nil
}

// sourceNames are the paths at which the shell may find a script to source.
func sourceNames(hc interp.HandlerContext, name string) []string {
	names := []string{absolute(guestPath(hc.Dir), name)}
	if !strings.Contains(name, "/") {
		for _, dir := range strings.Split(hc.Env.Get("PATH").String(), ":") {
			names = append(names, path.Join("/", guestPath(dir), name))
		}
	}
	return names
}

// sourced looks at a script before the shell reads it into itself: the file of
// that name, or the first in PATH.
func (h *handlers) sourced(hc interp.HandlerContext, name string) error {
	for _, name := range sourceNames(hc, name) {
		f, err := h.world.OpenFile(name, os.O_RDONLY, 0)
		if err != nil {
			continue // the shell says so in its own words
		}
		_, err = readScript(f)
		f.Close()
		if info, serr := h.world.Stat(name, true); serr == nil && info.IsDir() {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
