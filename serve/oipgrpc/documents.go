package oipgrpc

import (
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

// config writes a configuration as a message.
func config(c inference.Config) *pb.ModelConfig {
	out := &pb.ModelConfig{Name: c.Name, Platform: c.Platform, Backend: c.Backend, MaxBatchSize: c.MaxBatchSize,
		VersionPolicy:          &pb.ModelVersionPolicy{All: &pb.ModelVersionPolicy_All{}},
		ModelTransactionPolicy: &pb.ModelTransactionPolicy{Decoupled: c.Transaction.Decoupled}}
	for _, f := range c.Input {
		out.Input = append(out.Input, &pb.ModelInput{Name: f.Name, DataType: pb.DataType(pb.DataType_value[f.DataType]), Dims: f.Dims, Optional: f.Optional})
	}
	for _, f := range c.Output {
		out.Output = append(out.Output, &pb.ModelOutput{Name: f.Name, DataType: pb.DataType(pb.DataType_value[f.DataType]), Dims: f.Dims})
	}
	for _, g := range c.InstanceGroup {
		out.InstanceGroup = append(out.InstanceGroup, &pb.ModelInstanceGroup{Name: g.Name, Kind: pb.ModelInstanceGroup_KIND_CPU, Count: g.Count})
	}
	if c.DynamicBatching != nil {
		out.DynamicBatching = &pb.ModelDynamicBatching{MaxQueueDelayMicroseconds: c.DynamicBatching.MaxQueueDelayMicroseconds}
	}
	for key, value := range c.Parameters {
		if out.Parameters == nil {
			out.Parameters = map[string]*pb.ModelParameter{}
		}
		out.Parameters[key] = &pb.ModelParameter{StringValue: value.StringValue}
	}
	return out
}

// statistics writes counters as a message.
func statistics(list []inference.Statistics) *pb.ModelStatisticsResponse {
	out := &pb.ModelStatisticsResponse{}
	for _, s := range list {
		i := s.InferenceStats
		one := &pb.ModelStatistics{Name: s.Name, Version: s.Version, LastInference: s.LastInference,
			InferenceCount: s.InferenceCount, ExecutionCount: s.ExecutionCount,
			InferenceStats: &pb.InferStatistics{Success: duration(i.Success), Fail: duration(i.Fail), Queue: duration(i.Queue),
				ComputeInput: duration(i.ComputeInput), ComputeInfer: duration(i.ComputeInfer), ComputeOutput: duration(i.ComputeOutput),
				CacheHit: duration(i.CacheHit), CacheMiss: duration(i.CacheMiss)}}
		for _, b := range s.BatchStats {
			one.BatchStats = append(one.BatchStats, &pb.InferBatchStatistics{BatchSize: b.BatchSize,
				ComputeInput: duration(b.ComputeInput), ComputeInfer: duration(b.ComputeInfer), ComputeOutput: duration(b.ComputeOutput)})
		}
		for _, m := range s.MemoryUsage {
			one.MemoryUsage = append(one.MemoryUsage, &pb.MemoryUsage{Type: m.Type, Id: m.ID, ByteSize: m.ByteSize})
		}
		out.ModelStats = append(out.ModelStats, one)
	}
	return out
}

func duration(d inference.Duration) *pb.StatisticDuration {
	return &pb.StatisticDuration{Count: d.Count, Ns: d.NS}
}
