package repository

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wherry-run/wherry/model"
)

// fake is a model that gives each number plus one, and counts.
type fake struct {
	signature *model.Signature
	delay     time.Duration
	answer    func(ctx context.Context, r *model.Request) (*model.Response, error)
	calls     atomic.Int64
	atOnce    atomic.Int64
	most      atomic.Int64
	closed    atomic.Bool
	late      atomic.Int64 // calls that came, or were under way, after Close
}

func rowsSignature() *model.Signature {
	return &model.Signature{
		Name:    "fake",
		Inputs:  []model.Field{{Name: "x", Type: model.FP32, Shape: []int64{-1, 1}}},
		Outputs: []model.Field{{Name: "y", Type: model.FP32, Shape: []int64{-1, 1}}},
	}
}

func newFake() *fake { return &fake{signature: rowsSignature()} }

func (f *fake) Signature() *model.Signature { return f.signature }

func (f *fake) Close(context.Context) error {
	if f.atOnce.Load() > 0 {
		f.late.Add(1)
	}
	f.closed.Store(true)
	return nil
}

func (f *fake) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	f.calls.Add(1)
	n := f.atOnce.Add(1)
	defer f.atOnce.Add(-1)
	for most := f.most.Load(); n > most && !f.most.CompareAndSwap(most, n); most = f.most.Load() {
	}
	if f.closed.Load() {
		f.late.Add(1)
	}
	if f.delay > 0 {
		select {
		case <-time.After(f.delay):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if f.answer != nil {
		return f.answer(ctx, r)
	}
	return plusOne(r), nil
}

func plusOne(r *model.Request) *model.Response {
	in := r.Inputs[0]
	out := model.Tensor{Name: "y", Type: model.FP32, Shape: in.Shape, Data: make([]byte, len(in.Data))}
	for i := 0; i < len(in.Data); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(in.Data[i:]))
		binary.LittleEndian.PutUint32(out.Data[i:], math.Float32bits(v+1))
	}
	return &model.Response{Outputs: []model.Tensor{out}, Usage: model.Usage{Fuel: 10, Memory: 100}}
}

func numbers(values ...float32) *model.Request {
	t := model.Tensor{Name: "x", Type: model.FP32, Shape: []int64{int64(len(values)), 1}}
	for _, v := range values {
		t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(v))
	}
	return &model.Request{Inputs: []model.Tensor{t}}
}

func values(r *model.Response) []float32 {
	var out []float32
	for b := r.Outputs[0].Data; len(b) > 0; b = b[4:] {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return out
}

// source opens what next gives.
func source(name, version string, next func() (*Loaded, error)) Source {
	return Source{Name: name, Version: version, Open: func(context.Context) (*Loaded, error) { return next() }}
}

func one(f *fake, change func(*Loaded)) Config {
	return Config{Sources: []Source{source("fake", "", func() (*Loaded, error) {
		l := &Loaded{Predictor: f}
		if change != nil {
			change(l)
		}
		return l, nil
	})}}
}

func open(t *testing.T, c Config) *Repository {
	t.Helper()
	r, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

// gate lets requests through one by one.
type gate struct {
	came chan *model.Request
	pass chan error
}

func newGate() *gate { return &gate{make(chan *model.Request, 100), make(chan error)} }

func (g *gate) answer(ctx context.Context, r *model.Request) (*model.Response, error) {
	g.came <- r
	select {
	case err := <-g.pass:
		if err != nil {
			return nil, err
		}
		return plusOne(r), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// result is what a call in the background came to.
type result struct {
	answer *Answer
	err    error
}

// ask asks in the background.
func ask(ctx context.Context, r *Repository, c *Call) chan result {
	out := make(chan result, 1)
	go func() {
		a, err := r.Infer(ctx, c)
		out <- result{a, err}
	}()
	return out
}

// waitFor waits until something is so.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		if is() {
			return
		}
	}
	t.Fatalf("it is not so after 10 s: %s", what)
}

func waiting(r *Repository) int {
	return r.Index()[0].Waiting
}

var errGuilty = errors.New("guilty")

// log collects what a test sees from several goroutines.
type log struct {
	mu   sync.Mutex
	list []float32
}

func (l *log) add(v float32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, v)
}
