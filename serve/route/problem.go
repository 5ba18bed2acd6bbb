package route

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/repository"
)

// A Problem is what a client may know of an error: no path of this machine, and
// nothing of the server's inside.
type Problem struct {
	// Status is of HTTP.
	Status int
	// Reason is one word for programs, one of the constants Reason....
	Reason string
	// Message is a sentence for people.
	Message string
	// RetryAfter is when it is worth to ask again; 0: nobody knows.
	RetryAfter time.Duration
}

// Why a request was not answered.
const (
	ReasonTimeout    = "timeout"    // its time was over while it was computed, or sent
	ReasonCanceled   = "canceled"   // its client left
	ReasonTrap       = "trap"       // the guest did something undefined, or ended
	ReasonOOM        = "oom"        // the guest had too little memory, or of what else is bounded
	ReasonBadInput   = "bad_input"  // it does not fit the model, or is no request
	ReasonModel      = "model"      // the model's own code refused it
	ReasonOverloaded = "overloaded" // it was turned away: others were before it
	ReasonNotFound   = "not_found"  // there is no such model
	ReasonNotReady   = "not_ready"  // the model cannot answer now
	ReasonInternal   = "internal"   // a mistake of the server
)

// StatusCanceled is what logs have of a request whose client left; it gets no
// answer.
const StatusCanceled = 499

// A RequestError is a request that a protocol could not read.
type RequestError struct {
	// Status is of HTTP; 0 means 400.
	Status int
	// Message says what is wrong with it.
	Message string
}

func (e *RequestError) Error() string { return e.Message }

// ProblemOf says what a client may know of an error.
func ProblemOf(err error) Problem {
	var unready *repository.NotReadyError
	if errors.As(err, &unready) { // whatever it is behind that
		return Problem{Status: http.StatusServiceUnavailable, Reason: ReasonNotReady, Message: unready.Error(), RetryAfter: time.Second}
	}
	if p, ok := ofRequest(err); ok {
		return p
	}
	if p, ok := ofServer(err); ok {
		return p
	}
	return ofGuest(err)
}

// ofRequest knows errors that are the client's.
func ofRequest(err error) (Problem, bool) {
	var input *model.InputError
	var bad *RequestError
	var large *http.MaxBytesError
	var refused *model.ModelError
	var missing *repository.NotFoundError
	switch {
	case errors.As(err, &input):
		return Problem{Status: http.StatusBadRequest, Reason: ReasonBadInput, Message: input.Error()}, true
	case errors.As(err, &bad):
		status := bad.Status
		if status == 0 {
			status = http.StatusBadRequest
		}
		return Problem{Status: status, Reason: ReasonBadInput, Message: bad.Message}, true
	case errors.As(err, &large):
		return Problem{Status: http.StatusRequestEntityTooLarge, Reason: ReasonBadInput,
			Message: "the request has more than " + strconv.FormatInt(large.Limit, 10) + " bytes"}, true
	case errors.Is(err, os.ErrDeadlineExceeded): // of its connection, as guard sets it
		return Problem{Status: http.StatusRequestTimeout, Reason: ReasonTimeout, Message: "the request was not sent in its time"}, true
	case errors.Is(err, io.ErrUnexpectedEOF):
		return Problem{Status: http.StatusBadRequest, Reason: ReasonBadInput, Message: "the request is cut off"}, true
	case errors.As(err, &refused) && refused.Type == "MemoryError": // Python's
		return Problem{Status: http.StatusInternalServerError, Reason: ReasonOOM, Message: "the model had too little memory"}, true
	case errors.As(err, &refused):
		return Problem{Status: http.StatusUnprocessableEntity, Reason: ReasonModel, Message: refused.Error()}, true
	case errors.As(err, &missing):
		return Problem{Status: http.StatusNotFound, Reason: ReasonNotFound, Message: missing.Error()}, true
	}
	return Problem{}, false
}

// ofServer knows errors of the server's state, and of time.
func ofServer(err error) (Problem, bool) {
	var busy *repository.OverloadedError
	switch {
	case errors.As(err, &busy):
		p := Problem{Status: http.StatusTooManyRequests, Reason: ReasonOverloaded, Message: busy.Error(), RetryAfter: cmp.Or(busy.RetryAfter, time.Second)}
		if !busy.Full {
			p.Status = http.StatusServiceUnavailable
		}
		return p, true
	case errors.Is(err, model.ErrBusy):
		return Problem{Status: http.StatusTooManyRequests, Reason: ReasonOverloaded, Message: model.ErrBusy.Error(), RetryAfter: time.Second}, true
	case errors.Is(err, model.ErrClosed), errors.Is(err, runtime.ErrClosed):
		return Problem{Status: http.StatusServiceUnavailable, Reason: ReasonNotReady, Message: model.ErrClosed.Error(), RetryAfter: time.Second}, true
	case errors.Is(err, context.DeadlineExceeded):
		return Problem{Status: http.StatusGatewayTimeout, Reason: ReasonTimeout, Message: "the request was not answered in its time"}, true
	case errors.Is(err, context.Canceled):
		return Problem{Status: StatusCanceled, Reason: ReasonCanceled, Message: "the request was canceled"}, true
	}
	return Problem{}, false
}

// ofGuest knows how guests end, and takes the rest for the server's mistake.
func ofGuest(err error) Problem {
	var limit *runtime.LimitError
	var trap *runtime.TrapError
	var exit *runtime.ExitError
	switch {
	case errors.As(err, &limit):
		return ofLimit(limit, limit.Error())
	case errors.As(err, &trap) && trap.Limit != nil:
		return ofLimit(trap.Limit, trap.Error())
	case errors.As(err, &trap):
		return Problem{Status: http.StatusInternalServerError, Reason: ReasonTrap, Message: "the model was stopped: " + trap.Error()}
	case errors.As(err, &exit) && exit.Limit != nil:
		return ofLimit(exit.Limit, exit.Error())
	case errors.As(err, &exit):
		return Problem{Status: http.StatusInternalServerError, Reason: ReasonTrap, Message: "the model ended: " + exit.Error()}
	}
	return Problem{Status: http.StatusInternalServerError, Reason: ReasonInternal, Message: "the server could not answer; its log says why"}
}

// ofLimit tells limits of time from those of memory and the like.
func ofLimit(l *runtime.LimitError, text string) Problem {
	p := Problem{Status: http.StatusInternalServerError, Reason: ReasonOOM, Message: "the model was stopped: " + text}
	switch l.Resource {
	case "fuel", "CPU time", "wall time":
		p.Status, p.Reason = http.StatusGatewayTimeout, ReasonTimeout
	}
	return p
}

// SetRetryAfter puts the time after which to ask again into the headers of an
// answer, in whole seconds as they must be.
func (p Problem) SetRetryAfter(h http.Header) {
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
}
