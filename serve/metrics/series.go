package metrics

import (
	"math"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
)

// counter counts, from any goroutine.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64)   { c.n.Add(n) }
func (c *counter) value() float64 { return float64(c.n.Load()) }

// sum adds numbers up, from any goroutine.
type sum struct{ bits atomic.Uint64 }

func (s *sum) add(v float64) {
	for {
		old := s.bits.Load()
		if s.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (s *sum) value() float64 { return math.Float64frombits(s.bits.Load()) }

// histogram counts numbers by how large they are.
type histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one more: what is over all bounds
	total  sum
}

func newHistogram(bounds []float64) *histogram {
	return &histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

func (h *histogram) observe(v float64) {
	h.counts[sort.SearchFloat64s(h.bounds, v)].Add(1)
	h.total.add(v)
}

// powers are bounds each so many times the one before.
func powers(first, factor float64, n int) []float64 {
	list := make([]float64, n)
	for i := range list {
		list[i] = first
		first *= factor
	}
	return list
}

// about is what all series of a name have in common.
type about struct {
	name, help, kind string
	labels           []string
}

// Kinds of metrics.
const (
	kindCounter   = "counter"
	kindGauge     = "gauge"
	kindHistogram = "histogram"
)

// vec has a T for each combination of label values.
type vec[T any] struct {
	about
	make func() *T
	mu   sync.Mutex
	list map[string]*labeled[T]
}

type labeled[T any] struct {
	values []string
	series *T
}

func newVec[T any](a about, make func() *T) *vec[T] {
	return &vec[T]{about: a, make: make, list: map[string]*labeled[T]{}}
}

func counters(name, help string, labels ...string) *vec[counter] {
	return newVec(about{name, help, kindCounter, labels}, func() *counter { return &counter{} })
}

func histograms(name, help string, bounds []float64, labels ...string) *vec[histogram] {
	return newVec(about{name, help, kindHistogram, labels}, func() *histogram { return newHistogram(bounds) })
}

// with gives the series of label values, one for each label.
func (v *vec[T]) with(values ...string) *T {
	key := strings.Join(values, "\xff") // no UTF-8 has this byte
	v.mu.Lock()
	defer v.mu.Unlock()
	if one := v.list[key]; one != nil {
		return one.series
	}
	one := &labeled[T]{slices.Clone(values), v.make()}
	v.list[key] = one
	return one.series
}

// all are the series in the order of their labels.
func (v *vec[T]) all() []*labeled[T] {
	v.mu.Lock()
	defer v.mu.Unlock()
	list := make([]*labeled[T], 0, len(v.list))
	for _, one := range v.list {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *labeled[T]) int { return slices.Compare(a.values, b.values) })
	return list
}
