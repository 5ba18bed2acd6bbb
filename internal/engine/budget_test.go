package engine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCompileBudget gives the compiler less time than a module needs: the caller is told so, nothing is kept, and the
// same engine goes on to load others.
func TestCompileBudget(t *testing.T) {
	dir := tempDir(t)
	e := newEngine(t, Config{CacheDir: dir, CompileTime: 30 * time.Millisecond})
	bin := bulky(sized(20_000), 60)
	brings := func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }
	_, err := e.Load(t.Context(), keyOf(bin), brings, nil)
	var over *BudgetError
	if !errors.As(err, &over) || over.Budget != 30*time.Millisecond || !strings.Contains(err.Error(), "more than 30ms") {
		t.Fatalf("ended with %v", err)
	}
	small := bulky(1, 1)
	m, err := e.Load(t.Context(), keyOf(small), func(context.Context) (Artifact, error) { return Artifact{Wasm: small}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Close(t.Context())

	patient := newEngine(t, Config{CacheDir: dir})
	if m, err = patient.Load(t.Context(), keyOf(bin), brings, nil); err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	if m.Stats().Hit {
		t.Error("what was given up is in the cache")
	}
	runs(t, patient, m)
}

// TestLanes loads more modules at once than there are turns.
func TestLanes(t *testing.T) {
	e := newEngine(t, Config{Workers: 1})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			bin := bulky(10+i*700, 60) // from little to middle
			m, err := e.Load(t.Context(), keyOf(bin), func(context.Context) (Artifact, error) { return Artifact{Wasm: bin}, nil }, nil)
			if err != nil {
				t.Error(err)
				return
			}
			m.Close(t.Context())
		})
	}
	wg.Wait()
	for _, lane := range []chan struct{}{e.lanes.little, e.lanes.middle, e.lanes.large} {
		if len(lane) != 0 {
			t.Error("a turn was not given back")
		}
	}
}
