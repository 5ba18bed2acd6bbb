package runtime

import (
	"math"
	"testing"
	"time"
)

func TestAccount(t *testing.T) {
	total := newAccount(ScopeRuntime, Limits{Fuel: 100, CPUTime: time.Second, Memory: 100, Output: 10, Processes: 2}, nil)
	one := newAccount(ScopeContainer, Limits{Fuel: 60, Memory: 80, Output: 8}, total)
	two := newAccount(ScopeContainer, Limits{Output: 8}, total)

	if left, err := one.charge(10, 0); left != 50 || err != nil {
		t.Errorf("50 of 60 are left, got %d, %v", left, err)
	}
	if left, err := two.charge(55, 0); left != 35 || err != nil {
		t.Errorf("35 of 100 are left to both, got %d, %v", left, err)
	}
	if _, err := one.charge(51, 0); err == nil || err.(*LimitError).Scope != ScopeContainer {
		t.Errorf("the narrowest limit is the one named, got %v", err)
	}
	if left, err := newAccount(ScopeCall, Limits{}, nil).charge(math.MaxUint64/2, time.Hour); left != math.MaxUint64 || err != nil {
		t.Errorf("without limits: %d, %v", left, err)
	}
	if _, err := two.charge(0, time.Second); err == nil {
		t.Error("computes for longer than all may together")
	}

	// What works for a Worker spends from the Worker's call, too.
	held := newAccount(ScopeCall, Limits{}, newAccount(ScopeContainer, Limits{}, nil))
	call := newAccount(ScopeCall, Limits{Fuel: 10}, held)
	inner := newAccount(ScopeContainer, Limits{}, held)
	for _, step := range []*account{call, nil} {
		held.step.Store(step)
		if _, err := inner.charge(4, 0); err != nil || call.fuel.Load() != 4 || held.fuel.Load() != inner.fuel.Load() {
			t.Errorf("%d of the call, %d of the worker, %d of what works for it, %v", call.fuel.Load(), held.fuel.Load(), inner.fuel.Load(), err)
		}
	}
	held.step.Store(call)
	if _, err := inner.charge(7, 0); err == nil || held.fuel.Load() != 15 {
		t.Errorf("over the limit of the call: %v, %d", err, held.fuel.Load())
	}

	for _, g := range []struct {
		a    *account
		n    uint64
		want string // whose limit
	}{
		{one, 80, ""}, {one, 1, ScopeContainer}, {two, 20, ""}, {two, 1, ScopeRuntime},
	} {
		limit := g.a.grow(g.n)
		if (limit == nil) != (g.want == "") || limit != nil && limit.Scope != g.want {
			t.Errorf("grow %d: %v, want %q", g.n, limit, g.want)
		}
	}
	one.shrink(80)
	if s, all := one.stats(), total.stats(); s.Memory != 0 || s.PeakMemory != 80 || all.Memory != 20 || all.PeakMemory != 100 {
		t.Errorf("after shrinking: %+v, all %+v", s, all)
	}

	for _, p := range []struct {
		a       *account
		n, want int64
		scope   string
	}{
		{one, 7, 7, ""}, {one, 7, 1, ScopeContainer}, {one, 1, 0, ScopeContainer}, {two, 9, 2, ScopeRuntime}, {two, 1, 0, ScopeRuntime},
	} {
		n, limit := p.a.print(p.n)
		if n != p.want || (limit == nil) != (p.scope == "") || limit != nil && limit.Scope != p.scope {
			t.Errorf("print %d: %d, %v; want %d, %q", p.n, n, limit, p.want, p.scope)
		}
	}
	if a, b, all := one.output.Load(), two.output.Load(), total.output.Load(); a != 8 || b != 2 || all != 10 {
		t.Errorf("printed %d and %d, %d together", a, b, all)
	}

	if one.enter() != nil || two.enter() != nil || one.enter() == nil {
		t.Error("two programs may run, not three")
	}
	one.leave()
	if limit := two.enter(); limit != nil {
		t.Errorf("a program may take the place of one that has ended: %v", limit)
	}
}

// TestShare plays a guest that computes whenever it may, on a clock of the
// test's own: sleeping takes longer than asked for, as on a busy machine.
func TestShare(t *testing.T) {
	for _, cpus := range []float64{0.01, 0.3, 0.5, 0.9, 2} {
		for _, late := range []time.Duration{0, 2 * time.Millisecond, 20 * time.Millisecond} {
			s := &share{cpus: cpus}
			began := time.Now()
			now, computed, slices := began, time.Duration(0), time.Duration(max(1, int(cpus)))
			for now.Sub(began) < 30*time.Second {
				now = now.Add(time.Millisecond)
				computed += slices * time.Millisecond
				if rest := s.owe(now, slices*time.Millisecond); rest > 0 {
					now = now.Add(rest + late)
				}
			}
			if got := float64(computed) / float64(now.Sub(began)); math.Abs(got/cpus-1) > 0.05 {
				t.Errorf("%g processors, sleep %s late: got %.3f", cpus, late, got)
			}
		}
	}
	s := &share{cpus: 0.5}
	now := time.Now()
	s.owe(now, time.Millisecond)
	now = now.Add(time.Hour)
	if rest := s.owe(now, time.Second); rest < time.Second/2 {
		t.Errorf("an hour of rest buys a second of computing: rests %s", rest)
	}
}

// TestWhoseFiles: the limit that is named is the narrowest of one program, or
// the one of all.
func TestWhoseFiles(t *testing.T) {
	total := newAccount(ScopeRuntime, Limits{}, nil)
	total.open = 100
	for _, c := range []struct {
		container, call int
		together        bool
		want            LimitError
	}{
		{1024, 0, false, LimitError{"open files", "1024", ScopeContainer}},
		{1024, 64, false, LimitError{"open files", "64", ScopeCall}},
		{64, 1024, false, LimitError{"open files", "64", ScopeContainer}},
		{1024, 64, true, LimitError{"open files", "100", ScopeRuntime}},
	} {
		call := newAccount(ScopeCall, Limits{OpenFiles: c.call}, newAccount(ScopeContainer, Limits{OpenFiles: c.container}, total))
		if got := call.noFiles(c.together); got == nil || *got != c.want {
			t.Errorf("%+v: %+v", c, got)
		}
	}
}

// TestWhoseDisk: a limit is met once, and a file system with another bound is
// none.
func TestWhoseDisk(t *testing.T) {
	total := newAccount(ScopeRuntime, Limits{}, nil)
	total.disks = 100
	one := newAccount(ScopeContainer, Limits{Disk: 80}, total)
	call := newAccount(ScopeCall, Limits{}, one)
	q := diskQuota{one}
	q.Full(50)
	if limit := call.noDisk(); limit != nil {
		t.Errorf("of a tmpfs: %v", limit)
	}
	q.Full(80)
	if limit := call.noDisk(); limit == nil || limit.Limit != "80 bytes" || limit.Scope != ScopeContainer || call.noDisk() != nil {
		t.Errorf("of the container: %v", limit)
	}
	if q.Grow(101) {
		t.Fatal("more than there is")
	}
	if limit := call.noDisk(); limit == nil || limit.Limit != "100 bytes" || limit.Scope != ScopeRuntime {
		t.Errorf("of all: %v", limit)
	}
}
