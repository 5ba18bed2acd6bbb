package changes

import (
	"context"
	"time"
)

// every is how often files are looked at: often enough that a change is served within a
// second, with what is to be done for it.
const every = 80 * time.Millisecond

// Several files are saved one after another, and a large one in pieces: a change is over
// when a look a moment later finds nothing more, or after so many of them.
const (
	moment  = 15 * time.Millisecond
	moments = 20
)

// Follow calls changed for each of the lists of files that has changed, one after another,
// until ctx ends, and returns why that was.
func Follow(ctx context.Context, list []*Files, changed func(i int, s Set)) error {
	pause := every
	for {
		if !sleep(ctx, pause) {
			return context.Cause(ctx)
		}
		var looking time.Duration
		for i, f := range list {
			began := time.Now()
			s := f.Look()
			looking += time.Since(began)
			if s.Empty() {
				continue
			}
			if s = f.settled(ctx, s); !s.Empty() && ctx.Err() == nil {
				changed(i, s)
			}
		}
		pause = max(every, 4*min(looking, time.Second)) // a big tree is looked at less often
	}
}

// settled waits until a change is over.
func (f *Files) settled(ctx context.Context, s Set) Set {
	for range moments {
		if !sleep(ctx, moment) {
			return s
		}
		next := f.Look()
		if next.Empty() {
			return s
		}
		s = s.with(next)
	}
	return s
}

// sleep is false when ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
