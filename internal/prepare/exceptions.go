package prepare

import (
	"fmt"

	"github.com/wherry-run/wherry/internal/wasm"
)

// usesExceptions tells whether anything in the module is of the exceptions proposals.
func (p *plan) usesExceptions() bool {
	if p.mod.NumTags() > 0 {
		return true
	}
	for _, t := range p.mod.Types {
		if hasExn(t) {
			return true
		}
	}
	for i := range uint32(p.mod.NumGlobals()) {
		if t, _ := p.mod.GlobalType(i); isExn(t.Type) {
			return true
		}
	}
	for i := range uint32(p.mod.NumTables()) {
		if t, _ := p.mod.TableType(i); isExn(t.Elem) {
			return true
		}
	}
	for i := range p.facts {
		if p.facts[i].has(hasExceptions) {
			return true
		}
	}
	return false
}

// checkExceptions refuses what the lowering has no room for: an exception is one i32 beside its tag.
func (p *plan) checkExceptions() error {
	const hint = "build without it, or with exceptions that carry nothing or one i32, as C++, Rust and longjmp have them"
	for i := range uint32(p.mod.NumTags()) {
		t := p.mod.TagType(i).Params
		if len(t) > 1 || len(t) == 1 && t[0] != wasm.I32 {
			return &Unsupported{fmt.Sprintf("tag %d, which carries %s,", i, wasm.FuncType{Params: t}), hint}
		}
	}
	for _, im := range p.mod.Imports {
		switch {
		case im.Kind == wasm.ExternTag:
			return &Unsupported{fmt.Sprintf("the imported tag %q.%q", im.Module, im.Name), "define the tag in the module"}
		case im.Kind == wasm.ExternGlobal && isExn(im.Global.Type), im.Kind == wasm.ExternFunc && hasExn(p.mod.Types[im.Type]):
			return &Unsupported{fmt.Sprintf("the exnref in the type of the import %q.%q", im.Module, im.Name), ""}
		}
	}
	for i := range uint32(p.mod.NumTables()) {
		if t, _ := p.mod.TableType(i); isExn(t.Elem) {
			return &Unsupported{fmt.Sprintf("table %d, which holds exnrefs,", i), ""}
		}
	}
	return p.checkTypes()
}

// checkTypes refuses a module in which two types become one when exnref becomes i64: an indirect call that has to trap
// would succeed.
func (p *plan) checkTypes() error {
	seen := make(map[string]uint32)
	for i, t := range p.mod.Types {
		key, canon := typeKey(p.lowerFuncType(t)), p.mod.CanonicalType(uint32(i))
		if other, ok := seen[key]; ok && other != canon && (hasExn(t) || hasExn(p.mod.Types[other])) {
			return &Unsupported{fmt.Sprintf("type %d beside type %d, which differs by exnref for i64,", i, other), ""}
		}
		seen[key] = canon
	}
	return nil
}

func (p *plan) lowerFuncType(t wasm.FuncType) wasm.FuncType {
	if !hasExn(t) {
		return t
	}
	return wasm.FuncType{Params: lowerTypes(t.Params), Results: lowerTypes(t.Results)}
}

func lowerTypes(ts []wasm.ValueType) []wasm.ValueType {
	out := make([]wasm.ValueType, len(ts))
	for i, t := range ts {
		out[i] = lowerType(t)
	}
	return out
}

// lowerType is what a type becomes.
func lowerType(t wasm.ValueType) wasm.ValueType {
	if isExn(t) {
		return wasm.I64
	}
	return t
}

// isExn tells whether t is a reference to an exception, nullable or not.
func isExn(t wasm.ValueType) bool { return t.IsRef() && t.AsNullable() == wasm.ExnRef }

func hasExn(t wasm.FuncType) bool {
	for _, list := range [2][]wasm.ValueType{t.Params, t.Results} {
		for _, v := range list {
			if isExn(v) {
				return true
			}
		}
	}
	return false
}
