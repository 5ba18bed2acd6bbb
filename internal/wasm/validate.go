package wasm

import (
	"context"
	"sync"
	"sync/atomic"
)

// Validate checks a whole module: indices, types, constant expressions, segments, exports, and every function, with
// the structural limits it was decoded with. It uses up to workers goroutines and returns the error of the first
// function that has one, whatever their number.
func Validate(ctx context.Context, m *Module, workers int) error {
	if err := checkModule(m); err != nil {
		return err
	}
	declared := declaredFuncs(m)
	total, err := eachFunc(ctx, m, workers, func() (func(i int) error, func() sums) {
		c := &Checker{m: m, declared: declared}
		return func(i int) error { return c.Func(i, nil) }, func() sums { return c.gauge.sums }
	})
	if err != nil {
		return err
	}
	return total.check(m)
}

// ValidateOutline checks what Validate checks, but for the functions.
func ValidateOutline(m *Module) error { return checkModule(m) }

// CheckLimits holds the functions of a module against limits without checking types. Decode has done so for what is
// outside of functions. It is meant for the output of passes that keep a valid module valid.
func CheckLimits(ctx context.Context, m *Module, workers int) error {
	total, err := eachFunc(ctx, m, workers, func() (func(i int) error, func() sums) {
		s := &scan{m: m}
		return s.fn, func() sums { return s.gauge.sums }
	})
	if err != nil {
		return err
	}
	return total.check(m)
}

// chunk is how many functions a goroutine takes at once: few enough to share the work evenly, enough to make the
// sharing free.
const chunk = 64

// eachFunc runs a check over all functions. Every goroutine makes its own check, and the sums are those of all.
func eachFunc(ctx context.Context, m *Module, workers int, make func() (func(i int) error, func() sums)) (sums, error) {
	var (
		next  atomic.Int64
		wg    sync.WaitGroup
		mu    sync.Mutex
		first = len(m.Code) // the lowest function with an error
		err   error
		total sums
	)
	report := func(i int, e error) {
		mu.Lock()
		defer mu.Unlock()
		if i < first {
			first, err = i, e
			next.Store(int64(len(m.Code))) // what is in work lies below or is in another's chunk; no new ones
		}
	}
	work := func() {
		check, result := make()
		for {
			end := int(next.Add(chunk))
			start := end - chunk
			if start >= len(m.Code) || ctx.Err() != nil {
				break
			}
			for i := start; i < min(end, len(m.Code)) && ctx.Err() == nil; i++ {
				if e := check(i); e != nil {
					report(i, e)
					break
				}
			}
		}
		mu.Lock()
		total.add(result())
		mu.Unlock()
	}
	workers = max(1, min(workers, (len(m.Code)+chunk-1)/chunk))
	for range workers - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return total, err
}

// scan walks functions for CheckLimits.
type scan struct {
	m     *Module
	body  Body
	gauge gauge
}

func (s *scan) fn(i int) error {
	f := s.m.readBody(i, &s.body)
	if f == nil {
		f = s.walk(i)
	}
	if f != nil {
		return f.in(s.body.Offset, "code", s.m.importedFuncs+i)
	}
	return nil
}

func (s *scan) walk(i int) *fault {
	locals := 0
	for _, g := range s.body.Locals {
		locals += int(g.Count)
	}
	if t := s.m.FuncType(uint32(s.m.importedFuncs + i)); t != nil {
		locals += len(t.Params)
	}
	s.gauge.begin(s.m, locals)
	r := reader{b: s.body.Bytes, pos: s.body.Expr}
	var op Op
	for r.pos < len(r.b) {
		r.next(&op)
		if r.fault != nil {
			return r.fault
		}
		if f := s.gauge.step(&op, r.b, 0); f != nil {
			return f
		}
	}
	return s.gauge.end(len(s.body.Bytes))
}
