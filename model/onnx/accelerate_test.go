package onnx_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/hostmath"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
)

// TestAccelerated has dense models answer with each set of kernels of this processor, and without: the answers agree,
// and what was accelerated is told.
func TestAccelerated(t *testing.T) {
	if testing.Short() {
		t.Skip("models of a hundred million operations")
	}
	for _, m := range ort.Dense()[1:] {
		t.Run(m.Name, func(t *testing.T) {
			want := answer(t, newRuntime(t), m, runtime.Spec{NoAcceleration: true})
			if want.Usage.Accelerated != 0 || want.Usage.Kernels != "" {
				t.Errorf("it was told not to be accelerated: %+v", want.Usage)
			}
			for _, set := range hostmath.Available() {
				rt := newRuntime(t, runtime.WithKernels(set))
				got := answer(t, rt, m, runtime.Spec{})
				if got.Usage.Accelerated == 0 || got.Usage.Kernels != fmt.Sprintf("%s/%d", set, hostmath.Version) {
					t.Errorf("%s: %+v", set, got.Usage)
				}
				closeTo(t, set, got.Outputs, want.Outputs)
				t.Logf("%s: %d calls, %v, without %v", set, got.Usage.Accelerated, got.Usage.Compute, want.Usage.Compute)
			}
			same := answer(t, newRuntime(t), m, runtime.Spec{Deterministic: true, KeepNaNs: true})
			if same.Usage.Accelerated != 0 {
				t.Errorf("a deterministic run was accelerated: %+v", same.Usage)
			}
			for n, o := range same.Outputs {
				if string(o.Data) != string(want.Outputs[n].Data) {
					t.Errorf("output %s of a deterministic run differs from that of one without kernels", o.Name)
				}
			}
		})
	}
}

// TestAcceleratedCollect collects garbage while a kernel computes, and gives the request up: neither has to wait for the
// end of it, which is far.
func TestAcceleratedCollect(t *testing.T) {
	if testing.Short() {
		t.Skip("a product of a second")
	}
	file, inputs := product(3072)
	for _, set := range hostmath.Available() {
		t.Run(set, func(t *testing.T) {
			i := open(t, create(t, newRuntime(t, runtime.WithKernels(set)), newImage(t, map[string][]byte{modelPath: file}), runtime.Spec{}), onnx.Options{})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan time.Time, 1)
			go func() {
				_, err := i.Predict(ctx, &model.Request{Inputs: inputs})
				done <- time.Now()
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}()
			time.Sleep(150 * time.Millisecond)
			most, times := time.Duration(0), 0
			for began := time.Now(); time.Since(began) < 300*time.Millisecond && len(done) == 0; times++ {
				at := time.Now()
				goruntime.GC()
				most = max(most, time.Since(at))
			}
			cancel()
			began := time.Now()
			late := (<-done).Sub(began)
			t.Logf("%d collections, the longest %v; ended %v after it was cancelled", times, most, late)
			if most > 30*time.Second || late > 30*time.Second { // a busy machine may add nearly all of it
				t.Errorf("a collection took %v, the end %v", most, late)
			}
		})
	}
}

// answer is the second answer of a model: the first is another's.
func answer(t *testing.T, rt *runtime.Runtime, m ort.Model, spec runtime.Spec) *model.Response {
	t.Helper()
	i := open(t, create(t, rt, newImage(t, map[string][]byte{modelPath: m.File}), spec), onnx.Options{})
	r := &model.Request{Inputs: m.Inputs}
	if _, err := i.Predict(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, err := i.Predict(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// closeTo holds float32 outputs against others.
func closeTo(t *testing.T, what string, got, want []model.Tensor) {
	t.Helper()
	for n, w := range want {
		x, err := model.Values[float32](got[n])
		if err != nil {
			t.Fatal(err)
		}
		y, err := model.Values[float32](w)
		if err != nil {
			t.Fatal(err)
		}
		if len(x) != len(y) {
			t.Fatalf("%s: output %s has %d numbers, want %d", what, w.Name, len(x), len(y))
		}
		largest, most := 1e-6, 0.0
		for i := range x {
			a, b := float64(x[i]), float64(y[i])
			if math.IsNaN(a) != math.IsNaN(b) || math.IsInf(a, 0) != math.IsInf(b, 0) {
				t.Fatalf("%s: element %d of %s is %g, want %g", what, i, w.Name, a, b)
			}
			if d := math.Abs(a - b); d > most {
				most = d
			}
			largest = max(largest, math.Abs(b))
		}
		if !(most <= 1e-5*largest) {
			t.Errorf("%s: output %s is %g apart of %g", what, w.Name, most, largest)
		}
	}
}
