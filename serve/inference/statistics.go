package inference

import (
	"time"

	"github.com/wherry-run/wherry/serve/repository"
)

// Statistics are the counters of a version of a model as Triton's documents have
// them. Times are in nanoseconds, LastInference is in milliseconds since 1970.
type Statistics struct {
	Name           string         `json:"name"`
	Version        string         `json:"version"`
	LastInference  uint64         `json:"last_inference"`
	InferenceCount uint64         `json:"inference_count"`
	ExecutionCount uint64         `json:"execution_count"`
	InferenceStats InferenceStats `json:"inference_stats"`
	ResponseStats  map[string]any `json:"response_stats"`
	BatchStats     []BatchStats   `json:"batch_stats"`
	MemoryUsage    []MemoryUsage  `json:"memory_usage"`
}

// A Duration is how often something took place, and how long it took in all.
type Duration struct {
	Count uint64 `json:"count"`
	NS    uint64 `json:"ns"`
}

// InferenceStats are the counters of requests. Reading inputs and writing outputs
// is a part of the model's run here, and no answer comes from a cache.
type InferenceStats struct {
	Success       Duration `json:"success"`
	Fail          Duration `json:"fail"`
	Queue         Duration `json:"queue"`
	ComputeInput  Duration `json:"compute_input"`
	ComputeInfer  Duration `json:"compute_infer"`
	ComputeOutput Duration `json:"compute_output"`
	CacheHit      Duration `json:"cache_hit"`
	CacheMiss     Duration `json:"cache_miss"`
}

// BatchStats are the counters of runs with so many rows.
type BatchStats struct {
	BatchSize     uint64   `json:"batch_size"`
	ComputeInput  Duration `json:"compute_input"`
	ComputeInfer  Duration `json:"compute_infer"`
	ComputeOutput Duration `json:"compute_output"`
}

// MemoryUsage is the memory that a model holds.
type MemoryUsage struct {
	Type     string `json:"type"`
	ID       int64  `json:"id"`
	ByteSize uint64 `json:"byte_size"`
}

// StatisticsOf translates counters.
func StatisticsOf(list []repository.Statistics) []Statistics {
	out := make([]Statistics, len(list))
	for i, s := range list {
		// What was not measured apart took place as often, and took no time.
		as := func(d Duration) Duration { return Duration{Count: d.Count} }
		infer := duration(s.Infer)
		out[i] = Statistics{
			Name: s.Name, Version: s.Version, InferenceCount: s.Inferences, ExecutionCount: s.Executions,
			InferenceStats: InferenceStats{Success: duration(s.Success), Fail: duration(s.Fail), Queue: duration(s.Queue),
				ComputeInput: as(infer), ComputeInfer: infer, ComputeOutput: as(infer)},
			ResponseStats: map[string]any{}, BatchStats: []BatchStats{}, MemoryUsage: []MemoryUsage{},
		}
		if !s.LastInference.IsZero() {
			out[i].LastInference = uint64(s.LastInference.UnixMilli())
		}
		for _, b := range s.Batches {
			infer := duration(b.Infer)
			out[i].BatchStats = append(out[i].BatchStats, BatchStats{BatchSize: uint64(b.Size), ComputeInput: as(infer), ComputeInfer: infer, ComputeOutput: as(infer)})
		}
		if s.Memory > 0 {
			out[i].MemoryUsage = append(out[i].MemoryUsage, MemoryUsage{Type: "CPU", ByteSize: uint64(s.Memory)})
		}
	}
	return out
}

func duration(d repository.Duration) Duration {
	return Duration{Count: d.Count, NS: uint64(max(d.Total, 0) / time.Nanosecond)}
}
