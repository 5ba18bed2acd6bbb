// Package route knows what a protocol hands to the server: paths with their
// handlers and their description, and what every answer to a failed request has in
// common.
package route

import (
	"net/http"

	"github.com/wherry-run/wherry/serve/openapi"
	"github.com/wherry-run/wherry/serve/repository"
)

// A Route is one path of a protocol.
type Route struct {
	// Pattern is of http.ServeMux: "POST /v2/models/{model}/infer".
	Pattern string
	// PerModel routes do not name a model: they ask the default one, and the server
	// offers each below /m/{model} too. Handlers ask Model which is meant.
	PerModel bool
	// Protocol is one of repository.Protocol..., or "" for what is no inference.
	Protocol string
	// Open routes need no API key: health, readiness.
	Open    bool
	Handler http.Handler
	// When lets several routes have one pattern, as GET /{$}, which is a page to a
	// browser and a document to a client of Cog: of those, in their order, the first
	// whose When says so answers. nil says so always. Beside Open routes it is asked
	// before the key is, of anybody: there it looks at the headers alone.
	When func(r *http.Request) bool
	// Operation describes the route for the model that st is of, for the OpenAPI
	// document; nil leaves it out. It may give nil when the route means nothing for
	// the model.
	Operation func(st repository.Status) *openapi.Operation
}

// First is the first value of a header whose name is spelled as net/http spells it.
func First(h http.Header, name string) string {
	if list := h[name]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// Model is the name of the model that a request is for: what stands in its path,
// else "", the default one.
func Model(r *http.Request) string { return r.PathValue("model") }
