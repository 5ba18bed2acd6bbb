package repository

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/wherry-run/wherry/model"
)

// Statistics are the counters of one version of a model, in Triton's words.
type Statistics struct {
	Name, Version string
	// LastInference is when the last request was answered; zero: none was.
	LastInference time.Time
	// Inferences counts answered rows, Executions how often the model was run.
	Inferences, Executions uint64
	// Success and Fail count requests and the time from their coming to their end,
	// Queue and Infer those that were answered: their waiting, and the model's time.
	// Rejected are those of Fail that were turned away, Canceled those that their
	// clients gave up.
	Success, Fail, Queue, Infer Duration
	Rejected, Canceled          uint64
	// Batches says how often the model was run with how many rows, by their number.
	Batches []BatchStatistics
	// Memory are the bytes that it holds; 0: unknown, or none.
	Memory int64
	// Waiting and Running are requests at this moment.
	Waiting, Running int
}

// A Duration is how often something took place, and how long it took in all.
type Duration struct {
	Count uint64
	Total time.Duration
}

func (d *Duration) add(t time.Duration) {
	d.Count++
	d.Total += t
}

// BatchStatistics counts runs of the model with so many rows.
type BatchStatistics struct {
	Size  int
	Infer Duration
}

// maxBatchSizes bounds how many sizes are told apart; the rest is counted with the
// last.
const maxBatchSizes = 1024

// counts collects Statistics. They outlive what answers.
type counts struct {
	mu sync.Mutex
	Statistics
	name, version string
}

// ended notes the end of a request.
func (c *counts) ended(r *Receipt, now time.Time, took time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.LastInference = now
		c.Inferences += uint64(max(r.Rows, 1))
		c.Success.add(took)
		c.Queue.add(r.Queue)
		c.Infer.add(r.Compute)
		return
	}
	c.Fail.add(took)
	var overloaded *OverloadedError
	switch {
	case errors.As(err, &overloaded), errors.Is(err, model.ErrBusy):
		c.Rejected++
	case canceled(err):
		c.Canceled++
	}
}

// executed notes that the model was run.
func (c *counts) executed(rows int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Executions++
	i, ok := slices.BinarySearchFunc(c.Batches, rows, func(b BatchStatistics, n int) int { return b.Size - n })
	if !ok {
		if len(c.Batches) >= maxBatchSizes {
			i = len(c.Batches) - 1
		} else {
			c.Batches = slices.Insert(c.Batches, i, BatchStatistics{Size: rows})
		}
	}
	c.Batches[i].Infer.add(took)
}

func (c *counts) read() Statistics {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.Statistics
	s.Name, s.Version = c.name, c.version
	s.Batches = slices.Clone(s.Batches)
	return s
}

// Statistics gives the counters of a version of a model; without a version those of
// all of its versions, and without a name those of all models.
func (r *Repository) Statistics(name, version string) ([]Statistics, error) {
	list := r.list
	if name != "" {
		if _, err := r.find(name, version); err != nil {
			return nil, err
		}
		list = r.models[name]
	}
	var out []Statistics
	for _, e := range list {
		if version != "" && e.version != version {
			continue
		}
		s := e.counts.read()
		if c := e.current.Load(); c != nil {
			s.Memory = c.memory()
			s.Waiting, s.Running = c.load()
		}
		out = append(out, s)
	}
	return out, nil
}

// load is how many requests wait and run.
func (s *serving) load() (waiting, running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.len(), s.running
}
