// Package types proves that values of Python have the tensors that docs/models.md
// says. It compiles the Python module once on a machine, so it runs with
// WHERRY_TEST_PYTHON=1 or in CI.
package types

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/python"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

// opened is the model of an image.
func opened(t *testing.T, ref string) (*python.Instance, *images.Image) {
	t.Helper()
	ctx, home := t.Context(), dock.Home(t)
	s, err := store.Open(ctx, filepath.Join(home, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	img, err := images.Open(ctx, s, ref, images.Options{Pull: images.PullNever})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	rt, err := runtime.New(ctx, runtime.WithCacheDir(filepath.Join(home, "cache", "modules")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(ctx)) })
	c, err := rt.Create(ctx, img, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	label := img.Config().Labels["run.wherry.signature"]
	signature, err := python.ParseSignature([]byte(label))
	if err != nil {
		t.Fatalf("the image's signature: %v", err)
	}
	m, err := python.Open(ctx, c, python.Options{Signature: signature})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close(context.WithoutCancel(ctx)) })
	return m, img
}

// TestTypes sends a value of every type of Python that has a form as a tensor, good
// ones and bad ones.
func TestTypes(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: types of Python as tensors need the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	wherry := dock.Native(t, dock.Home(t))
	image := "localhost/test-models:types"
	wherry.Must(t, "", "build", "-q", "-t", image, "testdata")
	m, _ := opened(t, image)
	t.Run("signature", func(t *testing.T) { testSignature(t, m) })
	t.Run("good", func(t *testing.T) { testGood(t, m) })
	t.Run("bad", func(t *testing.T) { testBad(t, m) })
	t.Run("outputs", func(t *testing.T) { testOutputs(t, m) })
	t.Run("errors", func(t *testing.T) { testErrors(t, m) })
}

// testSignature holds the fields against the table of docs/models.md.
func testSignature(t *testing.T, m *python.Instance) {
	s := m.Signature()
	if s.Platform != model.PlatformPython || s.Name != "predict" {
		t.Errorf("%q of %q", s.Name, s.Platform)
	}
	for name, want := range map[string]string{
		"real": "FP64 [1], optional", "whole": "INT64 [1], optional", "truth": "BOOL [1], optional", "text": "BYTES [1] (text), optional",
		"single": "FP32 [1], optional", "limited": "INT64 [1], from 1 to 10, optional", "colour": `BYTES [1] (text), one of "r", "b", optional`,
		"mode": `BYTES [1] (text), one of "a", "b", optional`, "level": "INT64 [1], one of 1, 2, optional", "day": "BYTES [1] (text), optional",
		"maybe": "FP64 [1], optional", "row": "FP64 [-1], optional", "rows": "INT64 [-1 -1], optional", "words": "BYTES [-1] (text), optional",
		"pair": "FP64 [2], optional", "some": "INT64 [-1], optional", "parts": "FP64 [-1], from 0 to 1, optional",
		"modes": `BYTES [-1] (text), one of "a", "b", optional`,
		"array": "FP64 of any shape, optional", "halves": "FP32 of any shape, optional", "image": "UINT8 [-1 2 2], optional",
		"names": "BYTES of any shape (text), optional", "frame": "BYTES [1] (table), optional", "series": "FP64 [-1], optional",
		"columns": `BYTES [1] (table), columns "a", "b", optional`, "point": "BYTES [1] (json), optional", "prices": "BYTES [1] (json), optional",
		"bare": "BYTES [1] (json), optional", "file": "BYTES [1] (file), optional", "picture": "BYTES [1] (image), optional",
	} {
		if f := s.Input(name); f == nil || f.Describe() != want {
			t.Errorf("%s: %v, want %s", name, f, want)
		}
	}
	for name, want := range map[string]string{
		"got": "BYTES [1] (json)", "real": "FP64 [1]", "whole": "INT64 [1]", "row": "FP64 [-1]", "rows": "INT64 [-1 -1]", "single": "FP32 of any shape",
		"labels": "FP64 of any shape", "table": "BYTES [1] (table)", "point": "BYTES [1] (json)", "raw": "BYTES [1] (file)", "picture": "BYTES [1] (image)",
	} {
		if f := s.Output(name); f == nil || f.Describe() != want {
			t.Errorf("output %s: %v, want %s", name, f, want)
		}
	}
	if p := s.Input("real").Parameters; p.Default != 0.5 {
		t.Errorf("default of real: %v", p.Default)
	}
	if p := s.Output("real").Parameters; p == nil || p.Description != "a number" {
		t.Errorf("what is said of real: %v", p)
	}
}

