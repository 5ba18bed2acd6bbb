package serve

import (
	"net/http"
	"strings"

	"github.com/wherry-run/wherry/serve/cog"
	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/plain"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// document is the route of the OpenAPI document: at the root of all routes, below
// /m/{model} of those that are there.
func (s *Server) document(c Config) route.Route {
	return route.Route{
		Pattern:  "GET /openapi.json",
		PerModel: true,
		Handler: route.Handler(func(w http.ResponseWriter, r *http.Request) error {
			text, err := s.describe(r, c)
			if err != nil {
				return err
			}
			route.WriteJSON(w, http.StatusOK, text)
			return nil
		}, route.Fail),
		Operation: func(repository.Status) *openapi.Operation {
			return &openapi.Operation{
				ID: "openapi", Summary: "This document", Tags: []string{"server"},
				Responses: map[string]*openapi.Response{
					"200": openapi.JSONAnswer("an OpenAPI document", &openapi.Schema{Type: "object"}),
					"404": openapi.JSONAnswer("there is no such model", openapi.Failure()),
					"503": openapi.JSONAnswer("the model is not ready", openapi.Failure()),
				},
			}
		},
	}
}

// describe writes the document for the model of a request.
func (s *Server) describe(r *http.Request, c Config) ([]byte, error) {
	name := route.Model(r)
	st, err := plain.Find(s.repository, name)
	if err != nil {
		return nil, err
	}
	d := openapi.New(openapi.Info{Title: st.Name, Version: st.Version, Description: "What this server answers, for the model " + st.Name + "."})
	if name != "" {
		d.Servers = []openapi.Server{{URL: "/m/" + name}}
	}
	d.Named("Input", openapi.RequestOf(st.Signature))
	d.Named("Output", cog.OutputOf(st.Signature))
	described := map[string]bool{}
	for _, one := range s.routes {
		if one.Operation == nil || described[one.Pattern] || name != "" && !one.PerModel {
			continue
		}
		op := one.Operation(st)
		if op == nil {
			continue
		}
		described[one.Pattern] = true
		if one.Open && c.Guard.Keys != nil {
			open := *op
			open.Security = []map[string][]string{{}}
			op = &open
		}
		if err := d.Add(one.Pattern, op); err != nil {
			return nil, err
		}
	}
	refusals(d, c)
	s.name(d)
	return d.JSON()
}

// refusals adds what is answered before a handler is asked.
func refusals(d *openapi.Document, c Config) {
	all := map[string]string{
		"403": "the request is of a page of another site",
		"413": "the body is too big",
		"421": "the server does not answer to the name in Host",
		"500": "the server failed",
	}
	if c.Guard.Keys != nil {
		all["401"] = "the server needs an API key"
		d.Components.SecuritySchemes = map[string]*openapi.SecurityScheme{
			"bearer": {Type: "http", Scheme: "bearer"},
			"key":    {Type: "apiKey", In: "header", Name: "x-api-key"},
		}
		d.Security = []map[string][]string{{"bearer": {}}, {"key": {}}}
	}
	answers := map[string]*openapi.Response{}
	for status, words := range all {
		answers[status] = openapi.JSONAnswer(words, openapi.Failure())
	}
	d.Everywhere(answers)
}

// name lets the paths of several models be told apart: a parameter {model} is one of
// those that the server has.
func (s *Server) name(d *openapi.Document) {
	var names []any
	for _, st := range s.repository.Index() {
		if st.Default {
			names = append(names, st.Name)
		}
	}
	for path, methods := range d.Paths {
		if !strings.Contains(path, "{model}") {
			continue
		}
		for _, op := range methods {
			for i, p := range op.Parameters {
				if p.In == "path" && p.Name == "model" && len(p.Schema.Enum) == 0 {
					schema := *p.Schema
					schema.Enum = names
					op.Parameters[i].Schema = &schema
				}
			}
		}
	}
}

// toldAs describes a route that answers with text about the server, with the status
// 200 or others.
func toldAs(id, summary, kind string, others ...string) func(repository.Status) *openapi.Operation {
	return func(repository.Status) *openapi.Operation {
		op := &openapi.Operation{ID: id, Summary: summary, Tags: []string{"server"}, Responses: map[string]*openapi.Response{}}
		for _, status := range append(others, "200") {
			op.Responses[status] = &openapi.Response{Description: summary, Content: map[string]*openapi.MediaType{kind: {Schema: &openapi.Schema{Type: "string"}}}}
		}
		return op
	}
}
