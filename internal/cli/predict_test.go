package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
)

func params(p model.FieldParameters) *model.FieldParameters { return &p }

var predicted = &model.Signature{
	Name: "m",
	Inputs: []model.Field{
		{Name: "x", Type: model.FP32, Shape: []int64{-1, 2}},
		{Name: "text", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindText})},
		{Name: "picture", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindImage, Optional: true})},
	},
	Outputs: []model.Field{
		{Name: "label", Type: model.Int64, Shape: []int64{-1}, Parameters: params(model.FieldParameters{Labels: []string{"no", "yes"}})},
		{Name: "p", Type: model.FP32, Shape: []int64{-1, 2}, Parameters: params(model.FieldParameters{Labels: []string{"no", "yes"}})},
		{Name: "doc", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindJSON})},
	},
}

// shown is a request in short: NAME=VALUE of each input.
func shown(t *testing.T, list []*model.Request) string {
	t.Helper()
	var all []string
	for _, r := range list {
		var words []string
		for i := range r.Inputs {
			v, err := r.Inputs[i].AppendValue(nil, predicted.Input(r.Inputs[i].Name))
			if err != nil {
				t.Fatal(err)
			}
			words = append(words, r.Inputs[i].Name+"="+string(v))
		}
		all = append(all, strings.Join(words, " "))
	}
	return strings.Join(all, "; ")
}

func TestInputs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	array := model.Of("x", []float64{1, 2})
	npy, err := array.NPY()
	if err != nil {
		t.Fatal(err)
	}
	var npz bytes.Buffer
	if err := model.NPZ(&npz, []model.Tensor{array, model.Of("text", []string{"a"})}); err != nil {
		t.Fatal(err)
	}
	csv, text := file("x.csv", "a,b\n1,2\n3,4\n"), file("t.txt", "one\ntwo\n")
	arrays, image := file("x.npz", npz.String()), file("p.png", "\x89PNG")
	v2 := file("v2.json", `{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,2]}]}`)
	rows := file("rows.json", `[{"x":[1,2],"text":"a"},{"text":"b","x":[[3,4]]}]`)
	for _, c := range []struct {
		name  string
		words string // separated by spaces
		json  string
		stdin string
		want  string
		fail  string
	}{
		{"names", "text=a x=1,2", "", "", `text="a" x=[[1,2]]`, ""},
		{"order", "1,2 hello", "", "", `x=[[1,2]] text="hello"`, ""},
		{"order around names", "text=a 1,2", "", "", `text="a" x=[[1,2]]`, ""},
		{"text with a sign", "1,2 a=b", "", "", `x=[[1,2]] text="a=b"`, ""},
		{"text with @", "text=@@home", "", "", `text="@home"`, ""},
		{"csv", "x=@" + csv, "", "", `x=[[1,2],[3,4]]`, ""},
		{"npy", "x=@-", "", string(npy), `x=[[1,2]]`, ""},
		{"npz", "x=@" + arrays, "", "", `x=[[1,2]]`, ""},
		{"all of npz", "@" + arrays, "", "", `x=[[1,2]] text="a"`, ""},
		{"file of text", "text=@" + text, "", "", `text="one\ntwo"`, ""},
		{"image", "picture=@" + image, "", "", `picture={"base64":"iVBORw=="}`, ""},
		{"json on stdin", "x=@-", "", "[[5,6]]", `x=[[5,6]]`, ""},
		{"numbers on stdin", "x=@-", "", "5,6\n", `x=[[5,6]]`, ""},
		{"object", "", "-", `{"text":"a","x":[1,2]}`, `text="a" x=[[1,2]]`, ""},
		{"list", "", rows, "", `x=[[1,2]] text="a"; text="b" x=[[3,4]]`, ""},
		{"list as file", "@" + rows, "", "", `x=[[1,2]] text="a"; text="b" x=[[3,4]]`, ""},
		{"protocol", "", v2, "", `x=[[1,2]]`, ""},
		{"slip", "txt=a", "", "", "", "txt: the model has no such input; did you mean text?"},
		{"too many", "1,2 a b c", "", "", "", `"c" is one value too many: the model takes 3`},
		{"word", "x=a,b", "", "", "", `x: "a" is no FP32`},
		{"json and words", "x=1", rows, "", "", "--json has all inputs"},
		{"stdin twice", "x=@- text=@-", "", "1,2", "", "read once"},
		{"missing file", "x=@" + filepath.Join(dir, "none"), "", "", "", "none"},
		{"unknown key", "", "-", `{"tex":1}`, "", "tex: the model has no such input; did you mean text?"},
		{"no json", "", "-", `{"x":`, "", "no JSON"},
		{"second of a list", "", "-", `[{"x":[1,2]},{"x":["a"]}]`, "", `request 2: x: "a" is no FP32`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := inputReader{signature: predicted, stdin: strings.NewReader(c.stdin)}
			got, err := in.requests(strings.Fields(c.words), c.json)
			switch {
			case c.fail != "":
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("got %v, want %s", err, c.fail)
				}
			case err != nil:
				t.Error(err)
			default:
				if s := shown(t, got); s != c.want {
					t.Errorf("got %s, want %s", s, c.want)
				}
			}
		})
	}
}

