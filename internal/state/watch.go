package state

import (
	"context"
	"time"

	"github.com/gofrs/flock"
)

// watchEvery is how long a container may be without its supervisor until another one
// notices.
const watchEvery = 2 * time.Second

// watch sees to containers whose supervisors were killed, for as long as this process
// keeps one itself: there is no daemon that would. One supervisor of all does so, which
// has a lock; when it ends, the next one takes the lock over.
func (s *Store) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var held *flock.Flock
	defer func() {
		if held != nil {
			_ = held.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if held == nil {
			held, _ = tryLock(s.path(containersDir, "watch.lock"))
		}
		if held != nil {
			_, _ = s.Recover(ctx, false) // what fails is told by the next command that looks
		}
	}
}
