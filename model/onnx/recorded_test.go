package onnx_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/wasi"
)

// recorded is an image with what was found out about it.
type recorded struct {
	image
	doc    oci.Derived
	facts  []byte
	memory string
}

func (r *recorded) Derived() *oci.Derived { return &r.doc }
func (r *recorded) Facts(context.Context, *oci.DerivedModule) ([]byte, error) {
	return r.facts, nil
}
func (r *recorded) Memory(context.Context, *oci.Snapshot) (*os.File, error) { return os.Open(r.memory) }

// record records an image, as a build does.
func record(t *testing.T, rt *runtime.Runtime, img image, s *model.Signature) *recorded {
	t.Helper()
	c := create(t, rt, img, runtime.Spec{Clock: wasi.NewFixedClock(time.Unix(1e9, 0)), Random: wasi.SeededRandom([]byte("test"))})
	p, err := onnx.Process(c, modelPath, s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Record(t.Context(), runtime.RecordSpec{Process: p, Snapshot: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Snapshot == nil {
		t.Fatal(r.Refused)
	}
	out := &recorded{image: img, facts: r.Facts, memory: filepath.Join(t.TempDir(), "memory"), doc: oci.Derived{
		Modules:   []oci.DerivedModule{{Content: r.Content, Functions: r.Functions, Hot: r.Hot}},
		Snapshots: []oci.Snapshot{*r.Snapshot},
	}}
	if err := os.WriteFile(out.memory, r.Memory, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// dense is a layer with weights of n by n.
func dense(n int) []byte {
	g := ort.NewGraph()
	g.Input("x", ort.Float, -1, n)
	g.NodeAs("MatMul", "", []string{"x", g.Weights(0.05, n, n)}, []string{"y"})
	g.Output("y", ort.Float, -1, n)
	return g.Model()
}

// TestRecorded begins with a model that was loaded when its image was built, and gives
// the answers of one that was not.
func TestRecorded(t *testing.T) {
	const n = 256
	rt := newRuntime(t)
	plain := newImage(t, map[string][]byte{modelPath: dense(n)})
	img := record(t, rt, plain, &model.Signature{Inputs: []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{-1, n}}}})
	snap := &img.doc.Snapshots[0]
	if len(snap.Hot) < 50 || len(snap.Hot) > 2000 {
		t.Errorf("%d functions answer a request", len(snap.Hot))
	}
	x := model.Of("x", bytesOf(3*n), 3, n)
	want := ask(t, load(t, rt, dense(n)), x)[0]
	for name, c := range map[string]struct {
		change   func(s *oci.Snapshot)
		restored bool
	}{
		"as it is":      {restored: true},
		"another state": {change: func(s *oci.Snapshot) { s.State = []byte(`{"session":1,"model":"another"}`) }},
		"no state":      {change: func(s *oci.Snapshot) { s.State = []byte("no JSON") }},
	} {
		t.Run(name, func(t *testing.T) {
			changed := *img
			changed.doc.Snapshots = []oci.Snapshot{*snap}
			if c.change != nil {
				c.change(&changed.doc.Snapshots[0])
			}
			box := create(t, newRuntime(t), &changed, runtime.Spec{}) // one that has not come there before
			i := open(t, box, onnx.Options{})
			for range 2 {
				if got := ask(t, i, x)[0]; !bytes.Equal(got.Data, want.Data) {
					t.Error("it answers something else than from its beginning")
				}
				if err := i.Reset(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := box.Stats().Restored > 0; got != c.restored {
				t.Errorf("restored: %v, want %v: %v", got, c.restored, box.Stats().Notes)
			}
		})
	}
}

// bytesOf are some numbers.
func bytesOf(n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(i%17) / 16
	}
	return list
}

// share is the process's part of the memory that it has, in bytes: what it has in common
// with others, or twice, is counted once.
func share(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		t.Skip("SKIPPED: this system does not say what memory a process has in common with itself")
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "Pss:" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatal("no Pss")
	return 0
}

// TestWeightsOnce has eight sessions of one model: together they have its weights once.
func TestWeightsOnce(t *testing.T) {
	const n = 3072 // 36 MiB of weights
	rt := newRuntime(t)
	c := create(t, rt, newImage(t, map[string][]byte{modelPath: dense(n)}), runtime.Spec{})
	x := model.Of("x", bytesOf(n), 1, n)
	first := ask(t, open(t, c, onnx.Options{}), x)[0]
	before := share(t)
	for range 7 {
		if got := ask(t, open(t, c, onnx.Options{}), x)[0]; !bytes.Equal(got.Data, first.Data) {
			t.Error("another answer")
		}
	}
	grown := share(t) - before
	t.Logf("seven more sessions of a model with %d MiB of weights take %d KiB each", n*n*4>>20, grown/7>>10)
	if grown > n*n*4/2 {
		t.Errorf("seven more sessions take %d bytes", grown)
	}
}
