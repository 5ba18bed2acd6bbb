package ort_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/python/ort"
	"github.com/wherry-run/wherry/runtime"
	bench "github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// image has some files.
type image struct{ layers []layer.Layer }

func (i image) Config() ispec.ImageConfig { return ispec.ImageConfig{} }
func (i image) Layers() []layer.Layer     { return i.layers }

func newImage(files map[string][]byte) image { return image{[]layer.Layer{dock.Layer(files)}} }

// sum adds four numbers to what it gets; those in a file beside it when it names one.
func sum(numbers []float32, beside string) []byte {
	g := bench.NewGraph()
	g.Input("x", bench.Float, 4)
	weights := ""
	if beside != "" {
		weights = g.External(bench.Float, beside, 0, 16, 4)
	} else {
		weights = g.Constant(bench.Float, bench.Floats(numbers), 4)
	}
	g.NodeAs("Add", "", []string{"x", weights}, []string{"y"})
	g.Output("y", bench.Float, 4)
	return g.Model()
}

// young is sum in a form that has to be lowered.
func young(numbers []float32) []byte {
	return append(sum(numbers, ""), 0x08, 99) // the last of two IR versions holds
}

// TestFiles opens models of a program's files, which are the image's, mounted over
// them, or written by the program.
func TestFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: onnxruntime for Python programs (-short)")
	}
	ones, twos := []float32{1, 1, 1, 1}, []float32{2, 2, 2, 2}
	program := newImage(map[string][]byte{
		"app/model.onnx": sum(ones, ""), "app/beside.onnx": sum(nil, "w.bin"), "app/w.bin": bench.Floats(ones), "app/young.onnx": young(ones),
	})
	base := newImage(map[string][]byte{ort.Module[1:]: parcel.ORT(t)})
	rt, err := runtime.New(t.Context(), runtime.WithCacheDir(places.In(dock.Home(t)).Modules()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(t.Context())) })
	folder := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("m.onnx", sum(nil, "w.bin"))
	write("w.bin", bench.Floats(twos))
	mounts := []runtime.Mount{
		{Source: folder, Target: "/mounted"}, {Target: "/over/model.onnx", Data: sum(twos, ""), ReadOnly: true},
	}
	c, err := rt.Create(t.Context(), program, runtime.Spec{Mounts: mounts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	e := &ort.Engine{Image: base, Create: rt.Create, Files: c}
	keys := map[string]string{}
	for _, q := range []struct {
		file string
		data []byte
		adds float32
	}{
		{"/app/model.onnx", nil, 1}, {"/app/beside.onnx", nil, 1}, {"/app/young.onnx", nil, 1}, {"/over/model.onnx", nil, 2},
		{"/mounted/m.onnx", nil, 2}, {"", sum(twos, ""), 2}, {"", young(ones), 1},
	} {
		m, err := e.Find(t.Context(), q.file, q.data)
		if err != nil {
			t.Fatalf("%s: %v", q.file, err)
		}
		if other, ok := keys[m.Key()]; ok {
			t.Errorf("%q and %q have one key", q.file, other)
		}
		keys[m.Key()] = q.file
		s, err := m.Open(t.Context())
		m.Close()
		if err != nil {
			t.Fatalf("%s: %v", q.file, err)
		}
		for range 2 {
			r, err := s.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("x", []float32{10, 20, 30, 40})}})
			if err != nil || string(r.Outputs[0].Data) != string(bench.Floats([]float32{10 + q.adds, 20 + q.adds, 30 + q.adds, 40 + q.adds})) {
				t.Errorf("%q: %v, %v", q.file, r, err)
			}
		}
		s.Close(t.Context())
	}
	// What a model consists of changes.
	write("w.bin", bench.Floats(ones))
	m, err := e.Find(t.Context(), "/mounted/m.onnx", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, same := keys[m.Key()]; same {
		t.Error("a model with other weights has the same key")
	}
	m.Close()
	testRefused(t, e, rt)
}

func testRefused(t *testing.T, e *ort.Engine, rt *runtime.Runtime) {
	for _, q := range []struct {
		file string
		data []byte
		want string
	}{
		{"/app/none.onnx", nil, "NO_SUCHFILE"}, {"/app", nil, "FAIL"}, {"/app/w.bin", nil, "INVALID_PROTOBUF"},
		{"", []byte{}, "INVALID_PROTOBUF"}, {"", sum(nil, "w.bin"), "EXCEPTION"}, {"", sum(nil, "app/w.bin"), "EXCEPTION"},
	} {
		_, err := e.Open(t.Context(), q.file, q.data)
		var own *model.ModelError
		if !errors.As(err, &own) || own.Type != q.want {
			t.Errorf("%q: %v, want %s", q.file, err, q.want)
		}
	}
	none := &ort.Engine{Image: newImage(nil), Create: rt.Create, Files: e.Files}
	var own *model.ModelError
	if _, err := none.Open(t.Context(), "/app/model.onnx", nil); !errors.As(err, &own) || own.Type != "NO_ONNXRUNTIME" {
		t.Errorf("%v", err)
	}
}
