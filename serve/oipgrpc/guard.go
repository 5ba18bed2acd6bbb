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
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
)

// A Guard has calls of gRPC pass the checks of serve/guard.
type Guard struct {
	// Keys are those that may ask; nil lets everybody.
	Keys *guard.Keys
	// Done is told of each call when it was answered; nil: nobody.
	Done func(ctx context.Context, r *guard.Record)
	// Log gets panics; nil: nobody.
	Log *slog.Logger
	// Longest bounds a call that is no stream, from its head to its answer: a client
	// that sends slowly, too; 0 does not.
	Longest time.Duration

	// calls and watching bound those that need a key, and those that wait for health to
	// change, which anybody may; nil: as many as may come.
	calls, watching *calls
}

// bound is what bounds calls of a method.
func (g *Guard) bound(method string) *calls {
	switch {
	case method == healthpb.Health_Watch_FullMethodName:
		return g.watching
	case open(method): // short ones
		return nil
	}
	return g.calls
}

// open tells calls that need no key: health and readiness.
func open(method string) bool {
	switch path.Base(method) {
	case "ServerLive", "ServerReady", "ModelReady":
		return true
	}
	return strings.HasPrefix(method, "/grpc.health.v1.Health/")
}

// tap checks a call when its head is there: what a client may not ask is not read.
// The context that it gives has the record of the call, and ends when the call has
// taken as long as any may.
func (g *Guard) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	md := info.Header
	r := &guard.Record{ID: guard.RequestID(first(md, "x-request-id")), Method: "gRPC", Path: info.FullMethodName, Pattern: info.FullMethodName,
		Agent: first(md, "user-agent"), Began: time.Now()}
	if p, ok := peer.FromContext(ctx); ok {
		r.Remote = p.Addr.String()
	}
	ctx = guard.With(ctx, r)
	if g.Keys != nil && !open(info.FullMethodName) {
		name, ok := g.Keys.Name(first(md, "authorization"), first(md, "x-api-key"))
		if !ok {
			err := status.Error(codes.Unauthenticated, "this server asks for an API key: send it as the metadata authorization: Bearer KEY")
			r.Pattern = "" // perhaps there is no such method
			g.done(ctx, r, err)
			return nil, err
		}
		r.Key = name
	}
	if bound := g.bound(info.FullMethodName); bound != nil && !bound.enter(ctx) {
		err := status.Error(codes.ResourceExhausted, "the server has as many calls as it may: ask again")
		g.done(ctx, r, err)
		return nil, err
	}
	if g.Longest > 0 && !streams(info.FullMethodName) {
		var b bounded
		b.Context, b.cancel = context.WithTimeout(ctx, g.Longest)
		return b, nil
	}
	return ctx, nil
}

// bounded is the context of a call that has a bound. gRPC cancels the one it is made
// of when the call ends, and this one with it: nobody has to call cancel.
type bounded struct {
	context.Context
	cancel context.CancelFunc
}

// streams tells calls that live as long as their clients like.
func streams(method string) bool {
	return method == pb.GRPCInferenceService_ModelStreamInfer_FullMethodName || !strings.HasPrefix(method, "/"+pb.GRPCInferenceService_ServiceDesc.ServiceName+"/")
}

func first(md metadata.MD, key string) string {
	if v := md.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// end notes how a call ended. A panic ends it, and nothing else.
func (g *Guard) end(ctx context.Context, err *error) {
	if p := recover(); p != nil {
		g.panicked(ctx, p)
		*err = status.Error(codes.Internal, internalText)
	}
	g.done(ctx, guard.Of(ctx), *err)
}

func (g *Guard) done(ctx context.Context, r *guard.Record, err error) {
	if g.Done != nil && r != nil {
		r.Took = time.Since(r.Began)
		r.Status = httpStatus(status.Code(err))
		g.Done(ctx, r)
	}
}

// name tells the client under which name its call is known.
func name(ctx context.Context) {
	if r := guard.Of(ctx); r != nil {
		_ = grpc.SetHeader(ctx, metadata.MD{"x-request-id": []string{r.ID}}) // the answer has not begun
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

func (g *Guard) unary(ctx context.Context, in any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	defer g.end(ctx, &err)
	name(ctx)
	return next(ctx, in)
}

func (g *Guard) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer g.end(ss.Context(), &err)
	name(ss.Context())
	return next(srv, ss)
}
