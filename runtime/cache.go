package runtime

import (
	"errors"
	"time"
)

// Sweep removes compiled modules from the cache: those that no version of this
// engine will load again, and those that were not used for longer than unused.
// What runs goes on. Notes of what programs have run go with the latter. It
// returns how many bytes came free.
func (rt *Runtime) Sweep(unused time.Duration) (freed int64, err error) {
	list, err := rt.engine.Cached()
	if err != nil {
		return 0, err
	}
	var failed error
	if dir := rt.config.engine.CacheDir; dir != "" {
		failed = errors.Join(sweepNotes(dir, unused), sweepImages(dir, unused))
	}
	freed, err = rt.engine.SweepCode(unused)
	failed = errors.Join(failed, err)
	for _, c := range list {
		if c.Usable && time.Since(c.Used) < unused {
			continue
		}
		if err := rt.engine.Forget(c.Key); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		freed += c.Size
	}
	return freed, failed
}
