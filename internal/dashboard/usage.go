package dashboard

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// How often containers are asked what they use, and how many answers are kept of each.
// While nobody looks, they are asked less often.
const (
	sampleEvery = 2 * time.Second
	samples     = 150
	lookedAt    = 30 * time.Second
	idleEvery   = 5 // times sampleEvery
	askedAtOnce = 8
)

// point is what a container used at some time.
type point struct {
	At       time.Time `json:"at"`
	CPU      float64   `json:"cpu"`    // processors, since the point before
	Fuel     float64   `json:"fuel"`   // a second
	Memory   uint64    `json:"memory"` // bytes
	Limit    uint64    `json:"limit,omitempty"`
	Received float64   `json:"received"` // bytes a second
	Sent     float64   `json:"sent"`

	total state.Usage
	begun time.Time // of the life that it is of
}

// usage keeps what containers used in the last minutes.
type usage struct {
	store *state.Store
	seen  atomic.Int64 // when somebody last asked, in nanoseconds

	mu     sync.Mutex
	points map[string][]point
}

func newUsage(s *state.Store) *usage { return &usage{store: s, points: map[string][]point{}} }

// asked notes that somebody looks.
func (u *usage) asked() { u.seen.Store(time.Now().UnixNano()) }

// run asks again and again until ctx ends.
func (u *usage) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		if n%idleEvery == 0 || time.Since(time.Unix(0, u.seen.Load())) < lookedAt {
			u.sample(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sample asks all containers that run, a few at once.
func (u *usage) sample(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sampleEvery)
	defer cancel()
	list, err := u.store.List(ctx, func(c *state.Container) bool { return c.State.Status.Alive() })
	if err != nil {
		return
	}
	alive := make(map[string]bool, len(list))
	free := make(chan struct{}, askedAtOnce)
	var all sync.WaitGroup
	for _, c := range list {
		alive[c.ID] = true
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			if now, err := u.store.Usage(ctx, c); err == nil {
				u.add(c, now, time.Now())
			}
		})
	}
	all.Wait()
	u.forget(alive)
}

// forget drops what is too old, and containers of which nothing is left.
func (u *usage) forget(alive map[string]bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	oldest := time.Now().Add(-samples * sampleEvery)
	for id, list := range u.points {
		if !alive[id] && (len(list) == 0 || list[len(list)-1].At.Before(oldest)) {
			delete(u.points, id)
		}
	}
}

// add puts down what a container had used at a time.
func (u *usage) add(c *state.Container, now state.Usage, at time.Time) {
	p := point{At: at, Memory: now.Memory, Limit: now.Limit, total: now, begun: c.State.Started}
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.points[c.ID]
	if n := len(list); n > 0 && list[n-1].begun.Equal(p.begun) {
		p.since(list[n-1])
	}
	if len(list) >= samples {
		list = append(list[:0:0], list[len(list)-samples+1:]...)
	}
	u.points[c.ID] = append(list, p)
}

// since fills in what was used from a point on.
func (p *point) since(before point) {
	seconds := p.At.Sub(before.At).Seconds()
	if seconds <= 0 {
		return
	}
	rate := func(was, is uint64) float64 {
		if is < was {
			return 0
		}
		return float64(is-was) / seconds
	}
	p.CPU = rate(uint64(max(before.total.CPU, 0)), uint64(max(p.total.CPU, 0))) / float64(time.Second)
	p.Fuel = rate(before.total.Fuel, p.total.Fuel)
	p.Received, p.Sent = rate(before.total.Received, p.total.Received), rate(before.total.Sent, p.total.Sent)
}

// of are the points of a container, the oldest first.
func (u *usage) of(id string) []point {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]point{}, u.points[id]...)
}

// recent is how many points the list shows of each container.
const recent = 40

// last is the newest point of a container, nil when there is none, and how many
// processors it used lately.
func (u *usage) last(id string) (*point, []float64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := u.points[id]
	if len(list) == 0 {
		return nil, nil
	}
	p := list[len(list)-1]
	var cpu []float64
	for _, one := range list[max(0, len(list)-recent):] {
		cpu = append(cpu, one.CPU)
	}
	return &p, cpu
}
