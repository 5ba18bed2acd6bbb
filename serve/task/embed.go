package task

import (
	"fmt"
	"math"
	"slices"

	"github.com/wherry-run/wherry/model"
)

// An Embedder is a model that gives a vector for each text, or for each list of tokens.
type Embedder struct {
	text   *text
	ids    *model.Field // instead of a text
	others []*model.Field
	output *model.Field
}

// Names of inputs of tokens, as Hugging Face has them.
const (
	inputIDs      = "input_ids"
	attentionMask = "attention_mask"
	tokenTypes    = "token_type_ids"
	positions     = "position_ids"
)

// NewEmbedder takes a signature as that of an embedder; nil when it is none: it needs
// one input, of texts or of tokens, and gives one vector of numbers that are no scores
// of classes.
func NewEmbedder(s *model.Signature) *Embedder {
	if s.Streams {
		return nil
	}
	e := &Embedder{}
	if needed, _, ok := texts(s); ok && len(needed) == 1 {
		e.text = needed[0]
	} else if !e.tokens(s) {
		return nil
	}
	if e.output = vectorOf(s); e.output == nil {
		return nil
	}
	return e
}

// tokens takes the inputs as tokens.
func (e *Embedder) tokens(s *model.Signature) bool {
	for i := range s.Inputs {
		f := &s.Inputs[i]
		if f.Type != model.Int64 && f.Type != model.Int32 || len(f.Shape) != 2 || f.Shape[1] > 0 {
			return false
		}
		switch f.Name {
		case inputIDs:
			e.ids = f
		case attentionMask, tokenTypes, positions:
			e.others = append(e.others, f)
		default:
			return false
		}
	}
	return e.ids != nil
}

// vectorOf finds the output that is the vector.
func vectorOf(s *model.Signature) *model.Field {
	var found []*model.Field
	for i := range s.Outputs {
		f := &s.Outputs[i]
		switch {
		case !isFloat(f) && f.Name == "tokens": // see Count
		case !isFloat(f):
			return nil // it says something else, too
		case len(f.Shape) <= 2 && len(labels(f)) == 0 && !isScore(f):
			found = append(found, f)
		}
	}
	if f := named(found, "embedding", "embeddings", "sentence_embedding", "sentence_embeddings", "vector", "vectors"); f != nil {
		return f
	}
	if len(found) == 1 && len(s.Outputs) <= 2 {
		return found[0]
	}
	return nil
}

// isScore tells whether an output is a score or what one is made of, or one number.
func isScore(f *model.Field) bool {
	if one := len(f.Shape) > 0; one {
		for _, d := range f.Shape {
			one = one && d == 1
		}
		if one {
			return true
		}
	}
	return named([]*model.Field{f}, "score", "scores", "logit", "logits", "probability", "probabilities", "relevance") != nil ||
		f.Shape != nil && len(f.Shape) == 0 || f.Parameters != nil && (f.Parameters.Minimum != nil || f.Parameters.Maximum != nil)
}

// Texts tells whether it takes texts; else it takes tokens.
func (e *Embedder) Texts() bool { return e.text != nil }

// Length is how many numbers a vector has; 0 when the signature does not say.
func (e *Embedder) Length() int {
	if n := len(e.output.Shape); n > 0 && e.output.Shape[n-1] > 1 {
		return int(e.output.Shape[n-1])
	}
	return 0
}

// Requests makes requests of texts.
func (e *Embedder) Requests(list []string) []*model.Request {
	var requests []*model.Request
	for _, part := range e.text.split(list) {
		requests = append(requests, &model.Request{Inputs: []model.Tensor{e.text.tensor(part)}})
	}
	return requests
}

// TokenRequests makes requests of lists of tokens, one of each.
func (e *Embedder) TokenRequests(lists [][]int64) ([]*model.Request, error) {
	var requests []*model.Request
	for _, ids := range lists {
		r := &model.Request{}
		for _, f := range append([]*model.Field{e.ids}, e.others...) {
			values := make([]int64, len(ids))
			for i := range values {
				switch f.Name {
				case inputIDs:
					values[i] = ids[i]
				case attentionMask:
					values[i] = 1
				case positions:
					values[i] = int64(i)
				}
			}
			t, err := f.Fit(model.Of(f.Name, values, 1, int64(len(ids))))
			if err != nil {
				return nil, err
			}
			r.Inputs = append(r.Inputs, t)
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// Vectors reads the answers to the requests of n texts.
func (e *Embedder) Vectors(answers []*model.Response, n int) ([][]float32, error) {
	list := make([][]float32, 0, n)
	for i, a := range answers {
		t := output(a, e.output.Name)
		if t == nil {
			return nil, e.wrong("it is not there")
		}
		rows := 1
		if e.text != nil && e.text.many {
			rows = min(perRequest, n-i*perRequest)
		}
		all, err := numbers(t)
		if err != nil {
			return nil, err
		}
		if len(t.Shape) == 2 && t.Shape[0] != int64(rows) || len(t.Shape) > 2 || len(t.Shape) < 2 && rows != 1 || rows < 1 || len(all) == 0 {
			return nil, e.wrong(fmt.Sprintf("it has the shape %v for %d texts", t.Shape, rows))
		}
		if slices.ContainsFunc(all, func(v float32) bool { return v-v != 0 }) {
			return nil, e.wrong("it has what is no number")
		}
		each := len(all) / rows
		for r := range rows {
			list = append(list, all[r*each:(r+1)*each])
		}
	}
	if len(list) != n {
		return nil, e.wrong(fmt.Sprintf("it has %d vectors for %d texts", len(list), n))
	}
	return list, nil
}

func (e *Embedder) wrong(reason string) error {
	return &model.ModelError{Type: "Embedding", Message: e.output.Name + ": " + reason}
}

// Shorten cuts vectors to their first n numbers, at length one again: what models with
// nested dimensions are made for.
func Shorten(vectors [][]float32, n int) [][]float32 {
	list := make([][]float32, len(vectors))
	for i, v := range vectors {
		if n < len(v) {
			v = Normal(v[:n])
		}
		list[i] = v
	}
	return list
}

// Normal is a vector at length one.
func Normal(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	out := make([]float32, len(v))
	if length := math.Sqrt(sum); length > 0 && !math.IsInf(length, 0) && length == length {
		for i, x := range v {
			out[i] = float32(float64(x) / length)
		}
	}
	return out
}

// Cosine says how alike two vectors are, from -1 to 1.
func Cosine(a, b []float32) float32 {
	var ab, aa, bb float64
	for i := range min(len(a), len(b)) {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return float32(ab / math.Sqrt(aa*bb))
}
