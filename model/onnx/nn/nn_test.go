package nn_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/model/onnx/nn"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// image is one in memory.
type image struct {
	layers     []layer.Layer
	entrypoint []string
}

func (i image) Config() ispec.ImageConfig { return ispec.ImageConfig{Entrypoint: i.entrypoint} }
func (i image) Layers() []layer.Layer     { return i.layers }

func newImage(files map[string][]byte, entrypoint ...string) image {
	return image{[]layer.Layer{dock.Layer(files)}, entrypoint}
}

// sum is a model that adds 1, 2, 3, 4 to what it gets; with beside, its weights are in
// a file of their own.
func sum(beside bool) []byte {
	g := ort.NewGraph()
	g.Input("x", ort.Float, 4)
	weights := ""
	if beside {
		weights = g.External(ort.Float, "weights/part.bin", 0, 16, 4)
	} else {
		weights = g.Constant(ort.Float, ort.Floats([]float32{1, 2, 3, 4}), 4)
	}
	g.NodeAs("Add", "", []string{"x", weights}, []string{"y"})
	g.Output("y", ort.Float, 4)
	return g.Model()
}

// slow is a model that works for seconds on four numbers.
func slow() []byte {
	g := ort.NewGraph()
	g.Input("x", ort.Float, 4)
	shape := g.Constant(ort.Int64, []byte{0, 6, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0}, 2) // 1536 x 512
	four := g.Constant(ort.Int64, []byte{0, 6, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0}, 3)
	g.NodeAs("Expand", "", []string{"x", four}, []string{"wide"})
	g.NodeAs("Reshape", "", []string{"wide", shape}, []string{"a"})
	g.NodeAs("Transpose", "", []string{"a"}, []string{"b"})
	last := "a"
	for range 8 {
		p, q := last+"p", last+"q"
		g.NodeAs("MatMul", "", []string{last, "b"}, []string{p})
		g.NodeAs("MatMul", "", []string{p, "a"}, []string{q})
		last = q
	}
	g.Output(last, ort.Float, 1536, 512)
	return g.Model()
}

type sandbox struct {
	rt    *runtime.Runtime
	guest []byte
	base  image
}

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{base: newImage(map[string][]byte{"/usr/local/bin/onnxruntime.wasm": parcel.ORT(t)})}
	out := filepath.Join(t.TempDir(), "guest.wasm")
	dock.Guest(t, filepath.Join("testdata", "guest"), out)
	var err error
	if s.guest, err = os.ReadFile(out); err != nil {
		t.Fatal(err)
	}
	if s.rt, err = runtime.New(t.Context(), runtime.WithCacheDir(places.In(dock.Home(t)).Modules())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.rt.Close(context.WithoutCancel(t.Context())) })
	return s
}

// run runs the guest over some files.
func (s *sandbox) run(t *testing.T, ctx context.Context, files map[string][]byte, o nn.Options, spec runtime.Spec, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	all := map[string][]byte{"/guest.wasm": s.guest}
	for name, data := range files {
		all[name] = data
	}
	o.Image = newImage(all, "/guest.wasm")
	if o.Base == nil {
		o.Base = func(context.Context) (runtime.Image, error) { return s.base, nil }
	}
	var out, talk bytes.Buffer
	spec.Args, spec.Stdout, spec.Stderr, spec.NN = args, &out, &talk, nn.New(o)
	c, err := s.rt.Create(t.Context(), o.Image, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(t.Context()))
	err = c.Run(ctx)
	return out.String(), talk.String(), err
}

func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT TESTED: wasi-nn over ONNX Runtime (-short)")
	}
	s := newSandbox(t)
	t.Run("guest", func(t *testing.T) { testGuest(t, s) })
	t.Run("no runtime", func(t *testing.T) { testNoRuntime(t, s) })
	t.Run("limits", func(t *testing.T) { testLimits(t, s) })
	t.Run("C", func(t *testing.T) { testC(t, s) })
}

