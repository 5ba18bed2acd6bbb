package oipgrpc

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/wherry-run/wherry/serve/route"
)

// codeOf is the status of gRPC for a problem.
func codeOf(p route.Problem) codes.Code {
	if p.Status == http.StatusForbidden {
		return codes.PermissionDenied
	}
	switch p.Reason {
	case route.ReasonBadInput, route.ReasonModel:
		return codes.InvalidArgument
	case route.ReasonNotFound:
		return codes.NotFound
	case route.ReasonNotReady:
		return codes.Unavailable
	case route.ReasonOverloaded:
		if p.Status == http.StatusServiceUnavailable {
			return codes.Unavailable
		}
		return codes.ResourceExhausted
	case route.ReasonTimeout:
		return codes.DeadlineExceeded
	case route.ReasonCanceled:
		return codes.Canceled
	}
	return codes.Internal
}

// failed makes an error one that gRPC sends: with the sentence for clients, the kind
// of problem and, where that is known, when it is worth to ask again.
func failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	p := route.ProblemOf(err)
	told := metadata.Pairs("wherry-reason", p.Reason)
	if p.RetryAfter > 0 {
		told.Set("grpc-retry-pushback-ms", strconv.FormatInt(max(p.RetryAfter.Milliseconds(), 1), 10))
	}
	_ = grpc.SetTrailer(ctx, told) // a stream that has ended has no use for it
	return status.Error(codeOf(p), strings.ToValidUTF8(p.Message, "?"))
}
