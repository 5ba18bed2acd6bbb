package cog

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/route"
)

// A fieldError is a field of a request that is wrong, besides the inputs.
type fieldError struct{ field, reason string }

func (e *fieldError) Error() string { return e.field + ": " + e.reason }

// detail is one thing that is wrong with a request.
type detail struct {
	Place   []string `json:"loc"`
	Message string   `json:"msg"`
	Type    string   `json:"type"`
}

// fail answers with an error in the protocol's form: of a wrong request where it is
// wrong, else a sentence.
func fail(w http.ResponseWriter, err error) {
	p := route.ProblemOf(err)
	p.SetRetryAfter(w.Header())
	var field *fieldError
	var input *model.InputError
	var said any = p.Message
	switch {
	case errors.As(err, &field):
		p.Status = http.StatusUnprocessableEntity
		said = []detail{{[]string{"body", field.field}, field.reason, "value_error"}}
	case errors.As(err, &input):
		p.Status = http.StatusUnprocessableEntity
		place := []string{"body", "input"}
		if input.Tensor != "" {
			place = append(place, input.Tensor)
		}
		said = []detail{{place, input.Reason, "value_error"}}
	case p.Status == http.StatusBadRequest:
		p.Status = http.StatusUnprocessableEntity
		said = []detail{{[]string{"body"}, p.Message, "value_error"}}
	case p.Reason == route.ReasonOverloaded:
		p.Status = http.StatusConflict // all slots are busy
	}
	doc, merr := json.Marshal(map[string]any{"detail": said})
	if merr != nil {
		doc = []byte("{}")
	}
	route.WriteJSON(w, p.Status, doc)
}

// document is what is told of a prediction.
func document(s *said) []byte {
	if s.Output == nil {
		s.Output = json.RawMessage("null")
	}
	if s.Metrics == nil {
		s.Metrics = map[string]float64{}
	}
	doc, err := json.Marshal(s)
	if err != nil {
		return []byte("{}") // its parts were JSON before
	}
	return doc
}

func write(w http.ResponseWriter, status int, s *said) { route.WriteJSON(w, status, document(s)) }
