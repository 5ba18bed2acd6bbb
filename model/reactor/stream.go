package reactor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// What a reactor may import: wherry_model.emit(at, len i32) -> i32 hands on a part of the
// answer to the request under way, and tells whether more are wanted.
const (
	hostModule = "wherry_model"
	emitImport = "emit"

	wanted, unwanted = 0, 1
)

// emitter is what a guest says parts of an answer to.
type emitter struct {
	take    func([]model.Tensor) error // nil: nobody does
	refused error                      // why no more are wanted
}

// module is what a guest imports.
func (e *emitter) module() wasi.HostModule {
	return wasi.HostModule{Name: hostModule, Funcs: []wasi.HostFunc{{
		Name: emitImport, Params: []wasi.ValueType{wasi.I32, wasi.I32}, Results: []wasi.ValueType{wasi.I32},
		Call: func(ctx context.Context, g *wasi.Guest, stack []uint64) {
			at, size := uint32(stack[0]), uint32(stack[1])
			frame, ok := g.Memory().Read(at, size)
			if !ok {
				frame = nil
				e.refuse(fmt.Errorf("%d bytes at %d are not in its memory", size, at))
			}
			stack[0] = e.part(frame)
			if ctx.Err() != nil {
				g.Fail(context.Cause(ctx))
			}
		},
	}}}
}

// refuse notes what is wrong with a part.
func (e *emitter) refuse(err error) {
	if e.take != nil && e.refused == nil {
		e.refused = errProtocol(err)
	}
}

// part hands on a part.
func (e *emitter) part(frame []byte) uint64 {
	if e.take == nil || e.refused != nil {
		return unwanted
	}
	outputs, err := parseAnswer(bytes.Clone(frame))
	switch {
	case isAnswer(err):
		e.refused = err
	case err != nil:
		e.refuse(err)
	default:
		e.refused = e.take(outputs)
	}
	if e.refused != nil {
		return unwanted
	}
	return wanted
}

// during has parts taken while work goes on. An error of take is the request's; it is
// wrapped when the guest could not end by itself after it.
func (e *emitter) during(take func([]model.Tensor) error, work func() error) error {
	e.take, e.refused = take, nil
	err := work()
	refused := e.refused
	e.take, e.refused = nil, nil
	switch {
	case refused == nil:
		return err
	case err == nil || isAnswer(err):
		return refused
	}
	return fmt.Errorf("%w (and then: %w)", refused, err)
}

// isAnswer tells whether an error is what a guest said, and nothing that ended it.
func isAnswer(err error) bool {
	return errors.As(err, new(*model.ModelError)) || errors.As(err, new(*model.InputError))
}

// Stream answers one request in parts: those that the guest emits, and what it gives at
// the end, if anything; see model.Streamer.
func (i *Instance) Stream(ctx context.Context, r *model.Request, emit func(*model.Response) error) (model.Usage, error) {
	if !i.signature.Streams {
		response, err := i.Predict(ctx, r)
		switch {
		case response == nil:
			return model.Usage{}, err
		case err == nil:
			err = emit(response)
		}
		return response.Usage, err
	}
	if err := i.signature.Check(r); err != nil {
		return model.Usage{}, err
	}
	var usage model.Usage
	began, part := time.Now(), i.signature.OfParts()
	take := func(outputs []model.Tensor) error {
		outputs, err := orderPart(part, outputs, r.Outputs)
		if err != nil {
			return errProtocol(err)
		}
		return emit(&model.Response{Outputs: outputs})
	}
	err := i.worker.Do(ctx, func(ctx context.Context, m *runtime.Machine) error {
		before, accelerated := m.Fuel(), m.Accelerated()
		err := i.driver.emitter.during(take, func() error {
			last, err := predict(ctx, m, r, true)
			if err == nil && len(last) > 0 && i.driver.emitter.refused == nil {
				i.driver.emitter.refused = take(last)
			}
			return err
		})
		usage = used(m, before, accelerated)
		return err
	})
	usage.Compute = time.Since(began)
	return usage, translate(err)
}

// used is what the guest has spent since.
func used(m *runtime.Machine, fuel uint64, accelerated int64) model.Usage {
	u := model.Usage{Fuel: m.Fuel() - fuel, Memory: m.Memory().Size(), Accelerated: m.Accelerated() - accelerated}
	if u.Accelerated > 0 {
		u.Kernels = m.Kernels()
	}
	return u
}

// orderPart puts the outputs of a part in order, as order does; some may be missing.
func orderPart(s *model.Signature, outputs []model.Tensor, wanted []string) ([]model.Tensor, error) {
	there := make([]string, 0, len(outputs))
	for i := range s.Outputs {
		name := s.Outputs[i].Name
		has := func(t model.Tensor) bool { return t.Name == name }
		if slices.ContainsFunc(outputs, has) && (len(wanted) == 0 || slices.Contains(wanted, name)) {
			there = append(there, name)
		}
	}
	if len(there) == 0 {
		if len(wanted) > 0 {
			return []model.Tensor{}, unique(outputs)
		}
		return nil, errors.New("a part has no output of the signature")
	}
	return order(s, outputs, there)
}
