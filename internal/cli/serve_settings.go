package cli

import (
	"log/slog"
	"strconv"

	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/inference"
)

// settings lets clients read what is written down of their requests, and change
// how much the log tells: its lines and those of requests.
func (a *app) settings(c *serve.Config) {
	s := &inference.Settings{Level: new(slog.LevelVar)}
	if c.Operations.Tracer != nil {
		share := sampled(a.env)
		s.Traces = func() float64 { return share }
	}
	c.Log = slog.New(s.Handler(c.Log.Handler()))
	if c.Guard.Access != nil {
		c.Guard.Access = slog.New(s.Handler(c.Guard.Access.Handler()))
	}
	c.Settings = s
}

// sampled is the share of requests that are traced, as the variables of
// OpenTelemetry say.
func sampled(env func(string) string) float64 {
	switch env("OTEL_TRACES_SAMPLER") {
	case "always_off", "parentbased_always_off":
		return 0
	case "traceidratio", "parentbased_traceidratio":
		if share, err := strconv.ParseFloat(env("OTEL_TRACES_SAMPLER_ARG"), 64); err == nil && share >= 0 && share <= 1 {
			return share
		}
	}
	return 1
}
