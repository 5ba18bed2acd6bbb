package oipgrpc

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oipgrpc/pb"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

const (
	// inFlight is how many requests of one stream are worked on at once. Further ones
	// are read when one is answered: a client which sends without reading is held up,
	// and nobody else.
	inFlight = 16
	// slowest is how long a client may take to make room for a response, while an
	// instance may wait for it.
	slowest = 30 * time.Second
)

// Parameters of streams. Triton's clients ask by the first for a response that only
// says that there are no more parts; the second says of a response whether it is the
// last.
const (
	wantsFinal = "triton_enable_empty_final_response"
	isFinal    = "triton_final_response"
)

// lookWhether is how often a stream that is to end looks whether it may: when all
// that was taken is answered.
const lookWhether = 20 * time.Millisecond

var errEnding = status.Error(codes.Unavailable, "the server is shutting down")

var errSlow = status.Error(codes.DeadlineExceeded, "the client does not read its answers")

// session is one stream of requests.
type session struct {
	service *service
	ctx     context.Context
	stop    context.CancelCauseFunc
	out     chan *pb.ModelStreamInferResponse
	work    sync.WaitGroup
	taken   atomic.Int64 // requests that are not answered yet
}

// ModelStreamInfer answers the requests of a stream, several at once. Answers of one
// response come in the order of the requests; a model that gives its answer in parts
// may overtake others, as with Triton, and its parts are told by the request's id.
func (s *service) ModelStreamInfer(stream grpc.BidiStreamingServer[pb.ModelInferRequest, pb.ModelStreamInferResponse]) error {
	ctx, stop := context.WithCancelCause(stream.Context())
	n := &session{service: s, ctx: ctx, stop: stop, out: make(chan *pb.ModelStreamInferResponse)}
	defer stop(context.Canceled)
	read := make(chan error, 1)
	go func() {
		err := n.survive(func() error { return n.read(stream) })
		n.work.Wait()
		read <- err
	}()
	ending, look := s.options.Ending, (<-chan time.Time)(nil)
	for {
		select {
		case m := <-n.out:
			if err := stream.Send(m); err != nil {
				return err
			}
		case <-ending:
			tick := time.NewTicker(lookWhether)
			defer tick.Stop()
			ending, look = nil, tick.C
		case <-look:
			if n.taken.Load() == 0 {
				return errEnding
			}
		case err := <-read:
			return failed(stream.Context(), err)
		case <-ctx.Done():
			return failed(stream.Context(), context.Cause(ctx))
		}
	}
}

// read begins to answer requests as they come.
func (n *session) read(stream grpc.BidiStreamingServer[pb.ModelInferRequest, pb.ModelStreamInferResponse]) error {
	room := make(chan struct{}, inFlight)
	before := make(chan struct{})
	close(before)
	for {
		in, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		select {
		case room <- struct{}{}:
		case <-n.ctx.Done():
			return context.Cause(n.ctx)
		}
		a := &answering{session: n, in: in, before: before, after: make(chan struct{})}
		before = a.after
		n.taken.Add(1)
		n.work.Go(func() {
			defer func() { n.taken.Add(-1); <-room }()
			if err := n.survive(func() error { a.run(); return nil }); err != nil {
				n.stop(err)
			}
		})
	}
}

// survive does what is done beside the call, where a panic would end the process: it
// ends the stream.
func (n *session) survive(do func() error) (err error) {
	defer func() {
		if bug := recover(); bug != nil {
			n.service.options.Guard.panicked(n.ctx, bug)
			err = status.Error(codes.Internal, internalText)
		}
	}()
	return do()
}

// send hands a response to the stream.
func (n *session) send(m *pb.ModelStreamInferResponse) error {
	late := time.NewTimer(slowest)
	defer late.Stop()
	select {
	case n.out <- m:
		return nil
	case <-n.ctx.Done():
		return context.Cause(n.ctx)
	case <-late.C:
		n.stop(errSlow)
		return errSlow
	}
}

