package oip

import (
	"encoding/json"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
)

// tags of the operations.
const (
	tagProtocol   = "open inference protocol"
	tagRepository = "model repository"
	tagSettings   = "settings"
)

func object(properties map[string]*openapi.Schema, required ...string) *openapi.Schema {
	return &openapi.Schema{Type: "object", Properties: properties, Required: required}
}

func list(of *openapi.Schema) *openapi.Schema { return &openapi.Schema{Type: "array", Items: of} }

func text() *openapi.Schema    { return &openapi.Schema{Type: "string"} }
func truth() *openapi.Schema   { return &openapi.Schema{Type: "boolean"} }
func whole() *openapi.Schema   { return &openapi.Schema{Type: "integer"} }
func anybody() *openapi.Schema { return &openapi.Schema{Type: "object"} }

// problems adds the answers to requests that fail.
func problems(op *openapi.Operation, statuses ...string) *openapi.Operation {
	for _, status := range statuses {
		op.Responses[status] = openapi.JSONAnswer(problemText[status], object(map[string]*openapi.Schema{"error": text()}, "error"))
	}
	return op
}

var problemText = map[string]string{
	"400": "The request is none, or does not fit the model.",
	"403": "Clients may not change this server.",
	"404": "There is no such model.",
	"413": "The body is too long.",
	"415": "The body is compressed in a way that nobody reads here.",
	"422": "The model's own code refused the request.",
	"429": "As many requests wait as may.",
	"500": "The model was stopped, or the server made a mistake.",
	"503": "The model cannot answer now.",
	"504": "The request was not answered in its time.",
}

// operation is one with an answer of JSON.
func operation(tag, summary, description string, s *openapi.Schema) *openapi.Operation {
	return &openapi.Operation{Summary: summary, Tags: []string{tag}, Responses: map[string]*openapi.Response{"200": openapi.JSONAnswer(description, s)}}
}

func serverOperation(repository.Status) *openapi.Operation {
	return operation(tagProtocol, "Metadata of the server", "Its name, version and extensions.",
		object(map[string]*openapi.Schema{"name": text(), "version": text(), "extensions": list(text())}, "name", "version", "extensions"))
}

func healthOperation(word string) func(repository.Status) *openapi.Operation {
	return func(repository.Status) *openapi.Operation {
		answer := object(map[string]*openapi.Schema{word: truth()}, word)
		op := operation(tagProtocol, "Whether the server is "+word, "It is.", answer)
		if word == "ready" {
			op.Responses["503"] = openapi.JSONAnswer("It is not.", answer)
		}
		return op
	}
}

func listOperation(repository.Status) *openapi.Operation {
	return operation(tagProtocol, "Names of the models", "Their names.", object(map[string]*openapi.Schema{"models": list(text())}, "models"))
}

func tensorSchema(more map[string]*openapi.Schema, required ...string) *openapi.Schema {
	properties := map[string]*openapi.Schema{"name": text(), "datatype": text(), "shape": list(whole())}
	for key, s := range more {
		properties[key] = s
	}
	return object(properties, append([]string{"name", "datatype", "shape"}, required...)...)
}

func modelOperation(repository.Status) *openapi.Operation {
	op := operation(tagProtocol, "Metadata of a model", "Its signature.", object(map[string]*openapi.Schema{
		"name": text(), "versions": list(text()), "platform": text(), "inputs": list(tensorSchema(nil)), "outputs": list(tensorSchema(nil)), "properties": anybody(),
	}, "name", "versions", "platform", "inputs", "outputs"))
	return problems(op, "404", "503")
}

func modelReadyOperation(repository.Status) *openapi.Operation {
	answer := object(map[string]*openapi.Schema{"name": text(), "ready": truth(), "error": text()})
	op := operation(tagProtocol, "Whether a model is ready", "It is.", answer)
	op.Responses["503"] = openapi.JSONAnswer("It is not.", answer)
	return problems(op, "404")
}

func configOperation(repository.Status) *openapi.Operation {
	return problems(operation(tagRepository, "Configuration of a model, as Triton has it", "The configuration.", anybody()), "404", "503")
}

func statisticsOperation(repository.Status) *openapi.Operation {
	op := operation(tagRepository, "Counters, as Triton has them", "The counters.",
		object(map[string]*openapi.Schema{"model_stats": list(anybody())}, "model_stats"))
	return problems(op, "404")
}

func indexOperation(repository.Status) *openapi.Operation {
	op := operation(tagRepository, "Models and their states", "One entry for each version.", list(object(map[string]*openapi.Schema{
		"name": text(), "version": text(), "state": text(), "reason": text(),
	}, "name", "version", "state", "reason")))
	op.Body = &openapi.Body{Content: map[string]*openapi.MediaType{typeJSON: {Schema: object(map[string]*openapi.Schema{"ready": truth()})}}}
	return problems(op, "400", "413", "415")
}

