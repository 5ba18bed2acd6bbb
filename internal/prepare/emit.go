package prepare

import (
	"encoding/binary"

	"github.com/wherry-run/wherry/internal/wasm"
)

// emitter writes functions anew, all passes in one walk. What no pass touches is copied as bytes.
type emitter struct {
	asm
	p     *plan
	f     uint32 // function being written, imports not counted
	facts *facts
	sig   *wasm.FuncType
	code  []byte // the body as it was, its locals included
	w     wasm.Walker
	op    wasm.Op

	types   *wasm.Checker
	typed   bool   // types walks along
	lower   bool   // the function takes part in exceptions
	relabel bool   // blocks are added, so that labels change: all are counted
	locals  uint32 // parameters and locals of the original
	extra   []wasm.ValueType
	scratch [scratchKinds]uint32 // index+1 of the local for a purpose
	loop    uint32               // loops met so far
	quiet   int                  // loops open that run in strips
	rounds  []round              // of the function, that are still to come
	round   int64                // what is to be charged in the round that begins
	nan     shape                // of the result on the stack, whose NaN bits are still as the machine made them

	group grouper
	edits []edit // what is left of what groups of accesses change
	held  uint32 // first of the locals that hold their addresses

	got  [4]uint32 // locals that were read last
	gets uint

	blocks  []block
	top     uint32   // position of the innermost label that is open in the output
	saves   []uint32 // first locals of the pairs that keep exceptions, by depth of handlers
	handler int      // handlers open around the instruction
	catches []wasm.Catch
	clauses []int // first of catches for every open try_table
	places  []byte
}

func newEmitter(p *plan) *emitter {
	e := &emitter{p: p, types: wasm.NewChecker(p.mod), group: grouper{strict: !p.opts.TrapEnds}}
	if p.traced {
		e.NoteRuns()
	}
	return e
}

// What scratch locals are for. A function gets one of a kind when it first needs it.
const (
	scratchFuel = iota
	scratchException
	scratchI32
	scratchF32
	scratchF64
	scratchVector
	scratchVector2
	scratchF32Too
	scratchF64Too
	scratchKinds
)

var scratchTypes = [scratchKinds]wasm.ValueType{
	scratchFuel: wasm.I64, scratchException: wasm.I64, scratchI32: wasm.I32,
	scratchF32: wasm.F32, scratchF64: wasm.F64, scratchVector: wasm.V128, scratchVector2: wasm.V128,
	scratchF32Too: wasm.F32, scratchF64Too: wasm.F64,
}

// local returns the scratch local of a kind.
func (e *emitter) local(kind int) uint32 {
	if e.scratch[kind] == 0 {
		e.scratch[kind] = e.newLocal(scratchTypes[kind]) + 1
	}
	return e.scratch[kind] - 1
}

func (e *emitter) newLocal(t wasm.ValueType) uint32 {
	e.extra = append(e.extra, t)
	return e.locals + uint32(len(e.extra)) - 1
}

// replace drops the instruction; what is emitted next stands in its place.
func (e *emitter) replace() { e.Replace(e.op.Start, e.op.End) }

// before makes what is emitted next stand before the instruction.
func (e *emitter) before() { e.CopyTo(e.op.Start) }

// after makes what is emitted next stand behind the instruction.
func (e *emitter) after() { e.CopyTo(e.op.End) }

// charge takes a constant from the fuel.
func (e *emitter) charge(units int64) {
	e.spend(e.p, e.local(scratchFuel), func() { e.i64(units) })
}

