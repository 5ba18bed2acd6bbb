package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wherry-run/wherry/serve/repository"
)

// indexed shows what the repository says of its models now.
type indexed Metrics

var (
	modelLabels = []string{"model_name", "model_version"}

	descPending   = prometheus.NewDesc("wherry_inference_pending_requests", "Inferences that wait for an instance now.", modelLabels, nil)
	descRunning   = prometheus.NewDesc("wherry_inference_in_flight_requests", "Inferences that are in an instance now.", modelLabels, nil)
	descInstances = prometheus.NewDesc("wherry_model_instances", "Instances that a model has.", modelLabels, nil)
	descMemory    = prometheus.NewDesc("wherry_model_memory_bytes", "Memory that a model holds.", modelLabels, nil)
	descReady     = prometheus.NewDesc("wherry_model_ready", "1 when a model can answer.", modelLabels, nil)
	descInfo      = prometheus.NewDesc("wherry_model_info", "1; the digest of a model's image is a label.", append(modelLabels, "digest"), nil)
)

// Describe is prometheus.Collector's.
func (x *indexed) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPending, descRunning, descInstances, descMemory, descReady, descInfo} {
		to <- d
	}
}

// Collect is prometheus.Collector's.
func (x *indexed) Collect(to chan<- prometheus.Metric) {
	if x.index == nil {
		return
	}
	for _, s := range x.index() {
		show := func(d *prometheus.Desc, value float64, more ...string) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{s.Name, s.Version}, more...)...)
		}
		ready := 0.0
		if s.State == repository.StateReady {
			ready = 1
		}
		show(descReady, ready)
		show(descPending, float64(s.Waiting))
		show(descRunning, float64(s.Running))
		show(descInstances, float64(s.Instances))
		if s.Memory > 0 {
			show(descMemory, float64(s.Memory))
		}
		if s.Digest != "" {
			show(descInfo, 1, s.Digest)
		}
	}
}
