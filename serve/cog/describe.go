package cog

import (
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
)

const tag = "Cog"

func object(required []string, properties map[string]*openapi.Schema) *openapi.Schema {
	return &openapi.Schema{Type: "object", Properties: properties, Required: required}
}

func kind(name string) *openapi.Schema { return &openapi.Schema{Type: name} }

func orNull(s *openapi.Schema) *openapi.Schema {
	return &openapi.Schema{AnyOf: []*openapi.Schema{s, kind("null")}}
}

// OutputOf is the schema of a prediction's output.
func OutputOf(s *model.Signature) *openapi.Schema {
	if len(s.Outputs) == 1 {
		return outputSchema(&s.Outputs[0])
	}
	o := object(nil, map[string]*openapi.Schema{})
	for i := range s.Outputs {
		o.Properties[s.Outputs[i].Name] = outputSchema(&s.Outputs[i])
		o.Required = append(o.Required, s.Outputs[i].Name)
	}
	return o
}

func outputSchema(f *model.Field) *openapi.Schema {
	if p := f.Parameters; p != nil && f.Type == model.Bytes && (p.Kind == model.KindFile || p.Kind == model.KindImage) {
		return &openapi.Schema{Type: "string", Format: "uri", Title: f.Name, Description: p.Description}
	}
	return openapi.AnswerOf(f)
}

func predictionSchema(s *model.Signature) *openapi.Schema {
	return object([]string{"id", "status", "input", "output", "error", "logs", "metrics", "created_at", "started_at", "completed_at"}, map[string]*openapi.Schema{
		"id":      kind("string"),
		"version": kind("string"),
		"status": {Enum: []any{
			statusStarting, statusProcessing, statusSucceeded, statusFailed, statusCanceled,
		}},
		"input":        kind("object"),
		"output":       {}, // as the schema Output says, or null
		"error":        orNull(kind("string")),
		"logs":         kind("string"),
		"metrics":      {Type: "object", AdditionalProperties: kind("number")},
		"created_at":   {Type: "string", Format: "date-time"},
		"started_at":   orNull(&openapi.Schema{Type: "string", Format: "date-time"}),
		"completed_at": orNull(&openapi.Schema{Type: "string", Format: "date-time"}),
	})
}

// problems are the errors that a prediction may end with before it is one.
func problems() map[string]*openapi.Response {
	detailed := object([]string{"detail"}, map[string]*openapi.Schema{"detail": {}})
	all := map[string]*openapi.Response{}
	for status, text := range map[string]string{
		"404": "there is no such model", "409": "all instances are busy, or there is such a prediction already", "413": "the body is too big", "415": "the body is encoded in a way that is not read",
		"422": "the input does not fit the model", "503": "the model is not ready",
	} {
		all[status] = openapi.JSONAnswer(text, detailed)
	}
	return all
}

func describeCreate(named bool) func(repository.Status) *openapi.Operation {
	return func(st repository.Status) *openapi.Operation {
		body := object([]string{"input"}, map[string]*openapi.Schema{
			"input": openapi.RequestOf(st.Signature),
		})
		if !named {
			short := int64(maxID)
			body.Properties["id"] = orNull(&openapi.Schema{Type: "string", MaxLength: &short})
		}
		op := &openapi.Operation{
			ID: "cogPredict", Summary: "Make a prediction", Tags: []string{tag},
			Parameters: []openapi.Parameter{{Name: "Prefer", In: "header", Description: "respond-async makes it in the background", Schema: kind("string")}},
			Body:       openapi.JSONBody(body, nil),
			Responses:  problems(),
		}
		if example := openapi.ExampleOf(st.Signature); example != nil {
			op.Body = openapi.JSONBody(body, map[string]any{"input": example})
		}
		if named {
			op.ID, op.Summary = "cogPredictNamed", "Make a prediction of a name once"
		}
		ok := openapi.JSONAnswer("the prediction, also one that failed", predictionSchema(st.Signature))
		ok.Content["text/event-stream"] = &openapi.MediaType{Schema: kind("string")}
		op.Responses["200"] = ok
		op.Responses["202"] = openapi.JSONAnswer("the prediction is being made", predictionSchema(st.Signature))
		return op
	}
}

func describeGet(st repository.Status) *openapi.Operation {
	return &openapi.Operation{
		ID: "cogGet", Summary: "Tell about a prediction of the background", Tags: []string{tag},
		Responses: map[string]*openapi.Response{
			"200": openapi.JSONAnswer("the prediction", predictionSchema(st.Signature)),
			"404": openapi.JSONAnswer("there is none of this name", kind("object")),
		},
	}
}

func describeCancel(repository.Status) *openapi.Operation {
	return &openapi.Operation{
		ID: "cogCancel", Summary: "Cancel a prediction", Tags: []string{tag},
		Responses: map[string]*openapi.Response{
			"200": openapi.JSONAnswer("it is canceled", kind("object")),
			"404": openapi.JSONAnswer("there is none of this name", kind("object")),
		},
	}
}

func describeHealth(repository.Status) *openapi.Operation {
	said := object([]string{"status", "setup", "version"}, map[string]*openapi.Schema{
		"status": {Enum: []any{"STARTING", "READY", "BUSY", "SETUP_FAILED", "DEFUNCT", "UNHEALTHY"}},
		"setup":  kind("object"), "version": kind("object"),
	})
	return &openapi.Operation{
		ID: "cogHealth", Summary: "Tell how the model is", Tags: []string{tag},
		Responses: map[string]*openapi.Response{"200": openapi.JSONAnswer("how it is", said)},
	}
}
