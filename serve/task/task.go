// Package task knows models of texts: which signatures embed, classify or rank them,
// how texts become requests for such a model, and what its answers say.
package task

import (
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// Of tells what a signature alone shows that a model is good for; none of the tasks
// for most.
func Of(s *model.Signature) []string {
	var list []string
	if NewEmbedder(s) != nil {
		list = append(list, repository.TaskEmbedding)
	}
	if NewClassifier(s) != nil {
		list = append(list, repository.TaskClassification)
	}
	if NewRanker(s) != nil {
		list = append(list, repository.TaskRerank)
	}
	return list
}

// Has tells whether a model is good for a task: because its image says so, or, where
// that says nothing, because its signature shows it.
func Has(st *repository.Status, task string) bool {
	if st.Signature == nil {
		return false
	}
	if len(st.Tasks) > 0 && !slices.Contains(st.Tasks, task) {
		return false
	}
	switch task {
	case repository.TaskEmbedding:
		return NewEmbedder(st.Signature) != nil
	case repository.TaskClassification:
		return NewClassifier(st.Signature) != nil
	case repository.TaskRerank:
		return NewRanker(st.Signature) != nil
	}
	return false
}

// perRequest is how many texts one request has, of a model that takes many: long lists
// are spread over its instances.
const perRequest = 32

// text is an input of texts.
type text struct {
	field *model.Field
	many  bool // it takes any number
}

// textOf takes a field as one of texts; nil when it is none.
func textOf(f *model.Field) *text {
	if !f.IsText() || f.Parameters != nil && len(f.Parameters.Choices) > 0 {
		return nil
	}
	switch {
	case f.Shape == nil, len(f.Shape) == 0, slices.Equal(f.Shape, []int64{1}), slices.Equal(f.Shape, []int64{1, 1}):
		return &text{f, false}
	case slices.Equal(f.Shape, []int64{-1}), slices.Equal(f.Shape, []int64{-1, 1}):
		return &text{f, true}
	}
	return nil
}

// texts are the inputs of texts that a model takes, the needed ones first; ok is false
// when it needs anything else.
func texts(s *model.Signature) (needed, more []*text, ok bool) {
	for i := range s.Inputs {
		f := &s.Inputs[i]
		t := textOf(f)
		switch {
		case t == nil && !f.Optional():
			return nil, nil, false
		case t == nil:
		case f.Optional():
			more = append(more, t)
		default:
			needed = append(needed, t)
		}
	}
	return needed, more, true
}

// tensor is the input of some texts. The shape is that of the field.
func (t *text) tensor(list []string) model.Tensor {
	shape := []int64{int64(len(list))}
	switch {
	case t.many && len(t.field.Shape) == 2:
		shape = append(shape, 1)
	case !t.many && t.field.Shape != nil:
		shape = slices.Clone(t.field.Shape) // of one element
	}
	out := model.Of(t.field.Name, list)
	out.Shape = shape
	return out
}

// split divides texts into as many as a request may have.
func (t *text) split(list []string) [][]string {
	size := 1
	if t.many {
		size = perRequest
	}
	return slices.Collect(slices.Chunk(list, size))
}

// isFloat tells whether a field has floating-point numbers.
func isFloat(f *model.Field) bool {
	switch f.Type {
	case model.FP64, model.FP32, model.FP16, model.BF16:
		return true
	}
	return false
}

// named finds the first field of a list that has one of the names, in the order of
// these.
func named(fields []*model.Field, names ...string) *model.Field {
	for _, n := range names {
		for _, f := range fields {
			if strings.EqualFold(f.Name, n) {
				return f
			}
		}
	}
	return nil
}

// labels are the names of classes of a field.
func labels(f *model.Field) []string {
	if f.Parameters == nil {
		return nil
	}
	return f.Parameters.Labels
}

// Count is how many tokens answers say that texts had, in an output "tokens" of
// integers; 0 when the model does not say.
func Count(answers []*model.Response) int {
	n := 0
	for _, a := range answers {
		t := output(a, "tokens")
		if t == nil {
			continue
		}
		list, err := model.Values[int64](*t)
		if err != nil {
			return 0
		}
		for _, v := range list {
			if v > 0 && v < 1<<32 {
				n += int(v)
			}
		}
	}
	return n
}

// output finds an output of an answer.
func output(a *model.Response, name string) *model.Tensor {
	for i := range a.Outputs {
		if a.Outputs[i].Name == name {
			return &a.Outputs[i]
		}
	}
	return nil
}

// numbers are the elements of an output of floating-point numbers.
func numbers(t *model.Tensor) ([]float32, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.Type == model.FP64 {
		wide, err := t.Convert(model.FP32)
		if err != nil {
			return nil, err
		}
		return model.Values[float32](wide)
	}
	return model.Values[float32](*t)
}
