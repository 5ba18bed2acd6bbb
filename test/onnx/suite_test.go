// Package onnx runs the ONNX backend suite, and exports of the tools that people
// use, in the sandbox, and holds both against native ONNX Runtime. The short form
// takes some models; WHERRY_TEST_ONNX=long takes all.
package onnx

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/places"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/onnx"
	"github.com/wherry-run/wherry/model/onnx/graph"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/onnx/suite"
)

func long() bool { return os.Getenv("WHERRY_TEST_ONNX") == "long" }

// Where ONNX Runtime and the model are in the images of these tests.
const modulePath, modelPath = "onnxruntime.wasm", "models/model.onnx"

// engine opens models as images on the base onnx have them.
type engine struct {
	rt     *runtime.Runtime
	files  *layer.Memory
	module layer.Entry
	// tolerance holds for its answers.
	tolerance suite.Tolerance
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	module := suite.Module(t)
	rt, err := runtime.New(t.Context(), runtime.WithCacheDir(places.In(dock.Home(t)).Modules()), runtime.WithKernels(os.Getenv("WHERRY_KERNELS")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(t.Context())) })
	e := &engine{rt: rt, files: &layer.Memory{}, tolerance: suite.Suite()}
	e.module = e.file(modulePath, module)
	return e
}

func (e *engine) file(name string, data []byte) layer.Entry {
	ref := layer.Ref{Digest: e.files.PutBytes(data), Size: int64(len(data))}
	return layer.Entry{Path: name, Kind: layer.File, Mode: 0o755, Size: ref.Size, Content: ref}
}

// image is one in memory.
type image struct{ layers []layer.Layer }

func (i image) Layers() []layer.Layer { return i.layers }
func (i image) Config() ispec.ImageConfig {
	return ispec.ImageConfig{Entrypoint: []string{"/" + modulePath, "/" + modelPath}}
}

// open starts an instance with a model and the files beside it.
func (e *engine) open(t *testing.T, data []byte, beside map[string][]byte) (*onnx.Instance, func(), error) {
	index := &layer.Index{Entries: []layer.Entry{e.module, {Path: "models", Kind: layer.Dir, Mode: 0o755}, e.file(modelPath, data)}}
	for name, text := range beside {
		index.Entries = append(index.Entries, e.file("models/"+name, text))
	}
	index.Sort()
	c, err := e.rt.Create(t.Context(), image{[]layer.Layer{{Index: index, Content: e.files}}}, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	i, err := onnx.Open(t.Context(), c, onnx.Options{})
	if err != nil {
		c.Close(context.WithoutCancel(t.Context()))
		return nil, nil, err
	}
	return i, func() {
		i.Close(context.WithoutCancel(t.Context()))
		c.Close(context.WithoutCancel(t.Context()))
	}, nil
}

// The ways in which a case ends.
const (
	pass  = "pass"
	wrong = "wrong"
	fails = "error"
)

// verdict is how a case ended, and why.
type verdict struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Why     string `json:"why"`
}

// try runs a case as production does: an instance for its model alone.
func (e *engine) try(t *testing.T, c suite.Case) verdict {
	t.Helper()
	end := func(how string, why any) verdict {
		text, _, _ := strings.Cut(fmt.Sprint(why), "\n")
		return verdict{c.Name, how, text}
	}
	m, err := graph.Read(c.Model(t))
	if err != nil {
		return end(fails, err)
	}
	l, err := m.Lower()
	if err != nil {
		return end(fails, err)
	}
	r, err := c.Request(l.Signature)
	if err != nil {
		return end(fails, err)
	}
	want, err := c.Answer(l.Signature)
	if err != nil {
		return end(fails, err)
	}
	beside, err := c.Beside(l.ExternalFiles())
	if err != nil {
		return end(fails, err)
	}
	i, done, err := e.open(t, l.Bytes.Bytes(), beside)
	if err != nil {
		return end(fails, err)
	}
	defer done()
	if err := l.Signature.Check(r); err != nil {
		return end(fails, fmt.Errorf("the signature: %w", err))
	}
	got, err := i.Predict(t.Context(), r)
	if err != nil {
		return end(fails, err)
	}
	for n := range want {
		at := slices.IndexFunc(got.Outputs, func(o model.Tensor) bool { return o.Name == want[n].Name })
		if at < 0 {
			return end(wrong, "no output "+want[n].Name)
		}
		if why := e.tolerance.Compare(&got.Outputs[at], &want[n]); why != "" {
			return end(wrong, why)
		}
	}
	return end(pass, "")
}

