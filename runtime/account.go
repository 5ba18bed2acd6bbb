package runtime

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// account is what some programs may use together, and what they have used:
// those of one call, of one container, or of one Runtime. What is charged to a
// call is charged to its container and to the Runtime too, and whichever has
// nothing left stops it.
type account struct {
	parent *account
	scope  string
	limits Limits
	disks  uint64 // limit of all file systems together; 0: none
	open   uint64 // limit of open files of all programs together; 0: none
	share  *share // nil: no share to keep

	fuel      atomic.Uint64
	computed  atomic.Int64 // ns
	throttled atomic.Int64 // ns
	output    atomic.Int64
	read      atomic.Uint64
	written   atomic.Uint64
	started   atomic.Int64
	memory    gauge
	disk      gauge
	programs  gauge
	files     gauge
	// step is what a Worker's call spends from, while there is one.
	step atomic.Pointer[account]
	// full is why bytes were not written, the last time that they were not. Only
	// a container's account has it.
	full atomic.Pointer[LimitError]
}

// The scopes of an account, and of a LimitError.
const (
	ScopeCall      = "call"
	ScopeContainer = "container"
	ScopeRuntime   = "runtime"
)

func newAccount(scope string, l Limits, parent *account) *account {
	a := &account{}
	a.begin(scope, l, parent)
	return a
}

// begin makes an account of a zero one.
func (a *account) begin(scope string, l Limits, parent *account) {
	a.parent, a.scope, a.limits = parent, scope, l
	if l.CPUs > 0 {
		a.share = &share{cpus: l.CPUs}
	}
}

func (a *account) exceeded(resource, limit string) *LimitError {
	return &LimitError{Resource: resource, Limit: limit, Scope: a.scope}
}

// above is whose limits hold for what is spent from a: where that is a Worker, for
// whose program another works, those of its call come first.
func (a *account) above() *account {
	p := a.parent
	if p != nil {
		if step := p.step.Load(); step != nil && step != a {
			return step
		}
	}
	return p
}

// charge books work, and says how much more is left.
func (a *account) charge(fuel uint64, cpu time.Duration) (left uint64, err error) {
	left = math.MaxUint64
	for ; a != nil; a = a.above() {
		used, computed := a.spend(fuel, cpu)
		if most := a.limits.Fuel; most > 0 {
			if used > most {
				if err == nil {
					err = a.exceeded("fuel", fmt.Sprint(most))
				}
				left = 0
			} else {
				left = min(left, most-used)
			}
		}
		if most := a.limits.CPUTime; most > 0 && computed >= most && err == nil {
			err = a.exceeded("CPU time", most.String())
		}
	}
	return left, err
}

// spend books work, and gives all that was spent so far.
func (a *account) spend(fuel uint64, cpu time.Duration) (uint64, time.Duration) {
	if fuel == 0 && cpu == 0 { // a call begins
		return a.fuel.Load(), time.Duration(a.computed.Load())
	}
	return a.fuel.Add(fuel), time.Duration(a.computed.Add(int64(cpu)))
}

// cores is on how many processors at once something may compute for the guest: as
// many whole ones as its share is, and one where nobody said.
func (a *account) cores() int {
	least := 0.0
	for ; a != nil; a = a.above() {
		if cpus := a.limits.CPUs; cpus > 0 && (least == 0 || cpus < least) {
			least = cpus
		}
	}
	return max(1, int(least))
}

// shares tells whether there is a share to keep.
func (a *account) shares() bool {
	for ; a != nil; a = a.parent {
		if a.share != nil {
			return true
		}
	}
	return false
}

// rest waits until every share has made up for cpu more of computing.
func (a *account) rest(ctx context.Context, cpu time.Duration) {
	for at := a; at != nil; at = at.parent {
		if at.share == nil {
			continue
		}
		began := time.Now()
		at.share.rest(ctx, began, cpu)
		slept := int64(time.Since(began))
		for b := a; b != nil; b = b.parent {
			b.throttled.Add(slept)
		}
	}
}

// gauge is what is held now, and the most that was held at one time.
type gauge struct{ now, peak atomic.Uint64 }

func (g *gauge) raise() {
	now := g.now.Load()
	for peak := g.peak.Load(); now > peak && !g.peak.CompareAndSwap(peak, now); peak = g.peak.Load() {
	}
}

// take books n more in a gauge of all accounts, or of none, and returns the
// account that has no more. of gives an account's gauge and its limit.
func (a *account) take(n uint64, of func(*account) (g *gauge, most uint64)) *account {
	for at := a; at != nil; at = at.parent {
		g, most := of(at)
		if now := g.now.Add(n); most == 0 || now <= most {
			continue
		}
		g.now.Add(-n)
		for b := a; b != at; b = b.parent {
			g, _ := of(b)
			g.now.Add(-n)
		}
		return at
	}
	for at := a; at != nil; at = at.parent {
		g, _ := of(at)
		g.raise()
	}
	return nil
}

// give books n less.
func (a *account) give(n uint64, of func(*account) (g *gauge, most uint64)) {
	for ; a != nil; a = a.parent {
		g, _ := of(a)
		g.now.Add(-n)
	}
}

