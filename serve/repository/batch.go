package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/model"
)

// batches tells whether requests of a model may be joined by their rows: all of its
// inputs and outputs have a first dimension of any length. The rows of an answer that is
// made of parts are not those of its request.
func batches(s *model.Signature) bool {
	if s.Streams {
		return false
	}
	for _, list := range [][]model.Field{s.Inputs, s.Outputs} {
		for i := range list {
			if f := &list[i]; len(f.Shape) == 0 || f.Shape[0] >= 0 {
				return false
			}
		}
	}
	return len(s.Inputs) > 0
}

// rows is how many rows a request has that may be joined with others, else 0. One
// that does not fit the signature goes alone, to hear that from the model.
func (s *serving) rows(c *Call) int {
	if s.batch.Max < 2 || c.Emit != nil || c.Request == nil || len(c.Request.Inputs) == 0 {
		return 0
	}
	first := c.Request.Inputs[0].Shape
	if len(first) == 0 || first[0] < 1 || first[0] >= int64(s.batch.Max) {
		return 0
	}
	for i := range c.Request.Inputs {
		if shape := c.Request.Inputs[i].Shape; len(shape) == 0 || shape[0] != first[0] {
			return 0
		}
	}
	if s.loaded.Signature().Check(c.Request) != nil {
		return 0
	}
	return int(first[0])
}

// length is how many rows a request counts for.
func (s *serving) length(c *Call) int {
	if !s.joins || c.Request == nil || len(c.Request.Inputs) == 0 {
		return 1
	}
	if shape := c.Request.Inputs[0].Shape; len(shape) > 0 {
		return int(min(max(shape[0], 1), 1<<30))
	}
	return 1
}

// hold tells whether those that wait should wait for others, and sees to it that it
// is not forever. The caller holds mu.
func (s *serving) hold() bool {
	if s.batch.Delay <= 0 || s.closing || s.queue.list[0].rows == 0 || s.queue.rows >= s.batch.Max {
		return false
	}
	left := s.batch.Delay - time.Since(s.queue.oldest())
	if left <= 0 {
		return false
	}
	if s.timer == nil {
		s.timer = time.AfterFunc(left, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.pump()
		})
		return true
	}
	s.timer.Reset(left)
	return true
}

// take takes the first of those that wait, and with it others that can be answered
// together with it. The caller holds mu.
func (s *serving) take() []*ticket {
	t := s.queue.pop()
	if t.rows == 0 || s.queue.len() == 0 {
		return []*ticket{t}
	}
	group, rows := []*ticket{t}, t.rows
	for s.queue.len() > 0 {
		next := s.queue.list[0]
		if next.rows == 0 || rows+next.rows > s.batch.Max || !alike(t.call.Request, next.call.Request) {
			break
		}
		group, rows = append(group, s.queue.pop()), rows+next.rows
	}
	if len(group) == 1 {
		return group
	}
	b := &batch{group: group, rows: rows}
	b.waiting.Store(int32(len(group)))
	// One that never ends is not to take the time of the others.
	patience := s.pace.patience(len(group), time.Until(earliest(group)))
	b.ctx, b.cancel = context.WithTimeout(context.WithoutCancel(t.ctx), patience)
	for _, t := range group {
		t.batch = b
	}
	return group
}

// alike tells whether requests have the same inputs but for the number of rows, and
// want the same.
func alike(a, b *model.Request) bool {
	if len(a.Inputs) != len(b.Inputs) || !slices.Equal(a.Outputs, b.Outputs) {
		return false
	}
	for i := range a.Inputs {
		x, y := &a.Inputs[i], &b.Inputs[i]
		if x.Name != y.Name || x.Type != y.Type || !slices.Equal(x.Shape[1:], y.Shape[1:]) {
			return false
		}
		if (len(x.Parameters) > 0 || len(y.Parameters) > 0) && !reflect.DeepEqual(x.Parameters, y.Parameters) {
			return false
		}
	}
	return true
}

// A batch is requests that are answered together.
type batch struct {
	group   []*ticket
	rows    int
	ctx     context.Context // ends when nobody waits for it any longer
	cancel  context.CancelFunc
	waiting atomic.Int32
}

// leave tells that one of those who waited for it does so no longer.
func (b *batch) leave() {
	if b.waiting.Add(-1) == 0 {
		b.cancel()
	}
}

// together answers a batch in its slot. When that fails each of its requests is
// answered alone, so that one fails for no fault of another.
func (s *serving) together(group []*ticket) {
	b := group[0].batch
	defer b.cancel()
	began := time.Now()
	parts, fuel, err := s.joined(b)
	took := time.Since(began)
	s.entry.counts.executed(b.rows, took)
	if err == nil {
		s.release(took, len(group), true)
		for i, t := range group {
			t.done <- delivery{response: parts[i], queue: began.Sub(t.since), compute: took, batch: b.rows}
		}
		return
	}
	for _, t := range group {
		t.wasted = uint64(float64(fuel) * float64(t.rows) / float64(b.rows))
	}
	s.apart(group)
	s.release(0, 0, false)
}