// TestSuite runs the backend suite. What does not pass is in testdata/failing.txt,
// with a reason, and nothing else is.
func TestSuite(t *testing.T) {
	cases, e := suite.Load(t), newEngine(t)
	if !long() {
		cases = some(cases)
	}
	expected := failing(t)
	count := map[string]int{}
	var report []verdict
	for _, c := range cases {
		v := e.try(t, c)
		count[v.Verdict]++
		if v.Verdict != pass {
			report = append(report, v)
		}
		reason, known := expected[c.Name]
		switch {
		case v.Verdict == pass && known:
			t.Errorf("%s passes, and testdata/failing.txt says that it does not: %s", c.Name, reason)
		case v.Verdict != pass && !known:
			t.Errorf("%s: %s: %s", c.Name, v.Verdict, v.Why)
		}
	}
	t.Logf("%d of %d models pass; %d fail, %d are wrong", count[pass], len(cases), count[fails], count[wrong])
	if file := os.Getenv("WHERRY_TEST_ONNX_REPORT"); file != "" {
		var b bytes.Buffer
		for _, v := range report {
			fmt.Fprintf(&b, "%s\t%s\t%s\n", v.Name, v.Verdict, v.Why)
		}
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !long() {
		t.Log("NOT TESTED: the rest of the models: set WHERRY_TEST_ONNX=long")
	}
}

// some takes a few dozen of the cases: those of names that matter, and others by
// a fixed lot.
func some(cases []suite.Case) []suite.Case {
	matters := map[string]bool{}
	for _, name := range []string{"gemm_default_no_bias", "gemm_all_attributes", "strnormalizer_export_monday_casesensintive_lower", "tfidfvectorizer_tf_batch_onlybigrams_skip0", "lstm_defaults", "loop11", "if", "cast_STRING_to_FLOAT", "identity_sequence", "add_uint8"} {
		matters["node/test_"+name] = true
	}
	lot := rand.New(rand.NewPCG(1, 2))
	var list []suite.Case
	for _, c := range cases {
		if lot.IntN(25) == 0 || matters[c.Name] {
			list = append(list, c)
		}
	}
	return list
}

// failing reads what is known not to pass, and why.
func failing(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "failing.txt"))
	if err != nil {
		t.Fatal(err)
	}
	list, reason := map[string]string{}, ""
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line := lines.Text()
		if text, ok := strings.CutPrefix(line, "# "); ok {
			reason = text
		} else if line != "" {
			list[line] = reason
		}
	}
	return list
}

// TestNative holds the list of what does not pass here against native ONNX
// Runtime: what that passes must be known, with the reason.
func TestNative(t *testing.T) {
	if !long() {
		t.Skip("NOT TESTED: native ONNX Runtime beside ours: set WHERRY_TEST_ONNX=long")
	}
	cases := suite.Load(t)
	native := nativeSays(t, cases)
	only := map[string][]string{}
	for name, reason := range failing(t) {
		if native[name] == pass {
			only[reason] = append(only[reason], name)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(only)) {
		slices.Sort(only[reason])
		t.Logf("native alone, %d: %s: %s", len(only[reason]), reason, strings.Join(only[reason], " "))
	}
}

// packages is the host's Python with native ONNX Runtime.
func packages(t *testing.T) dock.Program {
	t.Helper()
	requirements, err := os.ReadFile(filepath.Join("testdata", "requirements.txt"))
	if err != nil {
		t.Fatal(err)
	}
	python, _ := dock.Packages(t, string(requirements))
	python.Limit = 15 * time.Minute
	return python
}

// script is the path of one of testdata.
func script(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// nativeSays runs cases with native ONNX Runtime.
func nativeSays(t *testing.T, cases []suite.Case) map[string]string {
	t.Helper()
	var in strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&in, "%s\t%s\n", c.Name, c.Dir)
	}
	count, native := map[string]int{}, map[string]string{}
	for line := range strings.Lines(packages(t).Must(t, in.String(), script(t, "native.py"))) {
		var v verdict
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(errors.Join(err, errors.New(line)))
		}
		native[v.Name] = v.Verdict
		count[v.Verdict]++
	}
	t.Logf("native: %d of %d models pass; %d fail, %d are wrong", count[pass], len(cases), count[fails], count[wrong])
	return native
}

// TestNewer runs the cases of a release of ONNX that is years younger than the
// engine. What is lowered must answer as ONNX says, or as native ONNX Runtime does
// not either; what cannot be is refused.
func TestNewer(t *testing.T) {
	if !long() {
		t.Skip("NOT TESTED: operators of later releases: set WHERRY_TEST_ONNX=long")
	}
	e, root := newEngine(t), t.TempDir()
	packages(t).Must(t, "", script(t, "newer.py"), root)
	cases := suite.In(t, root)
	native := nativeSays(t, cases)
	count := map[string]int{}
	var report bytes.Buffer
	for _, c := range cases {
		v := e.try(t, c)
		count[v.Verdict]++
		if v.Verdict == pass {
			continue
		}
		fmt.Fprintf(&report, "%s\t%s\t%s\tnative: %s\n", v.Name, v.Verdict, v.Why, native[v.Name])
		if v.Verdict == wrong && native[c.Name] == pass && !c.Random() {
			t.Errorf("%s: %s", c.Name, v.Why)
		}
	}
	t.Logf("%d of %d models pass; %d fail, %d are wrong", count[pass], len(cases), count[fails], count[wrong])
	if file := os.Getenv("WHERRY_TEST_ONNX_REPORT"); file != "" {
		if err := os.WriteFile(file+".newer", report.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
