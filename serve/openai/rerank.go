package openai

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/task"
)

// rerankRequest is the body of POST /v1/rerank.
type rerankRequest struct {
	Model     string                     `json:"model"`
	Query     string                     `json:"query"`
	Documents task.List[json.RawMessage] `json:"documents"`
	Top       *int                       `json:"top_n"`
	Return    bool                       `json:"return_documents"`
}

type ranked struct {
	Index    int       `json:"index"`
	Score    float32   `json:"relevance_score"`
	Document *document `json:"document,omitempty"`
}

type document struct {
	Text string `json:"text"`
}

func (h *handler) rerank(w http.ResponseWriter, r *http.Request) error {
	var asked rerankRequest
	err := h.read(w, r, &asked)
	var texts []string
	var many *task.CountError
	if errors.As(err, &many) {
		err = wrong("documents", "there are %d, more than %d", many.N, many.Most)
	}
	if err == nil {
		texts, err = asked.texts()
	}
	if err != nil {
		return err
	}
	call, st, err := h.call(r, asked.Model)
	if err != nil {
		return err
	}
	scores, result, err := task.Rank(r.Context(), h.models, &st, call, asked.Query, texts, false)
	if err != nil {
		return err
	}
	said := struct {
		Object  string   `json:"object"`
		Model   string   `json:"model"`
		Results []ranked `json:"results"`
		Usage   usage    `json:"usage"`
	}{"list", st.Name, []ranked{}, usage{result.Tokens, result.Tokens}}
	for _, i := range task.Order(scores) {
		if asked.Top != nil && len(said.Results) == *asked.Top {
			break
		}
		one := ranked{Index: i, Score: scores[i]}
		if asked.Return {
			one.Document = &document{texts[i]}
		}
		said.Results = append(said.Results, one)
	}
	route.SetReceipt(w.Header(), &result.Receipt)
	return route.Answer(w, http.StatusOK, said)
}

// texts are the documents: texts, or objects with one.
func (q *rerankRequest) texts() ([]string, error) {
	switch {
	case q.Query == "":
		return nil, wrong("query", "it is missing")
	case len(q.Documents) == 0:
		return nil, wrong("documents", "there are none")
	case q.Top != nil && *q.Top < 1:
		return nil, wrong("top_n", "it is %d, and must be at least 1", *q.Top)
	}
	texts := make([]string, len(q.Documents))
	for i, d := range q.Documents {
		var object struct {
			Text *string `json:"text"`
		}
		if string(d) != "null" && json.Unmarshal(d, &texts[i]) == nil {
			continue
		}
		if json.Unmarshal(d, &object) != nil || object.Text == nil {
			return nil, wrong("documents", "document %d is no text, and has none", i)
		}
		texts[i] = *object.Text
	}
	return texts, nil
}
