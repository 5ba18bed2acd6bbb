package task

import (
	"fmt"
	"math"
	"slices"

	"github.com/wherry-run/wherry/model"
)

// A Classifier is a model that gives each text, or pair of texts, scores of classes.
type Classifier struct {
	text, pair *text // pair is nil when there is none
	scores     *model.Field
	label      *model.Field // of the best, where the scores have no names
	names      []string     // of the scores
}

// A Score is that of a class.
type Score struct {
	Label string  `json:"label"`
	Score float32 `json:"score"`
}

// NewClassifier takes a signature as that of a classifier; nil when it is none: it
// needs a text, and gives scores of classes with names, or the best class and its
// score.
func NewClassifier(s *model.Signature) *Classifier {
	needed, more, ok := texts(s)
	if !ok || s.Streams || len(needed) == 0 || len(needed) > 2 {
		return nil
	}
	c := &Classifier{text: needed[0]}
	switch {
	case len(needed) == 2:
		c.pair = needed[1]
	case len(more) == 1 && more[0].many == c.text.many:
		c.pair = more[0]
	}
	var floats, words []*model.Field
	for i := range s.Outputs {
		f := &s.Outputs[i]
		if isFloat(f) {
			floats = append(floats, f)
			if len(labels(f)) > 1 {
				c.scores, c.names = f, labels(f)
			}
		} else if f.Type == model.Bytes {
			words = append(words, f)
		}
	}
	if c.scores != nil {
		return c
	}
	label := named(words, "label", "class")
	if names := choices(label); names != nil {
		// The names of the label are those of the scores, in their order.
		if c.scores = named(floats, "scores", "probabilities"); c.scores != nil && len(c.scores.Shape) < 3 && !single(c.scores) {
			c.names = names
			return c
		}
	}
	if c.label = label; label != nil && single(label) && !c.text.many {
		if c.scores = named(floats, "score", "probability", "confidence"); c.scores != nil && single(c.scores) {
			return c
		}
	}
	return nil
}

// choices are the words that a field may have, when it has several.
func choices(f *model.Field) []string {
	if f == nil || f.Parameters == nil || len(f.Parameters.Choices) < 2 {
		return nil
	}
	list := make([]string, len(f.Parameters.Choices))
	for i, c := range f.Parameters.Choices {
		word, ok := c.(string)
		if !ok {
			return nil
		}
		list[i] = word
	}
	return list
}

// single tells whether an output is one element.
func single(f *model.Field) bool {
	return f.Shape != nil && !slices.ContainsFunc(f.Shape, func(d int64) bool { return d != 1 })
}

// Pairs tells whether it takes a second text beside each.
func (c *Classifier) Pairs() bool { return c.pair != nil }

// NeedsPair tells whether it takes pairs alone.
func (c *Classifier) NeedsPair() bool { return c.pair != nil && !c.pair.field.Optional() }

// Labels are the names of the classes; nil when only the best is named.
func (c *Classifier) Labels() []string { return c.names }

// Requests makes requests of texts; pairs has the second of each, or is nil.
func (c *Classifier) Requests(list, pairs []string) []*model.Request {
	return request(c.text, c.pair, list, pairs)
}

// request makes requests of texts and what stands beside each.
func request(first, second *text, list, beside []string) []*model.Request {
	var requests []*model.Request
	for _, part := range first.split(list) {
		r := &model.Request{Inputs: []model.Tensor{first.tensor(part)}}
		if beside != nil {
			r.Inputs = append(r.Inputs, second.tensor(beside[:len(part)]))
			beside = beside[len(part):]
		}
		requests = append(requests, r)
	}
	return requests
}

// Scores reads the answers to the requests of n texts: the classes of each, the best
// first.
func (c *Classifier) Scores(answers []*model.Response, n int) ([][]Score, error) {
	rows, err := rowsOf(c.scores, c.text, answers, n)
	if err != nil {
		return nil, err
	}
	list := make([][]Score, n)
	names := c.Labels()
	for i, row := range rows {
		if c.label != nil {
			t := output(answers[i], c.label.Name)
			if t == nil {
				return nil, &model.ModelError{Type: "Classification", Message: c.label.Name + ": it is not there"}
			}
			if names, err = model.Values[string](*t); err != nil {
				return nil, err
			}
		}
		if len(row) != len(names) {
			return nil, &model.ModelError{Type: "Classification", Message: fmt.Sprintf("%s: %d scores of %d classes", c.scores.Name, len(row), len(names))}
		}
		for j, v := range row {
			list[i] = append(list[i], Score{names[j], v})
		}
		slices.SortStableFunc(list[i], func(a, b Score) int { return descending(a.Score, b.Score) })
	}
	return list, nil
}

