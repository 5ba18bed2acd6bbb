package onnx_test

import (
	"testing"

	"github.com/wherry-run/wherry/model"
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