// apart answers each request of a batch that failed, one after the other. One that
// takes much longer than others do is put off until these are answered, and has then
// all of its time.
func (s *serving) apart(group []*ticket) {
	var late []*ticket
	for i, t := range group {
		if rest := group[i:]; !s.one(t, s.share(rest)) {
			late = append(late, t)
		}
	}
	for _, t := range late {
		s.one(t, 0)
	}
}

// share is how long the first of some requests may take while the others wait for it;
// 0: as long as it likes.
func (s *serving) share(rest []*ticket) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pace.patience(1, time.Until(earliest(rest))/time.Duration(len(rest)))
}

// one answers a request of a batch alone. It is false when that took longer than its
// share, and is to be done again.
func (s *serving) one(t *ticket, share time.Duration) bool {
	ctx := t.ctx
	if share > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, share, errShare)
		defer cancel()
		ctx = limited
	}
	began := time.Now()
	d := delivery{queue: began.Sub(t.since), batch: t.rows, wasted: t.wasted}
	if d.err = context.Cause(ctx); d.err == nil {
		d.response, d.err = s.predict(ctx, t.call)
		d.compute = time.Since(began)
		s.entry.counts.executed(t.rows, d.compute)
	}
	if d.err != nil && context.Cause(ctx) == errShare {
		if t.ctx.Err() == nil {
			if d.response != nil {
				t.wasted += d.response.Usage.Fuel
			}
			return false
		}
		d.err = context.Cause(t.ctx) // it has ended by itself since: what put it off is nobody's business
	}
	s.mu.Lock()
	s.pace.note(d.compute, 1, d.err == nil)
	s.mu.Unlock()
	t.done <- d
	return true
}

// errShare is why a request was put off.
var errShare = errors.New("it takes longer than others may wait for it")

// earliest is when the first of some requests has to be answered; far away when none
// has to.
func earliest(group []*ticket) time.Time {
	first := time.Now().Add(2 * mostPatience)
	for _, t := range group {
		if at, ok := t.ctx.Deadline(); ok && at.Before(first) {
			first = at
		}
	}
	return first
}

// joined asks the model once for all, and gives each its part. fuel is what that took.
func (s *serving) joined(b *batch) (parts []*model.Response, fuel uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			parts, err = nil, NewPanicError(p)
		}
	}()
	response, err := s.predict(b.ctx, &Call{Request: join(b.group)})
	if response != nil {
		fuel = response.Usage.Fuel
	}
	switch {
	case err != nil:
		return nil, fuel, err
	case response == nil:
		return nil, 0, errNothing
	}
	if parts, err = split(response, b.group, b.rows); err != nil {
		s.disjoin()
	}
	return parts, fuel, err
}

// disjoin has requests go alone from now on: the model says that it gives a row for
// each, and does not.
func (s *serving) disjoin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batch = Batching{}
}

// join makes one request of the rows of several.
func join(group []*ticket) *model.Request {
	first := group[0].call.Request
	out := &model.Request{Inputs: make([]model.Tensor, len(first.Inputs)), Outputs: first.Outputs}
	for i := range first.Inputs {
		t := first.Inputs[i]
		t.Shape = slices.Clone(t.Shape)
		size := 0
		for _, m := range group {
			size += len(m.call.Request.Inputs[i].Data)
		}
		t.Data, t.Shape[0] = make([]byte, 0, size), 0
		for _, m := range group {
			in := &m.call.Request.Inputs[i]
			t.Data, t.Shape[0] = append(t.Data, in.Data...), t.Shape[0]+in.Shape[0]
		}
		out.Inputs[i] = t
	}
	return out
}

// split gives each request its rows of an answer.
func split(r *model.Response, group []*ticket, rows int) ([]*model.Response, error) {
	parts := make([]*model.Response, len(group))
	for i := range parts {
		parts[i] = &model.Response{Usage: r.Usage, Outputs: make([]model.Tensor, len(r.Outputs))}
	}
	for i := range r.Outputs {
		out := &r.Outputs[i]
		if len(out.Shape) == 0 || out.Shape[0] != int64(rows) {
			return nil, fmt.Errorf("the model gave the shape %v for %d rows", out.Shape, rows)
		}
		rest := out.Data
		for j, t := range group {
			part := *out
			part.Shape = slices.Clone(out.Shape)
			part.Shape[0] = int64(t.rows)
			n, ok := size(out, rest, int64(t.rows), rows)
			if !ok {
				return nil, fmt.Errorf("the model gave what is no tensor: %s", out.Name)
			}
			part.Data, rest = rest[:n:n], rest[n:]
			parts[j].Outputs[i] = part
		}
	}
	return parts, nil
}

// size is how many bytes the next n of all rows have.
func size(t *model.Tensor, data []byte, n int64, rows int) (int, bool) {
	if t.Type != model.Bytes {
		k := len(t.Data) / rows * int(n)
		return k, k <= len(data)
	}
	elements, ok := model.Elements(t.Shape[1:])
	if !ok {
		return 0, false
	}
	at := 0
	for range n * elements {
		if len(data)-at < 4 {
			return 0, false
		}
		k := binary.LittleEndian.Uint32(data[at:])
		if uint64(k) > uint64(len(data)-at-4) {
			return 0, false
		}
		at += 4 + int(k)
	}
	return at, true
}
