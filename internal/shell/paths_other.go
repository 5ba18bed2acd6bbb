//go:build !windows

package shell

import (
	"context"

	"mvdan.cc/sh/v3/interp"
)

// hostPath and guestPath translate between the container's paths and those the
// interpreter computes with; they differ on Windows only.
func hostPath(p string) string  { return p }
func guestPath(p string) string { return p }

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
	return ownPrintf(args), nil
}
