package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/task"
)

// problem is an error in the protocol's form.
type problem struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   any    `json:"param"` // a string or null
	Code    any    `json:"code"`
}

// A paramError is a request whose parameter is wrong.
type paramError struct{ param, message string }

func (e *paramError) Error() string { return e.param + ": " + e.message }

func wrong(param, format string, args ...any) error {
	return &paramError{param, fmt.Sprintf(format, args...)}
}

// read reads a body of JSON.
func (h *handler) read(w http.ResponseWriter, r *http.Request, into any) error {
	body, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return wrong(kind.Field, "it cannot be a %s", kind.Value)
		}
		if errors.As(err, new(*task.CountError)) {
			return err
		}
		return &route.RequestError{Message: "the body is no JSON"}
	}
	return nil
}

// fail answers with an error.
func fail(w http.ResponseWriter, err error) {
	var param *paramError
	if errors.As(err, &param) {
		writeProblem(w, http.StatusBadRequest, problem{Message: param.Error(), Type: "invalid_request_error", Param: param.param})
		return
	}
	if errors.As(err, new(*task.WrongTaskError)) || errors.As(err, new(*task.KindError)) {
		writeProblem(w, http.StatusBadRequest, problem{Message: err.Error(), Type: "invalid_request_error", Param: "model", Code: "model_not_supported"})
		return
	}
	p := route.ProblemOf(err)
	p.SetRetryAfter(w.Header())
	said := problem{Message: p.Message, Type: "invalid_request_error"}
	switch {
	case p.Status == http.StatusNotFound:
		said.Param, said.Code = "model", "model_not_found"
	case p.Status == http.StatusTooManyRequests:
		said.Type, said.Code = "rate_limit_error", "rate_limit_exceeded"
	case p.Status >= 500:
		said.Type = "server_error"
	}
	writeProblem(w, p.Status, said)
}

func writeProblem(w http.ResponseWriter, status int, p problem) {
	doc, _ := json.Marshal(map[string]problem{"error": p}) // of words
	route.WriteJSON(w, status, doc)
}
