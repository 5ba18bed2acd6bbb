package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/wherry-run/wherry/serve/direct"
)

// ListenConfig says how a server takes connections and ends.
type ListenConfig struct {
	// Grace is how long the requests that were taken may go on when the server is to
	// end; 0 means DefaultGrace, and less none at all.
	Grace time.Duration
	// TLS encrypts; nil: plain HTTP/1.1, and HTTP/2 with prior knowledge.
	TLS *tls.Config
	// Connections bounds those that are open at once, of each listener; see
	// guard.Limit.
	Connections int
	// Small says of what Handle serves that answers are rather made than files: requests
	// without a body are answered directly then; see package direct.
	Small bool
	// GRPC are listeners for gRPC: the Open Inference Protocol, and health.
	GRPC []net.Listener
}

// ErrGrace is what Serve ends with when requests were cut off because their time was
// over.
var ErrGrace = errors.New("requests were not answered before the time to end was over")

// Serve answers the connections of listeners until ctx ends: then it takes no more,
// answers the requests that it has, no longer than the grace of c, and returns nil.
// It closes the listeners, and not the models.
func (s *Server) Serve(ctx context.Context, c ListenConfig, listeners ...net.Listener) error {
	h := direct.New(context.WithoutCancel(ctx), c.server(s, s.log), http.MethodPost, s.log)
	failed := make(chan error, len(listeners)+len(c.GRPC))
	c.take(h, listeners, failed)
	rpc := s.newRPC(c.TLS)
	rpc.serve(c, failed)
	var broken error
	select {
	case broken = <-failed:
		broken = fmt.Errorf("take connections: %w", broken)
	case <-ctx.Done():
	}
	return errors.Join(broken, s.end(context.WithoutCancel(ctx), h, rpc, c))
}

// end answers what was taken and closes all connections.
func (s *Server) end(ctx context.Context, h *direct.Server, g rpc, c ListenConfig) error {
	grace := c.Grace
	if grace == 0 {
		grace = DefaultGrace
	}
	ctx, cancel := context.WithTimeout(ctx, max(grace, 0))
	defer cancel()
	// Who asks for readiness on a connection that is open hears the truth. Listeners
	// are closed, and connections without a request; those of others are closed when
	// they are answered. Only then the models take no more: a request that was sent
	// is not refused.
	s.repository.Retire()
	called := make(chan error, 1)
	go func() { called <- g.end(ctx) }()
	err := errors.Join(h.Shutdown(ctx), <-called)
	if err == nil {
		err = s.Drain(ctx)
	}
	if err != nil {
		return errors.Join(ErrGrace, s.cut(context.WithoutCancel(ctx), h))
	}
	return nil
}

// lastWords is how long requests that are cut off have to say so.
const lastWords = time.Second

// cut ends the models, so that the requests that they still work on are answered with
// that, and then all connections.
func (s *Server) cut(ctx context.Context, h *direct.Server) error {
	ctx, cancel := context.WithTimeout(ctx, lastWords)
	defer cancel()
	_ = s.Close(ctx) // whoever made the server closes it, too
	_ = h.Shutdown(ctx)
	_ = s.calls.Wait(ctx)
	return h.Close()
}
