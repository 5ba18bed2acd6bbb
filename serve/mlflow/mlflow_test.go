package mlflow_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/mlflow"
	"github.com/wherry-run/wherry/serve/task/tasktest"
)

func field(name string, kind model.DataType, of string, shape ...int64) model.Field {
	return model.Field{Name: name, Type: kind, Shape: shape, Parameters: &model.FieldParameters{Kind: of}}
}

// echo answers with what it was asked, as a text.
func echo(name string, inputs ...model.Field) *tasktest.Fake {
	return &tasktest.Fake{
		Says: &model.Signature{Name: name, Inputs: inputs, Outputs: []model.Field{tasktest.Text("said", 1)}},
		Answer: func(r *model.Request) ([]model.Tensor, error) {
			var parts []string
			for _, t := range r.Inputs {
				list, err := t.Strings()
				if err != nil {
					return nil, err
				}
				parts = append(parts, t.Name+"="+strings.Join(list, ";"))
			}
			if parts[0] == "x=13;13" {
				return nil, &model.ModelError{Type: "ValueError", Message: "no"}
			}
			return []model.Tensor{model.Of("said", []string{strings.Join(parts, " ")})}, nil
		},
	}
}

func fakes() []*tasktest.Fake {
	table := echo("table", field("df", model.Bytes, model.KindTable, 1), tasktest.Optional(field("scale", model.FP64, "", 1)))
	table.Says.Inputs[0].Parameters.Columns = []model.Column{{Name: "b", Type: model.Int64}, {Name: "a", Type: model.Bytes}}
	named := echo("named", field("x", model.FP32, "", -1, 2))
	named.Says.Inputs[0].Parameters.Columns = []model.Column{{Name: "b", Type: model.FP32}, {Name: "a", Type: model.FP32}}
	two := echo("two", tasktest.Floats("x", 1))
	two.Says.Outputs = []model.Field{{Name: "n", Type: model.Int64, Shape: []int64{1}}, tasktest.Floats("x", 1)}
	two.Answer = func(r *model.Request) ([]model.Tensor, error) {
		return []model.Tensor{model.Of("n", []int64{1}), r.Inputs[0]}, nil
	}
	return []*tasktest.Fake{
		echo("matrix", field("x", model.FP32, "", -1, 2)), table, named, two,
		echo("scalars", field("a", model.FP64, "", 1), tasktest.Optional(tasktest.Text("b", 1))),
		echo("columns", field("a", model.FP64, "", -1), field("b", model.Int64, "", -1, 1)),
		echo("texts", tasktest.Text("text", -1)),
	}
}

func handler(t testing.TB) http.Handler {
	return tasktest.Handler(mlflow.Routes(tasktest.Open(t, fakes()...), mlflow.Options{MaxBody: 1 << 16, Version: "1.2.3"}))
}

