package page

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// The history has this many seconds, of this many models at most.
const (
	seconds   = 300
	maxModels = 256
)

// Latencies are counted in steps of a quarter more each, from 10 µs to a minute.
const (
	steps    = 72
	stepBase = 1.25
	shortest = 10 * time.Microsecond
)

// A History counts what every model did in each of the last seconds. The zero value
// is not ready; see NewHistory.
type History struct {
	now    func() time.Time
	mu     sync.Mutex
	models map[string]*[seconds]second
}

// second is what happened in one second.
type second struct {
	at       int64 // since the epoch; another second's counts are no longer true
	answered uint32
	failed   uint32
	queue    time.Duration // all together
	took     [steps]uint32 // answers by latency
}

// NewHistory makes an empty one.
func NewHistory() *History {
	return &History{now: time.Now, models: map[string]*[seconds]second{}}
}

// Observe counts a request that came to its end: it is for repository.Config.
func (h *History) Observe(_ context.Context, e repository.Event) {
	name := e.Receipt.Model
	if name == "" || e.Err != nil && errors.As(e.Err, new(*repository.NotFoundError)) { // a client can name any number of models
		return
	}
	at := h.now().Unix()
	h.mu.Lock()
	defer h.mu.Unlock()
	ring := h.models[name]
	if ring == nil {
		if len(h.models) >= maxModels {
			return
		}
		ring = new([seconds]second)
		h.models[name] = ring
	}
	s := &ring[at%seconds]
	if s.at != at {
		*s = second{at: at}
	}
	s.queue += e.Receipt.Queue
	if e.Err != nil {
		s.failed++
		return
	}
	s.answered++
	s.took[step(e.Took)]++
}

// step is which of the steps a latency falls into.
func step(d time.Duration) int {
	if d <= shortest {
		return 0
	}
	return min(steps-1, 1+int(math.Log(float64(d)/float64(shortest))/math.Log(stepBase)))
}

// middle is the latency that a step stands for, in milliseconds.
func middle(i int) float64 {
	return float64(shortest) / 1e6 * math.Pow(stepBase, float64(i)-0.5)
}

// A point is what the charts show of one span of time.
type point struct {
	Answered float64  `json:"answered"` // a second
	Failed   float64  `json:"failed"`
	P50      *float64 `json:"p50"` // milliseconds; null when nothing was answered
	P99      *float64 `json:"p99"`
	Queue    float64  `json:"queue"` // milliseconds, the mean
}

// span is how many seconds a point has.
const span = 5

// points are the past of a model, the oldest first. The last span is not over.
func (h *History) points(name string) []point {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]point, seconds/span)
	ring := h.models[name]
	if ring == nil {
		return list
	}
	// Points begin at whole spans, so that they stay what they are.
	now := h.now().Unix()
	end := now/span*span + span
	for i := range list {
		begin := end - int64((len(list)-i)*span)
		var sum second
		for at := begin; at < begin+span; at++ {
			if s := &ring[at%seconds]; s.at == at {
				sum.add(s)
			}
		}
		list[i] = sum.point(float64(min(span, now+1-begin)))
	}
	return list
}

func (s *second) add(other *second) {
	s.answered += other.answered
	s.failed += other.failed
	s.queue += other.queue
	for i, n := range other.took {
		s.took[i] += n
	}
}

// point is what happened in so many seconds.
func (s *second) point(seconds float64) point {
	p := point{Answered: float64(s.answered) / seconds, Failed: float64(s.failed) / seconds}
	if n := s.answered + s.failed; n > 0 {
		p.Queue = float64(s.queue) / 1e6 / float64(n)
	}
	if s.answered > 0 {
		p.P50, p.P99 = s.quantile(0.5), s.quantile(0.99)
	}
	return p
}

func (s *second) quantile(q float64) *float64 {
	left := uint32(math.Ceil(q * float64(s.answered)))
	for i, n := range s.took {
		if n >= left {
			ms := middle(i)
			return &ms
		}
		left -= n
	}
	return nil
}

// history tells of the past of the model that the page is of.
func (p *page) history(w http.ResponseWriter, r *http.Request) {
	name := p.shown(r)
	for _, s := range p.models.Index() {
		if s.Name != name || !s.Default {
			continue
		}
		answer := map[string]any{
			"model": name, "state": s.State, "span_seconds": span, "points": []point{},
			"waiting": s.Waiting, "running": s.Running, "memory": s.Memory, "instances": s.Instances,
		}
		if p.options.History != nil {
			answer["points"] = p.options.History.points(name)
		}
		sendJSON(w, http.StatusOK, answer)
		return
	}
	sendJSON(w, http.StatusNotFound, json.RawMessage(route.ErrorJSON((&repository.NotFoundError{Model: name}).Error())))
}
