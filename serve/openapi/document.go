package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Version is that of the documents that New begins.
const Version = "3.1.0"

// New begins a document without paths.
func New(info Info) *Document {
	return &Document{OpenAPI: Version, Info: info, Paths: map[string]map[string]*Operation{}}
}

// Add puts an operation at a pattern of http.ServeMux, as
// "POST /v2/models/{model}/infer". Variables of the path that the operation does
// not describe are strings. The operation is not changed.
func (d *Document) Add(pattern string, op *Operation) error {
	method, path, variables, err := split(pattern)
	if err != nil {
		return err
	}
	if d.Paths[path] == nil {
		d.Paths[path] = map[string]*Operation{}
	}
	if d.Paths[path][method] != nil {
		return fmt.Errorf("describe %s: it is there twice", pattern)
	}
	own := *op
	own.Parameters = slices.Clone(op.Parameters)
	for _, name := range variables {
		if !slices.ContainsFunc(own.Parameters, func(p Parameter) bool { return p.In == "path" && p.Name == name }) {
			one := int64(1)
			own.Parameters = append(own.Parameters, Parameter{Name: name, In: "path", Required: true, Schema: &Schema{Type: "string", MinLength: &one}})
		}
	}
	own.Responses = maps.Clone(op.Responses)
	if own.Responses == nil {
		own.Responses = map[string]*Response{}
	}
	d.Paths[path][method] = &own
	return nil
}

// split takes a pattern of http.ServeMux apart.
func split(pattern string) (method, path string, variables []string, err error) {
	method, path, ok := strings.Cut(pattern, " ")
	path = strings.TrimLeft(path, " \t")
	if !ok || !strings.HasPrefix(path, "/") || strings.ToUpper(method) != method {
		return "", "", nil, fmt.Errorf("describe %q: it is no method and path", pattern)
	}
	path = strings.TrimSuffix(path, "{$}")
	var out strings.Builder
	for rest := path; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		out.WriteString(before)
		if !found {
			break
		}
		name, tail, closed := strings.Cut(after, "}")
		name = strings.TrimSuffix(name, "...")
		if !closed || name == "" {
			return "", "", nil, fmt.Errorf("describe %q: a variable has no end", pattern)
		}
		variables = append(variables, name)
		out.WriteString("{" + name + "}")
		rest = tail
	}
	return strings.ToLower(method), out.String(), variables, nil
}

// Everywhere adds answers that any operation may give to those that do not describe
// them: what the server says before it asks a handler.
func (d *Document) Everywhere(responses map[string]*Response) {
	for _, methods := range d.Paths {
		for _, op := range methods {
			for status, r := range responses {
				if op.Responses[status] == nil {
					op.Responses[status] = r
				}
			}
		}
	}
}

// Named adds a schema that operations refer to with Ref.
func (d *Document) Named(name string, s *Schema) {
	if d.Components.Schemas == nil {
		d.Components.Schemas = map[string]*Schema{}
	}
	d.Components.Schemas[name] = s
}

// Ref is a schema that stands for the one of that name.
func Ref(name string) *Schema { return &Schema{Ref: "#/components/schemas/" + name} }

// JSON writes the document: equal ones in equal bytes.
func (d *Document) JSON() ([]byte, error) {
	b, err := json.Marshal(d) // maps are written in the order of their keys
	if err != nil {
		return nil, fmt.Errorf("write OpenAPI document: %w", err)
	}
	return b, nil
}

// JSONBody is a required body of JSON.
func JSONBody(s *Schema, example any) *Body {
	return &Body{Required: true, Content: map[string]*MediaType{"application/json": {Schema: s, Example: example}}}
}

// JSONAnswer is an answer of JSON.
func JSONAnswer(description string, s *Schema) *Response {
	return &Response{Description: description, Content: map[string]*MediaType{"application/json": {Schema: s}}}
}

// Failure is the schema of the object with an error that the server itself gives.
func Failure() *Schema {
	s := object()
	s.Properties["error"] = &Schema{Type: "string", Description: "what was wrong"}
	s.Required = []string{"error"}
	return s
}
