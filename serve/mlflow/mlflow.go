// Package mlflow knows the protocol of MLflow's scoring server, which is that of
// SageMaker's containers, too: POST /invocations with tables and tensors in JSON, or
// CSV.
package mlflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Options are the bounds of the protocol.
type Options struct {
	// MaxBody bounds the body of a request, in bytes; 0 means route.DefaultMaxBody.
	MaxBody int64
	// Version is what GET /version tells.
	Version string
}

// Routes are those of the protocol.
func Routes(m plain.Models, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = route.DefaultMaxBody
	}
	h := &handler{m, o}
	alive := http.HandlerFunc(h.alive)
	return []route.Route{
		{Pattern: "POST /invocations", PerModel: true, Protocol: repository.ProtocolMLflow, Handler: route.Handler(h.invoke, fail), Operation: describeInvocations},
		{Pattern: "GET /ping", PerModel: true, Open: true, Handler: alive, Operation: describeAlive("ping")},
		{Pattern: "GET /health", PerModel: true, Open: true, Handler: alive, Operation: describeAlive("health")},
		{Pattern: "GET /version", Open: true, Handler: http.HandlerFunc(h.version), Operation: describeVersion},
	}
}

type handler struct {
	models  plain.Models
	options Options
}

// alive tells whether the model can answer.
func (h *handler) alive(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if st, err := h.models.Status(route.Model(r), ""); err != nil || st.State != repository.StateReady {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte("\n")) // who does not read it has left
}

func (h *handler) version(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte(h.options.Version)) // who does not read it has left
}

