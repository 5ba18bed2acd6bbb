package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestGenerate(t *testing.T) {
	s := &model.Signature{
		Inputs: []model.Field{
			{Name: "petal-length", Type: model.FP64, Shape: []int64{1}, Parameters: params(model.FieldParameters{Description: "in cm\n*/ of a petal"})},
			{Name: "petal_length", Type: model.FP16, Shape: []int64{-1, 4}},
			{Name: "1st", Type: model.Int64, Shape: []int64{}, Parameters: params(model.FieldParameters{Optional: true})},
			{Name: "type", Type: model.Bytes, Shape: []int64{-1}}, {Name: "картинка", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindImage})},
			{Name: "any", Type: model.FP32}, {Name: "rows", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindTable})},
			{Name: "people", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindTable, Columns: []model.Column{{Name: "age", Type: model.FP64}, {Name: "what else"}}})},
		},
		Outputs: []model.Field{
			{Name: "id", Type: model.Uint8, Shape: []int64{-1}, Parameters: params(model.FieldParameters{Labels: []string{"a", "b"}})},
			{Name: "doc", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindJSON})},
			{Name: "people", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindTable, Columns: []model.Column{{Name: "name", Type: model.Bytes}}})},
			{Name: "odd", Type: model.Bytes, Shape: []int64{1}, Parameters: params(model.FieldParameters{Kind: model.KindTable, Columns: []model.Column{{Name: "-", Type: model.Bytes}}})},
		},
	}
	g := generator{pkg: "flowers", image: "iris:1", digest: "sha256:00", signature: s}
	source, err := g.source()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"PetalLength float64 `wherry:\"petal-length\"`", "PetalLength2 [][]float32 `wherry:\"petal_length\"`", "X1st *int64 `wherry:\"1st\"`",
		"Type []string `wherry:\"type\"`", "Картинка []byte `wherry:\"картинка\"`", "Any model.Tensor `wherry:\"any\"`", "Rows any `wherry:\"rows\"`",
		"ID []uint8 `wherry:\"id\"`", "Doc json.RawMessage `wherry:\"doc\"`", "// classes: a, b", "// in cm */ of a petal", "package flowers",
		"People []PeopleRow", "People []PeopleRow2", "Odd json.RawMessage", "`json:\"what else\"`",
	} {
		if !strings.Contains(string(source), want) {
			t.Errorf("the client lacks %s", want)
		}
	}
	file := filepath.Join(t.TempDir(), "flowers.go")
	if err := os.WriteFile(file, source, 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := exec.Command("go", "vet", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, text, source)
	}
	for _, name := range []string{"a`b", "-", "a\"b", "a\x00b"} {
		s.Inputs[0].Name = name
		if _, err := g.source(); err == nil {
			t.Errorf("the name %q, which cannot be a tag, became one", name)
		}
	}
	g.pkg = "a b"
	if _, err := g.source(); err == nil {
		t.Error("a name that cannot be a package's became one")
	}
}

func TestPackageName(t *testing.T) {
	for image, want := range map[string]string{
		"iris:1": "iris", "localhost:5000/team/My-Model:2": "mymodel", "./examples/iris/": "iris", "x@sha256:00": "x", "1:2": "model", "type": "model",
	} {
		if got := packageName(image); got != want {
			t.Errorf("%s: got %s, want %s", image, got, want)
		}
	}
}
