package predict_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/predict"
	"github.com/wherry-run/wherry/serve/repository"
)

// fake is a Predictor that answers with a function.
type fake struct {
	signature *model.Signature
	answer    func(r *model.Request) ([]model.Tensor, error)
	parts     int
}

func (f *fake) Signature() *model.Signature { return f.signature }

func (f *fake) Predict(_ context.Context, r *model.Request) (*model.Response, error) {
	if err := f.signature.Check(r); err != nil {
		return nil, err
	}
	out, err := f.answer(r)
	if err != nil {
		return nil, err
	}
	if len(r.Outputs) > 0 {
		var kept []model.Tensor
		for _, name := range r.Outputs {
			for _, t := range out {
				if t.Name == name {
					kept = append(kept, t)
				}
			}
		}
		out = kept
	}
	return &model.Response{Outputs: out, Usage: model.Usage{Fuel: 7, Memory: 9}}, nil
}

func (f *fake) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	response, err := f.Predict(ctx, r)
	for range max(f.parts, 1) {
		if err == nil {
			err = emit(response)
		}
	}
	return model.Usage{Fuel: 7}, err
}

func (f *fake) Close(context.Context) error { return nil }

// server is the protocol over some models.
func server(t testing.TB, list ...*fake) http.Handler {
	var c repository.Config
	for _, f := range list {
		c.Sources = append(c.Sources, repository.Source{Name: f.signature.Name, Open: func(context.Context) (*repository.Loaded, error) {
			return &repository.Loaded{Predictor: f, Digest: "sha256:ab", Instances: 2}, nil
		}})
	}
	r, err := repository.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.WithoutCancel(t.Context())) })
	mux := http.NewServeMux()
	for _, route := range predict.Routes(r, predict.Options{MaxBody: 1 << 20}) {
		mux.Handle(route.Pattern, route.Handler)
		method, path, _ := strings.Cut(route.Pattern, " ")
		mux.Handle(method+" /m/{model}"+path, route.Handler)
		for _, f := range list {
			if op := route.Operation(repository.Status{Signature: f.signature}); op == nil || op.Responses["200"] == nil {
				t.Errorf("%s is not described", route.Pattern)
			}
		}
	}
	return mux
}

func field(name string, kind model.DataType, of string, shape ...int64) model.Field {
	f := model.Field{Name: name, Type: kind, Shape: shape}
	if of != "" {
		f.Parameters = &model.FieldParameters{Kind: of}
	}
	return f
}

func said(t model.Tensor) string {
	list, err := t.Strings()
	if err != nil {
		return err.Error()
	}
	return t.Name + fmt.Sprint(t.Shape) + "=" + strings.Join(list, ",")
}

// echo answers with what it was asked, as a text.
func echo(name string, inputs ...model.Field) *fake {
	return &fake{
		signature: &model.Signature{Name: name, Inputs: inputs, Outputs: []model.Field{field("said", model.Bytes, model.KindText, 1)}},
		answer: func(r *model.Request) ([]model.Tensor, error) {
			var parts []string
			for _, t := range r.Inputs {
				parts = append(parts, said(t))
			}
			return []model.Tensor{model.Of("said", []string{strings.Join(parts, " ")})}, nil
		},
	}
}

