package types

import (
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/dock"
)

// field is a field of a protobuf: a number, or bytes.
func field(n protowire.Number, value any) []byte {
	switch v := value.(type) {
	case int:
		return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), uint64(v))
	case string:
		return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), v)
	case []byte:
		return protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), v)
	}
	panic("a field of another type")
}

// scaling is an ONNX model of one node: y = x * w, for rows of as many as w has.
func scaling(w ...float32) []byte {
	raw := model.Of("w", w).Data
	value := func(name string) []byte {
		shape := slices.Concat(field(1, field(2, "n")), field(1, field(1, len(w))))
		return slices.Concat(field(1, name), field(2, field(1, slices.Concat(field(1, 1), field(2, shape)))))
	}
	node := slices.Concat(field(1, "x"), field(1, "w"), field(2, "y"), field(4, "Mul"))
	weights := slices.Concat(field(1, len(w)), field(2, 1), field(8, "w"), field(9, raw))
	graph := slices.Concat(field(1, node), field(2, "scaling"), field(5, weights), field(11, value("x")), field(12, value("y")))
	return slices.Concat(field(1, 8), field(7, graph), field(8, field(2, 13)))
}

// TestONNXRuntime has existing code around an ONNX model answer: a folder without a
// Wasmfile, whose requirements name onnxruntime.
func TestONNXRuntime(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: onnxruntime in Python needs the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	if _, err := exec.LookPath("npm"); err != nil {
		dock.Missing(t, "npm, which brings ONNX Runtime")
	}
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "onnx"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "model.onnx"), scaling(2, 0.5), 0o600); err != nil {
		t.Fatal(err)
	}
	image := "localhost/test-models:onnxruntime"
	dock.Native(t, dock.Home(t)).Must(t, "", "build", "-q", "-t", image, folder)
	m, err := wherry.Open(t.Context(), image, wherry.WithHome(dock.Home(t)), wherry.WithPull(images.PullNever),
		wherry.WithInstances(1), wherry.WithReuse(model.ReuseReset))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	for range 2 {
		r, err := m.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("x", []float32{1, 2, 3, 4}, 2, 2)}})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range [][]float32{{2, 1, 6, 2}, {4, 0.5, 12, 1}} {
			got, err := model.Values[float32](r.Outputs[i])
			if err != nil || !slices.EqualFunc(got, want, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
				t.Errorf("%s: %v, %v, want %v", r.Outputs[i].Name, got, err, want)
			}
		}
		said := string(r.Outputs[2].Data[4:])
		for _, want := range []string{`["x", "tensor(float)", [null, 2]]`, `"type": "InvalidArgument"`, `"name": "ValueError"`, `"shape": "InvalidArgument"`, "CPUExecutionProvider"} {
			if !strings.Contains(said, want) {
				t.Errorf("it says %s, want %s", said, want)
			}
		}
		var own *model.ModelError
		_, err = m.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("x", []float32{1, 2}, 1, 2), model.Of("wrong", []bool{true})}})
		if !errors.As(err, &own) || !strings.HasPrefix(own.Type, "onnxruntime.") {
			t.Errorf("a model that is none: %v", err)
		}
	}
}
