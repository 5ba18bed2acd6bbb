package metrics

import (
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// tei counts under the names of text-embeddings-inference. It knows one model per
// server and has no labels for them: these are of all models together.
type tei struct {
	count, success, failure       *vec[counter]
	duration, queue, infer, batch *vec[histogram]

	// the series of these that a request counts in: one row, several
	counts, successes                     [2]*counter
	durations, queues, inferring, batches *histogram
}

// newTEI makes its metrics.
func newTEI() *tei {
	times := powers(1.5e-5, 1.5, 35)
	t := &tei{
		count:    counters("te_request_count", "Requests.", "method"),
		success:  counters("te_request_success", "Requests that were answered.", "method"),
		failure:  counters("te_request_failure", "Requests that failed, by why.", "err"),
		duration: histograms("te_request_duration", "Time of requests, in seconds.", times),
		queue:    histograms("te_request_queue_duration", "Time that requests waited, in seconds.", times),
		infer:    histograms("te_request_inference_duration", "Time that requests were computed, in seconds.", times),
		batch:    histograms("te_batch_next_size", "Rows that were computed together.", powers(1, 2, 11)),
	}
	for i, method := range []string{"single", "batch"} {
		t.counts[i], t.successes[i] = t.count.with(method), t.success.with(method)
	}
	t.durations, t.queues, t.inferring, t.batches = t.duration.with(), t.queue.with(), t.infer.with(), t.batch.with()
	return t
}

func (t *tei) observe(e *repository.Event, reason string) {
	method := 0
	if e.Receipt.Rows > 1 {
		method = 1
	}
	t.counts[method].add(1)
	if reason != "" {
		switch reason {
		case route.ReasonBadInput:
			reason = "validation"
		case route.ReasonOverloaded:
		default:
			reason = "inference"
		}
		t.failure.with(reason).add(1)
		return
	}
	t.successes[method].add(1)
	t.durations.observe(e.Took.Seconds())
	t.queues.observe(e.Receipt.Queue.Seconds())
	t.inferring.observe(e.Receipt.Compute.Seconds())
	t.batches.observe(float64(max(e.Receipt.Batch, e.Receipt.Rows, 1)))
}

func (m *Metrics) showTEI(p *page) {
	t := m.tei
	for _, one := range []shown{t.count, t.success, t.failure, t.duration, t.queue, t.infer, t.batch} {
		one.show(p)
	}
	waiting := 0
	for _, s := range m.index() {
		waiting += s.Waiting
	}
	p.gauge("te_queue_size", "Requests that wait now.", float64(waiting))
}
