package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	oip "github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/parcel"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// BenchmarkORT is what fuel costs ONNX Runtime's own build for WebAssembly: the
// same module with and without, the same models, answers that are equal bit by bit.
func BenchmarkORT(b *testing.B) {
	heavy(b)
	e := benchEngine(b)
	modules := compilePair(b, e, parcel.ORT(b), 3)
	modules.growth(b)
	var ratios []float64
	for _, m := range ort.Models() {
		b.Run(m.Name, func(b *testing.B) {
			plain, metered := feed(b, e, modules.plain.module, m), feed(b, e, modules.metered.module, m)
			answer := plain()
			same(b, answer, metered())
			if m.Check != nil {
				if err := m.Check(answer); err != nil {
					b.Fatal(err)
				}
			}
			run := func(call func() []oip.Tensor) func() cost { return inProcess(func() { call() }) }
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
func feed(b *testing.B, e *engine.Engine, m *engine.Module, of ort.Model) func() []oip.Tensor {
	b.Helper()
	ctx := b.Context()
	wasi1, err := preview1.New(preview1.Config{})
	if err != nil {
		b.Fatal(err)
	}
	sum := sha256.Sum256(parcel.ORT(b))
	host, err := onnx.Hosts(onnx.World{
		Module: "sha256:" + hex.EncodeToString(sum[:]), Imports: m.Imports(), WASI: wasi1.Module(), Clock: wasi.NewSystemClock(),
	})
	if err != nil {
		b.Fatal(err)
	}
	i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []engine.HostModule{host}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		i.Close(context.WithoutCancel(ctx))
		wasi1.Close()
	})
	s, err := onnx.Load(ctx, i, bytes.NewReader(of.File))
	if err != nil {
		b.Fatal(err)
	}
	return func() []oip.Tensor {
		out, err := s.Run(ctx, of.Inputs, nil)
		if err != nil {
			b.Fatal(err)
		}
		return out
	}
}

// same fails unless both sides said the same, and something.
func same(b *testing.B, a, c []oip.Tensor) {
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