func TestTableInputs(t *testing.T) {
	table := model.Field{Name: "rows", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{
		Kind: model.KindTable, Columns: []model.Column{{Name: "age", Type: model.FP64}, {Name: "city", Type: model.Bytes}, {Name: "member", Type: model.Bool}},
	})}
	threshold := model.Field{Name: "threshold", Type: model.FP32, Shape: []int64{1}}
	open := table
	open.Parameters = params(model.FieldParameters{Kind: model.KindTable})
	for _, c := range []struct {
		name        string
		inputs      []model.Field
		words, json string
		want, fail  string
	}{
		{"columns", []model.Field{table}, "age=33 city=7 member=yes", "", `[{"age":33,"city":"7","member":true}]`, ""},
		{"no value", []model.Field{table}, "age= city=", "", `[{"age":null,"city":""}]`, ""},
		{"beside an input", []model.Field{threshold, table}, "age=1 0.5", "", `[{"age":1}]`, ""},
		{"any columns", []model.Field{open}, "a=1 b=x c=01", "", `[{"a":1,"b":"x","c":"01"}]`, ""},
		{"record", []model.Field{table}, "", `{"age":33,"city":"Bern"}`, `[{"age":33,"city":"Bern"}]`, ""},
		{"whole", []model.Field{table}, "", `{"rows":[{"age":1},{"age":2}]}`, `[{"age":1},{"age":2}]`, ""},
		{"slip", []model.Field{table}, "agee=33", "", "", "did you mean age?"},
		{"word", []model.Field{table}, "age=old", "", "", `rows: the column age: "old" is no FP64`},
		{"twice", []model.Field{table}, "age=1 age=2", "", "", "the column age is there twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := inputReader{signature: &model.Signature{Inputs: c.inputs}, stdin: strings.NewReader(c.json)}
			source := ""
			if c.json != "" {
				source = "-"
			}
			got, err := in.requests(strings.Fields(c.words), source)
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("got %v, want %s", err, c.fail)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			all := got[0].Inputs
			rows := all[len(all)-1]
			if text, err := model.Values[string](rows); err != nil || rows.Name != "rows" || text[0] != c.want {
				t.Errorf("got %s, %v; want %s", text, err, c.want)
			}
		})
	}
}

