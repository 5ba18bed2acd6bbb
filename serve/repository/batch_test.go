package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wherry-run/wherry/model"
)

func batching(n int, delay time.Duration) func(*Loaded) {
	return func(l *Loaded) { l.Batch = Batching{Max: n, Delay: delay} }
}

// TestBatch: those that wait while the instance is busy are answered together, as
// many rows as may, and each gets its own.
func TestBatch(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	r := open(t, one(f, batching(4, 0)))
	first := ask(t.Context(), r, &Call{Request: numbers(0)})
	<-g.came
	var calls []chan result
	for i := range 3 {
		calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(float32(10*i), float32(10*i+1))}))
		waitFor(t, "it waits", func() bool { return waiting(r) == i+1 })
	}
	g.pass <- nil
	<-first
	joined := <-g.came
	if got := joined.Inputs[0].Shape; !slices.Equal(got, []int64{4, 1}) {
		t.Errorf("the batch has the shape %v", got)
	}
	g.pass <- nil
	<-g.came
	g.pass <- nil
	for i, c := range calls {
		got := <-c
		if got.err != nil {
			t.Fatal(got.err)
		}
		if v := values(got.answer.Response); !slices.Equal(v, []float32{float32(10*i + 1), float32(10*i + 2)}) {
			t.Errorf("request %d: %v", i, v)
		}
		if want := []int{4, 4, 2}[i]; got.answer.Receipt.Batch != want || got.answer.Receipt.Rows != 2 {
			t.Errorf("request %d: %+v", i, got.answer.Receipt)
		}
	}
	s, err := r.Statistics("", "")
	if err != nil || s[0].Executions != 3 || s[0].Inferences != 7 || len(s[0].Batches) != 3 {
		t.Errorf("statistics %+v, %v", s, err)
	}
}

// TestBatchDelay: a request waits for others while there is an instance, no longer
// than it may, and no longer than until the batch is full.
func TestBatchDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := open(t, one(f, batching(3, time.Second)))
		began := time.Now()
		alone := ask(t.Context(), r, &Call{Request: numbers(1)})
		if got := <-alone; got.err != nil || time.Since(began) != time.Second || got.answer.Receipt.Queue != time.Second {
			t.Errorf("alone: %+v after %v", got, time.Since(began))
		}
		began = time.Now()
		var calls []chan result
		for i := range 3 {
			calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(float32(i))}))
			time.Sleep(100 * time.Millisecond)
		}
		for i, c := range calls {
			if got := <-c; got.err != nil || got.answer.Receipt.Batch != 3 || values(got.answer.Response)[0] != float32(i+1) {
				t.Errorf("request %d: %+v", i, got)
			}
		}
		if d := time.Since(began); d != 300*time.Millisecond {
			t.Errorf("three took %v", d)
		}
		if n := f.calls.Load(); n != 2 {
			t.Errorf("%d calls", n)
		}
	})
}

// TestBatchDelayPace: a model that once was slow is asked all the same when nobody is
// before a request, though that waits for others to come.
func TestBatchDelayPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.delay = time.Minute
		r := open(t, one(f, batching(3, time.Millisecond)))
		if got := <-ask(t.Context(), r, &Call{Request: numbers(1)}); got.err != nil {
			t.Fatal(got.err)
		}
		f.delay = time.Millisecond
		if got := <-ask(t.Context(), r, &Call{Request: numbers(1), Timeout: time.Second}); got.err != nil {
			t.Errorf("after a slow one: %v", got.err)
		}
	})
}

// TestBatchFailure: only the guilty fails.
func TestBatchFailure(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = func(ctx context.Context, r *model.Request) (*model.Response, error) {
		if slices.Contains(values(plusOne(r)), 14) {
			return nil, errGuilty
		}
		return g.answer(ctx, r)
	}
	r := open(t, one(f, batching(8, 0)))
	first := ask(t.Context(), r, &Call{Request: numbers(0)})
	<-g.came
	var calls []chan result
	for i, v := range []float32{1, 13, 2} {
		calls = append(calls, ask(t.Context(), r, &Call{Request: numbers(v)}))
		waitFor(t, "it waits", func() bool { return waiting(r) == i+1 })
	}
	for range 3 {
		g.pass <- nil
	}
	<-first
	for i, c := range calls {
		got := <-c
		if (i == 1) != errors.Is(got.err, errGuilty) || i != 1 && got.err != nil {
			t.Errorf("request %d: %v", i, got.err)
		}
	}
}

