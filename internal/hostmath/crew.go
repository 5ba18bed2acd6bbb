package hostmath

import (
	"runtime/debug"
	"sync"
	"time"
)

// A Crew is an Env whose guest may compute on several processors at once. What is
// computed is the same, bit for bit, on any number of them.
type Crew interface {
	Env
	// Cores is on how many, at least one.
	Cores() int
	// Computing says how many others than the caller begin to compute, or, below zero,
	// have ended.
	Computing(others int)
	// Computed charges the time that they computed, whatever came of it.
	Computed(time.Duration)
}

// crewWork is the work of a product from which on it is shared out, and mostCores
// among how many at most.
const (
	crewWork  = 1 << 22
	mostCores = 64
)

// A crew are goroutines that take parts of a product, while the call that they are
// of waits: nothing of the guest's moves meanwhile.
type crew struct {
	env   Crew
	jobs  []chan func()
	wait  sync.WaitGroup
	mu    sync.Mutex
	time  time.Duration
	fault any // what a part panicked with
}

// newCrew gives as many as the guest may have, or nil for one.
func newCrew(env Env, work uint64) *crew {
	c, ok := env.(Crew)
	if !ok || work < crewWork {
		return nil
	}
	n := min(c.Cores(), mostCores)
	if n <= 1 {
		return nil
	}
	list := &crew{env: c, jobs: make([]chan func(), n-1)}
	for i := range list.jobs {
		list.jobs[i] = make(chan func(), 1)
		go list.work(list.jobs[i])
	}
	return list
}

// cores is how many there are, with the caller.
func (c *crew) cores() int {
	if c == nil {
		return 1
	}
	return 1 + len(c.jobs)
}

func (c *crew) work(jobs <-chan func()) {
	debug.SetPanicOnFault(true) // is the goroutine's own
	for do := range jobs {
		c.one(do)
	}
}

// one does a part for another.
func (c *crew) one(do func()) {
	began := time.Now()
	defer func() {
		r := recover()
		c.mu.Lock()
		c.time += time.Since(began)
		if r != nil && c.fault == nil {
			c.fault = r
		}
		c.mu.Unlock()
		c.wait.Done()
	}()
	do()
}

// share has every member do its part, and returns when all have. A part that panics
// does so here.
func (c *crew) share(part func(member int)) {
	c.wait.Add(len(c.jobs))
	c.env.Computing(len(c.jobs))
	for i, jobs := range c.jobs {
		jobs <- func() { part(i + 1) }
	}
	func() {
		defer func() {
			c.wait.Wait() // before anything is unwound that they work on
			c.env.Computing(-len(c.jobs))
			c.env.Computed(c.time)
			c.time = 0
		}()
		part(0)
	}()
	if c.fault != nil {
		panic(c.fault)
	}
}

// end sends them home.
func (c *crew) end() {
	if c == nil {
		return
	}
	for _, jobs := range c.jobs {
		close(jobs)
	}
}
