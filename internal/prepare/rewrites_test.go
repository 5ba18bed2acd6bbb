package prepare_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/prepare/generate"
	"github.com/wherry-run/wherry/internal/wasm"
)

// accesses is a random program full of accesses of memory, and the calls to make of it.
func accesses(seed uint64) ([]byte, []call) {
	m := generate.Accesses(generate.Options{Seed: seed})
	calls := make([]call, len(m.Calls))
	for i, c := range m.Calls {
		calls[i] = call{c.Name, c.Args}
	}
	return m.Wasm, calls
}

// ending is what may be said of an instance whose traps end it: the results up to the first trap, and that there was one.
func ending(o outcome) string {
	i := slices.IndexFunc(o.results, func(r string) bool { return strings.HasPrefix(r, "wasm error") })
	if i < 0 {
		return o.String()
	}
	return strings.Join(o.results[:i], "; ") + " trap"
}

// TestRewrites runs programs that access memory in all kinds of ways, as they are on the interpreter and rewritten on
// both engines. In the strict form everything is equal, what traps leave behind included; in the other everything up to
// the first trap.
func TestRewrites(t *testing.T) {
	var all, traps, grouped int
	for seed := range programs(t, 80) {
		original, calls := accesses(seed)
		all += len(calls)
		traps += checkRewrites(t, fmt.Sprintf("program %d", seed), original, calls)
		if t.Failed() {
			return
		}
		plain, rewritten := prepared(t, original, prepare.Options{}), prepared(t, original, prepare.Options{Rewrites: prepare.GroupChecks})
		if len(rewritten) > len(plain) {
			grouped++
		}
	}
	if n := int(programs(t, 80)); traps < all/4 || traps > all*3/4 || grouped < n/2 {
		t.Errorf("of %d calls %d trap, and %d of %d programs have accesses to group: the generator has lost its teeth", all, traps, grouped, n)
	}
}

// checkRewrites compares all ways to run a program, and returns how many of its calls trap.
func checkRewrites(t *testing.T, what string, original []byte, calls []call) (traps int) {
	t.Helper()
	compare := func(ends bool, calls []call, say func(outcome) string) (want outcome) {
		want = run(t, "interpreter", original, 0, calls...)
		if len(want.results) != len(calls) {
			t.Fatalf("%s does not start: %v", what, want)
		}
		for _, fuel := range []bool{false, true} {
			o := prepare.Options{EngineFixes: true, Fuel: fuel}
			plain := run(t, "interpreter", prepared(t, original, o), 0, calls...)
			o.Rewrites, o.TrapEnds = prepare.AllRewrites, ends
			out := prepared(t, original, o)
			for engine := range engines {
				got := run(t, engine, out, 0, calls...)
				if say(got) != say(want) {
					t.Errorf("%s, trap ends %v, fuel %v, %s:\n got %v\nwant %v", what, ends, fuel, engine, got, want)
				}
				if got.spent != plain.spent && !strings.Contains(want.String(), "wasm error") {
					t.Errorf("%s: spent %d, %d without rewrites", what, got.spent, plain.spent)
				}
			}
		}
		return want
	}
	var quiet []call // which do not trap, at least not after those that do
	for i, r := range compare(false, calls, outcome.String).results {
		if strings.HasPrefix(r, "wasm error") {
			traps++
			if traps%4 == 1 {
				compare(true, append(quiet[:len(quiet):len(quiet)], calls[i]), ending)
			}
		} else {
			quiet = append(quiet, calls[i])
		}
	}
	compare(true, quiet, ending)
	return traps
}

// TestRewritesWithinLimits checks that no module is refused for what rewrites add to it: it runs without them.
func TestRewritesWithinLimits(t *testing.T) {
	original, _ := accesses(3)
	plain := prepare.Options{Limits: wasm.DefaultLimits()}
	for plain.Limits.Checks = 1; ; plain.Limits.Checks++ {
		out, err := prepare.Prepare(t.Context(), original, plain)
		if err != nil {
			continue
		}
		rewritten := plain
		rewritten.Rewrites = prepare.AllRewrites
		got, err := prepare.Prepare(t.Context(), original, rewritten)
		if err != nil || !bytes.Equal(got.Wasm, out.Wasm) {
			t.Errorf("with the least limit that it keeps, of %d, it is rewritten, or refused: %v", plain.Limits.Checks, err)
		}
		rewritten.Limits.Checks *= 10
		if got, err = prepare.Prepare(t.Context(), original, rewritten); err != nil || bytes.Equal(got.Wasm, out.Wasm) {
			t.Errorf("with ten times that it is as it was, or refused: %v", err)
		}
		return
	}
}

// TestRewritesKey: a module that is rewritten otherwise is another one to a cache.
func TestRewritesKey(t *testing.T) {
	seen := map[string]bool{}
	for r := range prepare.AllRewrites + 1 {
		for _, ends := range []bool{false, true} {
			seen[prepare.Options{Rewrites: r, TrapEnds: ends}.Key()] = true
		}
	}
	if want := 2*int(prepare.AllRewrites) + 1; len(seen) != want { // without rewrites it says nothing how a trap ends
		t.Errorf("%d keys, want %d", len(seen), want)
	}
}

// FuzzRewrites is TestRewrites without an end.
func FuzzRewrites(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		original, calls := accesses(seed)
		checkRewrites(t, fmt.Sprintf("program %d", seed), original, calls)
	})
}
