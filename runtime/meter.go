package runtime

import (
	"context"
	goruntime "runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/wasi"
)

// meter measures one program and charges what it uses to an account. Only the
// goroutine that runs the program uses it.
type meter struct {
	account *account // what the program holds: memory, descriptors
	spends  *account // what it does: a Worker has another for each request
	crew    *crew
	working bool          // counted in the crew
	began   time.Time     // when it was made
	resumed time.Duration // when the guest went on, since then
	waited  time.Duration // how long host calls have waited since
	others  time.Duration // how long others computed for the guest, for which it has not rested yet
	refused *LimitError   // what the program was refused last: memory, disk or a descriptor
}

func newMeter(a *account, c *crew) *meter {
	return &meter{account: a, spends: a, crew: c, began: time.Now()}
}

// now is the time since it was made: of the two clocks that time.Now asks it needs one.
func (m *meter) now() time.Duration { return time.Since(m.began) }

// crew counts the guests of a Runtime that compute now. A guest that computes
// keeps its processor until Go takes it away, which it does after 10 ms: for too
// long where every processor has one. Where a processor has none, whoever is
// ready to run runs there, and to give way would only move the guest from one
// processor to another, a thousand times a second.
type crew struct {
	computing atomic.Int32
	paused    atomic.Pointer[chan struct{}] // closed when they may go on; nil: they may
}

// hold keeps who calls it while the Runtime is paused, and no longer than ctx.
func (c *crew) hold(ctx context.Context) {
	for {
		paused := c.paused.Load()
		if paused == nil {
			return
		}
		select {
		case <-*paused:
		case <-ctx.Done():
			return
		}
	}
}

// turnWorth is how long a guest computes at least before it gives way.
const turnWorth = 200 * time.Microsecond

// giveWay lets others have the processor, when they could have no other: other
// guests, the host's own work, the collector.
func (c *crew) giveWay() {
	if int(c.computing.Load()) >= goruntime.GOMAXPROCS(0) {
		goruntime.Gosched()
	}
}

// work says that the guest computes from here on.
func (m *meter) work() {
	if !m.working {
		m.working = true
		m.crew.computing.Add(1)
	}
}

// pause says that it does not. A host call that ends the guest never comes back
// to say that it does again.
func (m *meter) pause() {
	if m.working {
		m.working = false
		m.crew.computing.Add(-1)
	}
}

// helped charges what others computed for the guest beside it.
func (m *meter) helped(cpu time.Duration) {
	m.spends.charge(0, cpu) // what it has left is asked by Yield
	m.others += cpu
}

// Yield is called by the engine when a call begins (nothing is spent then),
// whenever the guest has used up its slice, and at the end of the call.
func (m *meter) Yield(ctx context.Context, spent uint64) (uint64, error) {
	var cpu time.Duration
	now := m.now()
	if spent > 0 {
		cpu = max(now-m.resumed-m.waited, 0)
	}
	left, err := m.spends.charge(spent, cpu)
	if err == nil && m.crew.paused.Load() != nil {
		err = m.wait(ctx, m.crew.hold)
		now = m.now()
	}
	if err == nil && cpu >= turnWorth { // a call of microseconds keeps nobody waiting
		m.crew.giveWay()
		now = m.now()
	}
	if all := cpu + m.others; err == nil && all > 0 {
		m.others = 0
		if m.spends.shares() {
			err = m.wait(ctx, func(ctx context.Context) { m.spends.rest(ctx, all) })
			now = m.now()
		}
	}
	m.resumed, m.waited = now, 0
	return left, err
}

