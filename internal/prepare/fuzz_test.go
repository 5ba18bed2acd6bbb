package prepare_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

// FuzzPrepare feeds Prepare whatever comes. It must not panic; a valid module must stay valid or be refused for a
// reason; an invalid one must be refused; and the number of cores must not show in the output.
func FuzzPrepare(f *testing.F) {
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	for seed := range uint64(6) {
		newer, _ := program(seed, true, true)
		legacy, _ := program(seed, false, seed%2 == 0)
		f.Add(newer)
		f.Add(legacy)
	}
	f.Fuzz(func(t *testing.T, bin []byte) {
		before := bytes.Clone(bin)
		p, err := prepare.Prepare(context.Background(), bin, prepare.Options{EngineFixes: true, Fuel: true, Workers: 1})
		if !bytes.Equal(before, bin) {
			t.Fatal("the input was changed")
		}
		m, decodeErr := wasm.Decode(bin, wasm.DefaultLimits())
		ok := decodeErr == nil && wasm.Validate(context.Background(), m, 1) == nil
		if err != nil {
			var u *prepare.Unsupported
			var w *wasm.Error
			if ok && !errors.As(err, &u) && !(errors.As(err, &w) && w.Limit != "") {
				t.Fatalf("a valid module was refused: %v", err)
			}
			return
		}
		if !ok {
			t.Fatal("an invalid module was prepared")
		}
		valid(t, p.Wasm)
		again, err := prepare.Prepare(context.Background(), bin, prepare.Options{EngineFixes: true, Fuel: true, Workers: 3})
		if err != nil || !bytes.Equal(again.Wasm, p.Wasm) || !bytes.Equal(again.Names, p.Names) {
			t.Fatalf("prepared again it differs: %v", err)
		}
	})
}

// FuzzProgram is TestRandomPrograms without an end.
func FuzzProgram(f *testing.F) {
	f.Add(uint64(1), true)
	f.Fuzz(func(t *testing.T, seed uint64, legacy bool) {
		original, calls := program(seed, true, true)
		want := run(t, "interpreter", original, 0, calls...)
		form, _ := program(seed, !legacy, true)
		out := prepared(t, form, all)
		for engine := range engines {
			if got := run(t, engine, out, 0, calls...); got.String() != want.String() {
				t.Errorf("%s:\n got %v\nwant %v", engine, got, want)
			}
		}
	})
}
