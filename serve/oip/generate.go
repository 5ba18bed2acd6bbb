package oip

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// The names of Triton's generate extension for a text that goes in and one that
// comes out, whatever the model calls them.
const (
	textInput  = "text_input"
	textOutput = "text_output"
)

// generation is a request of the generate extension.
type generation struct {
	call   repository.Call
	id     string
	status repository.Status
}

func (h *handler) readGeneration(w http.ResponseWriter, r *http.Request) (*generation, error) {
	st, _, err := h.loaded(r)
	if err != nil {
		return nil, err
	}
	if textOf(st.Signature.Inputs) == nil {
		return nil, wrong("model %q takes no text: ask it by infer", st.Name)
	}
	body, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return nil, err
	}
	s := &scanner{text: body}
	parameters, err := s.members()
	if err != nil {
		return nil, err
	}
	g := &generation{status: st, call: repository.Call{Model: st.Name, Version: st.Version, Protocol: repository.ProtocolREST, Request: &model.Request{}}}
	return g, g.fill(parameters)
}

// members reads a text that is an object, and nothing else.
func (s *scanner) members() (map[string]json.RawMessage, error) {
	text, err := s.raw()
	if err != nil {
		return nil, err
	}
	if s.peek() != 0 || s.at < len(s.text) {
		return nil, s.wrong()
	}
	if text[0] != '{' {
		return nil, wrong("the request is no JSON object")
	}
	members := map[string]json.RawMessage{}
	for name, value := range model.Members(text) {
		if members[name] = value; len(members) > maxTensors+inference.MaxParameters {
			return nil, wrong("the request has more than %d members", maxTensors+inference.MaxParameters)
		}
	}
	return members, nil
}

// fill makes the request of the members of the object: inputs by their names; what
// is no input is a parameter.
func (g *generation) fill(members map[string]json.RawMessage) error {
	sig := g.status.Signature
	parameters, nested := map[string]any{}, 0
	for _, name := range sortedKeys(members) {
		value := members[name]
		field := sig.Input(name)
		if field == nil && name == textInput {
			field = textOf(sig.Inputs)
		}
		s := &scanner{text: value, nested: nested}
		var err error
		switch {
		case field != nil:
			var t model.Tensor
			t, err = field.Parse(value)
			g.call.Request.Inputs = append(g.call.Request.Inputs, t)
		case name == "parameters":
			var more map[string]any
			more, err = s.parameters()
			for key, v := range more {
				parameters[key] = v
			}
		case name == "id":
			var q request
			err = q.readID(s)
			g.id = q.ID
		default:
			parameters[name], err = s.parameter()
		}
		nested = s.nested
		if err != nil {
			return err
		}
	}
	return inference.Settle(&g.call, parameters)
}

func sortedKeys(m map[string]json.RawMessage) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// textOf is the field that a text is for: the one of that name, or else the only one
// that takes text and is needed, or that takes text at all.
func textOf(fields []model.Field) *model.Field {
	for i := range fields {
		if f := &fields[i]; f.IsText() && (f.Name == textInput || f.Name == textOutput) {
			return f
		}
	}
	needed := slices.DeleteFunc(slices.Clone(fields), func(f model.Field) bool { return f.Optional() })
	if f := onlyText(needed); f != nil || len(needed) == len(fields) {
		return f
	}
	return onlyText(fields)
}

func onlyText(fields []model.Field) *model.Field {
	var only *model.Field
	for i := range fields {
		f := &fields[i]
		if !f.IsText() {
			continue
		}
		if only != nil {
			return nil
		}
		only = f
	}
	return only
}

// append appends a response: the outputs by their names, one element as itself.
func (g *generation) append(b []byte, receipt *repository.Receipt, outputs []model.Tensor) []byte {
	text := textOf(g.status.Signature.Outputs)
	b = append(b, `{"model_name":`...)
	b = appendString(b, receipt.Model)
	b = append(b, `,"model_version":`...)
	b = appendString(b, receipt.Version)
	if g.id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, g.id)
	}
	for i := range outputs {
		t := &outputs[i]
		name := t.Name
		if text != nil && t.Name == text.Name {
			name = textOutput
		}
		b = append(b, ',')
		b = appendString(b, name)
		b = append(b, ':')
		from := len(b)
		b, _ = t.AppendData(b)
		if n, _ := model.Elements(t.Shape); n == 1 { // without its list
			b = append(b[:from], b[from+1:len(b)-1]...)
		}
	}
	return append(b, '}')
}

func (h *handler) generate(w http.ResponseWriter, r *http.Request) error {
	g, err := h.readGeneration(w, r)
	if err != nil {
		return err
	}
	a, err := h.models.Infer(r.Context(), &g.call)
	if err != nil {
		return err
	}
	route.SetReceipt(w.Header(), &a.Receipt)
	w.Header()["Content-Type"] = jsonType
	_, _ = w.Write(g.append(nil, &a.Receipt, a.Outputs)) // who does not read it has left
	return nil
}

// generateStream answers with an event for each part of the answer. An error after
// the first is an event too.
func (h *handler) generateStream(w http.ResponseWriter, r *http.Request) error {
	g, err := h.readGeneration(w, r)
	if err != nil {
		return err
	}
	events := plain.NewStream(w)
	receipt := repository.Receipt{Model: g.status.Name, Version: g.status.Version}
	g.call.Emit = func(part *model.Response) error {
		return events.Event("", g.append(nil, &receipt, part.Outputs))
	}
	if _, err = h.models.Infer(r.Context(), &g.call); err != nil && events.Began() {
		_ = events.Event("", route.ErrorJSON(route.ProblemOf(err).Message)) // who does not read it has left
		return nil
	}
	return err
}
