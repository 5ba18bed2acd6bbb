package metrics

import (
	"math"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// totals are sums of one version of a model, as Triton shows them.
type totals struct {
	success, inferences     atomic.Uint64
	rejected, canceled      atomic.Uint64
	backend, other          atomic.Uint64
	executions              atomicFloat
	request, queue, compute atomic.Int64 // nanoseconds
}

// atomicFloat is a sum of many goroutines.
type atomicFloat struct{ bits atomic.Uint64 }

func (f *atomicFloat) add(v float64) {
	for {
		old := f.bits.Load()
		if f.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

func (f *atomicFloat) load() float64 { return math.Float64frombits(f.bits.Load()) }

func (t *totals) add(e *repository.Event, reason string) {
	switch reason {
	case "":
	case route.ReasonOverloaded, route.ReasonNotReady:
		t.rejected.Add(1)
		return
	case route.ReasonCanceled, route.ReasonTimeout:
		t.canceled.Add(1)
		return
	case route.ReasonTrap, route.ReasonOOM, route.ReasonModel:
		t.backend.Add(1)
		return
	default:
		t.other.Add(1)
		return
	}
	rows := max(e.Receipt.Rows, 1)
	t.success.Add(1)
	t.inferences.Add(uint64(rows))
	// A batch has been computed once: each of its requests counts for its share.
	t.executions.add(float64(rows) / float64(max(e.Receipt.Batch, rows)))
	t.request.Add(int64(e.Took))
	t.queue.Add(int64(e.Receipt.Queue))
	t.compute.Add(int64(e.Receipt.Compute))
}

// triton shows totals under Triton's names.
type triton Metrics

var (
	nvLabels = []string{"model", "version"}

	nvSuccess = prometheus.NewDesc("nv_inference_request_success", "Number of successful inference requests, all batch sizes", nvLabels, nil)
	nvFailure = prometheus.NewDesc("nv_inference_request_failure", "Number of failed inference requests, all batch sizes", append(nvLabels, "reason"), nil)
	nvCount   = prometheus.NewDesc("nv_inference_count", "Number of inferences performed (does not include cached requests)", nvLabels, nil)
	nvExecs   = prometheus.NewDesc("nv_inference_exec_count", "Number of model executions performed (does not include cached requests)", nvLabels, nil)
	nvPending = prometheus.NewDesc("nv_inference_pending_request_count", "Instantaneous number of pending requests awaiting execution per-model", nvLabels, nil)
	nvRequest = prometheus.NewDesc("nv_inference_request_duration_us", "Cumulative inference request duration in microseconds", nvLabels, nil)
	nvQueue   = prometheus.NewDesc("nv_inference_queue_duration_us", "Cumulative inference queuing duration in microseconds", nvLabels, nil)
	nvInput   = prometheus.NewDesc("nv_inference_compute_input_duration_us", "Cumulative compute input duration in microseconds", nvLabels, nil)
	nvInfer   = prometheus.NewDesc("nv_inference_compute_infer_duration_us", "Cumulative compute inference duration in microseconds", nvLabels, nil)
	nvOutput  = prometheus.NewDesc("nv_inference_compute_output_duration_us", "Cumulative inference compute output duration in microseconds", nvLabels, nil)
)

// Describe is prometheus.Collector's.
func (x *triton) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{nvSuccess, nvFailure, nvCount, nvExecs, nvPending, nvRequest, nvQueue, nvInput, nvInfer, nvOutput} {
		to <- d
	}
}

// Collect is prometheus.Collector's.
func (x *triton) Collect(to chan<- prometheus.Metric) {
	known := map[modelKey]bool{}
	if x.index != nil {
		for _, s := range x.index() {
			key := modelKey{s.Name, s.Version}
			known[key] = true
			to <- prometheus.MustNewConstMetric(nvPending, prometheus.GaugeValue, float64(s.Waiting), s.Name, s.Version)
		}
	}
	models := *x.models.Load()
	for key := range models {
		if key != (modelKey{}) {
			known[key] = true
		}
	}
	for key := range known {
		t := models[key]
		if t == nil {
			t = &totals{}
		}
		t.show(to, key)
	}
}

func (t *totals) show(to chan<- prometheus.Metric, key modelKey) {
	count := func(d *prometheus.Desc, v float64, more ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, append([]string{key.name, key.version}, more...)...)
	}
	micros := func(n *atomic.Int64) float64 { return float64(n.Load() / 1000) }
	count(nvSuccess, float64(t.success.Load()))
	count(nvFailure, float64(t.rejected.Load()), "REJECTED")
	count(nvFailure, float64(t.canceled.Load()), "CANCELED")
	count(nvFailure, float64(t.backend.Load()), "BACKEND")
	count(nvFailure, float64(t.other.Load()), "OTHER")
	count(nvCount, float64(t.inferences.Load()))
	count(nvExecs, math.Round(t.executions.load()))
	count(nvRequest, micros(&t.request))
	count(nvQueue, micros(&t.queue))
	count(nvInput, 0) // inputs are handed over within the inference
	count(nvInfer, micros(&t.compute))
	count(nvOutput, 0)
}