func controlOperation(verb string) func(repository.Status) *openapi.Operation {
	return func(repository.Status) *openapi.Operation {
		op := &openapi.Operation{Summary: "Ask the server to " + verb + " a model", Tags: []string{tagRepository},
			Responses: map[string]*openapi.Response{"200": {Description: "It is done."}}}
		op.Body = &openapi.Body{Content: map[string]*openapi.MediaType{typeJSON: {Schema: object(map[string]*openapi.Schema{"parameters": anybody()})}}}
		return problems(op, "400", "403", "404", "413", "415", "500", "503")
	}
}

func settingsOperation(of string) func(repository.Status) *openapi.Operation {
	return func(repository.Status) *openapi.Operation {
		op := operation(tagSettings, "Settings of "+map[string]string{"logging": "the log", "trace": "traces"}[of], "The settings, as they are now.", anybody())
		return problems(op, "400", "404", "413", "415")
	}
}

// changing gives an operation the body that changes settings.
func changing(of func(repository.Status) *openapi.Operation) func(repository.Status) *openapi.Operation {
	return func(st repository.Status) *openapi.Operation {
		op := of(st)
		op.Body = openapi.JSONBody(anybody(), nil)
		op.Body.Required = false
		return problems(op, "403")
	}
}

func memoryOperation(what string) func(repository.Status) *openapi.Operation {
	return func(repository.Status) *openapi.Operation {
		if what == "status" {
			return operation(tagSettings, "Regions of shared memory: none", "An empty list.", list(anybody()))
		}
		op := &openapi.Operation{Summary: "Shared memory, of which there is none", Tags: []string{tagSettings}, Responses: map[string]*openapi.Response{}}
		if what == "unregister" {
			op.Responses["200"] = &openapi.Response{Description: "There is nothing to unregister."}
			return op
		}
		return problems(op, "400")
	}
}

// inferOperation describes how the model of st is asked.
func inferOperation(st repository.Status) *openapi.Operation {
	data := &openapi.Schema{Description: "the elements, nested as the shape or flat"}
	output := object(map[string]*openapi.Schema{"name": text(), "parameters": anybody()}, "name")
	in := object(map[string]*openapi.Schema{
		"id": text(), "parameters": anybody(), "inputs": list(tensorSchema(map[string]*openapi.Schema{"parameters": anybody(), "data": data}, "data")), "outputs": list(output),
	}, "inputs")
	out := object(map[string]*openapi.Schema{
		"model_name": text(), "model_version": text(), "id": text(), "parameters": anybody(),
		"outputs": list(tensorSchema(map[string]*openapi.Schema{"parameters": anybody(), "data": data})),
	}, "model_name", "model_version", "outputs")
	op := operation(tagProtocol, "Infer", "The outputs.", out)
	binary := &openapi.Schema{Type: "string", ContentMediaType: typeBinary, Description: "JSON, and after it the tensors that have the parameter binary_data_size; the header " + headerLength + " tells the length of the JSON"}
	op.Responses["200"].Content[typeBinary] = &openapi.MediaType{Schema: binary}
	op.Body = openapi.JSONBody(in, exampleOf(st.Signature))
	op.Body.Content[typeBinary] = &openapi.MediaType{Schema: binary}
	return problems(op, "400", "404", "413", "415", "422", "429", "500", "503", "504")
}

// exampleOf is a request with made-up inputs; nil when they cannot be made up.
func exampleOf(s *model.Signature) any {
	if s == nil {
		return nil
	}
	text, err := json.Marshal(openapi.ExampleOf(s))
	if err != nil || string(text) == "null" {
		return nil
	}
	r, err := s.ParseObject(text)
	if err != nil {
		return nil
	}
	return r
}

func generateOperation(stream bool) func(repository.Status) *openapi.Operation {
	return func(st repository.Status) *openapi.Operation {
		if st.Signature == nil || textOf(st.Signature.Inputs) == nil {
			return nil
		}
		op := operation(tagProtocol, "Generate text", "The outputs by their names.", object(map[string]*openapi.Schema{"model_name": text(), "model_version": text(), "id": text()}, "model_name", "model_version"))
		if stream {
			op.Summary = "Generate text, in parts"
			op.Responses["200"] = &openapi.Response{Description: "An event for each part.", Content: map[string]*openapi.MediaType{"text/event-stream": {Schema: text()}}}
		}
		op.Body = openapi.JSONBody(object(map[string]*openapi.Schema{textInput: text(), "id": text(), "parameters": anybody()}), nil)
		return problems(op, "400", "404", "413", "415", "422", "429", "500", "503", "504")
	}
}

func v1Operation(st repository.Status) *openapi.Operation {
	op := operation(tagProtocol, "Predict, as version 1 of KServe's protocol has it", "The predictions, one for each instance.",
		object(map[string]*openapi.Schema{"predictions": {}}, "predictions"))
	op.Parameters = []openapi.Parameter{{Name: "model", In: "path", Required: true, Description: "the name of the model and :predict",
		Schema: &openapi.Schema{Type: "string", Enum: []any{st.Name + ":predict"}}}}
	op.Body = openapi.JSONBody(object(map[string]*openapi.Schema{"instances": list(&openapi.Schema{}), "inputs": {}}), nil)
	return problems(op, "400", "404", "413", "415", "422", "429", "500", "503", "504")
}
