package openai

import (
	"fmt"

	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/task"
)

const tag = "OpenAI"

func object(required []string, properties map[string]*openapi.Schema) *openapi.Schema {
	return &openapi.Schema{Type: "object", Properties: properties, Required: required}
}

func list(of *openapi.Schema) *openapi.Schema { return &openapi.Schema{Type: "array", Items: of} }

func kind(name string) *openapi.Schema { return &openapi.Schema{Type: name} }

func integer(min float64) *openapi.Schema { return &openapi.Schema{Type: "integer", Minimum: &min} }

// responses are an answer and the errors that there may be.
func responses(description string, ok *openapi.Schema, infers bool) map[string]*openapi.Response {
	null := &openapi.Schema{AnyOf: []*openapi.Schema{kind("string"), kind("null")}}
	problem := object([]string{"error"}, map[string]*openapi.Schema{
		"error": object([]string{"message", "type", "param", "code"}, map[string]*openapi.Schema{
			"message": kind("string"), "type": kind("string"), "param": null, "code": null,
		}),
	})
	all := map[string]*openapi.Response{"200": openapi.JSONAnswer(description, ok)}
	codes := map[string]string{"404": "there is no such model"}
	if infers {
		codes = map[string]string{
			"400": "the request is wrong", "404": "there is no such model", "413": "the body is too big", "415": "the body is encoded in a way that is not read",
			"422": "the model refused the request", "429": "too many requests wait", "500": "the model failed",
			"503": "the model is not ready", "504": "the answer took too long",
		}
	}
	for status, text := range codes {
		all[status] = openapi.JSONAnswer(text, problem)
	}
	return all
}

func modelSchema() *openapi.Schema {
	return object([]string{"id", "object", "created", "owned_by"}, map[string]*openapi.Schema{
		"id": kind("string"), "object": {Const: "model"}, "created": kind("integer"), "owned_by": kind("string"),
		"name": kind("string"), "ready": kind("boolean"),
	})
}

func describeList(repository.Status) *openapi.Operation {
	said := object([]string{"object", "data"}, map[string]*openapi.Schema{
		"object": {Const: "list"}, "data": list(modelSchema()), "models": list(kind("string")),
	})
	all := responses("the models", said, false)
	delete(all, "404")
	return &openapi.Operation{ID: "openaiListModels", Summary: "List the models", Tags: []string{tag}, Responses: all}
}

func describeGet(st repository.Status) *openapi.Operation {
	return &openapi.Operation{
		ID: "openaiGetModel", Summary: "Tell about a model", Tags: []string{tag},
		Parameters: []openapi.Parameter{{Name: "model", In: "path", Required: true, Schema: kind("string")}},
		Responses:  responses("the model", modelSchema(), false),
	}
}

func usageSchema() *openapi.Schema {
	return object([]string{"prompt_tokens", "total_tokens"}, map[string]*openapi.Schema{
		"prompt_tokens": integer(0), "total_tokens": integer(0),
	})
}

func describeEmbeddings(st repository.Status) *openapi.Operation {
	if !task.Has(&st, repository.TaskEmbedding) {
		return nil
	}
	one := int64(1)
	element := &openapi.Schema{Type: "string", MinLength: &one}
	if !task.NewEmbedder(st.Signature).Texts() {
		element = &openapi.Schema{Type: "array", Items: integer(0), MinItems: &one}
	}
	many := &openapi.Schema{Type: "array", Items: element, MinItems: &one, Description: fmt.Sprintf("at most %d", task.MaxTexts)}
	asked := object([]string{"input"}, map[string]*openapi.Schema{
		"input":           {AnyOf: []*openapi.Schema{element, many}},
		"model":           {Const: st.Name},
		"encoding_format": {Enum: []any{"float", "base64"}},
		"dimensions":      integer(1),
		"user":            kind("string"),
	})
	vector := &openapi.Schema{AnyOf: []*openapi.Schema{list(kind("number")), kind("string")}}
	said := object([]string{"object", "data", "model", "usage"}, map[string]*openapi.Schema{
		"object": {Const: "list"}, "model": kind("string"), "usage": usageSchema(),
		"data": list(object([]string{"object", "index", "embedding"}, map[string]*openapi.Schema{
			"object": {Const: "embedding"}, "index": integer(0), "embedding": vector,
		})),
	})
	return &openapi.Operation{
		ID: "openaiEmbeddings", Summary: "Make embeddings of texts", Tags: []string{tag},
		Body:      openapi.JSONBody(asked, map[string]any{"model": st.Name, "input": "A wherry is a light boat."}),
		Responses: responses("the embeddings", said, true),
	}
}

func describeRerank(st repository.Status) *openapi.Operation {
	if !task.Has(&st, repository.TaskRerank) {
		return nil
	}
	one := int64(1)
	document := &openapi.Schema{AnyOf: []*openapi.Schema{kind("string"), object([]string{"text"}, map[string]*openapi.Schema{"text": kind("string")})}}
	asked := object([]string{"query", "documents"}, map[string]*openapi.Schema{
		"model": {Const: st.Name}, "query": {Type: "string", MinLength: &one},
		"documents": {Type: "array", Items: document, MinItems: &one, Description: fmt.Sprintf("at most %d", task.MaxTexts)},
		"top_n":     integer(1), "return_documents": kind("boolean"),
	})
	said := object([]string{"object", "model", "results", "usage"}, map[string]*openapi.Schema{
		"object": {Const: "list"}, "model": kind("string"), "usage": usageSchema(),
		"results": list(object([]string{"index", "relevance_score"}, map[string]*openapi.Schema{
			"index": integer(0), "relevance_score": kind("number"),
			"document": object([]string{"text"}, map[string]*openapi.Schema{"text": kind("string")}),
		})),
	})
	return &openapi.Operation{
		ID: "openaiRerank", Summary: "Order documents by what they say about a query", Tags: []string{tag},
		Body: openapi.JSONBody(asked, map[string]any{"model": st.Name, "query": "What is a wherry?", "documents": []string{"A light boat.", "A kind of fish."}}), Responses: responses("the documents, the best first", said, true),
	}
}
