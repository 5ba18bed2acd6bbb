package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// tei counts under the names of text-embeddings-inference. It knows one model per
// server and has no labels for them: these are of all models together.
type tei struct {
	count, success         [2]prometheus.Counter // one text, several
	failure                *prometheus.CounterVec
	duration, queue, infer prometheus.Histogram
	batch                  prometheus.Histogram
	all                    []prometheus.Collector
}

// newTEI makes its metrics.
func newTEI(m *Metrics) *tei {
	t := &tei{}
	vec := func(name, help, label string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		t.all = append(t.all, v)
		return v
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		t.all = append(t.all, h)
		return h
	}
	count := vec("te_request_count", "Requests.", "method")
	success := vec("te_request_success", "Requests that were answered.", "method")
	for i, method := range []string{"single", "batch"} {
		t.count[i], t.success[i] = count.WithLabelValues(method), success.WithLabelValues(method)
	}
	t.failure = vec("te_request_failure", "Requests that failed, by why.", "err")
	times := prometheus.ExponentialBuckets(1.5e-5, 1.5, 35)
	t.duration = histogram("te_request_duration", "Time of requests, in seconds.", times)
	t.queue = histogram("te_request_queue_duration", "Time that requests waited, in seconds.", times)
	t.infer = histogram("te_request_inference_duration", "Time that requests were computed, in seconds.", times)
	t.batch = histogram("te_batch_next_size", "Rows that were computed together.", prometheus.ExponentialBuckets(1, 2, 11))
	t.all = append(t.all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "te_queue_size", Help: "Requests that wait now."}, func() float64 {
		n := 0
		if m.index != nil {
			for _, s := range m.index() {
				n += s.Waiting
			}
		}
		return float64(n)
	}))
	return t
}

func (t *tei) collectors() []prometheus.Collector { return t.all }

func (t *tei) observe(e *repository.Event, reason string) {
	method := 0
	if e.Receipt.Rows > 1 {
		method = 1
	}
	t.count[method].Inc()
	if reason != "" {
		switch reason {
		case route.ReasonBadInput:
			reason = "validation"
		case route.ReasonOverloaded:
		default:
			reason = "inference"
		}
		t.failure.WithLabelValues(reason).Inc()
		return
	}
	t.success[method].Inc()
	t.duration.Observe(e.Took.Seconds())
	t.queue.Observe(e.Receipt.Queue.Seconds())
	t.infer.Observe(e.Receipt.Compute.Seconds())
	t.batch.Observe(float64(max(e.Receipt.Batch, e.Receipt.Rows, 1)))
}
