package shell

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// reading is a command line of read.
type reading struct {
	raw, array, silent bool
	prompt             string
	names              []string
}

// parseRead takes it apart; ok is false for one that read itself refuses.
func parseRead(args []string) (r reading, ok bool) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flags := args[0][1:]
		args = args[1:]
		if flags == "-" || flags == "" {
			break
		}
		for i, f := range flags {
			switch f {
			case 'r':
				r.raw = true
			case 's':
				r.silent = true
			case 'a':
				r.array = true
			case 'p':
				if i+1 < len(flags) || len(args) == 0 {
					return r, false
				}
				r.prompt, args = args[0], args[1:]
			default:
				return r, false
			}
		}
	}
	for _, name := range args {
		if !syntax.ValidName(name) {
			return r, false
		}
	}
	r.names = args
	return r, !r.array || len(args) == 1
}

// read is the builtin, for a line that is not longer than what may be held.
func (h *handlers) read(ctx context.Context, hc interp.HandlerContext, args []string) ([]string, error) {
	r, ok := parseRead(args[1:])
	if hc.Stdin == nil || r.silent && isTerminal(hc.Stdin) {
		return args, nil // it asks the terminal not to echo
	}
	if !ok {
		return failing("read: it is known with -r, -s, -a NAME, -p TEXT and names of variables"), nil
	}
	if hc.Stdout != nil {
		io.WriteString(hc.Stdout, r.prompt)
	}
	line, err := readLine(ctx, hc.Stdin, r.raw)
	status := 0
	switch {
	case err == errLine:
		return nil, h.refuse(err)
	case err != nil:
		status = 1
	}
	if err := h.world.Spend(ctx, uint64(len(line))*readFuel, time.Duration(len(line))*readTime); err != nil {
		return nil, h.end(err)
	}
	h.grown.Add(int64(len(line)))
	cfg := &expand.Config{Env: hc.Env}
	switch {
	case r.array:
		fields := expand.ReadFields(cfg, line, -1, r.raw)
		for i, f := range fields {
			if fields[i], err = quote(f); err != nil {
				return nil, err
			}
		}
		return []string{"eval", fmt.Sprintf("%s=(%s)\n%s %d && :", r.names[0], strings.Join(fields, " "), statusCommand, status)}, nil
	case len(r.names) == 0:
		if !r.raw {
			line = unescape(line)
		}
		return setting([]string{"REPLY"}, []string{line}, status)
	}
	values := make([]string, len(r.names))
	copy(values, expand.ReadFields(cfg, line, len(r.names), r.raw))
	return setting(r.names, values, status)
}

// unescape leaves backslashes away, except those that one stands before.
func unescape(s string) string {
	var b strings.Builder
	escaped := false
	for i := range len(s) {
		if s[i] == '\\' && !escaped {
			escaped = true
			continue
		}
		b.WriteByte(s[i])
		escaped = false
	}
	return b.String()
}

func isTerminal(r io.Reader) bool {
	f, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// maxRead bounds a line that read reads, byte by byte.
const maxRead = 1 << 20

// What a byte of it costs.
const (
	readFuel = 500
	readTime = 500 * time.Nanosecond
)

var errLine = fmt.Errorf("read: a line of more than %d bytes", maxRead)

// readLine reads a line and not a byte more: the next command reads on.
func readLine(ctx context.Context, r io.Reader, raw bool) (string, error) {
	if f, ok := r.(*os.File); ok {
		done := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			f.SetReadDeadline(time.Now())
			close(done)
		})
		defer func() {
			if !stop() {
				<-done
				f.SetReadDeadline(time.Time{})
			}
		}()
	}
	var line []byte
	escaped := false
	var b [1]byte
	for {
		n, err := r.Read(b[:])
		switch {
		case n == 0:
		case !raw && b[0] == '\\':
			line = append(line, b[0])
			escaped = !escaped
		case b[0] == '\n' && escaped: // the line goes on
			line = line[:len(line)-1]
			escaped = false
		case b[0] == '\n':
			return string(line), nil
		default:
			line = append(line, b[0])
			escaped = false
		}
		if len(line) > maxRead {
			return "", errLine
		}
		if err != nil {
			return string(line), err
		}
	}
}

// mapfile is the builtin over what its input holds, if that is not too much.
func (h *handlers) mapfile(ctx context.Context, hc interp.HandlerContext, args []string) ([]string, error) {
	if hc.Stdin == nil {
		return failing(args[0] + ": no input"), nil
	}
	c := &call{ctx: ctx, w: h.world}
	data, err := io.ReadAll(io.LimitReader(cancellable{c, hc.Stdin}, maxText/4+1))
	if err != nil {
		return failing(args[0] + ": " + err.Error()), nil
	}
	if len(data) > maxText/4 {
		return nil, h.refuse(errTooLarge)
	}
	h.grown.Add(int64(len(data)))
	name, err := h.held.hold(strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	text := mapfileCommand
	for _, a := range args[1:] {
		quoted, err := quote(a)
		if err != nil {
			return nil, err
		}
		text += " " + quoted
	}
	return []string{"eval", text + " <" + name}, nil
}