// function writes function f and appends it to out: what a code section holds for it, without the size.
func (e *emitter) function(f uint32, out []byte) ([]byte, error) {
	p := e.p
	e.f, e.facts = f, &p.facts[f]
	e.sig = &p.mod.Types[p.mod.Funcs[f]]
	e.code = p.mod.Bytes(p.mod.Code[f])
	e.extra, e.scratch, e.loop, e.quiet, e.nan = e.extra[:0], [scratchKinds]uint32{}, 0, 0, noFloat
	e.rounds, e.round = p.moved[int(f)].rounds, 0
	e.locals = uint32(len(e.sig.Params)) + e.facts.locals
	e.lower = p.lower && (e.facts.has(hasExceptions|hasRefTest) || p.throwing.funcs[f])
	e.Reset(e.code, e.Out[:0])
	e.Replace(0, int(e.facts.expr))
	if p.opts.Fuel && p.checked[f] {
		e.charge(charge(p.costsOf(f)[0].cost))
	}
	if a := p.askedOf(f); a != nil {
		e.ask(a)
	}
	e.relabel = e.lower || p.opts.Fuel && e.facts.has(hasQuiet) || p.rewrites.has(FuseBranches) && e.facts.has(hasBranch)
	e.blocks, e.top = append(e.blocks[:0], block{operand: len(e.sig.Results) > 0}), 0
	e.edits, e.got = nil, [4]uint32{noFunc, noFunc, noFunc, noFunc}
	if p.groups(e.facts) {
		if err := e.findGroups(); err != nil {
			return nil, err
		}
	}
	if e.lower {
		e.beginLowering()
	}
	if err := e.walk(); err != nil {
		return nil, err
	}
	written := e.Finish()
	from := len(out)
	out, err := e.appendLocals(out)
	head := len(out) - from
	out = append(out, written...)
	if e.p.traced {
		e.place(len(out)-from, head)
	}
	return out, err
}

// walk rewrites every instruction, with the types of the operands at hand where a pass asks for them.
func (e *emitter) walk() error {
	if e.typed = e.facts.has(needsTypes) || e.lower && e.facts.has(hasRefTest); e.typed {
		return e.types.Func(int(e.f), func(op *wasm.Op, _ *wasm.Checker) error {
			e.op = *op
			return e.step()
		})
	}
	e.w.Reset(e.code, int(e.facts.expr))
	for e.w.Next(&e.op) {
		if err := e.step(); err != nil {
			return err
		}
	}
	return e.w.Err()
}

// step rewrites one instruction. The passes do not meet: no instruction is of interest to two of them, but for calls.
func (e *emitter) step() error {
	op := &e.op
	if e.facts.has(hasNaN) {
		if e.nan != noFloat {
			e.settleNaN()
		}
		if e.nan = nanOf(op.Code); e.nan != noFloat {
			return nil
		}
	}
	if len(e.edits) > 0 && int(e.edits[0].at) == op.Start {
		e.regroup()
		return nil
	}
	switch c := op.Code; c {
	case wasm.OpLocalGet:
		e.gets++
		e.got[e.gets%uint(len(e.got))] = op.Index
		return nil
	case wasm.OpLocalSet, wasm.OpLocalTee, wasm.OpI32Const, wasm.OpI32Add:
		return nil
	case wasm.OpV128Load32Splat:
		if e.p.rewrites.has(SplatLoads) {
			e.splat(op.Offset)
		}
		return nil
	case wasm.OpLoop:
		e.openLoop()
		return nil
	case wasm.OpCall, wasm.OpReturnCall, wasm.OpRefFunc:
		if e.p.shift != 0 && op.Index >= e.p.imported {
			e.replace()
			e.index(c, op.Index+e.p.shift)
		}
	}
	if e.relabel && e.relabelOp() {
		return nil
	}
	if e.lower {
		if done, err := e.lowerOp(); done || err != nil {
			return err
		}
	}
	if e.facts.has(hasBulk) && e.p.opts.Fuel && e.meterBulk() {
		return nil
	}
	if e.p.opts.EngineFixes && e.facts.has(hasFix|needsTypes) {
		e.fix()
	}
	return nil
}

// appendLocals appends the declarations of the original and of the locals that were added.
func (e *emitter) appendLocals(out []byte) ([]byte, error) {
	out = wasm.AppendU32(out, e.facts.groups+uint32(len(e.extra)))
	if e.facts.has(hasExnLocal) {
		body, err := e.p.mod.Body(int(e.f))
		if err != nil {
			return nil, err
		}
		for _, g := range body.Locals {
			out = wasm.AppendValueType(wasm.AppendU32(out, g.Count), lowerType(g.Type))
		}
	} else {
		_, n := binary.Uvarint(e.code)
		out = append(out, e.code[n:e.facts.expr]...)
	}
	for _, t := range e.extra {
		out = wasm.AppendValueType(append(out, 1), t)
	}
	return out, nil
}
