// Package plain knows what protocols of plain values have in common: asking a model
// by its name, several requests of one document, which content is wanted, and streams
// of events.
package plain

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// Models are those that may be asked: a *repository.Repository.
type Models interface {
	Infer(ctx context.Context, c *repository.Call) (*repository.Answer, error)
	Status(name, version string) (repository.Status, error)
	Index() []repository.Status
}

// Find tells what is known of a model, "" for the default one. It is an error when its
// signature is not known yet.
func Find(m Models, name string) (repository.Status, error) {
	st, err := m.Status(name, "")
	if err != nil || st.Signature != nil {
		return st, err
	}
	return st, &repository.NotReadyError{Model: st.Name, Version: st.Version, Reason: st.Reason}
}

// FindTagged finds a model by NAME, or by NAME:VERSION where there is none that is
// called so.
func FindTagged(m Models, name string) (repository.Status, error) {
	st, err := Find(m, name)
	if base, version, ok := strings.Cut(name, ":"); ok && errors.As(err, new(*repository.NotFoundError)) {
		if with, werr := m.Status(base, version); werr == nil && with.Signature != nil {
			return with, nil
		}
	}
	return st, err
}

// atOnce is how many requests of one document wait for a model at the same time, so
// that they do not fill its queue for others.
const atOnce = 16

// Each has a model answer several requests, and gives the answers in their order. The
// first error ends those that have not been answered. call has what they share.
func Each(ctx context.Context, m Models, call repository.Call, requests []*model.Request) ([]*repository.Answer, error) {
	if len(requests) == 1 {
		one := call
		one.Request = requests[0]
		a, err := m.Infer(ctx, &one)
		return []*repository.Answer{a}, err
	}
	return several(ctx, m, call, requests)
}

// several is Each for more than one.
func several(ctx context.Context, m Models, call repository.Call, requests []*model.Request) ([]*repository.Answer, error) {
	answers := make([]*repository.Answer, len(requests))
	if call.Timeout > 0 { // of all of them
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, call.Timeout)
		defer cancel()
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(atOnce, len(requests)) {
		wg.Go(func() {
			for i := range next {
				one := call
				one.Request = requests[i]
				a, err := infer(ctx, m, &one)
				if err != nil {
					stop(err)
					continue
				}
				answers[i] = a
			}
		})
	}
	for i := range requests {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return answers, nil
}

// infer asks a model where a panic would end the process.
func infer(ctx context.Context, m Models, c *repository.Call) (a *repository.Answer, err error) {
	err = repository.Survive(func() error {
		a, err = m.Infer(ctx, c)
		return err
	})
	return a, err
}

// Responses are those of answers.
func Responses(answers []*repository.Answer) []*model.Response {
	list := make([]*model.Response, len(answers))
	for i, a := range answers {
		list[i] = a.Response
	}
	return list
}

// Total is the receipt of several answers: what all of them took together, and the
// most memory that one did.
func Total(answers []*repository.Answer) repository.Receipt {
	var sum repository.Receipt
	for i, a := range answers {
		if i == 0 {
			if sum = a.Receipt; len(answers) > 1 { // some may have been computed together
				sum.Fuel = sum.Share()
			}
			continue
		}
		sum.Fuel += a.Receipt.Share()
		sum.Batch = max(sum.Batch, a.Receipt.Batch)
		sum.Memory = max(sum.Memory, a.Receipt.Memory)
		sum.Rows += a.Receipt.Rows
		sum.Queue += a.Receipt.Queue
		sum.Compute += a.Receipt.Compute
	}
	return sum
}
