package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	oip "github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// nativePackages are those of the host's Python that the models are compared with.
const nativePackages = "numpy==2.4.6 onnxruntime==1.32.0 scikit-learn==1.9.1 pandas==3.0.6 joblib==1.6.0"

// The real model among them, as examples/silero has it.
const (
	sileroPackage  = "pkg:pypi/silero-vad@6.2.3?file=silero_vad-6.2.3-py3-none-any.whl"
	sileroChecksum = "sha256:7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"
)

// contest is a model that both sides have.
type contest struct {
	name  string
	times int // calls that are measured as one
	ours  *wherry.Model
	asked *oip.Request
}

// BenchmarkNative is one answer of a model that stands ready, beside native ONNX
// Runtime with one thread, or native Python with the same predict.py: both called as
// a program of that side calls them, a Go program through the root package, a Python
// program through onnxruntime's own binding. Processor time.
func BenchmarkNative(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	native := newOpponent(b, nativePackages, "native")
	var dense []float64
	for _, m := range ort.Dense() {
		b.Run(m.Name, func(b *testing.B) { dense = append(dense, native.contest(b, onnxContest(b, builder, native, m, 1))) })
	}
	summary(b, "wherry/native", dense)
	for _, m := range ort.Tables() {
		times := 500
		if m.Name == "trees300" {
			times = 3
		}
		b.Run(m.Name, func(b *testing.B) { native.contest(b, onnxContest(b, builder, native, m, times)) })
	}
	b.Run("silero", func(b *testing.B) {
		m := ort.Model{Name: "silero", File: parcel.File(b, sileroPackage, sileroChecksum, "silero_vad/data/silero_vad.onnx")}
		sound := make([]float32, 576)
		for i := range sound {
			sound[i] = float32(0.1 * math.Sin(float64(i)/7))
		}
		m.Inputs = []oip.Tensor{oip.Of("input", sound, 1, 576), oip.Of("state", make([]float32, 256), 2, 1, 128), oip.Of("sr", []int64{16000})}
		native.contest(b, onnxContest(b, builder, native, m, 20))
	})
	for name, rows := range map[string]int{"table-row": 1, "table-1000": 1000} {
		b.Run(name, func(b *testing.B) { native.contest(b, tableContest(b, builder, native, name, rows)) })
	}
}

// onnxContest builds the image of an ONNX model, without a recipe.
func onnxContest(b *testing.B, builder dock.Program, native *opponent, m ort.Model, times int) contest {
	b.Helper()
	c := contest{name: m.Name, times: times, ours: openModel(b, onnxImage(b, builder, m), 1), asked: &oip.Request{}}
	for _, t := range m.Inputs {
		fitting, err := c.ours.Signature().Input(t.Name).Fit(t)
		if err != nil {
			b.Fatal(err)
		}
		c.asked.Inputs = append(c.asked.Inputs, fitting)
	}
	dir := b.TempDir()
	file, inputs := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "inputs.npz")
	var packed bytes.Buffer
	if err := oip.NPZ(&packed, m.Inputs); err != nil {
		b.Fatal(err)
	}
	writeFiles(b, map[string][]byte{file: m.File, inputs: packed.Bytes()})
	native.ask(map[string]any{"load": m.Name, "onnx": file, "inputs": inputs})
	return c
}

// onnxImage builds a folder with nothing but the model.
func onnxImage(b *testing.B, builder dock.Program, m ort.Model) string {
	b.Helper()
	dir, image := b.TempDir(), "localhost/test-bench:"+m.Name
	writeFiles(b, map[string][]byte{filepath.Join(dir, "model.onnx"): m.File})
	builder.Must(b, "", "build", "-q", "-t", image, dir)
	return image
}

// tableContest is examples/subscribers, asked with a table in JSON.
func tableContest(b *testing.B, builder dock.Program, native *opponent, name string, rows int) contest {
	b.Helper()
	image, folder := model{name: "subscribers", folder: "examples/subscribers"}.build(b, builder)
	list := make([]map[string]any, rows)
	for i := range list {
		list[i] = map[string]any{"age": 18 + i%70, "months": i % 119, "calls": i % 9, "city": []string{"Porto", "Split"}[i%2], "plan": []string{"basic", "family", "student"}[i%3]}
	}
	text, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	table := filepath.Join(b.TempDir(), "table.json")
	writeFiles(b, map[string][]byte{table: text})
	native.ask(map[string]any{"load": name, "python": folder, "table": table})
	c := contest{name: name, times: 1, ours: openModel(b, image, 1)}
	if c.asked, err = (&oip.Case{Inputs: map[string]json.RawMessage{"subscribers": text}}).Request(c.ours.Signature()); err != nil {
		b.Fatal(err)
	}
	return c
}

