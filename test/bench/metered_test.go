package bench

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/test/dock"
)

// heavy skips what compiles a large module.
func heavy(b *testing.B) {
	b.Helper()
	if os.Getenv("WHERRY_BENCH_HEAVY") == "" {
		b.Skip("NOT MEASURED: it compiles a large module: set WHERRY_BENCH_HEAVY=1")
	}
}

func cacheDir(b *testing.B, name string) string {
	b.Helper()
	dir := filepath.Join(dock.Root(b), ".cache", name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		b.Fatal(err)
	}
	return dir
}

// benchEngine keeps machine code on disk, for the next run of the same binary, and
// removes what another one left: no run will load that again.
func benchEngine(b *testing.B) *engine.Engine {
	b.Helper()
	e, err := engine.New(b.Context(), engine.Config{CacheDir: cacheDir(b, "bench")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { e.Close(context.WithoutCancel(b.Context())) })
	list, err := e.Cached()
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range list {
		if c.Usable {
			continue
		}
		if err := e.Forget(c.Key); err != nil {
			b.Log(err)
		}
	}
	return e
}

// pair is a module with and without fuel.
type pair struct{ plain, metered side }

// side is one of the two, and what it took to make.
type side struct {
	module           *engine.Module
	bytes            int
	prepare, compile time.Duration // of processors
}

// compilePair prepares and compiles a module both ways. Its key in the cache is the
// digest of what was prepared, so that a change of the metering is seen whatever
// version it has.
func compilePair(b *testing.B, e *engine.Engine, bin []byte, rounds int) pair {
	b.Helper()
	outs := map[bool]*prepare.Prepared{}
	preparing := func(fuel bool) func() cost {
		return inProcess(func() {
			p, err := prepare.Prepare(b.Context(), bin, prepare.Options{EngineFixes: e.NeedsFixes(), Fuel: fuel, Limits: wasm.DefaultLimits()})
			if err != nil {
				b.Fatal(err)
			}
			outs[fuel] = p
		})
	}
	var all []series
	if rounds > 1 {
		all = inTurns(rounds, preparing(false), preparing(true))
	} else { // a large module: no round to warm up
		all = []series{{preparing(false)()}, {preparing(true)()}}
	}
	p := pair{compiled(b, e, outs[false]), compiled(b, e, outs[true])}
	p.plain.prepare, p.metered.prepare = least(all[0].cpu()), least(all[1].cpu())
	return p
}

// compiled compiles, or finds machine code of an earlier run, beside which lies
// what it took.
func compiled(b *testing.B, e *engine.Engine, p *prepare.Prepared) side {
	b.Helper()
	h := sha256.New()
	h.Write(p.Wasm)
	io.WriteString(h, e.Identity())
	key := hex.EncodeToString(h.Sum(nil))
	before := processor()
	m, err := e.Load(b.Context(), key, func(context.Context) (engine.Artifact, error) {
		return engine.Artifact{Wasm: p.Wasm, Names: p.Names}, nil
	}, nil)
	if err != nil {
		b.Fatal(err)
	}
	s := side{module: m, bytes: len(p.Wasm), compile: processor() - before}
	b.Cleanup(func() { m.Close(context.WithoutCancel(b.Context())) })
	note := filepath.Join(cacheDir(b, "bench-times"), key)
	if !m.Stats().Hit {
		if err := os.WriteFile(note, []byte(s.compile.String()), 0o600); err != nil {
			b.Fatal(err)
		}
		return s
	}
	text, err := os.ReadFile(note)
	if err == nil {
		s.compile, err = time.ParseDuration(string(text))
	}
	if err != nil {
		b.Logf("it is not known what compiling took: %v", err)
		s.compile = 0
	}
	return s
}

// growth reports by how much fuel makes a module and its making dearer.
func (p pair) growth(b *testing.B) {
	b.Run("growth", func(b *testing.B) {
		b.ReportMetric(float64(p.metered.bytes)/float64(p.plain.bytes), "bytes-fuel/plain")
		report(b, "prepare-ms", p.plain.prepare, time.Millisecond)
		ratio(b, "prepare-fuel/plain", p.metered.prepare, p.plain.prepare)
		report(b, "compile-ms", p.plain.compile, time.Millisecond)
		if p.metered.compile > 0 {
			ratio(b, "compile-fuel/plain", p.metered.compile, p.plain.compile)
		}
		quiet(b)
	})
}
