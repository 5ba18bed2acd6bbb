package serve

import (
	"context"
	"crypto/tls"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/oipgrpc"
)

// overGRPC says how the models of a server are asked over gRPC: with the keys, the
// bounds and the log of HTTP. Names of hosts and sites are not checked: no page can
// make a browser send what gRPC takes.
func overGRPC(c Config) oipgrpc.Options {
	g := c.Guard
	if g.Log == nil {
		g.Log = c.Log
	}
	most := c.MaxBody
	if most <= 0 {
		most = guard.DefaultMaxBody
	}
	all := g.MaxBodies
	if all == 0 {
		all = max(guard.DefaultMaxBodies, most)
	}
	longest := time.Duration(0)
	if c.Repository.MaxTimeout > 0 { // to send it, as slowly as a client may, and to answer it
		longest = guard.DefaultReadTimeout + time.Duration(most/guard.MinRate)*time.Second + c.Repository.MaxTimeout
	}
	slow := g.ReadTimeout
	if slow == 0 {
		slow = guard.DefaultReadTimeout
	}
	return oipgrpc.Options{
		ReadTimeout: slow, MinRate: guard.MinRate,
		Version: c.Version, MaxMessage: int(min(most, math.MaxInt32)), MaxRequests: max(all, 0), Settings: c.Settings,
		Guard: &oipgrpc.Guard{Keys: g.Keys, Done: g.Answered, Log: g.Log, Longest: longest},
	}
}

// rpc answers calls of gRPC.
type rpc struct {
	server *grpc.Server
	ending chan struct{}
}

func (s *Server) newRPC(c *tls.Config) rpc {
	o, ending := s.grpc, make(chan struct{})
	if c != nil {
		o.Creds = credentials.NewTLS(c)
	}
	o.Ending = ending
	return rpc{oipgrpc.New(s.models(), o, s.operations.grpc()...), ending}
}

// serve takes the connections of listeners until the server ends.
func (r rpc) serve(c ListenConfig, failed chan<- error) {
	for _, l := range c.GRPC {
		l = guard.Limit(l, c.Connections)
		go func() {
			if err := r.server.Serve(l); err != nil {
				failed <- err
			}
		}()
	}
}

// end takes no more, and waits for what was taken until ctx ends: then it is cut
// off, which is an error.
func (r rpc) end(ctx context.Context) error {
	close(r.ending)
	done := make(chan struct{})
	go func() {
		r.server.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		r.server.Stop()
		<-done
		return ctx.Err()
	}
}
