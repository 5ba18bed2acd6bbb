package onnx_test

import (
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
)

// BenchmarkSmallest is what a request costs of which the model does next to nothing.
func BenchmarkSmallest(b *testing.B) {
	i := load(b, newRuntime(b), identity(ort.Float, 1))
	r := &model.Request{Inputs: []model.Tensor{model.Of("x", []float32{1, 2, 3, 4})}}
	for b.Loop() {
		if _, err := i.Predict(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRow is one row for models of tables.
func BenchmarkRow(b *testing.B) {
	for _, m := range ort.Tables()[1:] {
		b.Run(m.Name, func(b *testing.B) {
			i := load(b, newRuntime(b), m.File)
			r := &model.Request{Inputs: m.Inputs}
			var fuel uint64
			for b.Loop() {
				out, err := i.Predict(b.Context(), r)
				if err != nil {
					b.Fatal(err)
				}
				fuel = out.Usage.Fuel
			}
			b.ReportMetric(float64(fuel), "fuel/op")
		})
	}
}

// BenchmarkHeavy loads a model with 100 MB of weights in its file.
func BenchmarkHeavy(b *testing.B) {
	m := ort.Heavy(100)
	i := newImage(b, map[string][]byte{modelPath: m.File})
	rt := newRuntime(b)
	r := &model.Request{Inputs: m.Inputs}
	for b.Loop() {
		c := create(b, rt, i, runtime.Spec{})
		loaded := open(b, c, onnx.Options{})
		out, err := loaded.Predict(b.Context(), r)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(out.Usage.Memory)/(1<<20), "guest-MiB")
		loaded.Close(b.Context())
		c.Close(b.Context())
	}
}
