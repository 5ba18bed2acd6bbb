package python

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// TestAnswers checks which answers of a guest are taken: it may say anything.
func TestAnswers(t *testing.T) {
	const eight = "\x00\x00\x00\x00\x00\x00\xf8\x3f"
	one := func(more string) string {
		return `{"outputs":[{"name":"one","datatype":"FP64","shape":[1],"size":8` + more + `}]}`
	}
	for name, tt := range map[string]struct{ text, data, want string }{
		"one":                 {one(""), eight, "one [1] 8"},
		"none":                {`{"outputs":[]}`, "", ""},
		"two":                 {`{"outputs":[{"name":"a","datatype":"BYTES","shape":[1],"size":5},{"name":"b","datatype":"BOOL","shape":null,"size":1}]}`, "\x01\x00\x00\x00x\x01", "a [1] 5, b [] 1"},
		"no JSON":             {`{`, "", "error"},
		"another JSON":        {`[1]`, "", "error"},
		"numbers for names":   {`{"outputs":[{"name":1}]}`, "", "error"},
		"a negative size":     {`{"outputs":[{"name":"one","datatype":"FP64","shape":[1],"size":-8}]}`, eight, "error"},
		"a size of too much":  {`{"outputs":[{"name":"one","datatype":"FP64","shape":[1],"size":9}]}`, eight, "error"},
		"another size":        {`{"outputs":[{"name":"one","datatype":"FP64","shape":[1],"size":4}]}`, eight, "error"},
		"bytes left":          {one(""), eight + "x", "error"},
		"a negative shape":    {`{"outputs":[{"name":"one","datatype":"FP64","shape":[-1],"size":8}]}`, eight, "error"},
		"a shape of too many": {`{"outputs":[{"name":"one","datatype":"FP64","shape":[4611686018427387904,4],"size":8}]}`, eight, "error"},
		"no type":             {`{"outputs":[{"name":"one","datatype":"OBJECT","shape":[1],"size":8}]}`, eight, "error"},
		"texts that are cut":  {`{"outputs":[{"name":"one","datatype":"BYTES","shape":[1],"size":8}]}`, "\xff\xff\xff\xffabcd", "error"},
		"too many":            {`{"outputs":[` + strings.Repeat(`{},`, maxOutputs) + `{}]}`, "", "error"},
	} {
		outputs, err := parseAnswer([]byte(tt.text), []byte(tt.data))
		var words []string
		for _, o := range outputs {
			words = append(words, fmt.Sprintf("%s %v %d", o.Name, o.Shape, len(o.Data)))
		}
		if got := strings.Join(words, ", "); (err != nil) != (tt.want == "error") || err == nil && got != tt.want {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
}

// TestOrder checks that an answer has what was asked for, and in which order.
func TestOrder(t *testing.T) {
	i := &Instance{signature: parsed(t)}
	answer := func(names ...string) (list []model.Tensor) {
		for _, n := range names {
			list = append(list, model.Of(n, []float64{1}))
		}
		return list
	}
	for name, tt := range map[string]struct {
		got    []model.Tensor
		wanted []string
		want   string
	}{
		"all":         {answer("one", "two"), nil, "one two"},
		"turned":      {answer("two", "one"), nil, "one two"},
		"asked":       {answer("one", "two"), []string{"two", "one"}, "two one"},
		"one":         {answer("two"), []string{"two"}, "two"},
		"one missing": {answer("one"), nil, "error"},
		"one twice":   {answer("one", "one"), nil, "error"},
		"one more":    {answer("one", "two", "three"), nil, "error"},
		"another":     {answer("one", "three"), nil, "error"},
	} {
		got, err := i.order(tt.got, tt.wanted)
		var names []string
		for _, o := range got {
			names = append(names, o.Name)
		}
		if s := strings.Join(names, " "); (err != nil) != (tt.want == "error") || err == nil && s != tt.want {
			t.Errorf("%s: %s, %v", name, s, err)
		}
	}
}

// TestParseSignature checks that what a guest or a label says is whole.
func TestParseSignature(t *testing.T) {
	field := `{"name":"x","datatype":"FP64","shape":[1]}`
	whole := func(in, out string) string {
		return `{"name":"m","platform":"python","inputs":[` + in + `],"outputs":[` + out + `]}`
	}
	for name, tt := range map[string]struct{ text, wrong string }{
		"whole":             {whole(field, field), ""},
		"no inputs":         {whole("", field), ""},
		"no JSON":           {"{", "read signature"},
		"no outputs":        {whole(field, ""), "no output"},
		"another platform":  {strings.Replace(whole(field, field), "python", "onnxruntime_onnx", 1), "no Python model"},
		"twice":             {whole(field+","+field, field), "twice"},
		"no name":           {whole(strings.Replace(field, `"x"`, `""`, 1), field), "no name"},
		"no type":           {whole(strings.Replace(field, "FP64", "F", 1), field), "no type"},
		"a shape of texts":  {whole(strings.Replace(field, "[1]", `["a"]`, 1), field), "read signature"},
		"too many lengths":  {whole(strings.Replace(field, "[1]", "["+strings.Repeat("1,", model.MaxDims)+"1]", 1), field), "dimensions"},
		"longer than it is": {whole(field, field) + strings.Repeat(" ", MaxSignature), "more than"},
	} {
		_, err := ParseSignature([]byte(tt.text))
		if (err == nil) != (tt.wrong == "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrors checks what an error of the runtime is to a caller of a model.
func TestErrors(t *testing.T) {
	var input *model.InputError
	if err := translate(&runtime.ExceptionError{Type: "Misuse", Message: "no number", Argument: "x", Misuse: true}); !errors.As(err, &input) || err.Error() != "x: no number" {
		t.Errorf("misuse: %v", err)
	}
	var own *model.ModelError
	if err := translate(&runtime.ExceptionError{Type: "ValueError", Message: "no", Traceback: "line 1"}); !errors.As(err, &own) || own.Traceback != "line 1" || err.Error() != "ValueError: no" {
		t.Errorf("an exception: %v", err)
	}
	// A worker that broke for an exception is no answer to this request.
	if err := translate(&runtime.BrokenError{Cause: &runtime.ExceptionError{Type: "ValueError"}}); errors.As(err, &own) {
		t.Errorf("a broken worker: %v", err)
	}
	if err := translate(fmt.Errorf("worker is %w", runtime.ErrClosed)); !errors.Is(err, model.ErrClosed) || !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if translate(nil) != nil {
		t.Error("no error became one")
	}
}

// FuzzAnswer checks that no answer breaks the host, and that what is taken is sound.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"outputs":[{"name":"one","datatype":"FP64","shape":[1],"size":8}]}`), []byte("01234567"))
	f.Add([]byte(`{"outputs":[{"name":"a","datatype":"BYTES","shape":[2],"size":9}]}`), []byte("\x01\x00\x00\x00x\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, text, data []byte) {
		outputs, err := parseAnswer(text, data)
		if err != nil {
			return
		}
		size := 0
		for i := range outputs {
			if err := outputs[i].Check(); err != nil {
				t.Error(err)
			}
			size += len(outputs[i].Data)
		}
		if size != len(data) {
			t.Errorf("%d bytes of %d", size, len(data))
		}
	})
}

// FuzzSignature checks that no signature breaks the host.
func FuzzSignature(f *testing.F) {
	f.Add([]byte(signature))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSignature(text)
		if err != nil {
			return
		}
		for i := range s.Inputs {
			_ = s.Inputs[i].String()
		}
		_ = Check(s)(&model.Request{Inputs: []model.Tensor{model.Of("x", []float64{1})}})
	})
}
