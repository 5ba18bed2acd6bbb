package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/runtime"
)

// hinted is an error with what to type next.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// hintOf is what an error says to type next.
func hintOf(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.hint
	}
	return ""
}

// exited is the end of a container's program: its status is ours.
type exited struct {
	code int
	text string
}

func (e *exited) Error() string { return e.text }

// judge turns an error into the exit code and the message for people. It is
// the one place that does.
func judge(ctx context.Context, err error) (int, ux.Message) {
	var end *exited
	var usage *ux.UsageError
	var hint *hinted
	var missing *images.NotFoundError
	m := ux.Message{}
	if err != nil {
		m.Text = err.Error()
	}
	if errors.As(err, &hint) {
		m.Hint = hint.hint
	}
	switch {
	case err == nil, errors.Is(err, errSilent):
		return codeOf(err), ux.Message{}
	case errors.As(err, &end):
		return end.code, ux.Message{Text: end.text, Hint: m.Hint}
	case errors.Is(err, context.Canceled):
		return interruptCode(ctx), ux.Message{Text: "interrupted"}
	case errors.As(err, &usage):
		return 2, m
	case errors.As(err, &missing) && m.Hint == "":
		m.Hint = "wherry images lists what is here; wherry pull " + missing.Name + " fetches it"
	case errors.Is(err, syscall.ENOSPC) && m.Hint == "":
		m.Hint = "the disk is full: wherry system prune frees what no image uses, or set WHERRY_HOME to another disk"
	case errors.As(err, new(*registry.StatusError)): // says itself what to do
	case errors.Is(err, os.ErrPermission) && m.Hint == "":
		m.Hint = "check who owns the folder, or set WHERRY_HOME to one of yours"
	}
	return 1, m
}

// ours tells errors of Wherry itself from the end of a program and from Ctrl-C.
func ours(err error) bool {
	var end *exited
	return err != nil && !errors.As(err, &end) && !errors.Is(err, context.Canceled)
}

func codeOf(err error) int {
	if err == nil {
		return 0
	}
	return 1
}

// shownFrames is how many calls of a program that trapped are printed unasked.
const shownFrames = 3

// ended turns the end of a container's run into an exit code, and keeps quiet
// about a program that spoke for itself.
func ended(ctx context.Context, err error, backtrace bool) error {
	if err == nil {
		return nil
	}
	code, text := status(ctx, err)
	e := &exited{code, text}
	var format *runtime.FormatError
	var missing *runtime.NotFoundError
	var trap *runtime.TrapError
	var imports *runtime.ImportError
	switch {
	case errors.As(err, &imports):
		return &hinted{e, importHint(imports)}
	case errors.As(err, &missing):
		return &hinted{e, "look inside with: wherry run --rm -it --entrypoint sh IMAGE"}
	case errors.As(err, &trap):
		e.text += frames(trap.Backtrace, backtrace)
	}
	if hint := limitHint(err); hint != "" {
		return &hinted{e, hint}
	}
	switch {
	case trap != nil:
		return e
	case errors.As(err, &format), errors.Is(err, fs.ErrNotExist):
		return e
	}
	return e
}

// status is the exit code of a container's program, and what to say about it.
func status(ctx context.Context, err error) (int, string) {
	code, text := runtime.Status(err)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		code = interruptCode(ctx)
	}
	return code, text
}

// limitHint says how to give a program more of what it had too little of.
func limitHint(err error) string {
	limit := runtime.LimitOf(err)
	if limit == nil || limit.Scope == runtime.ScopeRuntime {
		return ""
	}
	switch limit.Resource {
	case "memory":
		return "--memory gives it more, up to 4g"
	case "fuel":
		return "--fuel gives it more"
	case "wall time":
		return "--timeout gives it more"
	case "CPU time":
		return "--ulimit cpu=SECONDS gives it more"
	case "output":
		return "--max-output lets it print more"
	case "processes":
		return "--ulimit nproc=N lets it start more"
	case "disk":
		return "--ulimit fsize=BYTES lets it write more; -v HOST:CONTAINER, into a folder of yours"
	case "open files":
		return "--ulimit nofile=N lets it open more"
	}
	return ""
}

// importHint says what to do about a module that imports what is not there.
func importHint(e *runtime.ImportError) string {
	hint := e.Advice
	if e.Traps {
		if hint != "" {
			hint += "; or "
		}
		hint += "--unknown-imports=trap runs it until it calls one of them"
	}
	return hint
}

// frames renders the calls of a program that trapped, the last one first.
func frames(calls []string, all bool) string {
	text := ""
	for i, call := range calls {
		if i == shownFrames && !all {
			return text + fmt.Sprintf("\n    and %d more: --backtrace prints them", len(calls)-i)
		}
		text += "\n    at " + call
	}
	return text
}
