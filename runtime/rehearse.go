package runtime

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
)

// maxRehearsals bounds how many runs a program can have made of it while it is
// recorded.
const maxRehearsals = 64

// rehearseAll runs what runs do after a restore, each in an instance of its own
// that is restored as theirs are: the run of the image, and those that the
// program itself says. What runs then is the hot set.
func (r *recorder) rehearseAll(ctx context.Context) error {
	r.hits = map[uint32]struct{}{}
	r.down.Store(true)
	f, err := os.CreateTemp("", "wherry-memory-")
	if err != nil {
		return fmt.Errorf("rehearse %s: %w", r.x.path, err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.Write(r.out.Memory); err != nil {
		return fmt.Errorf("rehearse %s: %w", r.x.path, err)
	}
	s := r.out.Snapshot
	image := &engine.Image{File: f, Size: s.Memory, Globals: s.Globals}
	if err := r.rehearse(ctx, image, r.x.args, "", s.Protocol == oci.ProtocolTurn); err != nil {
		return err
	}
	for _, run := range r.runs {
		args := slices.Concat(r.x.args[:r.fixed], run.Args)
		if err := r.rehearse(ctx, image, args, run.Stdin, false); err != nil {
			return err
		}
	}
	return nil
}

// rehearse makes one run. inside has the program first do what it does in one
// run as often as it is asked.
func (r *recorder) rehearse(ctx context.Context, image *engine.Image, args []string, stdin string, inside bool) error {
	x, p := *r.x, r.p
	x.args, p.Stdin = args, strings.NewReader(stdin)
	g, err := r.guest(ctx, &x, p, nil, image)
	if err != nil {
		return err
	}
	defer g.close(ctx)
	if inside {
		source, err := turnSource(turnRehearse, newRequest(&x, p, nil))
		if err != nil {
			return err
		}
		err = turn(ctx, g.Instance, source)
		if r.ended(err) != nil {
			return err
		}
		r.note(g)
		if err != nil {
			return nil
		}
	}
	err = r.ended(resume(ctx, g.Instance, r.out.Snapshot, &x, p, make([]byte, seedBytes)))
	r.note(g)
	return err
}

// note adds what has run.
func (r *recorder) note(g *guest) {
	for _, f := range g.Hits() {
		r.hits[f] = struct{}{}
	}
}
