package oip

import (
	"net/http"

	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Options are the bounds of the protocol, and what it says of the server.
type Options struct {
	// Version is that of the server.
	Version string
	// MaxBody bounds the body of a request, in bytes; 0 means route.DefaultMaxBody.
	MaxBody int64
	// Settings are what clients may read and change of logs and traces; nil: none.
	Settings *inference.Settings
}

// Headers of requests and answers.
const (
	headerLength = "Inference-Header-Content-Length" // of the JSON, where tensors follow it
	typeJSON     = "application/json"
	typeBinary   = "application/octet-stream"
)

type handler struct {
	models  inference.Repository
	options Options
}

// Routes are those of the protocol.
func Routes(m inference.Repository, o Options) []route.Route {
	if o.MaxBody == 0 {
		o.MaxBody = route.DefaultMaxBody
	}
	if o.Settings == nil {
		o.Settings = &inference.Settings{}
	}
	h := &handler{models: m, options: o}
	list := []route.Route{
		{Pattern: "GET /v2", Handler: call(h.server), Operation: serverOperation},
		{Pattern: "GET /v2/{$}", Handler: call(h.server)},
		{Pattern: "GET /v2/health/live", Open: true, Handler: call(h.live), Operation: healthOperation("live")},
		{Pattern: "GET /v2/health/ready", Open: true, Handler: call(h.ready), Operation: healthOperation("ready")},
		{Pattern: "GET /v2/models", Handler: call(h.list), Operation: listOperation},
		{Pattern: "GET /v2/models/stats", Handler: call(h.statistics), Operation: statisticsOperation},
		{Pattern: "POST /v2/repository/index", Handler: call(h.index), Operation: indexOperation},
		{Pattern: "POST /v2/repository/models/{model}/load", Handler: call(h.load), Operation: controlOperation("load")},
		{Pattern: "POST /v2/repository/models/{model}/unload", Handler: call(h.unload), Operation: controlOperation("unload")},
		{Pattern: "GET /v2/logging", Handler: call(h.logging), Operation: settingsOperation("logging")},
		{Pattern: "POST /v2/logging", Handler: call(h.setLogging), Operation: changing(settingsOperation("logging"))},
		{Pattern: "GET /v2/trace/setting", Handler: call(h.trace), Operation: settingsOperation("trace")},
		{Pattern: "POST /v2/trace/setting", Handler: call(h.setTrace), Operation: changing(settingsOperation("trace"))},
		{Pattern: "GET /v2/models/{model}/trace/setting", Handler: call(h.trace), Operation: settingsOperation("trace")},
		{Pattern: "POST /v2/models/{model}/trace/setting", Handler: call(h.setTrace), Operation: changing(settingsOperation("trace"))},
		{Pattern: "POST /v1/models/{model}", Protocol: repository.ProtocolV1, Handler: call(h.v1), Operation: v1Operation},
	}
	for _, at := range []string{"/v2/models/{model}", "/v2/models/{model}/versions/{version}"} {
		rest := repository.ProtocolREST
		list = append(list,
			route.Route{Pattern: "GET " + at, Handler: call(h.model), Operation: modelOperation},
			route.Route{Pattern: "GET " + at + "/ready", Open: true, Handler: call(h.modelReady), Operation: modelReadyOperation},
			route.Route{Pattern: "GET " + at + "/config", Handler: call(h.config), Operation: configOperation},
			route.Route{Pattern: "GET " + at + "/stats", Handler: call(h.statistics), Operation: statisticsOperation},
			route.Route{Pattern: "POST " + at + "/infer", Protocol: rest, Handler: call(h.infer), Operation: inferOperation},
			route.Route{Pattern: "POST " + at + "/generate", Protocol: rest, Handler: call(h.generate), Operation: generateOperation(false)},
			route.Route{Pattern: "POST " + at + "/generate_stream", Protocol: rest, Handler: call(h.generateStream), Operation: generateOperation(true)},
		)
	}
	return append(list, h.memory()...)
}

// call is a handler whose errors become answers.
func call(do func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return route.Handler(do, route.Fail)
}
