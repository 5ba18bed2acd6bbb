package runtime

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// maxRehearsals bounds how many runs a program can have made of it while it is
// recorded.
const maxRehearsals = 64

// rehearseAll runs what runs do after a restore, each in an instance of its own
// that is restored as theirs are: the run of the image, and those that the
// program itself says. What runs then is the hot set; what runs in those alone
// that are rare is loaded when a run needs some of it.
func (r *recorder) rehearseAll(ctx context.Context) error {
	r.hits, r.later = map[uint32]struct{}{}, map[uint32]struct{}{}
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
	inside := s.Protocol == oci.ProtocolTurn
	var observed preview1.Observed
	if err := r.rehearse(ctx, image, rehearsal{Args: r.x.args}, inside, &observed); err != nil {
		return err
	}
	if !r.redrawn(&observed) {
		return nil
	}
	if r.reads == nil {
		r.settle(s, r.early, r.late, since(&observed))
	}
	for _, run := range r.runs {
		run.Args = slices.Concat(r.x.args[:r.fixed], run.Args)
		if err := r.rehearse(ctx, image, run, false, nil); err != nil {
			return err
		}
	}
	for f := range r.hits {
		delete(r.later, f)
	}
	s.Hot, s.Later = slices.Sorted(maps.Keys(r.hits)), slices.Sorted(maps.Keys(r.later))
	return nil
}

// rehearse makes one run. inside has the program first do what it does in one
// run as often as it is asked.
func (r *recorder) rehearse(ctx context.Context, image *engine.Image, run rehearsal, inside bool, observed *preview1.Observed) error {
	x, p := *r.x, r.p
	x.args, p.Stdin = run.Args, strings.NewReader(run.Stdin)
	p.Env = slices.Concat(p.Env, run.Env)
	if run.Dir != "" {
		if p.Dir = run.Dir; r.session.container.ensureDir(p.Dir) != nil {
			return nil // it has no such folder
		}
	}
	ran := r.hits
	if run.Rare {
		ran = r.later
	}
	g, err := r.guest(ctx, &x, p, observed, image)
	if err != nil {
		return err
	}
	defer g.close(ctx)
	if inside {
		source, err := turnSource(turnRehearse, newRequest(&x, p, nil))
		if err != nil {
			return err
		}
		if err = turn(ctx, g.Instance, source); err == nil {
			err = turn(ctx, g.Instance, turnWork) // as a Worker has it work
		}
		if r.ended(err) != nil {
			return err
		}
		note(ran, g)
		if err != nil {
			return nil
		}
	}
	if d := r.p.Driver; d != nil {
		if _, err = d.Begin(ctx, g.machine, r.out.Snapshot.State); err == nil {
			if w, ok := d.(Rehearser); ok {
				err = w.Rehearse(ctx, g.machine)
			}
		}
		note(ran, g)
		return r.worked(err)
	}
	err = r.ended(resume(ctx, g.Instance, r.out.Snapshot, &x, p, make([]byte, seedBytes)))
	note(ran, g)
	return err
}

// note adds what has run.
func note(ran map[uint32]struct{}, g *guest) {
	for _, f := range g.Hits() {
		ran[f] = struct{}{}
	}
}