func testGood(t *testing.T, m *python.Instance) {
	for _, tt := range []struct{ name, value, want string }{
		{"real", `1.5`, `["float",1.5]`},
		{"real", `[2]`, `["float",2]`},
		{"whole", `-9007199254740993`, `["int",-9007199254740993]`},
		{"truth", `true`, `["bool",true]`},
		{"text", `"ä\u0000€"`, `["str","ä\u0000€"]`},
		{"single", `0.25`, `["float32","0.25"]`},
		{"limited", `10`, `["int",10]`},
		{"colour", `"b"`, `["Colour","Colour.blue"]`},
		{"mode", `"b"`, `["str","b"]`},
		{"level", `2`, `["int",2]`},
		{"day", `"2026-02-28"`, `["date","2026-02-28"]`},
		{"price", `"1.10"`, `["Decimal","1.10"]`},
		{"maybe", `1`, `["float",1]`},
		{"row", `[1,2.5]`, `["list",[1,2.5]]`},
		{"row", `[]`, `["list",[]]`},
		{"rows", `[[1,2],[3,4]]`, `["list",[[1,2],[3,4]]]`},
		{"words", `["a","","ä"]`, `["list",["a","","ä"]]`},
		{"pair", `[1,2]`, `["tuple",[1,2]]`},
		{"some", `[2,1,2]`, `["set",[1,2]]`},
		{"modes", `["a","b"]`, `["list",["a","b"]]`},
		{"parts", `[0,1]`, `["list",[0,1]]`},
		{"array", `[[1,2],[3,4]]`, `["ndarray float64",[[1,2],[3,4]]]`},
		{"array", `[]`, `["ndarray float64",[]]`},
		{"halves", `[1,2]`, `["ndarray float32",[1,2]]`},
		{"longs", `[9007199254740993]`, `["ndarray int64",[9007199254740993]]`},
		{"image", `[[[0,255],[1,2]]]`, `["ndarray uint8",[[[0,255],[1,2]]]]`},
		{"names", `["p","q"]`, `["ndarray object",["p","q"]]`},
		{"frame", `[{"a":1,"b":"x"},{"a":2,"b":"y"}]`, `["DataFrame",{"int64":"a","str":"b"},[[1,"x"],[2,"y"]]]`},
		{"frame", `{"columns":["a"],"data":[[1.5],[2]]}`, `["DataFrame",{"float64":"a"},[[1.5],[2]]]`},
		{"columns", `[{"b":"x","a":1}]`, `["DataFrame",{"float64":"a","str":"b"},[[1,"x"]]]`},
		{"counts", `[{"n":2.0,"ok":true},{"ok":false,"n":9007199254740993}]`, `["DataFrame",{"int64":"n","bool":"ok"},[[2,true],[9007199254740993,false]]]`},
		{"columns", `[{"a":null,"b":"x"},{"a":1,"b":"y","c":7}]`, `["DataFrame",{"float64":"a","str":"b"},[[null,"x"],[1,"y"]]]`},
		{"columns", `"a,b\n1,x\n2,y\n"`, `["DataFrame",{"float64":"a","str":"b"},[[1,"x"],[2,"y"]]]`},
		{"series", `[1,2.5]`, `["Series",[1,2.5]]`},
		{"point", `{"x":1}`, `["Point",{"x":1,"y":0}]`},
		{"customer", `{"name":"n","age":3}`, `["dict",{"name":"n","age":3}]`},
		{"tuple_", `{"a":1,"b":[{"x":2,"y":3}]}`, `["Pair",{"a":1,"b":[{"x":2,"y":3}]}]`},
		{"points", `[{"x":1}]`, `["list",[{"x":1,"y":0}]]`},
		{"prices", `{"a":1}`, `["dict",{"a":1}]`},
		{"either", `"x"`, `["str","x"]`},
		{"any_", `{"a":[1,null]}`, `["dict",{"a":[1,null]}]`},
		{"bare", `1.5`, `["float",1.5]`},
		{"file", `{"base64":"AP8="}`, `["bytes",[0,255]]`},
	} {
		f := m.Signature().Input(tt.name)
		in, err := f.Parse([]byte(tt.value))
		if err != nil {
			t.Errorf("%s %s: %v", tt.name, tt.value, err)
			continue
		}
		same(t, m, tt.name+" "+tt.value, []model.Tensor{in}, tt.name, tt.want)
	}
	same(t, m, "FP32 for FP64", []model.Tensor{model.Of("real", []float32{0.25})}, "real", `["float",0.25]`)
	same(t, m, "a column each", []model.Tensor{model.Of("a", []float64{1, 2}), model.Of("b", []string{"x", "y"})}, "", "")
	big := make([]float64, 1<<20)
	big[len(big)-1] = 3
	r, err := m.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("array", big, 1<<10, 1<<10)}, Outputs: []string{"real"}})
	if err != nil || len(r.Outputs) != 1 {
		t.Errorf("8 MiB: %v, %v", r, err)
	}
}

