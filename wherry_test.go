package wherry_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// image is what the tests open: a model that doubles rows of two numbers.
const image = "localhost/test-root:twice"

// build makes the image in a home, and an archive of it in a folder.
func build(t *testing.T, home, folder string) {
	t.Helper()
	parcel.ORT(t) // skips, where there is no network
	g := ort.NewGraph()
	g.Input("x", ort.Float, -1, 2)
	g.NodeAs("Add", "", []string{"x", "x"}, []string{"y"})
	g.Output("y", ort.Float, -1, 2)
	for name, data := range map[string][]byte{
		"model.onnx": g.Model(),
		"cases.json": []byte(`{"cases":[{"inputs":{"x":[1,2]},"outputs":{"y":[[2,4]]}}]}`),
		"Wasmfile":   []byte("FROM onnx\nMODEL --golden=cases.json model.onnx .\n"),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := dock.Native(t, home)
	command.Limit = 30 * time.Minute // the first one on a machine compiles ONNX Runtime
	command.Must(t, "", "build", "-q", "-t", image, folder)
	command.Must(t, "", "save", "-o", filepath.Join(folder, "twice.tar"), image)
}

func TestModel(t *testing.T) {
	home, folder := dock.Home(t), t.TempDir()
	build(t, home, folder)
	t.Run("Load", func(t *testing.T) { testLoad(t, home) })
	t.Run("Open", func(t *testing.T) { testOpen(t, home, folder) })
}

// labelled is an image that says something else of itself.
type labelled struct {
	*images.Image
	labels map[string]string
}

func (l labelled) Config() ispec.ImageConfig {
	c := l.Image.Config()
	c.Labels = l.labels
	return c
}

// bare is an image with labels and no files.
type bare map[string]string

func (b bare) Config() ispec.ImageConfig { return ispec.ImageConfig{Labels: b} }
func (b bare) Layers() []layer.Layer     { return nil }

var labels = map[string]string{
	oci.LabelModel: oci.ModelONNX, oci.LabelModelPath: "/model.onnx", oci.LabelGolden: "/cases.json",
	oci.LabelSignature: `{"name":"twice","platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,2]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,2]}]}`,
}

func newRuntime(t *testing.T, options ...runtime.Option) *runtime.Runtime {
	t.Helper()
	rt, err := runtime.New(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(t.Context())) })
	return rt
}