func memoryOf(a *account) (*gauge, uint64) { return &a.memory, a.limits.Memory }
func diskOf(a *account) (*gauge, uint64)   { return &a.disk, a.disks }
func programsOf(a *account) (*gauge, uint64) {
	return &a.programs, uint64(a.limits.Processes)
}

// grow books n more bytes of memory; the error says whose limit that is over.
func (a *account) grow(n uint64) *LimitError {
	if at := a.take(n, memoryOf); at != nil {
		return at.exceeded("memory", fmt.Sprintf("%d bytes", at.limits.Memory))
	}
	return nil
}

// room says whose limit leaves no room for n more bytes of memory; nil: nobody's.
func (a *account) room(n uint64) *LimitError {
	for ; a != nil; a = a.parent {
		if most := a.limits.Memory; most > 0 && a.memory.now.Load()+n > most {
			return a.exceeded("memory", fmt.Sprintf("%d bytes", most))
		}
	}
	return nil
}

func (a *account) shrink(n uint64) { a.give(n, memoryOf) }

// diskQuota is an account as a file system asks it.
type diskQuota struct{ *account }

func (q diskQuota) Release(n uint64) { q.give(n, diskOf) }

func (q diskQuota) Grow(n uint64) bool {
	at := q.take(n, diskOf)
	if at != nil {
		q.full.Store(at.exceeded("disk", fmt.Sprintf("%d bytes", at.disks)))
	}
	return at == nil
}

// Full is told of a file system of the container that has no room. One that is
// bounded by itself (a tmpfs with a size) is not at a limit of the container.
func (q diskQuota) Full(most int64) {
	if most == q.limits.Disk {
		q.full.Store(q.exceeded("disk", fmt.Sprintf("%d bytes", most)))
	}
}

func filesOf(a *account) (*gauge, uint64) { return &a.files, a.open }

// fileQuota is an account as the descriptors of a program ask it.
type fileQuota struct{ *account }

func (q fileQuota) Grow(n uint64) bool { return q.take(n, filesOf) == nil }
func (q fileQuota) Release(n uint64)   { q.give(n, filesOf) }

// noDisk is the limit that was just met by a file that was written, and nil when
// it was none of ours: a full disk of the host, a tmpfs with a size of its own.
func (a *account) noDisk() *LimitError {
	for ; a != nil; a = a.parent {
		if limit := a.full.Swap(nil); limit != nil {
			return limit
		}
	}
	return nil
}

// noFiles is the limit of open files: the narrowest that one program has, or
// that of all programs together.
func (a *account) noFiles(together bool) *LimitError {
	var limit *LimitError
	most := 0
	for ; a != nil; a = a.parent {
		if n := within(most, a.limits.OpenFiles); a.scope != ScopeRuntime && n != most {
			most = n
			limit = a.exceeded("open files", fmt.Sprint(n))
		}
		if together && a.open > 0 {
			limit = a.exceeded("open files", fmt.Sprint(a.open))
		}
	}
	return limit
}

// print books n bytes of output, and says how many of them may pass.
func (a *account) print(n int64) (int64, *LimitError) {
	allowed := n
	var limit *LimitError
	for at := a; at != nil; at = at.above() {
		now := at.output.Add(allowed)
		most := at.limits.Output
		if most == 0 || now <= most {
			continue
		}
		excess := min(now-most, allowed)
		allowed -= excess
		limit = at.exceeded("output", fmt.Sprintf("%d bytes", most))
		at.output.Add(-excess)
		for b := a; b != at; b = b.above() {
			b.output.Add(-excess)
		}
	}
	return allowed, limit
}

// enter books one more program that runs; leave ends it.
func (a *account) enter() *LimitError {
	if at := a.take(1, programsOf); at != nil {
		return at.exceeded("processes", fmt.Sprint(at.limits.Processes))
	}
	for ; a != nil; a = a.parent {
		a.started.Add(1)
	}
	return nil
}

func (a *account) leave() { a.give(1, programsOf) }

// moved books bytes that went through descriptors.
func (a *account) moved(read, written uint64) {
	for ; a != nil; a = a.above() {
		a.read.Add(read)
		a.written.Add(written)
	}
}

// share keeps programs to their part of the processors.
type share struct {
	cpus float64

	mu   sync.Mutex
	paid time.Time // until when all that was computed so far is made up for
}

const (
	// leastShare is the smallest share: less would make a program rest for
	// minutes.
	leastShare = 0.001
	// shareCredit is how much of a time without computing is made good later. It
	// also makes up for timers that fire late.
	shareCredit = 50 * time.Millisecond
	// shareDebt is what is too short to sleep for.
	shareDebt = 5 * time.Millisecond
)

// owe books what was computed, and says for how long to rest.
func (s *share) owe(now time.Time, cpu time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paid.IsZero() {
		s.paid = now.Add(-cpu)
	}
	if earliest := now.Add(-shareCredit - cpu); s.paid.Before(earliest) {
		s.paid = earliest
	}
	s.paid = s.paid.Add(time.Duration(float64(cpu) / s.cpus))
	if debt := s.paid.Sub(now); debt >= shareDebt {
		return debt
	}
	return 0
}

func (s *share) rest(ctx context.Context, now time.Time, cpu time.Duration) {
	debt := s.owe(now, cpu)
	if debt == 0 {
		return
	}
	timer := time.NewTimer(debt)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
