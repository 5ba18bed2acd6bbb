// Package metrics knows what a server counts, and shows it as Prometheus reads it:
// inferences by model, protocol and result, how long they waited and took, what the
// models and the process hold. It learns all from a repository's events and index.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

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
	// Log gets what cannot be shown; nil: none.
	Log *slog.Logger
}

// Metrics counts. Its methods may be called from any goroutine.
type Metrics struct {
	handler  http.Handler
	registry *prometheus.Registry

	requests                 *prometheus.CounterVec
	failures                 *prometheus.CounterVec
	duration, queue, compute *prometheus.HistogramVec
	batch                    *prometheus.HistogramVec
	fuel                     *prometheus.CounterVec
	http                     *prometheus.CounterVec
	tei                      *tei // nil: not shown
	index                    func() []repository.Status
	mu                       sync.Mutex // of adding series
	results                  atomic.Pointer[map[resultKey]*result]
	models                   atomic.Pointer[map[modelKey]*totals]
	httpSeries               sync.Map // httpKey -> prometheus.Counter
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
	requests, failures, fuel        prometheus.Counter
	duration, queue, compute, batch prometheus.Observer
	totals                          *totals
}

// Buckets of times, in seconds: a trivial model answers within 50 us, and a large one
// within a minute.
var (
	durations = []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	batches   = prometheus.ExponentialBuckets(1, 2, 11)
)

// New makes metrics of a repository, whose index is asked when they are shown.
func New(index func() []repository.Status, c Config) (*Metrics, error) {
	m := &Metrics{index: index, registry: prometheus.NewRegistry()}
	m.results.Store(&map[resultKey]*result{})
	m.models.Store(&map[modelKey]*totals{})
	model := []string{"model_name", "model_version"}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, model)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m.requests = counter("wherry_inference_requests_total", "Inferences that ended, by the HTTP status that says how.", "model_name", "model_version", "protocol", "code")
	m.failures = counter("wherry_inference_failures_total", "Inferences that failed, by why.", "model_name", "model_version", "reason")
	m.duration = histogram("wherry_inference_request_duration_seconds", "Time of inferences from when they were asked until they ended.", durations)
	m.queue = histogram("wherry_inference_queue_duration_seconds", "Time that inferences waited for an instance.", durations)
	m.compute = histogram("wherry_inference_compute_duration_seconds", "Time that inferences were in an instance.", durations)
	m.batch = histogram("wherry_inference_batch_size", "Rows that were computed together with those of an inference.", batches)
	m.fuel = counter("wherry_inference_fuel_total", "What guests did for inferences that were answered.", model...)
	m.http = counter("wherry_http_requests_total", "HTTP requests that were answered, by route.", "route", "method", "code")
	collect := []prometheus.Collector{m.requests, m.failures, m.duration, m.queue, m.compute, m.batch, m.fuel, m.http, (*indexed)(m),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})}
	info := prometheus.NewGauge(prometheus.GaugeOpts{Name: "wherry_build_info", Help: "1; the version is a label.",
		ConstLabels: prometheus.Labels{"version": c.Version}})
	info.Set(1)
	collect = append(collect, info)
	for _, name := range c.Compat {
		switch name {
		case Triton:
			collect = append(collect, (*triton)(m))
		case TEI:
			m.tei = newTEI(m)
			collect = append(collect, m.tei.collectors()...)
		default:
			return nil, fmt.Errorf("there are no metrics of %q; there are: %s, %s", name, Triton, TEI)
		}
	}
	for _, one := range collect {
		if err := m.registry.Register(one); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	options := promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}
	if c.Log != nil {
		options.ErrorLog = slog.NewLogLogger(c.Log.Handler(), slog.LevelError)
	}
	m.handler = promhttp.HandlerFor(m.registry, options)
	return m, nil
}

// ServeHTTP shows all.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// RequestLog shows how many requests were written down, and how many left out.
func (m *Metrics) RequestLog(counts func() (written, dropped int64)) error {
	written := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "wherry_request_log_rows_total", Help: "Requests that were written to the request log."},
		func() float64 { n, _ := counts(); return float64(n) })
	dropped := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "wherry_request_log_dropped_total", Help: "Requests that were left out of the request log, for they came too fast or it could not be written."},
		func() float64 { _, n := counts(); return float64(n) })
	for _, one := range []prometheus.Collector{written, dropped} {
		if err := m.registry.Register(one); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
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
	r.requests.Inc()
	r.duration.Observe(e.Took.Seconds())
	r.queue.Observe(e.Receipt.Queue.Seconds())
	r.totals.add(&e, key.reason)
	if m.tei != nil {
		m.tei.observe(&e, key.reason)
	}
	if e.Err != nil {
		r.failures.Inc()
		return
	}
	r.compute.Observe(e.Receipt.Compute.Seconds())
	r.fuel.Add(float64(e.Receipt.Fuel))
	r.batch.Observe(float64(max(e.Receipt.Batch, e.Receipt.Rows, 1)))
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
		requests: m.requests.WithLabelValues(name, version, key.protocol, strconv.Itoa(key.status)),
		duration: m.duration.WithLabelValues(name, version), queue: m.queue.WithLabelValues(name, version),
		totals: m.model(key.modelKey),
	}
	if key.reason != "" {
		r.failures = m.failures.WithLabelValues(name, version, key.reason)
	} else {
		r.compute, r.batch = m.compute.WithLabelValues(name, version), m.batch.WithLabelValues(name, version)
		r.fuel = m.fuel.WithLabelValues(name, version)
	}
	more := make(map[resultKey]*result, len(old)+1)
	for k, v := range old {
		more[k] = v
	}
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
	t := &totals{}
	more := make(map[modelKey]*totals, len(old)+1)
	for k, v := range old {
		more[k] = v
	}
	more[key] = t
	m.models.Store(&more)
	return t
}

// usual are methods of routes; calls of gRPC have one of their own.
var usual = map[string]bool{"GET": true, "HEAD": true, "POST": true, "PUT": true, "DELETE": true, "OPTIONS": true, "PATCH": true, "gRPC": true}

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
	case !usual[method]: // a client can make any number of them up
		method = "other"
	}
	key := httpKey{route, method, status}
	if c, ok := m.httpSeries.Load(key); ok {
		c.(prometheus.Counter).Inc()
		return
	}
	c := m.http.WithLabelValues(route, method, strconv.Itoa(status))
	m.httpSeries.Store(key, c)
	c.Inc()
}