func testLoad(t *testing.T, home string) {
	rt := newRuntime(t, runtime.WithCacheDir(places.In(home).Modules()))
	s, err := store.Open(t.Context(), places.In(home).Data)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	twice, err := images.Open(t.Context(), s, image, images.Options{Pull: images.PullNever})
	if err != nil {
		t.Fatal(err)
	}
	defer twice.Close()
	for _, reuse := range []model.Reuse{model.ReuseAlways, model.ReuseReset, model.ReuseNever} {
		m, err := wherry.Load(t.Context(), rt, twice, wherry.WithReuse(reuse), wherry.WithInstances(2))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			got, err := wherry.Call[[]float32, [][]float64](t.Context(), m, []float32{1, 2.5})
			if err != nil || len(got) != 1 || !slices.Equal(got[0], []float64{2, 5}) {
				t.Errorf("%s: got %v, %v", reuse, got, err)
			}
		}
		type in struct{ X [][2]float32 }
		type out struct{ Y [][]float32 }
		if got, err := wherry.Call[in, out](t.Context(), m, in{[][2]float32{{1, 2}, {3, 4}}}); err != nil || got.Y[1][1] != 8 {
			t.Errorf("%s: got %v, %v", reuse, got, err)
		}
		var wrong *model.InputError
		if _, err := wherry.Call[[]float32, []float32](t.Context(), m, []float32{1, 2, 3}); !errors.As(err, &wrong) || wrong.Tensor != "x" {
			t.Errorf("%s: got %v", reuse, err)
		}
		g, err := m.Golden(t.Context())
		if err != nil || len(g.Cases) != 1 {
			t.Fatalf("golden cases: %v, %v", g, err)
		}
		r, err := g.Cases[0].Request(m.Signature())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := m.Predict(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if worst, ok := g.Compare(&g.Cases[0], m.Signature(), answer); !ok {
			t.Errorf("%s: %v", reuse, worst)
		}
		if u := answer.Usage; u.Compute <= 0 || u.Memory == 0 || u.Fuel == 0 {
			t.Errorf("%s: the answer took %+v", reuse, u)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := m.Predict(t.Context(), r); !errors.Is(err, model.ErrClosed) {
			t.Errorf("%s: after Close: %v", reuse, err)
		}
	}
	other := maps.Clone(twice.Config().Labels)
	other[oci.LabelGolden] = "/none"
	m, err := wherry.Load(t.Context(), rt, labelled{twice, other})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	if _, err := m.Golden(t.Context()); err == nil {
		t.Error("golden cases that are not there were read")
	}
}

func TestLoadRefuses(t *testing.T) {
	rt := newRuntime(t)
	with := func(name, value string) map[string]string {
		m := maps.Clone(labels)
		m[name] = value
		return m
	}
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   string
	}{
		{"no model", nil, "no model"},
		{"another kind", with(oci.LabelModel, "tea"), `"tea" is a kind of model`},
		{"no signature", with(oci.LabelSignature, ""), "run.wherry.signature"},
		{"broken signature", with(oci.LabelSignature, "{"), "signature"},
		{"signature without outputs", with(oci.LabelSignature, "{}"), "no output"},
		{"long signature", with(oci.LabelSignature, strings.Repeat(" ", oci.MaxSignature+1)), "more than"},
	} {
		m, err := wherry.Load(t.Context(), rt, bare(c.labels))
		if err == nil {
			m.Close(t.Context())
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	if _, err := wherry.Load(t.Context(), rt, bare(labels), wherry.WithReuse("sometimes")); err == nil {
		t.Error("an unknown Reuse is taken")
	}
	if _, err := wherry.Load(t.Context(), rt, bare(labels), wherry.WithInstances(0)); err == nil {
		t.Error("no instances are taken")
	}
}

// A model comes out of the store, out of an archive in a file system, and out of a
// layout in one; what is temporary is gone afterwards.
func testOpen(t *testing.T, home, folder string) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	t.Setenv("WHERRY_HOME", home) // for the modules that are compiled
	for name, open := range map[string]func() (*wherry.Model, error){
		"store": func() (*wherry.Model, error) {
			return wherry.Open(t.Context(), image, wherry.WithPull(images.PullNever))
		},
		"home": func() (*wherry.Model, error) {
			return wherry.Open(t.Context(), image, wherry.WithHome(home), wherry.WithPull(images.PullNever))
		},
		"archive": func() (*wherry.Model, error) {
			return wherry.Open(t.Context(), "twice.tar", wherry.FromFS(os.DirFS(folder)))
		},
		"archive's image": func() (*wherry.Model, error) {
			return wherry.Open(t.Context(), "twice.tar#"+image, wherry.FromFS(os.DirFS(folder)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := open()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := wherry.Call[[]float32, [2]float32](t.Context(), m, []float32{1, 2}); err == nil || !strings.Contains(err.Error(), "its length is another") {
				t.Errorf("got %v, %v", got, err)
			}
			if got, err := wherry.Call[[]float32, [1][2]float32](t.Context(), m, []float32{1, 2}); err != nil || got[0][1] != 4 {
				t.Errorf("got %v, %v", got, err)
			}
			if err := m.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	if m, err := wherry.Open(t.Context(), "none.tar", wherry.FromFS(os.DirFS(folder))); err == nil {
		m.Close(t.Context())
		t.Error("opened what is not there")
	}
	if m, err := wherry.Open(t.Context(), "localhost/test-root:none", wherry.WithPull(images.PullNever)); err == nil {
		m.Close(t.Context())
		t.Error("opened what is not there")
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func ExampleCall() {
	ctx := context.Background()
	m, err := wherry.Open(ctx, "iris:1")
	if err != nil {
		return
	}
	defer m.Close(ctx)
	type flower struct{ SepalLength, SepalWidth, PetalLength, PetalWidth float64 }
	type guess struct {
		Species     string
		Probability float64
	}
	g, err := wherry.Call[flower, guess](ctx, m, flower{5.1, 3.5, 1.4, 0.2})
	if err != nil {
		return
	}
	_ = json.NewEncoder(os.Stdout).Encode(g)
}
