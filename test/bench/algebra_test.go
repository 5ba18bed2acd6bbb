package bench

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// BenchmarkAlgebra is numpy's linear algebra in the sandbox, with the fastest kernels
// of this processor and without, beside native numpy with one thread: the least of
// single calls, as each Python sees it.
func BenchmarkAlgebra(b *testing.B) {
	heavy(b)
	python, _ := dock.Packages(b, nativePackages)
	python.Env = append(slices.Clone(python.Env), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1")
	wherry := dock.Native(b, dock.Home(b))
	work := b.TempDir()
	script, err := os.ReadFile(filepath.Join("testdata", "native", "algebra.py"))
	if err != nil {
		b.Fatal(err)
	}
	writeFiles(b, map[string][]byte{filepath.Join(work, "algebra.py"): script})
	in := []string{"run", "-v", work + ":/work", "python", "python3", "/work/algebra.py"}
	ways := []func() map[string]float64{
		func() map[string]float64 { return took(b, wherry, in...) },
		func() map[string]float64 { return took(b, wherry, slices.Insert(slices.Clone(in), 1, "--no-accel")...) },
		func() map[string]float64 { return took(b, python, filepath.Join(work, "algebra.py")) },
	}
	ways[0]() // compiles what it needs
	least := make([]map[string]float64, len(ways))
	for range 3 {
		for n, way := range ways {
			for what, ms := range way() {
				if least[n] == nil {
					least[n] = map[string]float64{}
				}
				if had, ok := least[n][what]; !ok || ms < had {
					least[n][what] = ms
				}
			}
		}
	}
	for _, what := range slices.Sorted(maps.Keys(least[2])) {
		b.Run(what, func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(least[0][what], "wherry-ms")
			b.ReportMetric(least[1][what], "no-accel-ms")
			b.ReportMetric(least[2][what], "native-ms")
			b.ReportMetric(least[0][what]/least[2][what], "wherry/native")
			b.ReportMetric(least[1][what]/least[2][what], "no-accel/native")
		})
	}
	quiet(b)
}

// took runs the script.
func took(b *testing.B, p dock.Program, args ...string) map[string]float64 {
	b.Helper()
	var list map[string]float64
	if err := json.Unmarshal([]byte(p.Must(b, "", args...)), &list); err != nil {
		b.Fatal(err)
	}
	return list
}
