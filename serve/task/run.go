package task

import (
	"context"
	"fmt"

	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
)

// A Result is what came of asking a model about texts.
type Result struct {
	Receipt repository.Receipt
	Tokens  int // of the texts; 0: the model does not say
}

// A WrongTaskError is a model that is not made for what is asked of it.
type WrongTaskError struct{ Model, Task string }

func (e *WrongTaskError) Error() string {
	what := map[string]string{
		repository.TaskEmbedding:      "makes no embeddings of texts",
		repository.TaskClassification: "does not classify texts",
		repository.TaskRerank:         "does not rank texts",
	}[e.Task]
	return fmt.Sprintf("model %q %s", e.Model, what)
}

// A KindError is a list of texts where the model takes tokens, or the other way.
type KindError struct {
	Model string
	Texts bool // what it takes
}

func (e *KindError) Error() string {
	if e.Texts {
		return fmt.Sprintf("model %q takes texts, no numbers of tokens", e.Model)
	}
	return fmt.Sprintf("model %q takes the numbers of tokens, no texts", e.Model)
}

// Embed has a model make vectors of texts, or of tokens: one of the lists is nil.
func Embed(ctx context.Context, m plain.Models, st *repository.Status, call repository.Call, texts []string, tokens [][]int64) ([][]float32, *Result, error) {
	if !Has(st, repository.TaskEmbedding) {
		return nil, nil, &WrongTaskError{st.Name, repository.TaskEmbedding}
	}
	e := NewEmbedder(st.Signature)
	if e.Texts() != (tokens == nil) {
		return nil, nil, &KindError{st.Name, e.Texts()}
	}
	call.Model, call.Version = st.Name, st.Version
	if tokens != nil {
		list, err := e.TokenRequests(tokens)
		if err != nil {
			return nil, nil, err
		}
		answers, err := plain.Each(ctx, m, call, list)
		if err != nil {
			return nil, nil, err
		}
		vectors, err := e.Vectors(plain.Responses(answers), len(tokens))
		r := &Result{Receipt: plain.Total(answers)}
		for _, ids := range tokens {
			r.Tokens += len(ids)
		}
		return vectors, r, err
	}
	answers, err := plain.Each(ctx, m, call, e.Requests(texts))
	if err != nil {
		return nil, nil, err
	}
	responses := plain.Responses(answers)
	vectors, err := e.Vectors(responses, len(texts))
	return vectors, &Result{plain.Total(answers), Count(responses)}, err
}

// Rank has a model give texts scores for a query, raw ones or from 0 to 1.
func Rank(ctx context.Context, m plain.Models, st *repository.Status, call repository.Call, query string, texts []string, raw bool) ([]float32, *Result, error) {
	if !Has(st, repository.TaskRerank) {
		return nil, nil, &WrongTaskError{st.Name, repository.TaskRerank}
	}
	k := NewRanker(st.Signature)
	call.Model, call.Version = st.Name, st.Version
	answers, err := plain.Each(ctx, m, call, k.Requests(query, texts))
	if err != nil {
		return nil, nil, err
	}
	responses := plain.Responses(answers)
	scores, err := k.Scores(responses, len(texts), raw)
	return scores, &Result{plain.Total(answers), Count(responses)}, err
}

// Classify has a model give texts scores of its classes. pairs has the second text of
// each, or is nil.
func Classify(ctx context.Context, m plain.Models, st *repository.Status, call repository.Call, texts, pairs []string) ([][]Score, *Result, error) {
	if !Has(st, repository.TaskClassification) {
		return nil, nil, &WrongTaskError{st.Name, repository.TaskClassification}
	}
	c := NewClassifier(st.Signature)
	call.Model, call.Version = st.Name, st.Version
	answers, err := plain.Each(ctx, m, call, c.Requests(texts, pairs))
	if err != nil {
		return nil, nil, err
	}
	responses := plain.Responses(answers)
	scores, err := c.Scores(responses, len(texts))
	return scores, &Result{plain.Total(answers), Count(responses)}, err
}
