package prepare

import (
	"context"
	"fmt"

	"github.com/wherry-run/wherry/internal/wasm"
)

// bodies writes the functions, on all cores.
func (c *cut) bodies(ctx context.Context) ([][]byte, error) {
	const share = 256
	bodies := make([][]byte, len(c.members), len(c.members)+len(c.s.types))
	err := each(ctx, c.s.opts.workers(), (len(c.members)+share-1)/share, func(n int) error {
		w := cutWriter{c: c}
		for at := n * share; at < min((n+1)*share, len(c.members)); at++ {
			var err error
			if bodies[at], err = w.function(uint32(at)); err != nil {
				return fmt.Errorf("function %d: %w", c.members[at]+c.s.imported, err)
			}
		}
		return ctx.Err()
	})
	return bodies, err
}

// cutWriter writes functions, one after the other.
type cutWriter struct {
	asm
	c  *cut
	w  wasm.Walker
	op wasm.Op
}

// function writes the function at a place among the members.
func (w *cutWriter) function(at uint32) ([]byte, error) {
	c := w.c
	m, i := c.s.m, c.members[at]
	if !m.AtBody(int(i)) {
		return nil, errFacts
	}
	body, err := m.Body(int(i))
	if err != nil {
		return nil, err
	}
	w.Reset(body.Bytes, make([]byte, 0, len(body.Bytes)+len(body.Bytes)/8))
	if c.record {
		w.CopyTo(body.Expr)
		w.hit(c.hits, at)
	}
	w.w.Reset(body.Bytes, body.Expr)
	for w.w.Next(&w.op) {
		if err := w.step(); err != nil {
			return nil, err
		}
	}
	if err := w.w.Err(); err != nil {
		return nil, err
	}
	return w.Finish(), nil
}

// step rewrites one instruction.
func (w *cutWriter) step() error {
	op, c := &w.op, w.c
	switch op.Code {
	case wasm.OpCall, wasm.OpReturnCall:
		return w.call()
	case wasm.OpCallIndirect, wasm.OpReturnCallIndirect:
		if int64(op.Index2) >= int64(len(c.s.m.Tables)) {
			return errFacts
		}
		// The stub has to know which slot it stands in.
		w.CopyTo(op.Start)
		w.index(wasm.OpGlobalSet, c.slot)
		w.index(wasm.OpGlobalGet, c.slot)
	case wasm.OpGlobalGet, wasm.OpGlobalSet:
		// Behind the original's globals lie those of the parts, the fuel among them. The function was said to be valid in
		// the original, and is checked in the part.
		if int64(op.Index) >= int64(len(c.s.m.Globals)) {
			return errFacts
		}
	case wasm.OpCallRef, wasm.OpReturnCallRef, wasm.OpRefFunc, wasm.OpTableGet, wasm.OpTableSet, wasm.OpTableSize,
		wasm.OpTableInit, wasm.OpTableCopy, wasm.OpTableFill, wasm.OpTableGrow, wasm.OpElemDrop:
		return errFacts
	case wasm.OpMemoryInit, wasm.OpDataDrop:
		if !c.primary { // only the primary has segments
			return errFacts
		}
	}
	return nil
}

// call rewrites a direct call.
func (w *cutWriter) call() error {
	op, c := &w.op, w.c
	m := c.s.m
	if op.Index < c.s.imported {
		return nil
	}
	i := op.Index - c.s.imported
	if int64(i) >= int64(len(c.index)) {
		return fmt.Errorf("calls function %d, and there are %d", op.Index, m.NumFuncs())
	}
	w.Replace(op.Start, op.End)
	if index := c.index[i]; index > 0 {
		w.index(op.Code, index-1)
		return nil
	}
	w.i32(int32(c.s.slot(i)))
	w.index(wasm.OpGlobalSet, c.slot)
	w.i32(int32(c.s.rank[i]))
	indirect := wasm.OpCallIndirect
	if op.Code == wasm.OpReturnCall {
		indirect = wasm.OpReturnCallIndirect
	}
	w.index(indirect, m.Funcs[i])
	w.put(byte(c.calls))
	return nil
}
