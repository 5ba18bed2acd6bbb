package engine

import "github.com/wherry-run/wherry/internal/wasm"

// Fits reports, as Instantiate would, the imports of a module that cannot be satisfied. It needs the module alone, as it
// was before its preparation, so that what cannot start is not compiled first.
func Fits(m *wasm.Module, c InstanceConfig) error {
	type name struct{ module, name string }
	offered := map[name]*HostFunc{}
	for _, h := range c.Imports {
		for n := range h.Funcs {
			offered[name{h.Name, h.Funcs[n].Name}] = &h.Funcs[n]
		}
	}
	var problems []ImportProblem
	for _, i := range m.Imports {
		im := Import{Module: i.Module, Name: i.Name, Kind: i.Kind.String()}
		if i.Kind != wasm.ExternFunc {
			problems = append(problems, ImportProblem{Import: im})
			continue
		}
		if int64(i.Type) < int64(len(m.Types)) {
			im.Params, im.Results = m.Types[i.Type].Params, m.Types[i.Type].Results
		}
		f := offered[name{i.Module, i.Name}]
		switch {
		case f == nil && c.UnknownImports == Refuse:
			problems = append(problems, ImportProblem{Import: im})
		case f != nil && (!sameTypes(f.Params, im.Params) || !sameTypes(f.Results, im.Results)):
			problems = append(problems, ImportProblem{Import: im, Offered: signature(f.Params, f.Results)})
		}
	}
	if problems != nil {
		return &UnknownImportError{Imports: problems}
	}
	return nil
}