// same asks and holds what the model got against what it should have.
func same(t *testing.T, m *python.Instance, what string, in []model.Tensor, name, want string) {
	t.Helper()
	r, err := m.Predict(t.Context(), &model.Request{Inputs: in, Outputs: []string{"got"}})
	if want == "" {
		var wrong *model.InputError
		if !errors.As(err, &wrong) { // two tables: whose columns they are nobody can know
			t.Errorf("%s: %v", what, err)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(r.Outputs[0].Data[4:], &got); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if len(got) != 1 || compact(t, string(got[name])) != compact(t, want) {
		t.Errorf("%s: predict got %s, want %s", what, r.Outputs[0].Data[4:], want)
	}
}

// compact is JSON with its numbers as they are, in one form.
func compact(t *testing.T, text string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(text, ".0,", ","), ".0]", "]")))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Errorf("%q: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(out), ".0}", "}"), ".0,", ",")
}

func testBad(t *testing.T, m *python.Instance) {
	doc := func(s string) model.Tensor { return model.Of("", []string{s}) }
	for _, tt := range []struct {
		name string
		in   model.Tensor
		want string
	}{
		{"real", model.Of("", []float64{1, 2}), "shape"},
		{"real", model.Of("", []string{"1"}), "BYTES"},
		{"whole", model.Of("", []float64{1.5}), ""},
		{"truth", model.Of("", []int64{1}), "INT64"},
		{"text", model.Of("", []string{"\xff"}), "UTF-8"},
		{"limited", model.Of("", []int64{11}), "from 1 to 10"},
		{"colour", doc("green"), "one of"},
		{"level", model.Of("", []int64{3}), "one of"},
		{"day", doc("tomorrow"), "date"},
		{"row", model.Of("", []float64{1, 2, 3, 4}, 2, 2), "shape"},
		{"pair", model.Of("", []float64{1, 2, 3}), "shape"},
		{"parts", model.Of("", []float64{2}), "from 0 to 1"},
		{"modes", model.Of("", []string{"a", "c"}), "one of"},
		{"image", model.Of("", []uint8{1, 2, 3}, 1, 3, 1), "shape"},
		{"frame", doc(`[{"a":`), "JSON"},
		{"columns", doc(`[{"a":1}]`), "lacks the column b"},
		{"columns", doc("a,b\nx,y\n"), "the column a"},
		{"counts", doc(`[{"n":1.5,"ok":true}]`), "the column n: whole numbers are wanted"},
		{"counts", doc(`[{"n":1,"ok":1}]`), "the column ok: true or false"},
		{"counts", doc("n,ok\n1.5,True\n"), "the column n"},
		{"point", doc(`{"z":1}`), "Point has no 'z'"},
		{"point", doc(`{}`), "Point needs x"},
		{"point", doc(`{"x":"one"}`), "x: a number is wanted, got 'one'"},
		{"point", doc(`{"x":`), "JSON"},
		{"customer", doc(`{"name":"n","age":1.5}`), "age: a whole number is wanted"},
		{"points", doc(`[{"x":1},{"x":true}]`), "[1]: x: a number is wanted"},
		{"prices", doc(`[1]`), "an object is wanted"},
		{"either", doc(`[1]`), "is wanted"},
	} {
		tt.in.Name = tt.name
		_, err := m.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{tt.in}})
		var wrong *model.InputError
		if !errors.As(err, &wrong) || wrong.Tensor != tt.name || !strings.Contains(wrong.Reason, tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func testOutputs(t *testing.T, m *python.Instance) {
	r, err := m.Predict(t.Context(), &model.Request{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"got": `{}`, "real": `[0.5]`, "whole": `[7]`, "truth": `[true]`, "text": `["ä"]`, "row": `[0,1,2]`, "rows": `[[1,2],[3,4]]`, "words": `["a",""]`,
		"single": `[1.5,2.5]`, "labels": `["p","q"]`, "table": `[{"a":1,"b":"x"},{"a":2,"b":null}]`, "series": `[1.5,2.5]`, "point": `{"x":1.0,"y":0.0}`,
		"raw": `[{"base64":"AP8="}]`, "picture": `["png"]`,
	}
	if len(r.Outputs) != len(want) {
		t.Errorf("%d outputs, want %d", len(r.Outputs), len(want))
	}
	for i := range r.Outputs {
		o := &r.Outputs[i]
		f := &m.Signature().Outputs[i]
		got, err := o.AppendValue(nil, f)
		if err != nil || f.Name != o.Name || strings.Trim(string(got), "[]") != strings.Trim(want[o.Name], "[]") {
			t.Errorf("%s: %s, %v, want %s", o.Name, got, err, want[o.Name])
		}
	}
	r, err = m.Predict(t.Context(), &model.Request{Outputs: []string{"rows", "real"}})
	if err != nil || len(r.Outputs) != 2 || r.Outputs[0].Name != "rows" || r.Outputs[1].Name != "real" {
		t.Errorf("two that were asked for: %v, %v", r, err)
	}
}

func testErrors(t *testing.T, m *python.Instance) {
	ask := func(text string) error {
		_, err := m.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("text", []string{text})}})
		return err
	}
	var own *model.ModelError
	if err := ask("raise"); !errors.As(err, &own) || own.Type != "LookupError" || own.Message != "as it was told to" || !strings.Contains(own.Traceback, "in predict") || strings.Contains(own.Traceback, "_wherry") {
		t.Errorf("an exception: %v\n%s", err, own.Traceback)
	}
	if err := ask("lie"); !errors.As(err, &own) || !strings.Contains(own.Message, "real") {
		t.Errorf("a result without its members: %v", err)
	}
	if err := ask("fine"); err != nil {
		t.Errorf("after an error: %v", err)
	}
	if err := ask("exit"); !errors.As(err, &own) || own.Type != "SystemExit" {
		t.Errorf("an exit: %v", err)
	}
	if err := m.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := ask("print"); err != nil {
		t.Errorf("after a reset: %v", err)
	}
}