func (h *handler) invoke(w http.ResponseWriter, r *http.Request) error {
	st, err := plain.Find(h.models, route.Model(r))
	if err != nil {
		return err
	}
	body, err := route.Body(w, r, h.options.MaxBody)
	if err != nil {
		return err
	}
	if err := route.Hold(r, cellSize*int64(bytes.Count(body, []byte{','}))); err != nil {
		return err
	}
	a, err := parse(st.Signature, r.Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	call, err := plain.Call(r, repository.ProtocolMLflow)
	if err != nil {
		return err
	}
	call.Model = st.Name
	answers, err := plain.Each(r.Context(), h.models, call, a.requests)
	if err != nil {
		return err
	}
	doc, err := a.predictions(st.Signature, answers)
	if err != nil {
		return err
	}
	total := plain.Total(answers)
	route.SetReceipt(w.Header(), &total)
	route.WriteJSON(w, http.StatusOK, doc)
	return nil
}

// cellSize is the room that a cell takes while a table is read, however short it is.
const cellSize = 24

// asked is what a body asks.
type asked struct {
	requests []*model.Request
	single   bool // each row is a request
}

// parse makes requests of a body, by its content type.
func parse(s *model.Signature, contentType string, body []byte) (*asked, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	switch {
	case kind == "text/csv":
		requests, many, err := plain.CSV(s, body)
		return &asked{requests, many}, err
	case kind == "application/json", strings.HasSuffix(kind, "+json"):
		return parseJSON(s, body)
	case err != nil && contentType != "":
		kind = contentType
	}
	return nil, &route.RequestError{
		Status:  http.StatusUnsupportedMediaType,
		Message: fmt.Sprintf("content of type %.100q is not read here: send text/csv or application/json", kind),
	}
}

// The keys of a document, of which it has one, and maybe params beside it.
const (
	keySplit     = "dataframe_split"
	keyRecords   = "dataframe_records"
	keyInstances = "instances"
	keyInputs    = "inputs"
	keyParams    = "params"
)

func parseJSON(s *model.Signature, body []byte) (*asked, error) {
	if rest := bytes.TrimLeft(body, " \t\r\n"); len(rest) == 0 || rest[0] != '{' || !json.Valid(body) {
		return nil, &route.RequestError{Message: "the body is no JSON object"}
	}
	a := &asked{}
	forms := map[string]func(*model.Signature, []byte) error{keySplit: a.split, keyRecords: a.records, keyInstances: a.instances, keyInputs: a.inputs}
	var key string
	var value, params []byte // parts of the body
	n := 0
	for name, member := range model.Members(body) {
		switch {
		case name == keyParams:
			params = member
		case forms[name] != nil:
			n++
			key, value = name, member
		}
	}
	if n != 1 {
		return nil, &route.RequestError{Message: "the body must have one of " + strings.Join([]string{keySplit, keyRecords, keyInstances, keyInputs}, ", ")}
	}
	if err := forms[key](s, value); err != nil {
		return nil, err
	}
	return a, a.params(s, params)
}

// split reads columns and rows of cells.
func (a *asked) split(s *model.Signature, value []byte) (err error) {
	var table struct {
		Columns []any           `json:"columns"`
		Data    json.RawMessage `json:"data"`
	}
	var rows [][]json.RawMessage
	if err := plain.CheckCells(value, ","); err != nil {
		return err
	}
	if err = json.Unmarshal(value, &table); err == nil && table.Data != nil {
		err = json.Unmarshal(table.Data, &rows)
	}
	if err != nil {
		return &route.RequestError{Message: keySplit + ": " + err.Error()}
	}
	var columns []string
	for _, c := range table.Columns {
		name, _ := c.(string) // numbers are the columns of a table without names
		columns = append(columns, name)
	}
	a.requests, a.single, err = s.ParseRows(columns, rows)
	return err
}

// records reads rows as objects.
func (a *asked) records(s *model.Signature, value []byte) (err error) {
	if err := plain.CheckCells(value, ":{"); err != nil {
		return err
	}
	var list []json.RawMessage // and no map of each, which would be many times as large
	if err := json.Unmarshal(value, &list); err != nil {
		return &route.RequestError{Message: keyRecords + ": " + err.Error()}
	}
	var columns []string
	if len(list) > 0 {
		columns = inOrder(s, list[0])
	}
	index := make(map[string]int, len(columns))
	for i, name := range columns {
		index[name] = i
	}
	if len(list) > plain.MaxCells/max(len(columns), 1) {
		return &route.RequestError{
			Status:  http.StatusRequestEntityTooLarge,
			Message: fmt.Sprintf("%d records of %d columns are too many cells: send them in parts", len(list), len(columns)),
		}
	}
	rows := make([][]json.RawMessage, len(list))
	for i, record := range list {
		if record[0] != '{' {
			return &route.RequestError{Message: fmt.Sprintf("%s: record %d is no object", keyRecords, i+1)}
		}
		row := make([]json.RawMessage, len(columns))
		for name, cell := range model.Members(record) {
			c, ok := index[name]
			if !ok {
				return &model.InputError{Reason: fmt.Sprintf("record %d has keys that the first has not", i+1)}
			}
			row[c] = cell
		}
		for c, name := range columns {
			if row[c] == nil { // a name may be there twice
				row[c] = row[index[name]]
			}
			if row[c] == nil {
				row[c] = json.RawMessage("null")
			}
		}
		rows[i] = row
	}
	a.requests, a.single, err = s.ParseRows(columns, rows)
	return err
}

// inOrder are the keys of a record: the inputs and columns of the signature in their
// order, then others by the alphabet.
func inOrder(s *model.Signature, record []byte) []string {
	has := map[string]bool{}
	for name := range model.Members(record) {
		has[name] = true
	}
	var known, others []string
	for i := range s.Inputs {
		known = append(known, s.Inputs[i].Name)
		if p := s.Inputs[i].Parameters; p != nil {
			for _, c := range p.Columns {
				known = append(known, c.Name)
			}
		}
	}
	columns := slices.DeleteFunc(known, func(name string) bool { return !has[name] })
	for _, name := range columns {
		delete(has, name)
	}
	for name := range has {
		others = append(others, name)
	}
	slices.Sort(others)
	return append(columns, others...)
}

// instances reads rows: objects by the names of inputs, or values of the one input.
func (a *asked) instances(s *model.Signature, value []byte) error {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || value[0] != '[' {
		return &route.RequestError{Message: keyInstances + ": it is no list"}
	}
	if rest := bytes.TrimSpace(value[1:]); len(rest) > 0 && rest[0] == '{' {
		return a.records(s, value)
	}
	return a.inputs(s, value)
}

// inputs reads columns: the value of each input by its name, or that of the one.
func (a *asked) inputs(s *model.Signature, value []byte) (err error) {
	a.requests, a.single, err = s.ParseJSON(value)
	return err
}

// params adds optional inputs to each request.
func (a *asked) params(s *model.Signature, value []byte) error {
	if len(value) == 0 || string(value) == "null" {
		return nil
	}
	extra, err := s.ParseObject(value)
	if err != nil {
		return err
	}
	for _, r := range a.requests {
		r.Inputs = append(r.Inputs, extra.Inputs...)
	}
	return nil
}

// predictions is the answer: the values of the only output, else objects by the names
// of outputs; a list of them where each row was a request.
func (a *asked) predictions(s *model.Signature, answers []*repository.Answer) ([]byte, error) {
	b := []byte(`{"predictions": `)
	if a.single {
		b = append(b, '[')
	}
	for i, one := range answers {
		if i > 0 {
			b = append(b, ", "...)
		}
		var err error
		if len(s.Outputs) == 1 && len(one.Outputs) == 1 {
			b, err = one.Outputs[0].AppendValue(b, &s.Outputs[0])
		} else {
			b, err = one.AppendObject(b, s)
		}
		if err != nil {
			return nil, err
		}
	}
	if a.single {
		b = append(b, ']')
	}
	return append(b, '}'), nil
}

// fail answers with an error in the protocol's form.
func fail(w http.ResponseWriter, err error) {
	p := route.ProblemOf(err)
	p.SetRetryAfter(w.Header())
	code := "INTERNAL_ERROR"
	switch {
	case p.Status == http.StatusNotFound:
		code = "RESOURCE_DOES_NOT_EXIST"
	case p.Status == http.StatusTooManyRequests:
		code = "REQUEST_LIMIT_EXCEEDED"
	case p.Status == http.StatusServiceUnavailable:
		code = "TEMPORARILY_UNAVAILABLE"
	case p.Status < http.StatusInternalServerError:
		code = "BAD_REQUEST"
	}
	var refused *model.ModelError
	if errors.As(err, &refused) {
		p.Status = http.StatusBadRequest // so does the scoring server of a model that raises
	}
	doc, _ := json.Marshal(map[string]string{"error_code": code, "message": p.Message}) // of words
	route.WriteJSON(w, p.Status, doc)
}

const tag = "MLflow"

func object(required []string, properties map[string]*openapi.Schema) *openapi.Schema {
	return &openapi.Schema{Type: "object", Properties: properties, Required: required}
}

func describeInvocations(st repository.Status) *openapi.Operation {
	s := st.Signature
	list := &openapi.Schema{Type: "array"}
	split := object([]string{"data"}, map[string]*openapi.Schema{"columns": list, "index": list, "data": {Type: "array", Items: list}})
	forms := []*openapi.Schema{
		object([]string{keySplit}, map[string]*openapi.Schema{keySplit: split}),
		object([]string{keyRecords}, map[string]*openapi.Schema{keyRecords: {Type: "array", Items: &openapi.Schema{Type: "object"}}}),
		object([]string{keyInstances}, map[string]*openapi.Schema{keyInstances: list}),
		object([]string{keyInputs}, map[string]*openapi.Schema{keyInputs: openapi.RequestOf(s)}),
	}
	body := &openapi.MediaType{Schema: &openapi.Schema{OneOf: forms}}
	if example := openapi.ExampleOf(s); example != nil {
		body.Example = map[string]any{keyInputs: example}
	}
	problem := object([]string{"error_code", "message"}, map[string]*openapi.Schema{"error_code": {Type: "string"}, "message": {Type: "string"}})
	op := &openapi.Operation{
		ID: "mlflowInvoke", Summary: "Ask the model as MLflow's scoring server", Tags: []string{tag},
		Body: &openapi.Body{Required: true, Content: map[string]*openapi.MediaType{
			"application/json": body, "text/csv": {Schema: &openapi.Schema{Type: "string"}},
		}},
		Responses: map[string]*openapi.Response{"200": openapi.JSONAnswer("the predictions", object([]string{"predictions"}, map[string]*openapi.Schema{"predictions": {}}))},
	}
	for status, text := range map[string]string{
		"400": "the request does not fit the model, or the model refused it", "404": "there is no such model", "413": "the body is too big",
		"415": "the body is of a type that is not read", "429": "too many requests wait", "500": "the model failed", "503": "the model is not ready", "504": "the answer took too long",
	} {
		op.Responses[status] = openapi.JSONAnswer(text, problem)
	}
	return op
}

func text(description string) *openapi.Response {
	return &openapi.Response{Description: description, Content: map[string]*openapi.MediaType{"text/plain": {Schema: &openapi.Schema{Type: "string"}}}}
}

func describeAlive(id string) func(repository.Status) *openapi.Operation {
	return func(repository.Status) *openapi.Operation {
		return &openapi.Operation{
			ID: id, Summary: "Tell whether the model can answer", Tags: []string{tag},
			Responses: map[string]*openapi.Response{"200": text("it can"), "503": text("it cannot")},
		}
	}
}

func describeVersion(repository.Status) *openapi.Operation {
	return &openapi.Operation{ID: "version", Summary: "Tell the server's version", Tags: []string{tag}, Responses: map[string]*openapi.Response{"200": text("the version")}}
}
