package metrics

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"

	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// totals are sums of one version of a model, as Triton shows them.
type totals struct {
	success, inferences, rejected, canceled, backend, other atomic.Uint64
	executions                                              sum
	request, queue, compute                                 atomic.Int64 // nanoseconds
}

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

// showTriton shows totals under Triton's names. Models that were not asked yet have
// them, too.
func (m *Metrics) showTriton(p *page) {
	labels := []string{"model", "version"}
	waiting, models := map[modelKey]float64{}, *m.models.Load()
	var keys []modelKey
	for _, s := range m.index() {
		key := modelKey{s.Name, s.Version}
		waiting[key] = float64(s.Waiting)
		keys = append(keys, key)
	}
	for key := range models {
		if _, ok := waiting[key]; !ok && key != (modelKey{}) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b modelKey) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.version, b.version)) })
	each := func(name, kind, help string, value func(modelKey, *totals) float64) {
		p.head(about{name: name, help: help, kind: kind})
		for _, key := range keys {
			t := models[key]
			if t == nil {
				t = &totals{}
			}
			p.sample(name, labels, []string{key.name, key.version}, value(key, t))
		}
	}
	micros := func(name, help string, of func(*totals) int64) {
		each(name, kindCounter, help, func(_ modelKey, t *totals) float64 { return float64(of(t) / 1000) })
	}
	each("nv_inference_request_success", kindCounter, "Requests that were answered.", func(_ modelKey, t *totals) float64 { return float64(t.success.Load()) })
	m.showFailures(p, keys)
	each("nv_inference_count", kindCounter, "Rows that were computed.", func(_ modelKey, t *totals) float64 { return float64(t.inferences.Load()) })
	each("nv_inference_exec_count", kindCounter, "Batches that were computed.", func(_ modelKey, t *totals) float64 { return math.Round(t.executions.value()) })
	each("nv_inference_pending_request_count", kindGauge, "Requests that wait.", func(key modelKey, _ *totals) float64 { return waiting[key] })
	micros("nv_inference_request_duration_us", "Time of requests that were answered.", func(t *totals) int64 { return t.request.Load() })
	micros("nv_inference_queue_duration_us", "Time that they waited.", func(t *totals) int64 { return t.queue.Load() })
	// Inputs and outputs are handed over within the inference.
	micros("nv_inference_compute_input_duration_us", "Time of inputs: part of the inference here.", func(*totals) int64 { return 0 })
	micros("nv_inference_compute_infer_duration_us", "Time that they were computed.", func(t *totals) int64 { return t.compute.Load() })
	micros("nv_inference_compute_output_duration_us", "Time of outputs: part of the inference here.", func(*totals) int64 { return 0 })
}

func (m *Metrics) showFailures(p *page, keys []modelKey) {
	a := about{"nv_inference_request_failure", "Requests that were not answered, by why.", kindCounter, []string{"model", "reason", "version"}}
	p.head(a)
	models := *m.models.Load()
	for _, key := range keys {
		t := models[key]
		if t == nil {
			t = &totals{}
		}
		for _, one := range []struct {
			reason string
			n      *atomic.Uint64
		}{{"REJECTED", &t.rejected}, {"CANCELED", &t.canceled}, {"BACKEND", &t.backend}, {"OTHER", &t.other}} {
			p.sample(a.name, a.labels, []string{key.name, one.reason, key.version}, float64(one.n.Load()))
		}
	}
}
