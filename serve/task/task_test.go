package task_test

import (
	"slices"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/task"
	"github.com/wherry-run/wherry/serve/task/tasktest"
)

func TestOf(t *testing.T) {
	const embedding, classification, rerank = repository.TaskEmbedding, repository.TaskClassification, repository.TaskRerank
	text, texts := tasktest.Text("text", 1), tasktest.Text("texts", -1)
	vector, number := tasktest.Floats("vector", -1), tasktest.Floats("score", 1)
	classes := tasktest.Floats("scores", -1)
	classes.Parameters = &model.FieldParameters{Labels: []string{"a", "b"}}
	bounded := tasktest.Floats("share", -1)
	bounded.Parameters = &model.FieldParameters{Minimum: new(float64)}
	choice := tasktest.Text("choice", 1)
	choice.Parameters.Choices = []any{"a"}
	choices := tasktest.Text("label", 1)
	choices.Parameters.Choices = []any{"a", "b"}
	image := tasktest.Text("image", 1)
	image.Parameters.Kind = model.KindImage
	pair := tasktest.Optional(tasktest.Text("pair", 1))
	for _, c := range []struct {
		name    string
		in, out []model.Field
		want    []string
	}{
		{"a text to a vector", []model.Field{text}, []model.Field{vector}, []string{embedding}},
		{"texts to vectors", []model.Field{texts}, []model.Field{tasktest.Floats("embeddings", -1, 384)}, []string{embedding}},
		{"of any shape", []model.Field{text}, []model.Field{{Name: "x", Type: model.FP32}}, []string{embedding}},
		{"tokens to vectors", []model.Field{{Name: "input_ids", Type: model.Int64, Shape: []int64{-1, -1}}}, []model.Field{vector}, []string{embedding}},
		{"other integers", []model.Field{{Name: "ids", Type: model.Int64, Shape: []int64{-1, -1}}}, []model.Field{vector}, nil},
		{"numbers to a vector", []model.Field{tasktest.Floats("x", -1)}, []model.Field{vector}, nil},
		{"an image to a vector", []model.Field{image}, []model.Field{vector}, nil},
		{"a choice to a vector", []model.Field{choice}, []model.Field{vector}, nil},
		{"a text and a number to a vector", []model.Field{text, tasktest.Floats("x", 1)}, []model.Field{vector}, nil},
		{"a text to a number", []model.Field{text}, []model.Field{tasktest.Floats("x", 1)}, nil},
		{"a text to a share", []model.Field{text}, []model.Field{bounded}, nil},
		{"a text to logits", []model.Field{text}, []model.Field{tasktest.Floats("logits", -1)}, nil},
		{"a text to a vector and a text", []model.Field{text}, []model.Field{vector, tasktest.Text("summary", 1)}, nil},
		{"a text to classes", []model.Field{text}, []model.Field{classes}, []string{classification}},
		{"a text to the best class", []model.Field{text}, []model.Field{tasktest.Text("label", 1), number}, []string{classification}},
		{"a text to a choice and scores", []model.Field{text}, []model.Field{choices, tasktest.Floats("scores", -1)}, []string{classification}},
		{"a text to a choice and a vector", []model.Field{text}, []model.Field{choices, tasktest.Floats("vector", -1)}, nil},
		{"texts to the best class", []model.Field{texts}, []model.Field{tasktest.Text("label", 1), number}, nil},
		{"a pair to classes", []model.Field{text, pair}, []model.Field{tasktest.Text("label", 1), classes}, []string{classification}},
		{"a pair to a score", []model.Field{text, pair}, []model.Field{number}, []string{rerank}},
		{"a query and texts to scores", []model.Field{tasktest.Text("query", 1), texts}, []model.Field{tasktest.Floats("scores", -1)}, []string{rerank}},
		{"a query and texts to rows", []model.Field{tasktest.Text("query", 1), texts}, []model.Field{tasktest.Floats("scores", -1, 7)}, nil},
		{"nothing to a vector", nil, []model.Field{vector}, nil},
	} {
		s := &model.Signature{Inputs: c.in, Outputs: c.out}
		if got := task.Of(s); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for _, what := range []string{embedding, classification, rerank} {
			st := &repository.Status{Signature: s}
			if task.Has(st, what) != slices.Contains(c.want, what) {
				t.Errorf("%s: %s", c.name, what)
			}
			if st.Tasks = []string{"something else"}; task.Has(st, what) {
				t.Errorf("%s: %s against its image", c.name, what)
			}
		}
	}
}

// TestAnswers holds answers against what a model may say wrongly.
func TestAnswers(t *testing.T) {
	s := tasktest.Embedder("many").Says
	e := task.NewEmbedder(s)
	for _, bad := range []model.Tensor{
		model.Of("other", []float32{1, 2, 3, 4}, 1, 4),
		model.Of("embeddings", []float32{1, 2, 3, 4}, 2, 2),
		model.Of("embeddings", []float32{1, 2, 3, 4}),
		model.Of("embeddings", []float32{}, 1, 0),
		model.Of("embeddings", []float32{1, 2, 3, 4}, 1, 2, 2),
		{Name: "embeddings", Type: model.FP32, Shape: []int64{1, 4}, Data: []byte{1}},
		{Name: "embeddings", Type: model.FP32, Shape: []int64{1, 1}, Data: []byte{0, 0, 192, 127}}, // no number
	} {
		if v, err := e.Vectors([]*model.Response{{Outputs: []model.Tensor{bad}}}, 1); err == nil && bad.Shape[0] != 4 {
			t.Errorf("%v: %v", bad, v)
		}
	}
	if v, err := e.Vectors(nil, 1); err == nil {
		t.Errorf("no answer: %v", v)
	}
	c := task.NewClassifier(tasktest.Classifier("c").Says)
	for _, bad := range []model.Tensor{model.Of("scores", []float32{1}), model.Of("scores", []float32{}), model.Of("s", []float32{1, 2})} {
		if v, err := c.Scores([]*model.Response{{Outputs: []model.Tensor{bad}}}, 1); err == nil {
			t.Errorf("%v: %v", bad, v)
		}
	}
}

func TestOrder(t *testing.T) {
	nan := float32(0)
	nan /= nan
	if got := task.Order([]float32{1, nan, 3, 2}); !slices.Equal(got, []int{2, 3, 0, 1}) {
		t.Error(got)
	}
}

func TestVectors(t *testing.T) {
	if got := task.Shorten([][]float32{{3, 4, 12}}, 2)[0]; !slices.Equal(got, []float32{0.6, 0.8}) {
		t.Error(got)
	}
	if got := task.Cosine([]float32{1, 0}, []float32{0, 2}); got != 0 {
		t.Error(got)
	}
	if got := task.Cosine([]float32{0, 0}, []float32{0, 2}); got != 0 {
		t.Error(got)
	}
}
