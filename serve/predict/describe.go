package predict

import (
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
)

// operation describes POST /predict for a model.
func operation(st repository.Status) *openapi.Operation {
	s := st.Signature
	request, example := openapi.RequestOf(s), openapi.ExampleOf(s)
	if tested := openapi.ExampleFrom(st.Examples); tested != nil {
		example = tested
	}
	content := map[string]*openapi.MediaType{
		typeJSON:  {Schema: bodySchema(s, request), Example: example},
		typeParts: {Schema: formSchema(s)},
		typeCSV:   {Schema: &openapi.Schema{Type: "string", Description: "rows, with the names of the inputs in the head line"}},
	}
	binary := &openapi.MediaType{Schema: &openapi.Schema{Type: "string", ContentEncoding: "binary"}}
	if f := s.Sole(); f != nil {
		switch {
		case f.IsKind(model.KindImage):
			content["image/png"], content["image/jpeg"] = binary, binary
		case f.IsKind(model.KindFile):
			content[typeBytes] = binary
		default:
			content[typeNPY] = binary
		}
	}
	answers := map[string]*openapi.MediaType{
		typeJSON:   {Schema: &openapi.Schema{AnyOf: []*openapi.Schema{openapi.ResponseOf(s), {Type: "array", Items: openapi.ResponseOf(s)}}}},
		typeCSV:    {Schema: &openapi.Schema{Type: "string"}},
		typeEvents: {Schema: &openapi.Schema{Type: "string", Description: "an event for each part of the answer, its data the outputs as JSON; the last is end, with the receipt, or error"}},
		typeNPY:    binary,
		typeNPZ:    binary,
	}
	if wantsImage(s, nil) {
		answers["image/*"], answers[typeBytes] = binary, binary
	}
	return &openapi.Operation{
		ID:          "predict",
		Summary:     "Ask the model",
		Description: "Inputs by their names. The answer has the outputs by theirs; Accept says in which form.",
		Tags:        []string{"predict"},
		Parameters: []openapi.Parameter{{
			Name: "output", In: "query", Description: "an output that is wanted; without it, all",
			Schema: &openapi.Schema{Type: "array", Items: &openapi.Schema{Type: "string"}},
		}},
		Body:      &openapi.Body{Required: true, Content: content},
		Responses: responses(answers),
	}
}

// bodySchema is that of a document of JSON: inputs by name, a list of such, or the
// value of the only input.
func bodySchema(s *model.Signature, request *openapi.Schema) *openapi.Schema {
	forms := []*openapi.Schema{request}
	if f := s.Sole(); f != nil {
		forms = append(forms, openapi.SchemaOf(f))
	} else {
		forms = append(forms, &openapi.Schema{Type: "array", Items: request})
	}
	return &openapi.Schema{AnyOf: forms}
}

// formSchema is that of a form: a field for each input, a file where it takes one.
func formSchema(s *model.Signature) *openapi.Schema {
	form := &openapi.Schema{Type: "object", Properties: map[string]*openapi.Schema{}}
	for i := range s.Inputs {
		f := &s.Inputs[i]
		p := &openapi.Schema{Type: "string", Description: f.Describe()}
		switch {
		case f.IsKind(model.KindImage):
			p.ContentMediaType = "image/*"
		case f.IsKind(model.KindFile):
			p.ContentMediaType = typeBytes
		}
		form.Properties[f.Name] = p
		if !f.Optional() {
			form.Required = append(form.Required, f.Name)
		}
	}
	return form
}

// responses are the answers that there may be.
func responses(ok map[string]*openapi.MediaType) map[string]*openapi.Response {
	problem := &openapi.Schema{
		Type: "object",
		Properties: map[string]*openapi.Schema{
			"error":  {Type: "string", Description: "what was wrong"},
			"reason": {Type: "string", Description: "the kind of problem"},
		},
		Required: []string{"error", "reason"},
	}
	all := map[string]*openapi.Response{"200": {Description: "the outputs", Content: ok}}
	for status, description := range map[string]string{
		"400": "the request does not fit the model",
		"413": "the body is too big",
		"415": "the body is of a type that is not read",
		"422": "the model refused the request",
		"429": "too many requests wait",
		"500": "the model failed",
		"503": "the model is not ready",
		"504": "the answer took too long",
	} {
		all[status] = openapi.JSONAnswer(description, problem)
	}
	return all
}
