package prepare

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"

	"github.com/wherry-run/wherry/internal/wasm"
)

// AccelerateImport and a function's index in the original is the name of the import, of ReservedModule, that is asked
// before the function runs. It takes the function's parameters and gives an i32 before the function's result: not zero
// when it has done all that the function would have, zero when it has done nothing.
const AccelerateImport = "accelerate."

// Accelerated is a function of the original that the host may do itself. It must be the one that is meant, or it is left
// as it is: the bits of its result may be other ones when the host has done it, and nothing else.
//
// Where the host is asked is decided here alone. Whether it does anything it decides at each call, without the module
// knowing: nothing that a guest can see, and no global or table that a snapshot holds, tells of it.
type Accelerated struct {
	// Function is its index, imports counted.
	Function uint32
	// Type is its type, of i32, i64, f32 and f64, with at most one result.
	Type wasm.FuncType
	// Body is the SHA-256 of its declarations of locals and its instructions.
	Body [32]byte
	// The host is asked when the product of Work is not below Least; without Work always.
	Work  []Factor
	Least uint64
}

// Factor is a parameter of type i32, or with Load what is in memory at an offset from it. It is unsigned.
type Factor struct {
	Param  uint32
	Load   bool
	Offset uint32
}

// accelerateKey is the part of a key that tells of accelerated functions.
func accelerateKey(list []Accelerated) string {
	if len(list) == 0 {
		return ""
	}
	h := sha256.New()
	for _, a := range list {
		fmt.Fprintf(h, "%d %v %x %v %d\n", a.Function, a.Type, a.Body, a.Work, a.Least)
	}
	return ",accelerate/1:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// accelerated finds those functions of a list that a module has, by their order in the module. Each gets an import in
// every part of it.
func accelerated(m *wasm.Module, list []Accelerated) []Accelerated {
	var found []Accelerated
	for _, a := range list {
		if a.fits(m) {
			found = append(found, a)
		}
	}
	slices.SortFunc(found, func(a, b Accelerated) int { return int(int64(a.Function) - int64(b.Function)) })
	return slices.CompactFunc(found, func(a, b Accelerated) bool { return a.Function == b.Function })
}

// fits tells whether a module has the function.
func (a *Accelerated) fits(m *wasm.Module) bool {
	imported := uint32(m.ImportedFuncs())
	if a.Function < imported || int64(a.Function-imported) >= int64(len(m.Code)) || len(a.Type.Results) > 1 {
		return false
	}
	i := a.Function - imported
	t := m.Types[m.Funcs[i]]
	if !slices.Equal(t.Params, a.Type.Params) || !slices.Equal(t.Results, a.Type.Results) {
		return false
	}
	for _, v := range slices.Concat(t.Params, t.Results) {
		switch v {
		case wasm.I32, wasm.I64, wasm.F32, wasm.F64:
		default:
			return false
		}
	}
	for _, f := range a.Work {
		if int64(f.Param) >= int64(len(t.Params)) || t.Params[f.Param] != wasm.I32 || f.Load && m.NumMemories() == 0 {
			return false
		}
	}
	return sha256.Sum256(m.Bytes(m.Code[i])) == a.Body
}

// asked is an accelerated function in the plan of a module or a part.
type asked struct {
	*Accelerated
	typ    uint32 // of the import
	callee uint32 // the import
}

// planAccelerated settles the imports of accelerated functions. They stand behind the one of the fuel.
func (p *plan) planAccelerated() {
	list := accelerated(p.whole, p.opts.Accelerate)
	if p.part != nil {
		list = p.part.accelerated
	}
	p.asked = make([]asked, len(list))
	at := p.imported
	if p.opts.Fuel {
		at++
	}
	for n := range list {
		a := &list[n]
		t := wasm.FuncType{Params: a.Type.Params, Results: append([]wasm.ValueType{wasm.I32}, a.Type.Results...)}
		p.asked[n] = asked{a, p.addType(t), at + uint32(n)}
		if f, ok := p.placeOf(a.Function); ok {
			p.costsOf(f)[0].cost += costImport
		}
	}
}

// placeOf finds a function of the original among those that are written.
func (p *plan) placeOf(function uint32) (uint32, bool) {
	if p.part == nil {
		return function - p.imported, true
	}
	n, ok := slices.BinarySearch(p.part.members, function-p.part.imported)
	return uint32(n), ok
}

// askedOf gives the accelerated function that stands at a place, or nil.
func (p *plan) askedOf(f uint32) *asked {
	if len(p.asked) == 0 {
		return nil
	}
	original := f + p.imported
	if p.part != nil {
		if int(f) >= len(p.part.members) {
			return nil
		}
		original = p.part.members[f] + p.part.imported
	}
	n, ok := slices.BinarySearchFunc(p.asked, original, func(a asked, f uint32) int { return int(int64(a.Function) - int64(f)) })
	if !ok {
		return nil
	}
	return &p.asked[n]
}

// guard is the work that is to be compared, nothing when the host is asked always.
func (a *Accelerated) guard() []Factor {
	if a.Least == 0 {
		return nil
	}
	return a.Work
}

func (a *asked) asImport() wasm.Import {
	return wasm.Import{Module: ReservedModule, Name: AccelerateImport + strconv.FormatUint(uint64(a.Function), 10), Type: a.typ}
}

// ask writes, at the beginning of a function, that the host is asked first:
//
//	if (work > least - 1)
//	  if (host(parameters...)) return result end
//	end
//
// The function's own instructions follow in the same function: it keeps its index, its type, its place in traces and what
// is recorded of it, and a call that the host declines takes no further one.
func (e *emitter) ask(a *asked) {
	params := uint32(len(a.Type.Params))
	guard := a.guard()
	for n, f := range guard {
		e.index(wasm.OpLocalGet, f.Param)
		if f.Load {
			e.Out = wasm.AppendMemOp(e.Out, wasm.OpI32Load, 2, f.Offset)
		}
		e.emit(wasm.OpI64ExtendI32U)
		if n > 0 {
			e.emit(wasm.OpI64Mul)
		}
	}
	if len(guard) > 0 {
		e.i64(int64(a.Least - 1))
		e.emit(wasm.OpI64GtU)
		e.block(wasm.OpIf)
	}
	for i := range params {
		e.index(wasm.OpLocalGet, i)
	}
	e.index(wasm.OpCall, a.callee)
	result := uint32(0)
	if len(a.Type.Results) > 0 {
		result = e.newLocal(a.Type.Results[0])
		e.index(wasm.OpLocalSet, result)
	}
	e.block(wasm.OpIf)
	if e.p.part != nil && e.p.part.record {
		e.hit(e.p.part.hits, e.f)
	}
	if len(a.Type.Results) > 0 {
		e.index(wasm.OpLocalGet, result)
	}
	e.emit(wasm.OpReturn)
	e.emit(wasm.OpEnd)
	if len(guard) > 0 {
		e.emit(wasm.OpEnd)
	}
}

// hit notes that the function at a place among the members of a part was called.
func (a *asm) hit(first, at uint32) {
	a.index(wasm.OpGlobalGet, first+at/64)
	a.i64(1 << (at % 64))
	a.emit(wasm.OpI64Or)
	a.index(wasm.OpGlobalSet, first+at/64)
}
