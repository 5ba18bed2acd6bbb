package python

import (
	"errors"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

const signature = `{"name":"predict","platform":"python","inputs":[
 {"name":"x","datatype":"FP64","shape":[1],"parameters":{"minimum":0,"maximum":10}},
 {"name":"v","datatype":"FP32","shape":[-1,2],"parameters":{"optional":true}},
 {"name":"any","datatype":"BYTES","shape":[1],"parameters":{"kind":"json","optional":true}},
 {"name":"t","datatype":"BYTES","shape":[1],"parameters":{"kind":"table","optional":true,"columns":[{"name":"a","datatype":"FP64"},{"name":"b","datatype":"BYTES"}]}},
 {"name":"free","datatype":"FP64","shape":null,"parameters":{"optional":true}}],
 "outputs":[{"name":"one","datatype":"FP64","shape":[1]},{"name":"two","datatype":"FP64","shape":[1]}]}`

func parsed(t testing.TB) *model.Signature {
	t.Helper()
	s, err := ParseSignature([]byte(signature))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFit checks what requests a model takes, and what it gets of them.
func TestFit(t *testing.T) {
	x := model.Of("x", []float64{1.5})
	named := func(name string, m model.Tensor) model.Tensor { m.Name = name; return m }
	for name, tt := range map[string]struct {
		inputs []model.Tensor
		want   string // the inputs as they go on, or the words of the error
		wrong  string // the tensor that the error names
	}{
		"as it is":                   {[]model.Tensor{x}, "x FP64 [1]", ""},
		"a scalar":                   {[]model.Tensor{model.Scalar("x", 1.5)}, "x FP64 [1]", ""},
		"one row of one":             {[]model.Tensor{model.Of("x", []float64{1.5}, 1, 1)}, "x FP64 [1]", ""},
		"a smaller type":             {[]model.Tensor{model.Of("x", []float32{1.5})}, "x FP64 [1]", ""},
		"an integer":                 {[]model.Tensor{model.Of("x", []int{2})}, "x FP64 [1]", ""},
		"a row":                      {[]model.Tensor{x, model.Of("v", []float32{1, 2})}, "x FP64 [1], v FP32 [1 2]", ""},
		"any shape":                  {[]model.Tensor{x, model.Of("free", []float64{1, 2, 3, 4}, 2, 1, 2)}, "x FP64 [1], free FP64 [2 1 2]", ""},
		"JSON of numbers":            {[]model.Tensor{x, model.Of("any", []int64{1, 2})}, `x FP64 [1], any BYTES [1] "[1,2]"`, ""},
		"columns":                    {[]model.Tensor{x, model.Of("a", []float64{1, 2}), model.Of("b", []string{"p", "q"}, 2, 1)}, "x FP64 [1], t/a FP64 [2], t/b BYTES [2 1]", ""},
		"no input":                   {nil, "needs it", "x"},
		"another":                    {[]model.Tensor{x, model.Of("nothing", []float64{1})}, "no such input", "nothing"},
		"twice":                      {[]model.Tensor{x, x}, "twice", "x"},
		"too large":                  {[]model.Tensor{model.Of("x", []float64{11})}, "from 0 to 10", "x"},
		"too large, of another type": {[]model.Tensor{model.Of("x", []int32{11})}, "from 0 to 10", "x"},
		"two for one":                {[]model.Tensor{model.Of("x", []float64{1, 2})}, "shape [2]", "x"},
		"a text":                     {[]model.Tensor{model.Of("x", []string{"1"})}, "BYTES", "x"},
		"no JSON":                    {[]model.Tensor{x, model.Of("any", []string{"{"})}, "JSON", "any"},
		"columns of two lengths":     {[]model.Tensor{x, model.Of("a", []float64{1}), model.Of("b", []string{"p", "q"})}, "no such input", "a"},
		"a column that there is not": {[]model.Tensor{x, model.Of("a", []float64{1}), model.Of("c", []float64{1})}, "no such input", "a"},
		"a table and its columns":    {[]model.Tensor{x, model.Of("t", []string{"[]"}), model.Of("a", []float64{1})}, "no such input", "a"},
		"a column that is cut":       {[]model.Tensor{x, {Name: "a", Type: model.FP64, Shape: []int64{1}, Data: []byte{1}}}, "1 bytes", "a"},
		"cut":                        {[]model.Tensor{named("x", model.Tensor{Type: model.FP64, Shape: []int64{1}, Data: []byte{1}})}, "1 bytes", "x"},
		"of no type":                 {[]model.Tensor{{Name: "x", Type: "FP99", Shape: []int64{1}}}, "no type", "x"},
	} {
		got, err := fit(parsed(t), &model.Request{Inputs: tt.inputs})
		if tt.wrong != "" {
			var wrong *model.InputError
			if !errors.As(err, &wrong) || wrong.Tensor != tt.wrong || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %s: ...%s...", name, err, tt.wrong, tt.want)
			}
			continue
		}
		if said := told(got); err != nil || said != tt.want {
			t.Errorf("%s: %s, %v, want %s", name, said, err, tt.want)
		}
	}
	if err := Check(parsed(t))(&model.Request{Inputs: []model.Tensor{x}, Outputs: []string{"three"}}); err == nil {
		t.Error("an output that there is not was asked for")
	}
	if err := Check(parsed(t))(nil); err == nil {
		t.Error("no request was one")
	}
}

func told(inputs []input) string {
	var words []string
	for _, in := range inputs {
		f := model.Field{Name: in.name, Type: in.tensor.Type, Shape: in.tensor.Shape}
		if in.column != "" {
			f.Name += "/" + in.column
		}
		word := f.String()
		if in.name == "any" {
			word += ` "` + string(in.tensor.Data[4:]) + `"`
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}
