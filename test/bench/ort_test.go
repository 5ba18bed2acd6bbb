package bench

import (
	"bytes"
	"context"
	"math"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/test/bench/ort"
)

// BenchmarkORT is what fuel costs ONNX Runtime's own build for WebAssembly: the
// same module with and without, the same models, answers that are equal bit by bit.
func BenchmarkORT(b *testing.B) {
	heavy(b)
	bin, err := ort.Grow(packageFile(b, ort.Package, ort.Checksum, ort.File), ort.Imports)
	if err != nil {
		b.Fatal(err)
	}
	e := benchEngine(b)
	modules := compilePair(b, e, bin, 3)
	modules.growth(b)
	var ratios []float64
	for _, model := range ort.Models() {
		b.Run(model.Name, func(b *testing.B) {
			plain, metered := feed(b, e, modules.plain.module, model), feed(b, e, modules.metered.module, model)
			answer := plain(true)
			same(b, answer, metered(true))
			if model.Check != nil {
				if err := model.Check(answer); err != nil {
					b.Fatal(err)
				}
			}
			run := func(call func(bool) []ort.Tensor) func() cost { return inProcess(func() { call(false) }) }
			for b.Loop() {
				all := inTurns(21, run(plain), run(metered))
				report(b, "plain-ms", least(all[0].cpu()), time.Millisecond)
				report(b, "fuel-ms", least(all[1].cpu()), time.Millisecond)
				ratio(b, "min-fuel/plain", least(all[1].cpu()), least(all[0].cpu()))
				ratio(b, "median-fuel/plain", median(all[1].cpu()), median(all[0].cpu()))
				ratios = append(ratios, times(all[1], all[0]))
			}
			quiet(b)
		})
	}
	summary(b, "fuel/plain", ratios)
}

// feed loads a model into an instance of its own.
func feed(b *testing.B, e *engine.Engine, m *engine.Module, model ort.Model) func(keep bool) []ort.Tensor {
	b.Helper()
	ctx := b.Context()
	r, err := ort.New(ctx, e, m)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { r.Close(context.WithoutCancel(ctx)) })
	s, err := r.Load(ctx, model.File)
	if err != nil {
		b.Fatal(err)
	}
	f, err := s.Feed(ctx, model.Inputs)
	if err != nil {
		b.Fatal(err)
	}
	return func(keep bool) []ort.Tensor {
		out, err := f.Run(ctx, keep)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
}

// same fails unless both sides said the same, and something.
func same(b *testing.B, a, c []ort.Tensor) {
	b.Helper()
	if len(a) == 0 || len(a) != len(c) {
		b.Fatalf("%d outputs and %d", len(a), len(c))
	}
	for i := range a {
		if len(a[i].Data) == 0 || bytes.Count(a[i].Data, []byte{0}) == len(a[i].Data) {
			b.Fatalf("output %s says nothing", a[i].Name)
		}
		if a[i].Name != c[i].Name || !bytes.Equal(a[i].Data, c[i].Data) {
			b.Fatalf("output %s differs with fuel and without", a[i].Name)
		}
	}
}

// summary reports the geometric mean of ratios and the worst of them.
func summary(b *testing.B, of string, ratios []float64) {
	b.Run("all", func(b *testing.B) {
		if len(ratios) == 0 {
			b.Skip("nothing was measured")
		}
		logs, worst := 0.0, 0.0
		for _, r := range ratios {
			logs, worst = logs+math.Log(r), max(worst, r)
		}
		b.ReportMetric(float64(len(ratios)), "programs")
		b.ReportMetric(math.Exp(logs/float64(len(ratios))), "geomean-"+of)
		b.ReportMetric(worst, "worst-"+of)
		quiet(b)
	})
}
