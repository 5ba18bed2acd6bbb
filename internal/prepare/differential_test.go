package prepare_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/prepare/generate"
)

// programs is how many random programs a test runs; WHERRY_PROGRAMS asks for more.
func programs(t *testing.T, n uint64) uint64 {
	if s := os.Getenv("WHERRY_PROGRAMS"); s != "" {
		v, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if testing.Short() {
		return n / 10
	}
	return n
}

// program is a random program and the calls to make of it.
func program(seed uint64, exnref, throws bool) ([]byte, []call) {
	m := generate.Program(generate.Options{Seed: seed, Exnref: exnref, Throws: throws})
	calls := make([]call, len(m.Calls))
	for i, c := range m.Calls {
		calls[i] = call{c.Name, c.Args}
	}
	return m.Wasm, calls
}

// TestRandomPrograms runs random programs as they are on the interpreter and prepared on both engines. The same
// program is written with legacy exceptions, which only the prepared form can run, and with exnref.
func TestRandomPrograms(t *testing.T) {
	caught := 0
	for seed := range programs(t, 60) {
		throws := seed%3 > 0
		original, calls := program(seed, true, throws)
		valid(t, original)
		want := run(t, "interpreter", original, 0, calls...)
		if len(want.results) != len(calls) {
			t.Fatalf("program %d does not start: %v", seed, want)
		}
		forms := map[string][]byte{"exnref": original}
		if throws {
			forms["legacy"], _ = program(seed, false, true)
		}
		for form, bin := range forms {
			for name, o := range map[string]prepare.Options{"exceptions": {}, "fixes": {EngineFixes: true}, "fuel": {Fuel: true}, "all": all,
				"nan":       {Deterministic: true, EngineFixes: true, Fuel: true, Rewrites: prepare.AllRewrites},
				"rewritten": {EngineFixes: true, Fuel: true, Rewrites: prepare.AllRewrites, TrapEnds: true}} {
				out := prepared(t, bin, o)
				var spent [2]int64
				if name == "rewritten" && seed%2 == 0 {
					continue // half of them are enough beside TestRewrites
				}
				for i, engine := range []string{"interpreter", "compiler"} {
					if engine == "compiler" && !o.EngineFixes {
						continue
					}
					got := run(t, engine, out, 0, calls...)
					if got.String() != want.String() {
						t.Errorf("program %d, %s, passes %s, %s:\n got %v\nwant %v", seed, form, name, engine, got, want)
					}
					spent[i] = got.spent
				}
				if o.Key() == all.Key() && spent[0] != spent[1] {
					t.Errorf("program %d, %s: spent %d on the interpreter, %d on the compiler", seed, form, spent[0], spent[1])
				}
			}
		}
		for _, r := range want.results {
			if r == "uncaught" {
				caught++
			}
		}
		if t.Failed() {
			return
		}
	}
	if caught == 0 {
		t.Error("no program let an exception out: the generator has lost its teeth")
	}
}
