package oipgrpc

import (
	"context"
	"log/slog"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/wherry-run/wherry/serve/guard"
)

// A Guard has calls of gRPC pass the checks of serve/guard.
type Guard struct {
	// Keys are those that may ask; nil lets everybody.
	Keys *guard.Keys
	// Done is told of each call when it was answered; nil: nobody.
	Done func(ctx context.Context, r *guard.Record)
	// Log gets panics; nil: nobody.
	Log *slog.Logger
}

// open tells calls that need no key: health and readiness.
func open(method string) bool {
	switch path.Base(method) {
	case "ServerLive", "ServerReady", "ModelReady":
		return true
	}
	return strings.HasPrefix(method, "/grpc.health.v1.Health/")
}

// begin checks a call, and gives it a record.
func (g *Guard) begin(ctx context.Context, method string) (context.Context, *guard.Record, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	r := &guard.Record{ID: guard.RequestID(first(md, "x-request-id")), Method: "gRPC", Path: method, Pattern: method, Agent: first(md, "user-agent"), Began: time.Now()}
	if p, ok := peer.FromContext(ctx); ok {
		r.Remote = p.Addr.String()
	}
	ctx = guard.With(ctx, r)
	_ = grpc.SetHeader(ctx, metadata.MD{"x-request-id": []string{r.ID}}) // it has not begun
	if g.Keys == nil || open(method) {
		return ctx, r, nil
	}
	name, ok := g.Keys.Name(first(md, "authorization"), first(md, "x-api-key"))
	if !ok {
		return ctx, r, status.Error(codes.Unauthenticated, "this server asks for an API key: send it as the metadata authorization: Bearer KEY")
	}
	r.Key = name
	return ctx, r, nil
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// end notes how a call ended. A panic ends it, and nothing else.
func (g *Guard) end(ctx context.Context, r *guard.Record, err *error) {
	if p := recover(); p != nil {
		g.panicked(ctx, p)
		*err = status.Error(codes.Internal, internalText)
	}
	if g.Done != nil {
		r.Took = time.Since(r.Began)
		r.Status = httpStatus(status.Code(*err))
		g.Done(ctx, r)
	}
}

// internalText is what clients hear of mistakes of the server.
const internalText = "the server could not answer; its log says why"

func (g *Guard) panicked(ctx context.Context, p any) {
	if g.Log == nil {
		return
	}
	r := guard.Of(ctx)
	if r == nil {
		r = &guard.Record{}
	}
	g.Log.ErrorContext(ctx, "panic", "id", r.ID, "path", r.Path, "panic", p, "stack", string(debug.Stack()))
}

// httpStatus is the status that stands for one of gRPC in logs that have both.
func httpStatus(c codes.Code) int {
	switch c {
	case codes.OK:
		return 200
	case codes.InvalidArgument:
		return 400
	case codes.Unauthenticated:
		return 401
	case codes.NotFound:
		return 404
	case codes.ResourceExhausted:
		return 429
	case codes.Canceled:
		return 499
	case codes.Unimplemented:
		return 501
	case codes.Unavailable:
		return 503
	case codes.DeadlineExceeded:
		return 504
	}
	return 500
}

func (g *Guard) unary(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	ctx, r, err := g.begin(ctx, info.FullMethod)
	defer g.end(ctx, r, &err)
	if err != nil {
		return nil, err
	}
	return next(ctx, in)
}

func (g *Guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	ctx, r, err := g.begin(ss.Context(), info.FullMethod)
	defer g.end(ctx, r, &err)
	if err != nil {
		return err
	}
	return next(srv, &recorded{ss, ctx})
}

// recorded is a stream whose context has its record.
type recorded struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *recorded) Context() context.Context { return s.ctx }
