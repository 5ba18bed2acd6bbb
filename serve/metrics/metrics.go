// Package metrics knows what a server counts, and shows it as Prometheus reads it:
// inferences by model, protocol and result, how long they waited and took, what the
// models and the process hold. It learns all from a repository's events and index.
package metrics

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Names of other servers' metrics that can be shown, too.
const (
	Triton = "triton"
	TEI    = "tei"
)

// Config says what is shown.
type Config struct {
	// Compat lists servers (Triton, TEI) whose names are shown, too, so that their
	// dashboards work.
	Compat []string
	// Version of the program.
	Version string
}

// Metrics counts. Its methods may be called from any goroutine.
type Metrics struct {
	version string
	index   func() []repository.Status
	began   time.Time
	shown   []shown

	requests, failures, fuel, http  *vec[counter]
	duration, queue, compute, batch *vec[histogram]
	tei                             *tei // nil: not shown

	mu         sync.Mutex // of adding series
	results    atomic.Pointer[map[resultKey]*result]
	models     atomic.Pointer[map[modelKey]*totals]
	httpSeries sync.Map // httpKey -> *counter
}

// modelKey is one version of a model.
type modelKey struct{ name, version string }

// resultKey is what a series of requests has in common.
type resultKey struct {
	modelKey
	protocol, reason string
	status           int
}

// result holds the series of a resultKey, so that none has to be looked for when a
// request ends.
type result struct {
	requests, failures, fuel        *counter
	duration, queue, compute, batch *histogram
	totals                          *totals
}

// durations are bounds of times, in seconds: a trivial model answers within 50 us,
// and a large one within a minute.
func durations() []float64 {
	return []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
}

// New makes metrics of a repository, whose index is asked when they are shown.
func New(index func() []repository.Status, c Config) (*Metrics, error) {
	if index == nil {
		index = func() []repository.Status { return nil }
	}
	m := &Metrics{index: index, version: c.Version, began: time.Now()}
	m.results.Store(&map[resultKey]*result{})
	m.models.Store(&map[modelKey]*totals{})
	const name, version = "model_name", "model_version"
	m.requests = counters("wherry_inference_requests_total", "Inferences that ended, by the HTTP status that says how.", "code", name, version, "protocol")
	m.failures = counters("wherry_inference_failures_total", "Inferences that failed, by why.", name, version, "reason")
	m.fuel = counters("wherry_inference_fuel_total", "What guests did for inferences, those that failed as well.", name, version)
	m.duration = histograms("wherry_inference_request_duration_seconds", "Time of inferences from when they were asked until they ended.", durations(), name, version)
	m.queue = histograms("wherry_inference_queue_duration_seconds", "Time that inferences waited for an instance.", durations(), name, version)
	m.compute = histograms("wherry_inference_compute_duration_seconds", "Time that inferences were in an instance.", durations(), name, version)
	m.batch = histograms("wherry_inference_batch_size", "Rows that were computed together with those of an inference.", powers(1, 2, 11), name, version)
	m.http = counters("wherry_http_requests_total", "HTTP requests that were answered, by route.", "code", "method", "route")
	m.shown = []shown{m.requests, m.failures, m.duration, m.queue, m.compute, m.batch, m.fuel, m.http, shows(m.showIndex), shows(m.showProcess)}
	for _, name := range c.Compat {
		switch name {
		case Triton:
			m.shown = append(m.shown, shows(m.showTriton))
		case TEI:
			m.tei = newTEI()
			m.shown = append(m.shown, shows(m.showTEI))
		default:
			return nil, fmt.Errorf("there are no metrics of %q; there are: %s, %s", name, Triton, TEI)
		}
	}
	return m, nil
}

// ServeHTTP shows all.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var p page
	for _, one := range m.shown {
		one.show(&p)
	}
	h := w.Header()
	h["Content-Type"] = []string{contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(p.b))}
	_, _ = w.Write(p.b)
}

// RequestLog shows how many requests were written down, and how many left out. It is
// called before anything is shown.
func (m *Metrics) RequestLog(counts func() (written, dropped int64)) {
	m.shown = append(m.shown, shows(func(p *page) {
		written, dropped := counts()
		p.count("wherry_request_log_rows_total", "Requests that were written to the request log.", float64(written))
		p.count("wherry_request_log_dropped_total", "Requests that were left out of the request log, for they came too fast or it could not be written.", float64(dropped))
	}))
}

// Observe counts an inference: it is for repository.Config.
func (m *Metrics) Observe(_ context.Context, e repository.Event) {
	key := resultKey{modelKey: modelKey{e.Receipt.Model, e.Receipt.Version}, protocol: e.Call.Protocol, status: http.StatusOK}
	if e.Err != nil {
		p := route.ProblemOf(e.Err)
		key.status, key.reason = p.Status, p.Reason
		if key.reason == route.ReasonNotFound { // a client can name any number of models
			key.modelKey = modelKey{}
		}
	}
	r := (*m.results.Load())[key]
	if r == nil {
		r = m.add(key)
	}
	r.requests.add(1)
	r.duration.observe(e.Took.Seconds())
	r.queue.observe(e.Receipt.Queue.Seconds())
	r.totals.add(&e, key.reason)
	if m.tei != nil {
		m.tei.observe(&e, key.reason)
	}
	if r.fuel != nil {
		r.fuel.add(e.Receipt.Share() + e.Receipt.Wasted)
	}
	if e.Err != nil {
		r.failures.add(1)
		return
	}
	r.compute.observe(e.Receipt.Compute.Seconds())
	r.batch.observe(float64(max(e.Receipt.Batch, e.Receipt.Rows, 1)))
}

// add makes the series of a key. The maps are copied: they are read by every
// request, and hardly ever grow.
func (m *Metrics) add(key resultKey) *result {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.results.Load()
	if r := old[key]; r != nil {
		return r
	}
	name, version := key.name, key.version
	r := &result{
		requests: m.requests.with(strconv.Itoa(key.status), name, version, key.protocol),
		duration: m.duration.with(name, version), queue: m.queue.with(name, version), totals: m.model(key.modelKey),
	}
	if key.reason != "" {
		r.failures = m.failures.with(name, version, key.reason)
	} else {
		r.compute, r.batch = m.compute.with(name, version), m.batch.with(name, version)
	}
	if name != "" {
		r.fuel = m.fuel.with(name, version)
	}
	more := maps.Clone(old)
	more[key] = r
	m.results.Store(&more)
	return r
}

// model gives the totals of one version of a model; m.mu is held.
func (m *Metrics) model(key modelKey) *totals {
	old := *m.models.Load()
	if t := old[key]; t != nil {
		return t
	}
	more := maps.Clone(old)
	more[key] = &totals{}
	m.models.Store(&more)
	return more[key]
}

type httpKey struct {
	route, method string
	status        int
}

// HTTP counts a request that was answered: route is the pattern that it met, ""
// when none.
func (m *Metrics) HTTP(route, method string, status int) {
	switch {
	case route == "":
		method = ""
	case !usual(method): // a client can make any number of them up
		method = "other"
	}
	key := httpKey{route, method, status}
	if c, ok := m.httpSeries.Load(key); ok {
		c.(*counter).add(1)
		return
	}
	c := m.http.with(strconv.Itoa(status), method, route)
	m.httpSeries.Store(key, c)
	c.add(1)
}

// usual tells methods of routes; calls of gRPC have one of their own.
func usual(method string) bool {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "gRPC":
		return true
	}
	return false
}