func writeFiles(b *testing.B, files map[string][]byte) {
	b.Helper()
	for name, data := range files {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// openModel opens an image of the home that the tests share. WHERRY_KERNELS has
// another set of kernels do the linear algebra than the fastest, or none.
func openModel(b *testing.B, image string, instances int) *wherry.Model {
	b.Helper()
	m, err := wherry.Open(b.Context(), image, wherry.WithHome(dock.Home(b)), wherry.WithPull(images.PullNever), wherry.WithInstances(instances),
		wherry.WithRuntime(runtime.WithKernels(os.Getenv("WHERRY_KERNELS"))))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close(context.WithoutCancel(b.Context())) })
	return m
}

// opponent is the host's Python, which waits for what it is asked.
type opponent struct {
	b   *testing.B
	in  io.Writer
	out *bufio.Reader
}

// newOpponent starts the peer.py of a folder of testdata, with packages.
func newOpponent(b *testing.B, packages, folder string) *opponent {
	b.Helper()
	python, _ := dock.Packages(b, packages)
	cmd := exec.CommandContext(b.Context(), python.Command[0], filepath.Join("testdata", folder, "peer.py"))
	cmd.Env = append(append(os.Environ(), python.Env...), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	return &opponent{b, in, bufio.NewReader(out)}
}

// ask sends one line and gives what the answer says of time.
func (p *opponent) ask(v any) cost {
	p.b.Helper()
	_, c := p.hear(v)
	return c
}

// hear sends one line and gives the answer, if it is a number, and what it says of time.
func (p *opponent) hear(v any) (uint32, cost) {
	p.b.Helper()
	line, err := json.Marshal(v)
	if err != nil {
		p.b.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.b.Fatal(err)
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		p.b.Fatalf("the host's Python ended: %v", err)
	}
	var said struct {
		CPU, Wall float64
		Answer    uint32
	}
	if err := json.Unmarshal(answer, &said); err != nil {
		p.b.Fatal(err)
	}
	return said.Answer, cost{wall: time.Duration(said.Wall * 1e9), cpu: time.Duration(said.CPU * 1e9)}
}

// contest has both sides answer in turns, and gives the ratio of the least.
func (p *opponent) contest(b *testing.B, c contest) (r float64) {
	p.b = b
	p.agree(b, c)
	ours := inProcess(func() {
		for range c.times {
			if _, err := c.ours.Predict(b.Context(), c.asked); err != nil {
				b.Fatal(err)
			}
		}
	})
	theirs := func() cost { return p.ask(map[string]any{"run": c.name, "times": c.times}) }
	for b.Loop() {
		all := inTurns(15, ours, theirs)
		each := time.Duration(c.times)
		report(b, "wherry-min-ms", least(all[0].cpu())/each, time.Millisecond)
		report(b, "wherry-median-ms", median(all[0].cpu())/each, time.Millisecond)
		report(b, "native-min-ms", least(all[1].cpu())/each, time.Millisecond)
		report(b, "native-median-ms", median(all[1].cpu())/each, time.Millisecond)
		r = float64(least(all[0].cpu())) / float64(least(all[1].cpu()))
		b.ReportMetric(r, "min/native")
		ratio(b, "median/native", median(all[0].cpu()), median(all[1].cpu()))
	}
	quiet(b)
	return r
}

// agree holds one answer against the other, so that both compute the same.
func (p *opponent) agree(b *testing.B, c contest) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "answer.npz")
	p.ask(map[string]any{"answer": c.name, "to": file})
	packed, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	want, err := oip.ParseNPZ(packed)
	if err != nil {
		b.Fatal(err)
	}
	got, err := c.ours.Predict(b.Context(), c.asked)
	if err != nil {
		b.Fatal(err)
	}
	for _, w := range want {
		for _, g := range got.Outputs {
			if g.Name == w.Name {
				near(b, g, w)
			}
		}
	}
}

func near(b *testing.B, got, want oip.Tensor) {
	b.Helper()
	wide := func(t oip.Tensor) []float64 {
		t, err := t.Convert(oip.FP64)
		if err != nil {
			b.Fatal(err)
		}
		list, err := oip.Values[float64](t)
		if err != nil {
			b.Fatal(err)
		}
		return list
	}
	if want.Type == oip.Bool {
		return
	}
	x, y := wide(got), wide(want)
	if len(x) != len(y) || len(x) == 0 {
		b.Fatalf("%s has %d numbers, native %d", want.Name, len(x), len(y))
	}
	most, largest := 0.0, 1e-6
	for i := range x {
		most, largest = max(most, math.Abs(x[i]-y[i])), max(largest, math.Abs(y[i]))
	}
	if !(most <= 1e-3*largest) {
		b.Fatalf("%s is %g apart of %g", want.Name, most, largest)
	}
}