func testGuest(t *testing.T, s *sandbox) {
	host := t.TempDir()
	weights := ort.Floats([]float32{1, 2, 3, 4})
	for name, data := range map[string][]byte{"one.onnx": sum(false), "two.onnx": sum(true), "weights/part.bin": weights} {
		file := filepath.Join(host, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string][]byte{
		"/models/one.onnx": sum(false), "/models/two.onnx": sum(true), "/models/weights/part.bin": weights, "/models/bad.onnx": []byte("no model"),
	}
	named := map[string]string{"one": filepath.Join(host, "one.onnx"), "two": filepath.Join(host, "two.onnx"), "gone": filepath.Join(host, "gone.onnx")}
	mounts := []runtime.Mount{{Source: host, Target: "/mounted"}}
	const right = "[11 22 33 44]\n"
	for _, c := range []struct{ how, model, want, says string }{
		{"bytes", "/models/one.onnx", right, ""},
		{"name", "/models/one.onnx", right, ""},
		{"name", "models/one.onnx", right, ""},
		{"name", "/models/two.onnx", right, ""},
		{"name", "/mounted/two.onnx", right, ""},
		{"name", "one", right, ""},
		{"name", "two", right, ""},
		{"name", "gone", "load_by_name 8\n", "not there any more"},
		{"name", "/models/none.onnx", "load_by_name 8\n", "no such file in the container"},
		{"name", "/models", "load_by_name 8\n", "no such file"},
		{"name", "../../etc/passwd", "load_by_name 8\n", "no such file"},
		{"name", "/models/bad.onnx", "load_by_name 1\n", "INVALID_PROTOBUF"},
		{"bytes", "/models/bad.onnx", "load 1\n", "INVALID_PROTOBUF"},
		{"bytes", "/models/two.onnx", "load", "weights/part.bin"}, // nothing is beside bytes
	} {
		t.Run(c.how+" "+c.model, func(t *testing.T) {
			out, talk, err := s.run(t, t.Context(), files, nn.Options{Models: named}, runtime.Spec{Mounts: mounts}, c.how, c.model, "10", "20", "30", "40")
			if c.want == right != (err == nil) || !strings.HasPrefix(out, c.want) || !strings.Contains(talk, c.says) {
				t.Errorf("%q %q %v", out, talk, err)
			}
		})
	}
	t.Run("another shape", func(t *testing.T) {
		out, talk, err := s.run(t, t.Context(), files, nn.Options{}, runtime.Spec{}, "bytes", "/models/one.onnx", "10", "20", "30")
		if err == nil || out != "compute 1\n" || !strings.Contains(talk, "wasi-nn: ") {
			t.Errorf("%q %q %v", out, talk, err)
		}
	})
}

// testNoRuntime has neither the image nor anybody else ONNX Runtime.
func testNoRuntime(t *testing.T, s *sandbox) {
	none := nn.Options{Base: func(context.Context) (runtime.Image, error) { return nil, errors.New("the mirror does not answer") }}
	out, talk, err := s.run(t, t.Context(), map[string][]byte{"/one.onnx": sum(false)}, none, runtime.Spec{}, "name", "/one.onnx", "1", "2", "3", "4")
	if err == nil || out != "load_by_name 6\n" || !strings.Contains(talk, "the mirror does not answer") {
		t.Errorf("%q %q %v", out, talk, err)
	}
	// An image with its own asks for no other.
	own := map[string][]byte{"/one.onnx": sum(false), "/usr/local/bin/onnxruntime.wasm": parcel.ORT(t)}
	if out, talk, err = s.run(t, t.Context(), own, none, runtime.Spec{}, "name", "/one.onnx", "1", "2", "3", "4"); err != nil || out != "[2 4 6 8]\n" {
		t.Errorf("%q %q %v", out, talk, err)
	}
}

// testLimits has what a model uses count as its program's.
func testLimits(t *testing.T, s *sandbox) {
	files := map[string][]byte{"/slow.onnx": slow(), "/one.onnx": sum(false)}
	args := []string{"bytes", "/slow.onnx", "1", "2", "3", "4"}
	for _, c := range []struct {
		name   string
		limits runtime.Limits
		says   string
	}{
		{"fuel", runtime.Limits{Fuel: 600_000_000}, "fuel"},
		{"CPU time", runtime.Limits{CPUTime: 700 * time.Millisecond}, "CPU time"},
		{"timeout", runtime.Limits{Timeout: time.Second}, "wall time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			out, talk, err := s.run(t, t.Context(), files, nn.Options{}, runtime.Spec{Limits: c.limits, NoAcceleration: true}, args...)
			var limit *runtime.LimitError
			if !errors.As(err, &limit) || limit.Resource != c.says {
				t.Errorf("%v after %v: %q %q", err, time.Since(began), out, talk)
			}
		})
	}
	t.Run("memory", func(t *testing.T) {
		out, talk, err := s.run(t, t.Context(), files, nn.Options{}, runtime.Spec{Limits: runtime.Limits{Memory: 18 << 20}}, "bytes", "/one.onnx", "1", "2", "3", "4")
		if err == nil || out != "load 3\n" {
			t.Errorf("%v: %q %q", err, out, talk)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, _, err := s.run(t, ctx, files, nn.Options{}, runtime.Spec{NoAcceleration: true}, args...)
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 20*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// testC compiles the example, which has the header for C.
func testC(t *testing.T, s *sandbox) {
	clang := dock.Find(t, "clang")
	out := filepath.Join(t.TempDir(), "speech.wasm")
	cmd := exec.CommandContext(t.Context(), clang, "--target=wasm32-wasi", "-O2", "-Wall", "-Werror", "-o", out, "speech.c")
	cmd.Dir = filepath.Join(dock.Root(t), "examples", "nn")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	program, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	s = &sandbox{s.rt, program, s.base}
	_, talk, err := s.run(t, t.Context(), map[string][]byte{"/models/silero_vad.onnx": sum(false)}, nn.Options{}, runtime.Spec{Stdin: bytes.NewReader(make([]byte, 4096))})
	if err == nil || !strings.Contains(talk, "set_input: error 1") { // the model has one input only
		t.Errorf("%v: %q", err, talk)
	}
}