// TestBatchAlike: what cannot be joined is not, and its order stays.
func TestBatchAlike(t *testing.T) {
	other := numbers(1)
	other.Inputs[0].Parameters = map[string]any{"content_type": "x"}
	some := numbers(1)
	some.Outputs = []string{"y"}
	for name, r := range map[string]*model.Request{
		"parameters": other, "outputs": some, "too many": numbers(1, 2, 3, 4), "none": numbers(), "bad": {Inputs: []model.Tensor{{Name: "z"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g, f := newGate(), newFake()
			f.answer = g.answer
			repository := open(t, one(f, batching(4, 0)))
			first := ask(t.Context(), repository, &Call{Request: numbers(0)})
			<-g.came
			for i, one := range []*model.Request{numbers(1), r} {
				ask(t.Context(), repository, &Call{Request: one})
				waitFor(t, "it waits", func() bool { return waiting(repository) == i+1 })
			}
			g.pass <- nil
			<-first
			if got := <-g.came; got.Inputs[0].Shape[0] != 1 {
				t.Errorf("joined: %+v", got)
			}
			g.pass <- nil
			<-g.came
			g.pass <- errGuilty
		})
	}
}

// TestBatchLeave: who leaves a batch does so at once; the others have their answers;
// when all leave, it is canceled.
func TestBatchLeave(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = g.answer
	r := open(t, one(f, batching(8, 0)))
	start := func(n int) (calls []chan result, cancels []func()) {
		first := ask(t.Context(), r, &Call{Request: numbers(0)})
		<-g.came
		for i := range n {
			ctx, cancel := context.WithCancel(t.Context())
			calls, cancels = append(calls, ask(ctx, r, &Call{Request: numbers(float32(i))})), append(cancels, cancel)
			waitFor(t, "it waits", func() bool { return waiting(r) == i+1 })
		}
		g.pass <- nil
		<-first
		<-g.came
		return calls, cancels
	}
	calls, cancels := start(3)
	cancels[0]() // the first of the batch
	if got := <-calls[0]; !errors.Is(got.err, context.Canceled) {
		t.Errorf("who left: %v", got.err)
	}
	g.pass <- nil
	for _, i := range []int{1, 2} {
		if got := <-calls[i]; got.err != nil || values(got.answer.Response)[0] != float32(i+1) {
			t.Errorf("who stayed: %v", got)
		}
	}
	cancels[1]()
	cancels[2]()
	calls, cancels = start(2)
	for i := range calls {
		cancels[i]()
		if got := <-calls[i]; !errors.Is(got.err, context.Canceled) {
			t.Errorf("all leave: %v", got.err)
		}
	}
	waitFor(t, "the instance is free", func() bool { return r.Index()[0].Running == 0 })
}

// TestBatchRefused: a model that does not give a row for a row is asked one by one.
func TestBatchRefused(t *testing.T) {
	f := newFake()
	g := newGate()
	f.answer = func(ctx context.Context, r *model.Request) (*model.Response, error) {
		if _, err := g.answer(ctx, r); err != nil {
			return nil, err
		}
		a := plusOne(r)
		a.Outputs[0].Shape = []int64{1, int64(len(a.Outputs[0].Data) / 4)}
		return a, nil
	}
	r := open(t, one(f, batching(8, 0)))
	for _, calls := range []int{1 + 1 + 2, 1 + 2} { // the first, the batch, each alone
		first := ask(t.Context(), r, &Call{Request: numbers(0)})
		<-g.came
		var list []chan result
		for i := range 2 {
			list = append(list, ask(t.Context(), r, &Call{Request: numbers(float32(i))}))
			waitFor(t, "it waits", func() bool { return waiting(r) == i+1 })
		}
		before := f.calls.Load()
		for range calls {
			g.pass <- nil
		}
		<-first
		for i, c := range list {
			if got := <-c; got.err != nil || values(got.answer.Response)[0] != float32(i+1) {
				t.Errorf("request %d: %+v", i, got)
			}
		}
		if got := int(f.calls.Load()-before) + 1; got != calls {
			t.Errorf("%d calls, want %d", got, calls)
		}
		for len(g.came) > 0 {
			<-g.came
		}
	}
}

// TestBatchNothing: a model that gives nothing, or what is no tensor, harms nobody but
// who asked.
func TestBatchNothing(t *testing.T) {
	g, f := newGate(), newFake()
	f.answer = func(ctx context.Context, r *model.Request) (*model.Response, error) {
		if _, err := g.answer(ctx, r); err != nil {
			return nil, err
		}
		if r.Inputs[0].Shape[0] == 1 {
			return plusOne(r), nil
		}
		return nil, nil
	}
	r := open(t, one(f, batching(8, 0)))
	first := ask(t.Context(), r, &Call{Request: numbers(0)})
	<-g.came
	var list []chan result
	for i := range 2 {
		list = append(list, ask(t.Context(), r, &Call{Request: numbers(float32(i))}))
		waitFor(t, "it waits", func() bool { return waiting(r) == i+1 })
	}
	for range 4 {
		g.pass <- nil
	}
	<-first
	for i, c := range list {
		if got := <-c; got.err != nil || values(got.answer.Response)[0] != float32(i+1) {
			t.Errorf("request %d: %+v", i, got)
		}
	}
	if _, err := split(&model.Response{Outputs: []model.Tensor{{Name: "y", Type: model.Bytes, Shape: []int64{2, 1}, Data: []byte{9, 0, 0, 0, 1}}}}, []*ticket{{rows: 1}, {rows: 1}}, 2); err == nil {
		t.Error("a tensor that is none was split")
	}
}

func TestSplitBytes(t *testing.T) {
	word := func(b []byte, s string) []byte {
		return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	var data []byte
	for i := range 6 {
		data = word(data, fmt.Sprint("word", i*i*i))
	}
	group := []*ticket{{rows: 1}, {rows: 2}}
	parts, err := split(&model.Response{Outputs: []model.Tensor{{Name: "y", Type: model.Bytes, Shape: []int64{3, 2}, Data: data}}}, group, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range parts {
		if err := p.Outputs[0].Check(); err != nil || p.Outputs[0].Shape[0] != int64(i+1) {
			t.Errorf("part %d: %v, %v", i, p.Outputs[0].Shape, err)
		}
	}
	if got := string(parts[1].Outputs[0].Data[4:9]); got != "word8" {
		t.Errorf("the second begins with %q", got)
	}
}
