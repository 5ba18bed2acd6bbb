package metrics

import "github.com/wherry-run/wherry/serve/repository"

// showIndex shows what the repository says of its models now.
func (m *Metrics) showIndex(p *page) {
	list := m.index()
	labels := []string{"model_name", "model_version"}
	gauge := func(name, help string, value func(*repository.Status) (float64, bool)) {
		p.head(about{name: name, help: help, kind: kindGauge})
		for i := range list {
			if v, ok := value(&list[i]); ok {
				p.sample(name, labels, []string{list[i].Name, list[i].Version}, v)
			}
		}
	}
	gauge("wherry_inference_pending_requests", "Inferences that wait for an instance now.",
		func(s *repository.Status) (float64, bool) { return float64(s.Waiting), true })
	gauge("wherry_inference_in_flight_requests", "Inferences that are in an instance now.",
		func(s *repository.Status) (float64, bool) { return float64(s.Running), true })
	gauge("wherry_model_instances", "Requests that a model answers at once.",
		func(s *repository.Status) (float64, bool) { return float64(s.Instances), true })
	gauge("wherry_model_memory_bytes", "Memory that a model holds.",
		func(s *repository.Status) (float64, bool) { return float64(s.Memory), s.Memory > 0 })
	gauge("wherry_model_ready", "1 when a model can answer.", func(s *repository.Status) (float64, bool) {
		if s.State == repository.StateReady {
			return 1, true
		}
		return 0, true
	})
	info := about{"wherry_model_info", "1; the digest of a model's image is a label.", kindGauge, []string{"digest", "model_name", "model_version"}}
	p.head(info)
	for _, s := range list {
		if s.Digest != "" {
			p.sample(info.name, info.labels, []string{s.Digest, s.Name, s.Version}, 1)
		}
	}
}