// wait does what may take long, and does not count as computing.
func (m *meter) wait(ctx context.Context, what func(context.Context)) error {
	m.pause()
	what(ctx)
	m.work()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// Grow is asked by the engine before memory grows.
func (m *meter) Grow(n uint64) bool {
	if limit := m.account.grow(n); limit != nil {
		m.refused = limit
		return false
	}
	return true
}

// Refused is told by the engine of memory that it did not ask for.
func (m *meter) Refused(n uint64) {
	if limit := m.account.room(n); limit != nil {
		m.refused = limit
	}
}

// Release gives memory back.
func (m *meter) Release(n uint64) { m.account.shrink(n) }

// hostShare is how much of a host call's time counts as the guest's computing:
// what takes longer waits for something.
const hostShare = time.Millisecond

// traffic says in which parameter a function of WASI gets the address of the
// number of bytes that it moved.
type traffic struct {
	count  int
	writes bool
}

// watched are the functions of preview 1 and its sockets that can wait or move bytes. A count
// of 0 is none.
func watched() map[string]traffic {
	return map[string]traffic{
		"poll_oneoff": {},
		"sock_accept": {}, "sock_accept_v2": {}, "sock_connect": {}, "sock_connect_v2": {}, "sock_getaddrinfo": {},
		"sock_recv_v2": {count: 4}, "sock_recv_from": {count: 6}, "sock_recv_from_v2": {count: 6},
		"sock_send_v2": {count: 4, writes: true}, "sock_send_to": {count: 6, writes: true}, "sock_send_to_v2": {count: 6, writes: true},
		"fd_read": {count: 3}, "fd_pread": {count: 4}, "sock_recv": {count: 4},
		"fd_write": {count: 3, writes: true}, "fd_pwrite": {count: 4, writes: true}, "sock_send": {count: 4, writes: true},
	}
}

// watchWASI has the functions of preview 1 that wait or move bytes measured.
func (m *meter) watchWASI(h wasi.HostModule) wasi.HostModule {
	table := watched()
	funcs := make([]wasi.HostFunc, len(h.Funcs))
	for i, f := range h.Funcs {
		t, ok := table[f.Name]
		if f.Name == "sock_recv_from" && len(f.Params) < 8 { // its first version has no port
			t.count = 5
		}
		switch {
		case ok && t.count > 0:
			funcs[i] = m.counted(f, t)
		case ok:
			funcs[i] = m.timed(f)
		default:
			funcs[i] = f
		}
		if slices.Contains(refusing, f.Name) {
			funcs[i] = m.noting(funcs[i])
		}
	}
	h.Funcs = funcs
	return h
}

// refusing are the functions of preview 1 that meet limits on files.
var refusing = []string{
	"path_open", "fd_write", "fd_pwrite", "fd_allocate", "fd_filestat_set_size", "path_filestat_set_size",
	"path_create_directory", "path_symlink", "path_rename",
}

// The errnos of preview 1 that may mean a limit.
const (
	errnoDquot = 19
	errnoMfile = 33
	errnoNfile = 41
	errnoNospc = 51
)

// noting notes what limit a host call met, if one.
func (m *meter) noting(f wasi.HostFunc) wasi.HostFunc {
	call := f.Call
	f.Call = func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		call(ctx, g, stack)
		var limit *LimitError
		switch stack[0] {
		case errnoMfile, errnoNfile:
			limit = m.account.noFiles(stack[0] == errnoNfile)
		case errnoNospc, errnoDquot:
			limit = m.account.noDisk()
		}
		if limit != nil {
			m.refused = limit
		}
	}
	return f
}

// watch has all functions of a module measured.
func (m *meter) watch(h wasi.HostModule) wasi.HostModule {
	funcs := make([]wasi.HostFunc, len(h.Funcs))
	for i, f := range h.Funcs {
		funcs[i] = m.timed(f)
	}
	h.Funcs = funcs
	return h
}

// timed leaves what a host call waits out of the guest's time. The guest may be
// called back meanwhile, and yield: what was charged then is not looked at.
func (m *meter) timed(f wasi.HostFunc) wasi.HostFunc {
	call := f.Call
	f.Call = func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		began := m.now()
		m.pause()
		call(ctx, g, stack)
		m.work()
		if took := m.now() - max(began, m.resumed); took > hostShare {
			m.waited += took - hostShare
		}
	}
	return f
}

func (m *meter) counted(f wasi.HostFunc, t traffic) wasi.HostFunc {
	f = m.timed(f)
	call := f.Call
	f.Call = func(ctx context.Context, g *wasi.Guest, stack []uint64) {
		at := uint32(stack[t.count])
		call(ctx, g, stack)
		if stack[0] != 0 { // the errno
			return
		}
		n, _ := g.Memory().ReadUint32Le(at)
		if t.writes {
			m.spends.moved(0, uint64(n))
		} else {
			m.spends.moved(uint64(n), 0)
		}
	}
	return f
}
