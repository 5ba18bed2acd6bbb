package inference

import (
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// A Config is the configuration of a model as Triton's documents have it, as far
// as it means something here.
type Config struct {
	Name          string          `json:"name"`
	Platform      string          `json:"platform"`
	Backend       string          `json:"backend"`
	VersionPolicy VersionPolicy   `json:"version_policy"`
	MaxBatchSize  int32           `json:"max_batch_size"`
	Input         []ConfigInput   `json:"input"`
	Output        []ConfigOutput  `json:"output"`
	InstanceGroup []InstanceGroup `json:"instance_group"`
	// DynamicBatching is there when requests are put together.
	DynamicBatching *DynamicBatching           `json:"dynamic_batching,omitempty"`
	Parameters      map[string]ConfigParameter `json:"parameters,omitempty"`
	Transaction     TransactionPolicy          `json:"model_transaction_policy"`
}

// A VersionPolicy says which versions are served: all that the server was given.
type VersionPolicy struct {
	All struct{} `json:"all"`
}

// A ConfigInput is an input of a Config.
type ConfigInput struct {
	Name     string  `json:"name"`
	DataType string  `json:"data_type"`
	Format   string  `json:"format"`
	Dims     []int64 `json:"dims"`
	Optional bool    `json:"optional"`
}

// A ConfigOutput is an output of a Config.
type ConfigOutput struct {
	Name          string  `json:"name"`
	DataType      string  `json:"data_type"`
	Dims          []int64 `json:"dims"`
	LabelFilename string  `json:"label_filename"`
}

// An InstanceGroup is so many instances of one kind.
type InstanceGroup struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Count int32  `json:"count"`
}

// DynamicBatching says how long requests wait for others.
type DynamicBatching struct {
	MaxQueueDelayMicroseconds uint64 `json:"max_queue_delay_microseconds"`
}

// A ConfigParameter is a value of Config.Parameters.
type ConfigParameter struct {
	StringValue string `json:"string_value"`
}

// A TransactionPolicy says whether one request may have several responses.
type TransactionPolicy struct {
	Decoupled bool `json:"decoupled"`
}

// ConfigOf tells the configuration of a model that was loaded.
func ConfigOf(st repository.Status) Config {
	c := Config{Name: st.Name, Input: []ConfigInput{}, Output: []ConfigOutput{}}
	c.InstanceGroup = []InstanceGroup{{Name: st.Name + "_0", Kind: "KIND_CPU", Count: int32(max(st.Instances, 1))}}
	if st.Batch.Max > 1 {
		c.MaxBatchSize = int32(st.Batch.Max)
		c.DynamicBatching = &DynamicBatching{uint64(st.Batch.Delay / time.Microsecond)}
	}
	if st.Digest != "" {
		c.Parameters = map[string]ConfigParameter{"image_digest": {st.Digest}}
	}
	s := st.Signature
	if s == nil {
		return c
	}
	c.Transaction.Decoupled = s.Streams
	switch s.Platform {
	case model.PlatformONNX:
		c.Platform, c.Backend = s.Platform, "onnxruntime"
	default:
		c.Backend = s.Platform
	}
	for i := range s.Inputs {
		f := &s.Inputs[i]
		c.Input = append(c.Input, ConfigInput{Name: f.Name, DataType: configType(f.Type), Format: "FORMAT_NONE",
			Dims: dims(f.Shape, c.MaxBatchSize), Optional: f.Optional()})
	}
	for i := range s.Outputs {
		f := &s.Outputs[i]
		c.Output = append(c.Output, ConfigOutput{Name: f.Name, DataType: configType(f.Type), Dims: dims(f.Shape, c.MaxBatchSize)})
	}
	return c
}

// dims is a shape without the dimension that batches grow in.
func dims(shape []int64, batch int32) []int64 {
	switch {
	case shape == nil:
		return []int64{-1}
	case batch > 0 && len(shape) > 0:
		return shape[1:]
	}
	return shape
}

func configType(t model.DataType) string {
	if t == model.Bytes {
		return "TYPE_STRING"
	}
	return "TYPE_" + string(t)
}
