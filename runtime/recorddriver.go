package runtime

import (
	"context"
	"errors"
	"path"
)

// opened hears of the files that a driver opens.
func (r *recorder) opened(name string) { r.files = append(r.files, path.Clean("/"+name)) }

// lateWork has a driver show some work when no snapshot was taken, after which
// rehearsals would.
func (r *recorder) lateWork(ctx context.Context, g *guest) error {
	d, ok := r.p.Driver.(Rehearser)
	if !ok || r.out.Snapshot != nil || g.machine.failed {
		return nil
	}
	return r.worked(d.Rehearse(ctx, g.machine))
}

// worked judges how a driver's work ended: what it says itself of its work is
// nothing that recording it has to do with.
func (r *recorder) worked(err error) error {
	var limit *LimitError
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &limit) {
		return err
	}
	return nil
}
