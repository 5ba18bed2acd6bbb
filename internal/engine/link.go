package engine

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// shims are the host modules that the compiled module is linked to. They are made once; which instance's functions
// they call is found through the context of the call.
type shims struct {
	modules map[string]api.Module
	// slots are the functions the module imports, each once; a shim knows the number of its own.
	slots []Import
	// numbers finds a slot by the names of module and function.
	numbers map[string]map[string]int
}

// resolve is wazero's ImportResolver.
func (s *shims) resolve(name string) api.Module {
	if m, ok := s.modules[name]; ok {
		return m
	}
	return nil
}

// link makes the shims. An import that no host function could satisfy gets none, and Instantiate will name it.
func link(ctx context.Context, r wazero.Runtime, o *outline) (*shims, error) {
	s := &shims{modules: map[string]api.Module{}, numbers: map[string]map[string]int{}}
	builders := map[string]wazero.HostModuleBuilder{}
	order := []string{}
	for _, i := range o.Imports {
		if i.Kind != KindFunc {
			continue
		}
		if n, ok := s.numbers[i.Module][i.Name]; ok {
			if first := s.slots[n]; !sameTypes(first.Params, i.Params) || !sameTypes(first.Results, i.Results) {
				return nil, fmt.Errorf("import %s.%s is wanted with two signatures", i.Module, i.Name)
			}
			continue
		}
		b, ok := builders[i.Module]
		if !ok {
			b = r.NewHostModuleBuilder(fmt.Sprintf("host%d", len(order)))
			builders[i.Module] = b
			order = append(order, i.Module)
			s.numbers[i.Module] = map[string]int{}
		}
		s.numbers[i.Module][i.Name] = len(s.slots)
		var f api.GoModuleFunction = shim(len(s.slots))
		if ownImport(i) {
			switch _, asks := accelerated(i); {
			case asks:
				f = kernelShim(len(s.slots))
			case i.Name == loadName:
				f = loadShim{}
			default:
				f = yieldShim{}
			}
		}
		b.NewFunctionBuilder().WithGoModuleFunction(f, apiTypes(i.Params), apiTypes(i.Results)).
			WithName(i.Name).Export(i.Name)
		s.slots = append(s.slots, i)
	}
	for n, name := range order {
		compiled, err := builders[name].Compile(ctx)
		if err != nil {
			return nil, fmt.Errorf("compile host functions of %s: %w", name, err)
		}
		config := wazero.NewModuleConfig().WithName(fmt.Sprintf("host%d", n)).WithStartFunctions()
		mod, err := r.InstantiateModule(ctx, compiled, config)
		if err != nil {
			return nil, fmt.Errorf("make host functions of %s: %w", name, err)
		}
		s.modules[name] = mod
	}
	return s, nil
}

func apiTypes(types []ValueType) []api.ValueType {
	list := make([]api.ValueType, len(types))
	for i, t := range types {
		list[i] = api.ValueType(t)
	}
	return list
}

// hostCall is a host function as it stands in the table of an instance.
type hostCall = func(ctx context.Context, g *Guest, stack []uint64)

// bindImports finds the host function of every import.
func bindImports(c *code, config InstanceConfig) ([]hostCall, error) {
	slots := c.shims.slots
	table := make([]hostCall, len(slots))
	var problems []ImportProblem
	for _, m := range config.Imports {
		numbers := c.shims.numbers[m.Name]
		for n := range m.Funcs {
			f := &m.Funcs[n]
			slot, wanted := numbers[f.Name]
			if !wanted || ownImport(slots[slot]) {
				continue
			}
			if table[slot] != nil {
				return nil, fmt.Errorf("host function %s.%s is given twice", m.Name, f.Name)
			}
			table[slot] = f.Call
			if i := slots[slot]; !sameTypes(f.Params, i.Params) || !sameTypes(f.Results, i.Results) {
				problems = append(problems, ImportProblem{Import: i, Offered: signature(f.Params, f.Results)})
			}
		}
	}
	for _, i := range c.outline.Imports {
		if i.Kind != KindFunc {
			problems = append(problems, ImportProblem{Import: i})
		}
	}
	for n, i := range slots {
		switch {
		case table[n] != nil || ownImport(i):
		case config.UnknownImports == TrapCalls:
			table[n] = unknownImport(i)
		default:
			problems = append(problems, ImportProblem{Import: i})
		}
	}
	if problems != nil {
		return nil, &UnknownImportError{Imports: problems}
	}
	return table, nil
}

func sameTypes(a, b []ValueType) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func unknownImport(i Import) hostCall {
	return func(_ context.Context, g *Guest, _ []uint64) {
		g.Fail(&Trap{Kind: TrapUnknownImport, Message: fmt.Sprintf("call of %s.%s, which this host does not offer", i.Module, i.Name)})
	}
}

func checkTables(o *outline, limit uint64) error {
	if limit == 0 {
		return nil
	}
	tables := o.Tables
	if o.primary() { // the last is not the guest's: it has a place for every function, and their number is bounded
		tables = tables[:max(0, len(tables)-1)]
	}
	var sum uint64
	for _, t := range tables {
		sum += uint64(t.Size.Min)
	}
	if sum > limit {
		return &LimitError{What: "table", Want: sum, Limit: limit}
	}
	return nil
}

func makeMemory(o *outline, c InstanceConfig) (*linear, error) {
	if o.Memory == nil {
		return nil, nil
	}
	least, most := uint64(o.Memory.Size.Min)*pageSize, uint64(maxPages)*pageSize
	if o.Memory.Size.HasMax {
		most = min(most, uint64(o.Memory.Size.Max)*pageSize)
	}
	limit := uint64(maxPages) * pageSize
	if c.MemoryLimit > 0 {
		limit = min(limit, c.MemoryLimit)
	}
	if least > limit {
		return nil, &LimitError{What: "memory", Want: least, Limit: limit}
	}
	most = min(most, limit/pageSize*pageSize)
	return newLinear(least, most, c.Quota)
}
