package shell

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// handlers connect the interpreter to the World.
type handlers struct {
	world    World
	terminal bool
	fatal    *atomic.Pointer[error] // first error that ends more than the script
	refused  atomic.Pointer[error]  // why the script was ended
	stop     func()                 // ends what else the script has running
	tmpdir   string
	inOrder  bool // one command at a time
	held     held
	live     atomic.Int64 // subshells that run beside the script
	grown    atomic.Int64 // bytes since the variables were added up
	kept     atomic.Int64 // bytes that stay until the end

	mu        sync.Mutex
	functions map[string]bool
}

// end ends more than the script.
func (h *handlers) end(err error) error {
	h.fatal.CompareAndSwap(nil, &err) // programs of a pipeline run at once
	h.stop()
	return err
}

// errRefused is what the interpreter is told of a refusal; Sh says it.
var errRefused = errors.New("\x01refused")

// refuse ends the script.
func (h *handlers) refuse(err error) error {
	h.refused.CompareAndSwap(nil, &err)
	h.stop()
	return errRefused
}

// declare notes the name of a function.
func (h *handlers) declare(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.functions == nil {
		h.functions = map[string]bool{}
	}
	h.functions[name] = true
}

// isFunction reports whether a command may be a function of the script.
func (h *handlers) isFunction(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.functions[name]
}

func (h *handlers) open(ctx context.Context, name string, flag int, perm os.FileMode) (io.ReadWriteCloser, error) {
	if inner := guestPath(name); strings.HasPrefix(inner, heldPrefix) {
		f, err := h.held.take(inner)
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return f, nil
	}
	p := absolute(guestPath(interp.HandlerCtx(ctx).Dir), guestPath(name))
	if p == "/dev/null" {
		return null{}, nil
	}
	hc := interp.HandlerCtx(ctx)
	f, err := withStreams{h.world, Process{Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr}}.OpenFile(p, flag, perm)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: reason(err)}
	}
	return f, nil
}

func (h *handlers) stat(_ context.Context, name string, follow bool) (fs.FileInfo, error) {
	return h.world.Stat(path.Clean(guestPath(name)), follow)
}

func (h *handlers) readDir(_ context.Context, name string) ([]fs.DirEntry, error) {
	return h.world.ReadDir(path.Clean(guestPath(name)))
}

// access grants what the mode bits grant anybody: a container has one user.
func (h *handlers) access(_ context.Context, name string, mode interp.AccessMode) error {
	info, err := h.world.Stat(path.Clean(guestPath(name)), true)
	if err != nil {
		return err
	}
	if mode&interp.AccessExec != 0 && info.Mode().Perm()&0o111 == 0 {
		return fs.ErrPermission
	}
	return nil
}

func (h *handlers) exec(ctx context.Context, args []string) error {
	switch args[0] {
	case randomNumber:
		return h.random(ctx, args[len(args)-1])
	case heldOutput:
		return h.holdOutput(ctx)
	}
	hc := interp.HandlerCtx(ctx)
	if strings.HasPrefix(args[0], "\x01") {
		return h.ownCommand(ctx, hc, args)
	}
	dir := guestPath(hc.Dir)
	p := Process{
		Args: args, Env: exported(hc.Env, dir), Dir: dir,
		Stdin: hc.Stdin, Stdout: hc.Stdout, Stderr: hc.Stderr, Terminal: h.terminal, InOrder: h.inOrder,
	}
	if p.Stdin == nil { // closed by <&-
		p.Stdin = null{}
	}
	var text substitution
	switch out := p.Stdout.(type) {
	case nil:
		p.Stdout = null{}
	case *strings.Builder:
		text.text, p.Stdout = out, &text
	}
	if p.Stderr == nil {
		p.Stderr = null{}
	}
	status, err := h.world.Exec(ctx, p)
	if err != nil {
		return h.end(err)
	}
	if text.full { // whatever the program made of it
		return h.refuse(errInMemory)
	}
	if status == statusPipe && args[0] == printfProgram {
		return broken(ctx, hc)
	}
	if status != 0 {
		return interp.ExitStatus(status)
	}
	return nil
}

// exported lists the variables that a program started now is given. Each may
// name a variable again when an inner scope changed it; the last word counts.
func exported(env expand.Environ, dir string) []string {
	var names []string
	values := map[string]string{}
	env.Each(func(name string, v expand.Variable) bool {
		if _, known := values[name]; !known {
			names = append(names, name)
		}
		delete(values, name)
		if v.IsSet() && v.Exported && v.Kind == expand.String {
			values[name] = v.String()
		}
		return true
	})
	slices.Sort(names) // the interpreter keeps some of them in a map
	values["PWD"] = dir
	var list []string
	for _, name := range names {
		if v, ok := values[name]; ok {
			delete(values, name)
			list = append(list, name+"="+v)
		}
	}
	if v, ok := values["PWD"]; ok {
		list = append(list, "PWD="+v)
	}
	return list
}

// null is /dev/null.
type null struct{}

func (null) Read([]byte) (int, error)    { return 0, io.EOF }
func (null) Write(p []byte) (int, error) { return len(p), nil }
func (null) Close() error                { return nil }