// descending puts the greater number first, and what is none last.
func descending(a, b float32) int {
	switch {
	case a > b || b != b && a == a:
		return -1
	case a < b || a != a && b == b:
		return 1
	}
	return 0
}

// rowsOf divides an output of answers among n texts.
func rowsOf(f *model.Field, in *text, answers []*model.Response, n int) ([][]float32, error) {
	rows := make([][]float32, 0, n)
	for i, a := range answers {
		count := 1
		if in.many {
			count = min(perRequest, n-i*perRequest)
		}
		t := output(a, f.Name)
		if t == nil {
			return nil, &model.ModelError{Type: "Answer", Message: f.Name + ": it is not there"}
		}
		all, err := numbers(t)
		if err != nil {
			return nil, err
		}
		if count < 1 || len(all) == 0 || len(all)%count != 0 || in.many && (len(t.Shape) == 0 || t.Shape[0] != int64(count)) {
			return nil, &model.ModelError{Type: "Answer", Message: fmt.Sprintf("%s: it has the shape %v for %d texts", f.Name, t.Shape, count)}
		}
		if slices.ContainsFunc(all, func(v float32) bool { return v-v != 0 }) {
			return nil, &model.ModelError{Type: "Answer", Message: f.Name + ": it has what is no number"}
		}
		each := len(all) / count
		for r := range count {
			rows = append(rows, all[r*each:(r+1)*each])
		}
	}
	if len(rows) != n {
		return nil, &model.ModelError{Type: "Answer", Message: fmt.Sprintf("%s: it has %d rows for %d texts", f.Name, len(rows), n)}
	}
	return rows, nil
}

// A Ranker is a model that gives a text a score for a query.
type Ranker struct {
	query, text *text
	score       *model.Field
}

// NewRanker takes a signature as that of a ranker; nil when it is none: it takes two
// texts, or a query and texts, and gives a number for each.
func NewRanker(s *model.Signature) *Ranker {
	needed, more, ok := texts(s)
	if !ok || s.Streams || len(s.Outputs) == 0 {
		return nil
	}
	r := &Ranker{}
	switch {
	case len(needed) == 2:
		r.query, r.text = needed[0], needed[1]
	case len(needed) == 1 && len(more) == 1:
		r.query, r.text = needed[0], more[0]
	default:
		return nil
	}
	if named([]*model.Field{r.text.field}, "query", "question") != nil {
		r.query, r.text = r.text, r.query
	}
	var floats []*model.Field
	for i := range s.Outputs {
		if f := &s.Outputs[i]; isFloat(f) && len(labels(f)) == 0 {
			floats = append(floats, f)
		} else if f.Name != "tokens" {
			return nil
		}
	}
	if r.score = named(floats, "score", "scores", "relevance"); r.score == nil && len(floats) == 1 {
		r.score = floats[0]
	}
	if r.score == nil || r.query.many && !r.text.many || !r.scores() {
		return nil
	}
	return r
}

// scores tells whether the output has one number for each text.
func (r *Ranker) scores() bool {
	if !r.text.many {
		return single(r.score)
	}
	return len(r.score.Shape) == 1 || len(r.score.Shape) == 2 && r.score.Shape[1] == 1
}

// Requests makes requests of a query and texts.
func (r *Ranker) Requests(query string, list []string) []*model.Request {
	if r.query.many {
		return request(r.text, r.query, list, slices.Repeat([]string{query}, len(list)))
	}
	requests := request(r.text, nil, list, nil)
	for _, one := range requests {
		one.Inputs = append(one.Inputs, r.query.tensor([]string{query}))
	}
	return requests
}

// Scores reads the answers to the requests of n texts. Unless raw ones are wanted,
// they are from 0 to 1: the logistic function of what the model says, unless it says
// that its numbers are so.
func (r *Ranker) Scores(answers []*model.Response, n int, raw bool) ([]float32, error) {
	rows, err := rowsOf(r.score, r.text, answers, n)
	if err != nil {
		return nil, err
	}
	list := make([]float32, n)
	p := r.score.Parameters
	bounded := p != nil && p.Minimum != nil && *p.Minimum >= 0 && p.Maximum != nil && *p.Maximum <= 1
	for i, row := range rows {
		if len(row) != 1 {
			return nil, &model.ModelError{Type: "Rerank", Message: fmt.Sprintf("%s: %d scores of one text", r.score.Name, len(row))}
		}
		if list[i] = row[0]; !raw && !bounded {
			list[i] = float32(1 / (1 + math.Exp(-float64(row[0]))))
		}
	}
	return list, nil
}

// Order is the places of scores, the best first.
func Order(scores []float32) []int {
	list := make([]int, len(scores))
	for i := range list {
		list[i] = i
	}
	slices.SortStableFunc(list, func(a, b int) int { return descending(scores[a], scores[b]) })
	return list
}