func ask(h http.Handler, method, path, kind, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func bad(message string) string { return `{"error_code":"BAD_REQUEST","message":"` + message + `"}` }

func TestInvocations(t *testing.T) {
	h := handler(t)
	for _, c := range []struct {
		name, model, kind, body string
		status                  int
		want                    string
	}{
		{"split", "matrix", "", `{"dataframe_split":{"index":[0,1],"columns":["a","b"],"data":[[1,2],[3,4]]}}`, 200, `{"predictions": "x=1;2;3;4"}`},
		{"split without columns", "matrix", "", `{"dataframe_split":{"data":[[1,2],[3,null]]}}`, 200, `{"predictions": "x=1;2;3;NaN"}`},
		{"split with numbers", "matrix", "", `{"dataframe_split":{"columns":[0,1],"data":[[1,2]]}}`, 200, `{"predictions": "x=1;2"}`},
		{"split by the names of columns", "named", "", `{"dataframe_split":{"columns":["a","b"],"data":[[1,2],[3,4]]}}`, 200, `{"predictions": "x=2;1;4;3"}`},
		{"a missing column", "named", "", `{"dataframe_split":{"columns":["a","c"],"data":[[1,2]]}}`, 400, bad(`x: there is no column \"b\"`)},
		{"a short row", "matrix", "", `{"dataframe_split":{"columns":["a","b"],"data":[[1,2],[3]]}}`, 400, bad(`row 2 has 1 cells, and there are 2 columns`)},
		{"records", "named", "", `{"dataframe_records":[{"a":1,"b":2},{"b":4,"a":3}]}`, 200, `{"predictions": "x=2;1;4;3"}`},
		{"records of a table", "table", "", `{"dataframe_records":[{"a":"x","b":2},{"b":4}]}`, 200, `{"predictions": "df={\"b\":[2,4],\"a\":[\"x\",null]}"}`},
		{"other keys", "table", "", `{"dataframe_records":[{"a":"x","b":2},{"c":4}]}`, 400, bad(`record 2 has keys that the first has not`)},
		{"params", "table", "", `{"dataframe_split":{"columns":["a"],"data":[["x"]]},"params":{"scale":2}}`, 200, `{"predictions": "df={\"a\":[\"x\"]} scale=2"}`},
		{"unknown params", "table", "", `{"dataframe_split":{"columns":["a"],"data":[["x"]]},"params":{"scale":2,"size":3}}`, 400, bad(`size: the model has no such input; it takes \"df\", \"scale\"`)},
		{"no objects", "table", "", `{"dataframe_records":[{"a":"x","b":2},null]}`, 400, bad(`dataframe_records: record 2 is no object`)},
		{"no list", "table", "", `{"dataframe_records":[[1]]}`, 400, bad(`dataframe_records: record 1 is no object`)},
		{"rows of scalars", "scalars", "", `{"dataframe_records":[{"a":1,"b":"x"},{"a":2,"b":null}]}`, 200, `{"predictions": ["a=1 b=x", "a=2"]}`},
		{"one row of scalars", "scalars", "", `{"dataframe_split":{"columns":["a"],"data":[[1]]}}`, 200, `{"predictions": ["a=1"]}`},
		{"a wrong cell", "scalars", "", `{"dataframe_records":[{"a":1},{"a":"x"}]}`, 400, bad(`a: \"x\" is no FP64: the model takes FP64 [1] (request 2)`)},
		{"columns that are inputs", "columns", "", `{"dataframe_records":[{"a":1,"b":2},{"a":3,"b":4}]}`, 200, `{"predictions": "a=1;3 b=2;4"}`},
		{"texts", "texts", "", `{"dataframe_split":{"columns":["text"],"data":[["a"],["b"]]}}`, 200, `{"predictions": "text=a;b"}`},
		{"instances", "matrix", "", `{"instances":[[1,2],[3,4]]}`, 200, `{"predictions": "x=1;2;3;4"}`},
		{"instances by name", "columns", "", `{"instances":[{"a":1,"b":2},{"a":3,"b":4}]}`, 200, `{"predictions": "a=1;3 b=2;4"}`},
		{"no instances", "matrix", "", `{"instances":3}`, 400, bad(`instances: it is no list`)},
		{"inputs", "matrix", "", `{"inputs":[[1,2],[3,4]]}`, 200, `{"predictions": "x=1;2;3;4"}`},
		{"inputs by name", "columns", "", `{"inputs":{"a":[1,3],"b":[2,4]}}`, 200, `{"predictions": "a=1;3 b=2;4"}`},
		{"two keys", "matrix", "", `{"inputs":[[1,2]],"instances":[[1,2]]}`, 400, bad(`the body must have one of dataframe_split, dataframe_records, instances, inputs`)},
		{"another key", "matrix", "", `{"data":[[1,2]]}`, 400, bad(`the body must have one of dataframe_split, dataframe_records, instances, inputs`)},
		{"no JSON", "matrix", "", `[`, 400, bad(`the body is no JSON object`)},
		{"CSV", "matrix", "text/csv", "a,b\n1,2\n", 200, `{"predictions": "x=1;2"}`},
		{"CSV, a row each", "scalars", "text/csv; charset=utf-8", "a,b\n1,x\n2,\n", 200, `{"predictions": ["a=1 b=x", "a=2"]}`},
		{"several outputs", "two", "", `{"dataframe_records":[{"x":1},{"x":2}]}`, 200, `{"predictions": [{"n":1,"x":1}, {"n":1,"x":2}]}`},
		{"another type", "matrix", "application/xml", `<a/>`, 415, bad(`content of type \"application/xml\" is not read here: send text/csv or application/json`)},
		{"refused", "matrix", "", `{"inputs":[[13,13]]}`, 400, bad(`ValueError: no`)},
		{"no model", "none", "", `{}`, 404, `{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"there is no model \"none\""}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.kind == "" {
				c.kind = "application/json"
			}
			if status, got := ask(h, "POST", "/m/"+c.model+"/invocations", c.kind, c.body); status != c.status || got != c.want {
				t.Errorf("%d %s\nwant %d %s", status, got, c.status, c.want)
			}
		})
	}
	for path, want := range map[string]int{"/ping": 200, "/health": 200, "/m/table/ping": 200, "/m/none/ping": 503} {
		if status, got := ask(h, "GET", path, "", ""); status != want || got != "" {
			t.Errorf("%s: %d %q", path, status, got)
		}
	}
	if status, got := ask(h, "GET", "/version", "", ""); status != 200 || got != "1.2.3" {
		t.Errorf("version: %d %q", status, got)
	}
}

// TestAmplified shows that a small document cannot ask for a large table.
func TestAmplified(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"dataframe_records":[{"a":0`)
	for i := range 4000 {
		b.WriteString(`,"` + strings.Repeat("x", i%3) + string(rune('a'+i%26)) + strings.Repeat("y", i/26%40) + `":0`)
	}
	b.WriteString("}" + strings.Repeat(",{}", 5000) + "]}")
	m := tasktest.Open(t, fakes()...)
	h := tasktest.Handler(mlflow.Routes(m, mlflow.Options{}))
	if status, got := ask(h, "POST", "/m/table/invocations", "application/json", b.String()); status != 413 {
		t.Errorf("%d %.200s", status, got)
	}
}

func TestDescribed(t *testing.T) {
	m := tasktest.Open(t, fakes()...)
	for _, r := range mlflow.Routes(m, mlflow.Options{}) {
		for _, st := range m.Index() {
			if op := r.Operation(st); op == nil || op.Responses["200"] == nil {
				t.Errorf("%s is not described for %s", r.Pattern, st.Name)
			}
		}
	}
}

func FuzzInvocations(f *testing.F) {
	h := handler(f)
	var names []string
	for _, m := range fakes() {
		names = append(names, m.Says.Name)
	}
	for i := range names {
		f.Add(uint8(i), false, []byte(`{"dataframe_split":{"columns":["a","b"],"data":[[1,2],[3,null]]},"params":{"scale":1}}`))
		f.Add(uint8(i), false, []byte(`{"dataframe_records":[{"a":1,"b":2},{"a":3}]}`))
		f.Add(uint8(i), false, []byte(`{"instances":[[1,2]]}`))
		f.Add(uint8(i), true, []byte("a,b\n1,2\n"))
	}
	f.Fuzz(func(t *testing.T, which uint8, csv bool, body []byte) {
		kind := "application/json"
		if csv {
			kind = "text/csv"
		}
		if status, got := ask(h, "POST", "/m/"+names[int(which)%len(names)]+"/invocations", kind, string(body)); status >= 500 {
			t.Errorf("%d %s", status, got)
		}
	})
}

// counted is a body that counts what is held for it.
type counted struct {
	io.Reader
	held int64
}

func (c *counted) Close() error { return nil }

func (c *counted) Hold(n int64) error {
	c.held += n
	return nil
}

// TestHeld: the cells of a table count for what all requests together may have, with
// the room that each takes.
func TestHeld(t *testing.T) {
	const rows = 1000
	text := `{"dataframe_split":{"columns":["a"],"data":[[1]` + strings.Repeat(`,[1]`, rows-1) + `]}}`
	b := &counted{Reader: strings.NewReader(text)}
	r := httptest.NewRequest("POST", "/invocations", b)
	r.Header.Set("Content-Type", "application/json")
	tasktest.Handler(mlflow.Routes(tasktest.Open(t, tasktest.Other("other")), mlflow.Options{})).ServeHTTP(httptest.NewRecorder(), r)
	if b.held < 20*(rows-1) {
		t.Errorf("%d bytes for %d cells", b.held, rows)
	}
}
