package serve

import (
	"slices"
	"time"

	"github.com/wherry-run/wherry/serve/cog"
	"github.com/wherry-run/wherry/serve/mlflow"
	"github.com/wherry-run/wherry/serve/ollama"
	"github.com/wherry-run/wherry/serve/openai"
	"github.com/wherry-run/wherry/serve/predict"
	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/tei"
)

// dialects are the routes of the protocols besides the Open Inference Protocol. Where
// two have one path, that for clients or models of a kind goes first: TEI's POST
// /predict before our own, Ollama's / before Cog's.
func (s *Server) dialects(c Config) []route.Route {
	r, now := s.repository, time.Now()
	return slices.Concat(
		tei.Routes(r, tei.Options{MaxBody: c.MaxBody, Version: c.Version}),
		predict.Routes(r, predict.Options{MaxBody: c.MaxBody}),
		openai.Routes(r, openai.Options{MaxBody: c.MaxBody, Started: now}),
		ollama.Routes(r, ollama.Options{MaxBody: c.MaxBody, Version: c.Version, Started: now}),
		cog.Routes(r, cog.Options{MaxBody: c.MaxBody, Webhooks: c.Webhooks, Background: &s.background, Calls: &s.calls, Version: c.Version, Started: now}),
		mlflow.Routes(r, mlflow.Options{MaxBody: c.MaxBody, Version: c.Version}),
	)
}
