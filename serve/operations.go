package serve

import (
	"context"
	"net/http"

	"google.golang.org/grpc"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/metrics"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/requestlog"
	"github.com/wherry-run/wherry/serve/route"
	"github.com/wherry-run/wherry/serve/tracing"
)

// Operations say what a server tells those who run it. Metrics are always there, at
// /metrics.
type Operations struct {
	// MetricsCompat lists servers whose names of metrics are shown, too: see
	// metrics.Config.
	MetricsCompat []string
	// RequestLog gets requests with their inputs and outputs; nil: nobody does. It is
	// to be closed after the server.
	RequestLog *requestlog.Log
	// Tracer makes spans of requests; nil: there are none. It is to be closed after
	// the server.
	Tracer *tracing.Tracer
}

// operations is what tells those who run a server what happens in it.
type operations struct {
	metrics *metrics.Metrics
	tracer  *tracing.Tracer
}

// operate makes the operations of a server, and lets them know of its requests by
// c.Guard and c.Repository.
func (s *Server) operate(c *Config) (err error) {
	o := &s.operations
	index := func() []repository.Status { return s.repository.Index() }
	o.metrics, err = metrics.New(index, metrics.Config{Compat: c.Operations.MetricsCompat, Version: c.Version})
	if err != nil {
		return err
	}
	observe := []func(context.Context, repository.Event){guard.Observe, o.metrics.Observe}
	if l := c.Operations.RequestLog; l != nil {
		observe = append(observe, l.Observe)
		o.metrics.RequestLog(l.Counts)
	}
	if o.tracer = c.Operations.Tracer; o.tracer != nil {
		observe = append(observe, o.tracer.Observe)
	}
	if c.Repository.Observe != nil {
		observe = append(observe, c.Repository.Observe)
	}
	c.Repository.Observe = func(ctx context.Context, e repository.Event) {
		for _, tell := range observe {
			tell(ctx, e)
		}
	}
	done := c.Guard.Done
	c.Guard.Done = func(r *guard.Record) {
		o.metrics.HTTP(r.Pattern, r.Method, r.Status)
		if done != nil {
			done(r)
		}
	}
	return nil
}

// routes are those of operations.
func (o *operations) routes() []route.Route {
	return []route.Route{{Pattern: "GET /metrics", Handler: o.metrics, Operation: toldAs("metrics", "What the server counts, for Prometheus", "text/plain")}}
}

// wrap puts what has to see each request, and its route, before the routes.
func (o *operations) wrap(h http.Handler) http.Handler {
	if o.tracer == nil {
		return h
	}
	return o.tracer.Wrap(h)
}

// grpc is what has to see each call of gRPC.
func (o *operations) grpc() []grpc.ServerOption {
	if o.tracer == nil {
		return nil
	}
	return o.tracer.GRPC()
}
