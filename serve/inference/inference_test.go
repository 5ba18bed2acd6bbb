package inference_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
)

func TestClassify(t *testing.T) {
	s := &model.Signature{Outputs: []model.Field{{Name: "y", Type: model.FP32, Parameters: &model.FieldParameters{Labels: []string{"cat", "dog"}}}}}
	nan := float32(math.NaN())
	for _, c := range []struct {
		in   model.Tensor
		k    int
		want model.Tensor
	}{
		{model.Of("y", []float32{0.25, 0.75, 0.5}), 2, model.Of("y", []string{"0.750000:1:dog", "0.500000:2"}, 2)},
		{model.Of("y", []float32{0.25, 0.75, 2, 1}, 2, 2), 1, model.Of("y", []string{"0.750000:1:dog", "2.000000:0:cat"}, 2, 1)},
		{model.Of("y", []float32{1, 1, 1}), 9, model.Of("y", []string{"1.000000:0:cat", "1.000000:1:dog", "1.000000:2"}, 3)},
		{model.Of("y", []int64{-5, math.MaxInt64}), 2, model.Of("y", []string{"9223372036854775807:1:dog", "-5:0:cat"}, 2)},
		{model.Of("y", []float32{nan, 1}), 1, model.Of("y", []string{"1.000000:1:dog"}, 1)},
		{model.Of("y", []float32{}, 0, 3), 1, model.Tensor{Name: "y", Type: model.Bytes, Shape: []int64{0, 0}, Data: []byte{}}},
		{model.Scalar("y", float32(3)), 1, model.Of("y", []string{"3.000000:0:cat"}, 1)},
	} {
		a := &repository.Answer{Response: &model.Response{Outputs: []model.Tensor{c.in}}}
		got, err := inference.Classify(a, s, []inference.Want{{Name: "y", Classes: c.k}})
		if err != nil || !reflect.DeepEqual(got[0], c.want) {
			t.Errorf("%v: got %v, %v; want %v", c.in, got, err, c.want)
		}
		if a.Outputs[0].Type == model.Bytes {
			t.Error("the answer was changed, which others may share")
		}
	}
	a := &repository.Answer{Response: &model.Response{Outputs: []model.Tensor{model.Of("y", []string{"a"})}}}
	if _, err := inference.Classify(a, s, []inference.Want{{Name: "y", Classes: 1}}); err == nil {
		t.Error("texts have classes")
	}
}

func TestConfig(t *testing.T) {
	st := repository.Status{Name: "m", Instances: 2, Batch: repository.Batching{Max: 8, Delay: time.Millisecond}, Signature: &model.Signature{
		Platform: model.PlatformONNX, Inputs: []model.Field{{Name: "x", Type: model.Bytes, Shape: []int64{-1, 3}}}, Outputs: []model.Field{{Name: "y", Type: model.BF16}},
	}}
	got, err := json.Marshal(inference.ConfigOf(st))
	const want = `{"name":"m","platform":"onnxruntime_onnx","backend":"onnxruntime","version_policy":{"all":{}},"max_batch_size":8,` +
		`"input":[{"name":"x","data_type":"TYPE_STRING","format":"FORMAT_NONE","dims":[3],"optional":false}],` +
		`"output":[{"name":"y","data_type":"TYPE_BF16","dims":[-1],"label_filename":""}],"instance_group":[{"name":"m_0","kind":"KIND_CPU","count":2}],` +
		`"dynamic_batching":{"max_queue_delay_microseconds":1000},"model_transaction_policy":{"decoupled":false}}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// The level that clients set is what the log holds itself to.
func TestLog(t *testing.T) {
	s := &inference.Settings{Level: new(slog.LevelVar)}
	var b bytes.Buffer
	log := slog.New(s.Handler(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))).With("a", 1).WithGroup("g")
	tell := func() string {
		b.Reset()
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		log.Error("error")
		var said []string
		for _, w := range []string{"debug", "info", "warn", "error"} {
			if strings.Contains(b.String(), "msg="+w) {
				said = append(said, w)
			}
		}
		return strings.Join(said, " ")
	}
	for _, c := range []struct {
		changes map[string]any
		want    string
	}{
		{nil, "info warn error"},
		{map[string]any{"log_verbose_level": uint64(3)}, "debug info warn error"},
		{map[string]any{"log_verbose_level": uint64(0), "log_info": false}, "warn error"},
		{map[string]any{"log_warning": false}, "error"},
		{map[string]any{"log_error": false}, ""},
		{map[string]any{"log_info": true, "log_file": "", "log_format": "ISO8601", "log_warning": nil}, "info warn error"},
	} {
		if _, err := s.SetLog(c.changes); err != nil {
			t.Errorf("%v: %v", c.changes, err)
		}
		if got := tell(); got != c.want {
			t.Errorf("%v: got %s, want %s", c.changes, got, c.want)
		}
	}
	for _, changes := range []map[string]any{{"log_info": 1}, {"log_verbose_level": "a"}, {"log_file": "x"}, {"x": true}} {
		if _, err := s.SetLog(changes); err == nil {
			t.Errorf("%v was taken", changes)
		}
	}
}

func TestTrace(t *testing.T) {
	s := &inference.Settings{Traces: func() float64 { return 0.01 }}
	if got := s.Trace(); got["trace_level"][0] != "TIMESTAMPS" || got["trace_rate"][0] != "100" {
		t.Errorf("got %v", got)
	}
	if _, err := s.SetTrace(map[string][]string{"trace_rate": {"100"}, "trace_count": nil}); err != nil {
		t.Error(err)
	}
	if _, err := s.SetTrace(map[string][]string{"trace_level": {"OFF"}}); err == nil {
		t.Error("traces were turned off")
	}
}

func TestParameters(t *testing.T) {
	c := repository.Call{}
	if err := inference.Settle(&c, map[string]any{"timeout": 1500.0, "priority": uint64(3), "mine": []any{1}}); err != nil || c.Timeout != 1500*time.Microsecond || c.Priority != 3 {
		t.Errorf("got %+v, %v", c, err)
	}
	for _, p := range []map[string]any{
		{"timeout": -1.0}, {"timeout": "1"}, {"timeout": uint64(math.MaxUint64)}, {"priority": 0.5}, {"priority": math.NaN()}, {"priority": uint64(1 << 40)},
		{"sequence_id": "a"}, {"sequence_id": int64(1)}, {"sequence_end": true}, {"triton_x": nil},
	} {
		if inference.Settle(&c, p) == nil {
			t.Errorf("%v was taken", p)
		}
	}
	for _, p := range []map[string]any{{"classification": int64(0)}, {"classification": true}, {"shared_memory_region": "a"}} {
		if _, err := inference.WantOf("y", p); err == nil {
			t.Errorf("%v was taken", p)
		}
	}
}
