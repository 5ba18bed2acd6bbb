package engine

import (
	"math"
	"sync"
	"time"
)

// A load is reported from when it has taken a second, and then ten times a second: most loads are over before.
const (
	reportAfter = time.Second
	reportEvery = 100 * time.Millisecond
)

// reporter tells all who watch a flight how it goes.
type reporter struct {
	done <-chan struct{}

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	name     string
	current  int64
	total    int64
	guess    func() int64 // what is done by now, where that is estimated
}

type watcher struct{ p Progress }

// watch adds someone who watches, until the returned function is called.
func (r *reporter) watch(p Progress) (stop func()) {
	if p == nil {
		return func() {}
	}
	w := &watcher{p}
	r.mu.Lock()
	if r.watchers == nil {
		r.watchers = map[*watcher]struct{}{}
	}
	r.watchers[w] = struct{}{}
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		delete(r.watchers, w)
		r.mu.Unlock()
	}
}

// phase begins a phase.
func (r *reporter) phase(name string, done, total int64) {
	r.mu.Lock()
	r.name, r.current, r.total, r.guess = name, done, total, nil
	r.mu.Unlock()
}

// estimate begins a phase that is expected to do rate units in a second of this process's processor time. The returned
// function ends the guessing.
func (r *reporter) estimate(name string, total int64, rate float64) (stop func()) {
	begin := processorTime()
	expected := float64(total) / rate
	r.mu.Lock()
	r.name, r.current, r.total = name, 0, total
	r.guess = func() int64 {
		return max(0, min(total-1, int64(float64(total)*advance((processorTime()-begin).Seconds()/expected))))
	}
	r.mu.Unlock()
	return func() { r.phase(name, total, total) }
}

// advance maps the part of the expected time that has passed to the part that is shown: straight at first, and from 0.8
// on ever slower, so that an estimate that was too short never claims to be done.
func advance(x float64) float64 {
	const bend = 0.8
	if x <= bend {
		return max(x, 0)
	}
	return 1 - (1-bend)*math.Exp(-(x-bend)/(1-bend))
}

// run reports until the flight is done.
func (r *reporter) run() {
	timer := time.NewTimer(reportAfter)
	defer timer.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-timer.C:
			r.tell()
			timer.Reset(reportEvery)
		}
	}
}

func (r *reporter) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.guess != nil {
		r.current = r.guess()
	}
	for w := range r.watchers {
		w.p.Report(r.name, r.current, r.total)
	}
}

// tally tells of the groups of a module that were compiled, when that has taken a while: each takes a moment only.
type tally struct {
	mu      sync.Mutex
	watcher Progress
	groups  int64
	spent   time.Duration
}

func (t *tally) add(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.groups++
	t.spent += took
	if t.watcher != nil && t.spent > reportAfter {
		t.watcher.Report("groups", t.groups, 0)
	}
}