// answering is one request of a stream while it is answered.
type answering struct {
	*session
	in     *pb.ModelInferRequest
	before <-chan struct{} // closed when the requests before it are answered
	after  chan struct{}   // closed when it is, too
	// held is the first response, when it came before its turn.
	held *pb.ModelStreamInferResponse
}

// run answers the request. Only this goroutine, and within it the model, sends.
func (a *answering) run() {
	defer close(a.after)
	last := a.infer()
	select { // no instance waits here
	case <-a.before:
	case <-a.ctx.Done():
		return
	}
	if a.flush() == nil && last != nil {
		_ = a.send(last) // who has left has no use for it
	}
}

// infer asks the model, and gives what is to be sent after the parts of its answer.
func (a *answering) infer() (last *pb.ModelStreamInferResponse) {
	defer func() { // a panic ends this request, and nothing else
		if p := recover(); p != nil {
			a.service.options.Guard.panicked(a.ctx, p)
			last = a.failure(internalText)
		}
	}()
	release, err := a.service.hold(a.in)
	if err != nil {
		return a.failure(fullText)
	}
	defer release()
	c, wants, err := readRequest(a.in)
	if err != nil {
		return a.failure(route.ProblemOf(err).Message)
	}
	st, err := a.service.models.Status(c.Model, c.Version)
	if err != nil {
		return a.failure(route.ProblemOf(err).Message)
	}
	if st.Signature == nil || !st.Signature.Streams {
		return a.whole(&c, wants)
	}
	c.Model, c.Version = st.Name, st.Version // parts of answers do not tell
	c.Emit = func(part *model.Response) error { return a.emit(&c, wants, part) }
	if _, err = a.service.models.Infer(a.ctx, &c); err != nil {
		return a.failure(route.ProblemOf(err).Message)
	}
	if a.in.Parameters[wantsFinal].GetBoolParam() {
		return a.part(c.Model, c.Version, nil, true)
	}
	return nil
}

// whole answers a request by one response, which is the last.
func (a *answering) whole(c *repository.Call, wants []inference.Want) *pb.ModelStreamInferResponse {
	answer, err := a.service.models.Infer(a.ctx, c)
	if err != nil {
		return a.failure(route.ProblemOf(err).Message)
	}
	outputs, err := a.service.classify(answer, c, wants)
	if err != nil {
		return a.failure(route.ProblemOf(err).Message)
	}
	return a.part(answer.Receipt.Model, answer.Receipt.Version, outputs, true)
}

// emit sends a part of the answer. While it waits for others to be answered, an
// instance would wait too, and they perhaps for this instance: the first part is
// held, and a second one goes before its turn.
func (a *answering) emit(c *repository.Call, wants []inference.Want, part *model.Response) error {
	outputs, err := a.service.classify(&repository.Answer{Response: part}, c, wants)
	if err != nil {
		return err
	}
	m := a.part(c.Model, c.Version, outputs, false)
	select {
	case <-a.before:
	default:
		if a.held == nil {
			a.held = m
			return nil
		}
	}
	if err := a.flush(); err != nil {
		return err
	}
	return a.send(m)
}

// flush sends what is held.
func (a *answering) flush() error {
	if a.held == nil {
		return nil
	}
	m := a.held
	a.held = nil
	return a.send(m)
}

// part is a response of a part of the answer.
func (a *answering) part(name, version string, outputs []model.Tensor, final bool) *pb.ModelStreamInferResponse {
	r := response(name, version, a.in.Id, outputs)
	r.Parameters = map[string]*pb.InferParameter{isFinal: parameter(final)}
	return &pb.ModelStreamInferResponse{InferResponse: r}
}

// failure is the response to a request that failed. It is named, so that a client
// with several can tell which.
func (a *answering) failure(message string) *pb.ModelStreamInferResponse {
	return &pb.ModelStreamInferResponse{ErrorMessage: message, InferResponse: &pb.ModelInferResponse{Id: a.in.GetId()}}
}