func FuzzInputs(f *testing.F) {
	f.Add("x=1,2", "", []byte(""))
	f.Add("@-", "", []byte("x,text\n1,2\n"))
	f.Add("", "-", []byte(`[{"x":[1,2]}]`))
	f.Add("x=@-", "", []byte("\x93NUMPY\x01\x00"))
	f.Fuzz(func(t *testing.T, word, source string, stdin []byte) {
		if (strings.Contains(word, "@") && !strings.HasSuffix(word, "@-")) || source != "" && source != "-" {
			return // no files of this machine
		}
		in := inputReader{signature: predicted, stdin: bytes.NewReader(stdin)}
		var words []string
		if word != "" {
			words = []string{word}
		}
		list, err := in.requests(words, source)
		if err != nil {
			return
		}
		for _, r := range list {
			var wrong *model.InputError
			if err := predicted.Check(r); err != nil && !errors.As(err, &wrong) {
				t.Fatal(err)
			}
		}
	})
}

// TestManyKeys shows a document whose every row has keys of its own: as a table it
// would be their square.
func TestManyKeys(t *testing.T) {
	var doc strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&doc, `,{"k%d":1}`, i)
	}
	text := "[" + doc.String()[1:] + "]"
	answer := model.Of("doc", []string{text})
	frames, err := model.Frames(predicted, []*model.Response{{Outputs: []model.Tensor{answer}}})
	if err != nil || len(frames) != 1 || len(frames[0].Rows) != 1 || len(frames[0].Head) != 1 || frames[0].Rows[0][0] != text {
		t.Errorf("%d frames, %v", len(frames), err)
	}
}

func TestAnswers(t *testing.T) {
	one := &model.Response{Outputs: []model.Tensor{model.Of("label", []int64{0, 1}), model.Of("p", []float32{0.75, 0.25, 0.125, 0.875}, 2, 2)}}
	doc := func(v string) *model.Response {
		return &model.Response{Outputs: []model.Tensor{model.Of("doc", []string{v})}}
	}
	big := &model.Response{Outputs: []model.Tensor{model.Of("q", []float32{1, 2, 3, 4}, 1, 2, 2)}}
	empty := &model.Response{Outputs: []model.Tensor{model.Of("q", []float32{}, 1<<40, 0)}}
	for _, c := range []struct {
		name    string
		answers []*model.Response
		format  string
		want    string
	}{
		{"json", []*model.Response{one}, "json", `{"label": [0,1], "p": [[0.75,0.25],[0.125,0.875]]}` + "\n"},
		{"v2", []*model.Response{doc("1")}, "v2", `{"model_name":"m","outputs":[{"name":"doc","shape":[1],"datatype":"BYTES","data":["1"]}]}` + "\n"},
		{"table", []*model.Response{one}, "table", "LABEL   P.NO    P.YES\nno      0.75    0.25\nyes     0.125   0.875\n"},
		{"csv", []*model.Response{one, one}, "csv", "label,p.no,p.yes\nno,0.75,0.25\nyes,0.125,0.875\nno,0.75,0.25\nyes,0.125,0.875\n"},
		{"document", []*model.Response{doc(`{"a":"x, y","b":0.1234567891}`), doc(`{"a":"z","b":2}`)}, "table", "A      B\nx, y   0.123457\nz      2\n"},
		{"document in csv", []*model.Response{doc(`{"a":"x, y","b":0.1234567891}`)}, "csv", "a,b\n\"x, y\",0.1234567891\n"},
		{"list of documents", []*model.Response{doc(`[{"a":1},{"b":2}]`)}, "csv", "a,b\n1,\n,2\n"},
		{"document of another kind", []*model.Response{doc(`"x"`)}, "json", `{"doc": "x"}` + "\n"},
		{"many dimensions", []*model.Response{big}, "csv", "q\n\"[[[1,2],[3,4]]]\"\n"},
		{"nothing", []*model.Response{empty}, "csv", "q\n"},
		{"terminal's commands", []*model.Response{{Outputs: []model.Tensor{model.Of("s", []string{"\x1b[2J\n"})}}}, "table", "S\n\uFFFD[2J \n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{Streams: ux.Streams{Out: &out}}
			requests := make([]*model.Request, len(c.answers))
			for i := range requests {
				requests[i] = &model.Request{}
			}
			if err := a.printAnswers(predicted, requests, c.answers, c.format); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}
