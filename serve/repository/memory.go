package repository

import "time"

// measuring is how often requests have the memory of all models looked at.
const measuring = time.Second

// touch notes that a model was asked, and sees now and then to the memory that all
// of them have come to hold.
func (r *Repository) touch(e *entry) {
	if r.config.Memory <= 0 {
		return
	}
	now := time.Now().UnixNano()
	e.used.Store(now)
	last := r.measured.Load()
	if time.Duration(now-last) > measuring && r.measured.CompareAndSwap(last, now) {
		r.fit(e)
	}
}

// fit puts models to sleep, the one first that was not used longest, until all
// together hold no more than they may. The one that is needed now stays.
func (r *Repository) fit(needed *entry) {
	if r.config.Memory <= 0 {
		return
	}
	tried := map[*entry]bool{needed: true}
	for r.held(needed) > r.config.Memory {
		var oldest *entry
		for _, e := range r.list {
			if tried[e] || oldest != nil && e.used.Load() >= oldest.used.Load() {
				continue
			}
			if s := e.current.Load(); s != nil && !s.loaded.Once {
				oldest = e
			}
		}
		if oldest == nil {
			return
		}
		tried[oldest] = true
		oldest.sleep()
	}
}

// held is what all models hold. One that is about to be loaded counts with what it
// held the last time.
func (r *Repository) held(needed *entry) int64 {
	total := int64(0)
	for _, e := range r.list {
		if s := e.current.Load(); s != nil {
			total += s.memory()
		} else if e == needed {
			e.mu.Lock()
			total += e.known.Memory
			e.mu.Unlock()
		}
	}
	return total
}
