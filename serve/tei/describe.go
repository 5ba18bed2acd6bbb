package tei

import (
	"fmt"

	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/task"
)

const tag = "Text Embeddings Inference"

func object(required []string, properties map[string]*openapi.Schema) *openapi.Schema {
	return &openapi.Schema{Type: "object", Properties: properties, Required: required}
}

func kind(name string) *openapi.Schema { return &openapi.Schema{Type: name} }

func list(of *openapi.Schema) *openapi.Schema { return &openapi.Schema{Type: "array", Items: of} }

// some is a list that is not empty.
func some(of *openapi.Schema) *openapi.Schema {
	one := int64(1)
	return &openapi.Schema{Type: "array", Items: of, MinItems: &one, Description: fmt.Sprintf("at most %d", task.MaxTexts)}
}

func responses(description string, ok *openapi.Schema) map[string]*openapi.Response {
	problem := object([]string{"error", "error_type"}, map[string]*openapi.Schema{
		"error":      kind("string"),
		"error_type": {Enum: []any{"Unhealthy", "Backend", "Overloaded", "Validation", "Tokenizer", "Empty"}},
	})
	all := map[string]*openapi.Response{"200": openapi.JSONAnswer(description, ok)}
	for status, text := range map[string]string{
		"400": "there are no texts, or the request is wrong", "404": "there is no such model", "413": "there are too many texts, or the body is too big",
		"415": "the body is encoded in a way that is not read", "422": "the request cannot be read", "424": "the model is of another kind, or refused the request",
		"429": "too many requests wait", "500": "the model failed", "503": "the model is not ready", "504": "the answer took too long",
	} {
		all[status] = openapi.JSONAnswer(text, problem)
	}
	return all
}

func describeEmbed(st repository.Status) *openapi.Operation {
	if !task.Has(&st, repository.TaskEmbedding) {
		return nil
	}
	one := 1.0
	element := kind("string")
	if !task.NewEmbedder(st.Signature).Texts() {
		zero, first := 0.0, int64(1)
		element = &openapi.Schema{Type: "array", Items: &openapi.Schema{Type: "integer", Minimum: &zero}, MinItems: &first}
	}
	asked := object([]string{"inputs"}, map[string]*openapi.Schema{
		"inputs":    {AnyOf: []*openapi.Schema{element, some(element)}},
		"normalize": kind("boolean"), "truncate": kind("boolean"),
		"dimensions": {Type: "integer", Minimum: &one},
	})
	return &openapi.Operation{
		ID: "teiEmbed", Summary: "Make vectors of texts", Tags: []string{tag},
		Body: openapi.JSONBody(asked, map[string]any{"inputs": "A wherry is a light boat."}), Responses: responses("a vector for each", list(list(kind("number")))),
	}
}

func describeRerank(st repository.Status) *openapi.Operation {
	if !task.Has(&st, repository.TaskRerank) {
		return nil
	}
	asked := object([]string{"query", "texts"}, map[string]*openapi.Schema{
		"query": kind("string"), "texts": some(kind("string")), "raw_scores": kind("boolean"), "return_text": kind("boolean"), "truncate": kind("boolean"),
	})
	said := list(object([]string{"index", "score"}, map[string]*openapi.Schema{"index": kind("integer"), "score": kind("number"), "text": kind("string")}))
	return &openapi.Operation{
		ID: "teiRerank", Summary: "Order texts by what they say about a query", Tags: []string{tag},
		Body: openapi.JSONBody(asked, nil), Responses: responses("the texts, the best first", said),
	}
}

func describeSimilarity(st repository.Status) *openapi.Operation {
	if !task.Has(&st, repository.TaskEmbedding) || !task.NewEmbedder(st.Signature).Texts() {
		return nil
	}
	asked := object([]string{"inputs"}, map[string]*openapi.Schema{
		"inputs": object([]string{"source_sentence", "sentences"}, map[string]*openapi.Schema{
			"source_sentence": kind("string"), "sentences": some(kind("string")),
		}),
	})
	return &openapi.Operation{
		ID: "teiSimilarity", Summary: "Tell how alike texts are", Tags: []string{tag},
		Body: openapi.JSONBody(asked, nil), Responses: responses("a number from -1 to 1 for each", list(kind("number"))),
	}
}

func describeInfo(st repository.Status) *openapi.Operation {
	if !task.Has(&st, repository.TaskEmbedding) && !task.Has(&st, repository.TaskClassification) && !task.Has(&st, repository.TaskRerank) {
		return nil
	}
	return &openapi.Operation{
		ID: "teiInfo", Summary: "Tell about the model", Tags: []string{tag},
		Responses: responses("what it is", object([]string{"model_id", "model_type"}, map[string]*openapi.Schema{"model_id": kind("string"), "model_type": kind("object")})),
	}
}
