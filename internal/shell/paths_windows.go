package shell

import (
	"context"
	"strings"

	"mvdan.cc/sh/v3/interp"
)

// drive stands for the container's root where the interpreter joins paths with
// the rules of Windows, by which "/x" is relative.
const drive = `W:`

func hostPath(p string) string {
	if strings.HasPrefix(p, "/") {
		return drive + strings.ReplaceAll(p, "/", `\`)
	}
	return p
}

func guestPath(p string) string {
	p = strings.TrimPrefix(p, drive)
	return strings.ReplaceAll(p, `\`, "/")
}

// call gives the builtins that take paths the drive they need to tell absolute
// paths, and prints working directories without it.
func (h *handlers) call(ctx context.Context, args []string) ([]string, error) {
	if err := h.bounded(interp.HandlerCtx(ctx), args); err != nil {
		return nil, err
	}
	if h.inOrder {
		var err error
		if args, err = h.orderCall(interp.HandlerCtx(ctx), args); err != nil {
			return nil, err
		}
	}
	switch args[0] {
	case "cd", "test", "[", ".", "source":
		out := append([]string(nil), args...)
		for i := range out[1:] {
			out[i+1] = hostPath(out[i+1])
		}
		return out, nil
	case "pwd":
		return []string{"echo", guestPath(interp.HandlerCtx(ctx).Dir)}, nil
	}
	return ownPrintf(args), nil
}