func models() []*fake {
	flower := echo("flower", field("length", model.FP64, "", 1), field("width", model.FP64, "", 1), field("note", model.Bytes, model.KindText, 1))
	flower.signature.Inputs[2].Parameters.Optional = true
	people := echo("people", field("people", model.Bytes, model.KindTable, 1))
	people.signature.Inputs[0].Parameters.Columns = []model.Column{{Name: "age", Type: model.Int64}, {Name: "name", Type: model.Bytes}}
	picture := echo("picture", field("image", model.Bytes, model.KindImage, 1))
	picture.signature.Outputs = []model.Field{field("out", model.Bytes, model.KindImage, 1)}
	picture.answer = func(r *model.Request) ([]model.Tensor, error) {
		return []model.Tensor{{Name: "out", Type: model.Bytes, Shape: []int64{1}, Data: r.Inputs[0].Data}}, nil
	}
	failing := echo("failing", field("x", model.FP64, "", 1))
	failing.answer = func(*model.Request) ([]model.Tensor, error) {
		return nil, &model.ModelError{Type: "ValueError", Message: "no"}
	}
	two := echo("two", field("x", model.FP32, "", -1, 2))
	two.signature.Outputs = []model.Field{field("label", model.Int64, "", -1), field("p", model.FP32, "", -1, 2)}
	two.answer = func(r *model.Request) ([]model.Tensor, error) {
		n := r.Inputs[0].Shape[0]
		return []model.Tensor{model.Of("label", make([]int64, n)), {Name: "p", Type: model.FP32, Shape: []int64{n, 2}, Data: r.Inputs[0].Data}}, nil
	}
	stream := echo("stream", field("x", model.Int64, "", 1))
	stream.parts = 3
	return []*fake{flower, echo("list", field("x", model.FP32, "", -1, 2)), people, picture, failing, two, stream,
		echo("words", field("words", model.Bytes, model.KindText, -1)), echo("doc", field("doc", model.Bytes, model.KindJSON, 1)), echo("blob", field("f", model.Bytes, model.KindFile, 1))}
}

type call struct {
	name, path, kind, accept, body string
	status                         int
	want                           string
}

