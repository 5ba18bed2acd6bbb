package prepare_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

// askAll has every function of a module ask that can.
func askAll(t testing.TB, bin []byte) (list []prepare.Accelerated) {
	t.Helper()
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range m.Funcs {
		a := prepare.Accelerated{Function: uint32(m.ImportedFuncs() + i), Type: m.Types[f], Body: sha256.Sum256(m.Bytes(m.Code[i])), Least: uint64(i % 5)}
		for n, p := range a.Type.Params {
			if p == wasm.I32 {
				a.Work = append(a.Work, prepare.Factor{Param: uint32(n)})
			}
		}
		list = append(list, a)
	}
	return list
}

// declining adds the imports by which functions ask, and counts the calls. All are declined.
func declining(b wazero.HostModuleBuilder, bin []byte, asked *int) {
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err != nil {
		return // it fails when it is compiled
	}
	for _, i := range m.Imports {
		if i.Module != prepare.ReservedModule || !strings.HasPrefix(i.Name, prepare.AccelerateImport) {
			continue
		}
		types := func(list []wasm.ValueType) (out []api.ValueType) {
			for _, t := range list {
				out = append(out, api.ValueType(t))
			}
			return out
		}
		t := m.Types[i.Type]
		b.NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, stack []uint64) {
			*asked++
			for n := range stack {
				stack[n] = 1<<63 + 77 // what would be results
			}
			stack[0] = 0
		}), types(t.Params), types(t.Results)).Export(i.Name)
	}
}

// TestAsking holds programs of which every function asks, and is declined, against the programs themselves: whole, with
// each pass and with all, in both forms of exceptions.
func TestAsking(t *testing.T) {
	asked := 0
	for seed := range programs(t, 40) {
		throws := seed%2 > 0
		original, calls := program(seed, true, throws)
		want := run(t, "interpreter", original, 0, calls...)
		forms := map[string][]byte{"exnref": original}
		if throws {
			forms["legacy"], _ = program(seed, false, true)
		}
		for form, bin := range forms {
			for name, o := range map[string]prepare.Options{"exceptions": {}, "all": {EngineFixes: true, Fuel: true}, "nan": {Deterministic: true, EngineFixes: true, Fuel: true}} {
				o.Accelerate = askAll(t, bin)
				out := prepared(t, bin, o)
				for _, engine := range []string{"interpreter", "compiler"} {
					if engine == "compiler" && !o.EngineFixes {
						continue
					}
					got := run(t, engine, out, 0, calls...)
					if got.String() != want.String() {
						t.Errorf("program %d, %s, passes %s, %s:\n got %v\nwant %v", seed, form, name, engine, got, want)
					}
					asked += got.asked
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	if asked == 0 {
		t.Error("no function asked")
	}
}
