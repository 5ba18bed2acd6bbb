package oip

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// v1 answers version 1 of KServe's protocol, which is TensorFlow Serving's:
// POST /v1/models/NAME:predict.
func (h *handler) v1(w http.ResponseWriter, r *http.Request) error {
	name, verb, _ := strings.Cut(route.Model(r), ":")
	if verb != "predict" {
		return &route.RequestError{Status: http.StatusNotFound, Message: "a model is asked by POST /v1/models/NAME:predict"}
	}
	st, err := plain.Find(h.models, name)
	if err != nil {
		return err
	}
	body, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return err
	}
	if rest := bytes.TrimLeft(body, " \t\r\n"); len(rest) == 0 || rest[0] != '{' || !json.Valid(body) {
		return wrong("the request is no JSON object of instances")
	}
	var instances, inputs []byte // parts of the body
	for name, value := range model.Members(body) {
		switch name {
		case "instances":
			instances = value
		case "inputs":
			inputs = value
		}
	}
	text := instances
	switch {
	case (instances == nil) == (inputs == nil):
		return wrong(`the request has either "instances", a list, or "inputs"`)
	case instances == nil:
		text = inputs
	case instances[0] != '[':
		return wrong(`"instances" is a list`)
	}
	requests, many, err := st.Signature.ParseJSON(text)
	if err != nil {
		return err
	}
	answers, err := plain.Each(r.Context(), h.models, repository.Call{Model: st.Name, Protocol: repository.ProtocolV1}, requests)
	if err != nil {
		return err
	}
	out := []byte(`{"predictions":`)
	if !many {
		if out, err = appendPredictions(out, answers[0].Outputs, st.Signature); err != nil {
			return err
		}
	} else {
		out = append(out, '[')
		for i, a := range answers {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendPrediction(out, a.Outputs, st.Signature); err != nil {
				return err
			}
		}
		out = append(out, ']')
	}
	total := plain.Total(answers)
	route.SetReceipt(w.Header(), &total)
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(append(out, '}')) // who does not read it has left
	return nil
}

// appendPrediction appends what a model said: the one output, or all by their names.
func appendPrediction(b []byte, outputs []model.Tensor, s *model.Signature) ([]byte, error) {
	if len(outputs) == 1 {
		return outputs[0].AppendValue(b, s.Output(outputs[0].Name))
	}
	return (&model.Response{Outputs: outputs}).AppendObject(b, s)
}

// appendPredictions appends what a model said of instances that went in as one
// tensor: a list of as many, also where it is one.
func appendPredictions(b []byte, outputs []model.Tensor, s *model.Signature) ([]byte, error) {
	if len(outputs) == 1 {
		if f := s.Output(outputs[0].Name); f == nil || f.Kind() == "" || f.Kind() == model.KindText {
			return outputs[0].AppendValue(b, nil)
		}
	}
	return appendPrediction(b, outputs, s)
}