func TestPredict(t *testing.T) {
	h := server(t, models()...)
	const js = "application/json"
	for _, c := range []call{
		{"by name", "/predict", js, "", `{"length": 1.5, "width": 2}`, 200, `{"said":"length[1]=1.5 width[1]=2"}`},
		{"a list of one", "/predict", js, "", `{"length": [1.5], "width": 2, "note": null}`, 200, `{"said":"length[1]=1.5 width[1]=2"}`},
		{"as curl -d sends it", "/predict", "application/x-www-form-urlencoded", "", `{"length": 1.5, "width": 2}`, 200, `{"said":"length[1]=1.5 width[1]=2"}`},
		{"without a type", "/predict", "", "", `{"length": 1.5, "width": 2}`, 200, `{"said":"length[1]=1.5 width[1]=2"}`},
		{"a form of too many fields", "/predict", "application/x-www-form-urlencoded", "", strings.Repeat("a&", 5000), 400, `{"error":"the form has more than 4096 parts","reason":"bad_input"}`},
		{"CSV of too many rows", "/predict", "text/csv", "", "length,width\n" + strings.Repeat("1,2\n", 10_001), 413, `{"error":"the rows are 10001 requests, more than 10000: send them in parts","reason":"bad_input"}`},
		{"too many requests", "/predict", js, "", "[" + strings.Repeat(`{"length":1,"width":2},`, 10_000) + "{}]", 400, `{"error":"it is a list of more than 10000 requests","reason":"bad_input"}`},
		{"a form", "/predict", "application/x-www-form-urlencoded", "", `length=1.5&width=2&note=`, 200, `{"said":"length[1]=1.5 width[1]=2"}`},
		{"several", "/predict", js, "", `[{"length": 1, "width": 2}, {"length": 3, "width": 4}]`, 200, "[{\"said\":\"length[1]=1 width[1]=2\"},\n{\"said\":\"length[1]=3 width[1]=4\"}]"},
		{"CSV, a row each", "/predict", "text/csv", "", "length,width\n1,2\n3,4\n", 200, "[{\"said\":\"length[1]=1 width[1]=2\"},\n{\"said\":\"length[1]=3 width[1]=4\"}]"},
		{"missing", "/predict", js, "", `{"length": 1}`, 400, `{"error":"width: the model needs it: FP64 [1]","reason":"bad_input"}`},
		{"unknown", "/predict", js, "", `{"length": 1, "height": 2}`, 400, `{"error":"height: the model has no such input; it takes \"length\", \"width\", \"note\"","reason":"bad_input"}`},
		{"no JSON", "/predict", js, "", `{"length": `, 400, `{"error":"it is no JSON","reason":"bad_input"}`},
		{"no object", "/predict", js, "", `3`, 400, `{"error":"it must be an object by the names of the inputs: \"length\", \"width\", \"note\"","reason":"bad_input"}`},
		{"other type", "/predict", "application/pdf", "", `%PDF`, 415, `{"error":"content of type \"application/pdf\" is not read here: send application/json, multipart/form-data, text/csv or application/x-npy","reason":"bad_input"}`},
		{"no model", "/m/none/predict", js, "", `{}`, 404, `{"error":"there is no model \"none\"","reason":"not_found"}`},
		{"too big", "/predict", js, "", `"` + strings.Repeat("x", 1<<20) + `"`, 413, `{"error":"the request has more than 1048576 bytes","reason":"bad_input"}`},
		{"no output", "/predict?output=x", js, "", `{"length": 1.5, "width": 2}`, 400, `{"error":"x: the model has no such output; it gives \"said\"","reason":"bad_input"}`},

		{"only input", "/m/list/predict", js, "", `[[1,2],[3,4]]`, 200, `{"said":"x[2 2]=1,2,3,4"}`},
		{"a flat list", "/m/list/predict", js, "", `{"x":[1,2]}`, 200, `{"said":"x[1 2]=1,2"}`},
		{"CSV of rows", "/m/list/predict", "text/csv", "", "1,2\n3,4\n", 200, `{"said":"x[2 2]=1,2,3,4"}`},
		{"objects of the only input", "/m/list/predict", js, "", `[{"x":[1,2]},{"x":[3,4]}]`, 200, "[{\"said\":\"x[1 2]=1,2\"},\n{\"said\":\"x[1 2]=3,4\"}]"},

		{"a table", "/m/people/predict", js, "", `[{"age":1,"name":"a"}]`, 200, `{"said":"people[1]=[{\"age\":1,\"name\":\"a\"}]"}`},
		{"a row", "/m/people/predict", js, "", `{"age":1,"name":"a"}`, 200, `{"said":"people[1]=[{\"age\":1,\"name\":\"a\"}]"}`},
		{"columns", "/m/people/predict", js, "", `{"age":[1],"name":["a"]}`, 200, `{"said":"people[1]={\"age\":[1],\"name\":[\"a\"]}"}`},
		{"a table by name", "/m/people/predict", js, "", `{"people":[{"age":1,"name":"a"}]}`, 200, `{"said":"people[1]=[{\"age\":1,\"name\":\"a\"}]"}`},
		{"a table of CSV", "/m/people/predict", "text/csv", "", "age,name\n1,a\n", 200, `{"said":"people[1]=age,name\n1,a\n"}`},
		{"a row as a form", "/m/people/predict", "application/x-www-form-urlencoded", "", `age=1&name=2`, 200, `{"said":"people[1]=[{\"age\":1,\"name\":\"2\"}]"}`},
		{"a row with a wrong column", "/m/people/predict", "application/x-www-form-urlencoded", "", `age=1&size=2`, 400, `{"error":"size: the model has no such input; it takes \"people\"","reason":"bad_input"}`},

		{"words", "/m/words/predict", js, "", `["a","b"]`, 200, `{"said":"words[2]=a,b"}`},
		{"a word", "/m/words/predict", "text/plain", "", `a, b`, 200, `{"said":"words[1]=a, b"}`},
		{"words of a form", "/m/words/predict", "application/x-www-form-urlencoded", "", `words=a&words=b`, 200, `{"said":"words[2]=a,b"}`},
		{"any document", "/m/doc/predict", js, "", `[{"a":1},{"a":2}]`, 200, `{"said":"doc[1]=[{\"a\":1},{\"a\":2}]"}`},
		{"a file", "/m/blob/predict", "application/pdf", "", "%PDF", 200, `{"said":"f[1]=%PDF"}`},

		{"refused", "/m/failing/predict", js, "", `1`, 422, `{"error":"ValueError: no","reason":"model"}`},

		{"CSV wanted", "/m/two/predict", js, "text/csv", `[[1,2],[3,4]]`, 200, "label,p[0],p[1]\n0,1,2\n0,3,4"},
		{"one output", "/m/two/predict?output=label", js, "", `[[1,2],[3,4]]`, 200, `{"label":[0,0]}`},
		{"an array of several", "/m/two/predict", js, "application/x-npy", `[[1,2]]`, 400, `{"error":"one array cannot be 2 outputs: ask for one of them, ?output=NAME, or accept application/x-npz","reason":"bad_input"}`},

		{"events", "/m/stream/predict", js, "text/event-stream", `{"x":1}`, 200, strings.Repeat("data: {\"said\":\"x[1]=1\"}\n\n", 3) +
			"event: end\ndata: {\"compute_seconds\":?,\"digest\":\"sha256:ab\",\"fuel\":7,\"model\":\"stream\",\"queue_seconds\":0,\"version\":\"1\"}"},
		{"events of an error", "/m/stream/predict", js, "text/event-stream", `{"x":"a"}`, 400, `{"error":"x: \"a\" is no INT64: the model takes INT64 [1]","reason":"bad_input"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(h, c.path, c.kind, c.accept, []byte(c.body))
			got := strings.TrimSpace(w.Body.String())
			if i := strings.Index(got, `"compute_seconds":`); i >= 0 {
				i += len(`"compute_seconds":`)
				got = got[:i] + "?" + got[i+strings.IndexByte(got[i:], ','):]
			}
			if w.Code != c.status || got != c.want {
				t.Errorf("%d %s\nwant %d %s", w.Code, got, c.status, c.want)
			}
			if c.status == 200 && c.accept == "" && (!strings.Contains(w.Header().Get("Wherry-Receipt"), "fuel=") || w.Header().Get("Content-Type") != "application/json") {
				t.Errorf("headers: %v", w.Header())
			}
		})
	}
}

func ask(h http.Handler, path, kind, accept string, body []byte) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, bytes.NewReader(body))
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func picture(t testing.TB) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImages(t *testing.T) {
	h, img := server(t, models()...), picture(t)
	for _, c := range []struct{ kind, accept, got string }{
		{"image/png", "image/*", "image/png"},
		{"image/png", "image/png,*/*;q=0.5", "image/png"},
		{"application/octet-stream", "application/octet-stream", "image/png"},
		{"image/png", "", "application/json"},
	} {
		w := ask(h, "/m/picture/predict", c.kind, c.accept, img)
		if w.Code != 200 || w.Header().Get("Content-Type") != c.got {
			t.Errorf("%v: %d %v", c, w.Code, w.Header())
		}
		if c.got == "image/png" && !bytes.Equal(w.Body.Bytes(), img) {
			t.Errorf("%v: other bytes", c)
		}
	}
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	p, _ := m.CreateFormFile("image", "a.png")
	p.Write(img)
	m.Close()
	if w := ask(h, "/m/picture/predict", m.FormDataContentType(), "image/*", form.Bytes()); !bytes.Equal(w.Body.Bytes(), img) {
		t.Errorf("form: %d %s", w.Code, w.Body)
	}
	// What a browser would run is not handed out as it is.
	w := ask(h, "/m/picture/predict", "image/png", "image/*", []byte("<html><script>alert(1)</script>"))
	if got := w.Header().Get("Content-Type"); got != "application/octet-stream" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("HTML as %s", got)
	}
}

func TestForms(t *testing.T) {
	h := server(t, models()...)
	array, _ := model.Of("", []float32{1, 2, 3, 4}, 2, 2).NPY()
	for _, c := range []struct {
		path, field, file string
		content           []byte
		want              string
	}{
		{"/m/list/predict", "x", "x.npy", array, "x[2 2]=1,2,3,4"},
		{"/m/list/predict", "x", "x.csv", []byte("1,2\n3,4\n"), "x[2 2]=1,2,3,4"},
		{"/m/list/predict", "x", "x.json", []byte("[[1,2]]"), "x[1 2]=1,2"},
		{"/m/list/predict", "x", "", []byte("[[1,2]]"), "x[1 2]=1,2"},
		{"/m/list/predict", "x", "", []byte("1,2"), "x[1 2]=1,2"},
		{"/m/people/predict", "people", "p.csv", []byte("age,name\n1,a\n"), "people[1]=age,name\n1,a\n"},
		{"/m/people/predict", "people", "", []byte(`[{"age":1}]`), `people[1]=[{"age":1}]`},
		{"/m/words/predict", "words", "w.txt", []byte("a\nb"), "words[1]=a\nb"},
		{"/m/blob/predict", "f", "", []byte("abc"), "f[1]=abc"},
	} {
		var form bytes.Buffer
		m := multipart.NewWriter(&form)
		var p io.Writer
		if c.file == "" {
			p, _ = m.CreateFormField(c.field)
		} else {
			p, _ = m.CreateFormFile(c.field, c.file)
		}
		p.Write(c.content)
		m.Close()
		w := ask(h, c.path, m.FormDataContentType(), "", form.Bytes())
		var got struct{ Said, Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Said != c.want {
			t.Errorf("%s %s: %d %s", c.path, c.file, w.Code, w.Body)
		}
	}
	if w := ask(h, "/m/list/predict", "application/x-npy", "application/x-npz", array); w.Code != 200 {
		t.Errorf("npy: %d %s", w.Code, w.Body)
	} else if list, err := model.ParseNPZ(w.Body.Bytes()); err != nil || len(list) != 1 {
		t.Errorf("npz: %v %v", list, err)
	}
}

// TestArchiveBound: an archive of a few bytes may become no more than a body may have.
func TestArchiveBound(t *testing.T) {
	list := models()
	h := server(t, list...)
	for count, want := range map[int]int{100_000: http.StatusBadRequest, 200_000: http.StatusRequestEntityTooLarge} { // or it is none of the model's
		array, err := model.Of("", make([]float32, count)).NPY()
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		z := zip.NewWriter(&packed)
		for _, name := range []string{"none.npy", "nothing.npy"} {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(array); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if w := ask(h, "/m/"+list[0].signature.Name+"/predict", "application/x-npz", "", packed.Bytes()); w.Code != want {
			t.Errorf("%d bytes of an archive of twice %d: %d %s, want %d", packed.Len(), len(array), w.Code, w.Body, want)
		}
	}
}

// FuzzBody shows that no body does harm, whatever its type, and that only errors of
// the client are given for it.
func FuzzBody(f *testing.F) {
	list := models()
	h := server(f, list...)
	for i, kind := range []string{"application/json", "text/csv", "multipart/form-data; boundary=b", "application/x-npy", "application/x-npz", "application/x-www-form-urlencoded", "text/plain", "image/png"} {
		f.Add(uint8(i), kind, "", []byte(`{"length":1,"width":2}`))
		f.Add(uint8(i), kind, "text/csv", []byte("--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x.csv\"\r\n\r\n1,2\r\n--b--\r\n"))
		f.Add(uint8(i), kind, "application/x-npy", []byte("length,width\n1,2\n"))
	}
	f.Fuzz(func(t *testing.T, which uint8, kind, accept string, body []byte) {
		if strings.ContainsAny(kind+accept, "\r\n") {
			return
		}
		w := ask(h, "/m/"+list[int(which)%len(list)].signature.Name+"/predict", kind, accept, body)
		switch w.Code {
		case 200, 400, 413, 415, 422:
		default:
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// BenchmarkPredict is a request of four numbers in JSON, without the network.
func BenchmarkPredict(b *testing.B) {
	f := echo("flower", field("a", model.FP64, "", 1), field("b", model.FP64, "", 1), field("c", model.FP64, "", 1), field("d", model.FP64, "", 1))
	out := []model.Tensor{model.Of("said", []string{"setosa"})}
	f.answer = func(*model.Request) ([]model.Tensor, error) { return out, nil }
	h := server(b, f)
	body := []byte(`{"a": 5.1, "b": 3.5, "c": 1.4, "d": 0.2}`)
	b.ReportAllocs()
	for b.Loop() {
		if w := ask(h, "/predict", "application/json", "*/*", body); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
