package engine

import (
	"errors"
	"math"

	"github.com/wherry-run/wherry/internal/wasm"
)

// outline is what the engine must know of a module before it makes an instance of it. It is read once, when the module
// is compiled, and kept with the compiled code.
type outline struct {
	Imports   []Import         `json:"imports,omitempty"`
	Exports   []Export         `json:"exports,omitempty"`
	Tables    []wasm.TableType `json:"tables,omitempty"`
	Memory    *wasm.MemoryType `json:"memory,omitempty"`
	CodeBytes int64            `json:"codeBytes"`
}

// readOutline reads the sections around the code.
func readOutline(bin []byte) (*outline, error) {
	m, err := wasm.Decode(bin, outlineLimits())
	if err != nil {
		return nil, &InvalidModuleError{Err: err}
	}
	o := &outline{CodeBytes: int64(len(m.Section(wasm.SectionCode)))}
	for _, i := range m.Imports {
		im := Import{Module: i.Module, Name: i.Name, Kind: i.Kind.String()}
		if i.Kind == wasm.ExternFunc && int64(i.Type) < int64(len(m.Types)) {
			im.Params, im.Results = m.Types[i.Type].Params, m.Types[i.Type].Results
		}
		o.Imports = append(o.Imports, im)
	}
	for _, e := range m.Exports {
		ex := Export{Name: e.Name, Kind: e.Kind.String()}
		if e.Kind == wasm.ExternFunc {
			if t := m.FuncType(e.Index); t != nil {
				ex.Params, ex.Results = t.Params, t.Results
			}
		}
		o.Exports = append(o.Exports, ex)
	}
	for _, t := range m.Tables {
		o.Tables = append(o.Tables, t.Type)
	}
	if len(m.Memories) > 0 {
		o.Memory = &m.Memories[0]
		if o.Memory.Shared {
			// No other thread could ever wake a guest that waits on its memory, and wazero's wait cannot be ended.
			return nil, &InvalidModuleError{Err: errors.New("its memory is shared, and guests have no threads here")}
		}
	}
	return o, nil
}

// original is the index that a function had before the engine's own imports came in front of it. What a preparation adds
// comes last and has names.
func (o *outline) original(index uint32) uint32 {
	if o == nil {
		return index
	}
	at, own := uint32(0), uint32(0)
	for _, i := range o.Imports {
		if i.Kind != KindFunc {
			continue
		}
		if at == index {
			break
		}
		if at++; ownImport(i) {
			own++
		}
	}
	return index - own
}

// primary tells whether the module is the primary of a module in parts.
func (o *outline) primary() bool {
	for _, i := range o.Imports {
		if ownImport(i) && i.Name == loadName {
			return true
		}
	}
	return false
}

// outlineLimits lets every count pass that fits the module: what comes here has been held against the limits that its
// preparation was given.
func outlineLimits() wasm.Limits {
	l := wasm.DefaultLimits()
	for _, n := range []*uint32{&l.Module, &l.Code, &l.Types, &l.Imports, &l.Functions, &l.Tables, &l.Globals, &l.Tags,
		&l.Exports, &l.Elems, &l.Elements, &l.Datas, &l.Customs, &l.NameBytes, &l.Params, &l.Results, &l.TypeUnits,
		&l.TableMin, &l.MemoryMin, &l.Body, &l.Locals} {
		*n = math.MaxUint32
	}
	return l
}
