package bench

import (
	"bytes"
	"path/filepath"
	"runtime/debug"
	"sync"
	"testing"

	oip "github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
)

// BenchmarkONNXStart is `wherry predict IMAGE x=@FILE` of a model of one megabyte,
// from the start of the process to its end with the answer printed, beside the host's
// own Python with ONNX Runtime: warm, with all machine code at hand, and cold, with
// the image unpacked and nothing compiled.
func BenchmarkONNXStart(b *testing.B) {
	heavy(b)
	builder, wherry := programs(b)
	python, _ := dock.Packages(b, nativePackages)
	m := ort.Heavy(1)
	m.Name = "small"
	image, dir := onnxImage(b, builder, m), b.TempDir()
	file, x, inputs := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "x.npy"), filepath.Join(dir, "inputs.npz")
	array, err := m.Inputs[0].NPY()
	if err != nil {
		b.Fatal(err)
	}
	var packed bytes.Buffer
	if err := oip.NPZ(&packed, m.Inputs); err != nil {
		b.Fatal(err)
	}
	writeFiles(b, map[string][]byte{file: m.File, x: array, inputs: packed.Bytes()})
	ours, theirs := []string{"predict", image, "x=@" + x}, []string{filepath.Join("testdata", "native", "once.py"), file, inputs}
	run := func(p dock.Program, args []string) func() cost {
		return func() cost { return command(b, p, `"y"`, args...) }
	}
	b.Run("warm", func(b *testing.B) {
		compareStarts(b, 9, run(wherry, ours), run(python, theirs))
		compareMemory(b, wherry, python, `"y"`, ours, theirs)
	})
	b.Run("cold", func(b *testing.B) {
		compareStarts(b, 5, func() cost { return command(b, cold(b, wherry), `"y"`, ours...) }, run(python, theirs))
	})
}

// sessions is how many instances of one large model there are in this process.
const sessions = 8

// BenchmarkSessions is the memory of this process with one and with eight instances of
// a model of a hundred megabytes, each of which has answered, in shares of what it has
// in common with other processes.
func BenchmarkSessions(b *testing.B) {
	heavy(b)
	builder, _ := programs(b)
	of := ort.Heavy(100)
	m := openModel(b, onnxImage(b, builder, of), sessions)
	asked := &oip.Request{Inputs: of.Inputs}
	of.File = nil
	answer := func(n int) int64 {
		if err := m.Warm(b.Context(), n); err != nil {
			b.Fatal(err)
		}
		var all sync.WaitGroup
		for range 4 * n { // so many at once that every instance has its turn
			all.Go(func() {
				if _, err := m.Predict(b.Context(), asked); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		debug.FreeOSMemory()
		return resident(b)
	}
	for b.Loop() {
		debug.FreeOSMemory()
		before := resident(b)
		one := answer(1)
		all := answer(sessions)
		b.ReportMetric(megabytes(before), "none-PSS-MB")
		b.ReportMetric(megabytes(one-before), "first-PSS-MB")
		b.ReportMetric(megabytes(all-before), "eight-PSS-MB")
		b.ReportMetric(float64(m.Stats().Instances), "instances")
	}
	quiet(b)
}
