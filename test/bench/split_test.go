package bench

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

// steady are the programs of testdata/steady; two of them measure fuel, too.
var steady = []string{"loops", "classes", "ufuncs", "estimator"}

// BenchmarkSplit is what it costs in the long run that a module is loaded in parts:
// Python programs in a worker that was restored from its snapshot, with a primary of
// the functions that were seen at build, beside a worker that began at its beginning
// with the module compiled as a whole. Both are metered; nothing is loaded while the
// time is taken. The first run of this benchmark compiles the whole module, which
// takes a minute or two and 3 GB.
func BenchmarkSplit(b *testing.B) {
	heavy(b)
	image := steadyImage(b)
	benchEngine(b) // removes what other binaries left in the cache that is used next
	rt, err := runtime.New(b.Context(), runtime.WithCacheDir(cacheDir(b, "bench")))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { rt.Close(context.WithoutCancel(b.Context())) })
	split, parts := worker(b, rt, image)
	whole, entire := worker(b, rt, bare{image})
	if parts.Stats().Restored != 1 || parts.Stats().Groups != 0 || entire.Stats().Restored != 0 {
		b.Fatalf("restored %d with %d groups, and %d: %v", parts.Stats().Restored, parts.Stats().Groups, entire.Stats().Restored, parts.Stats().Notes)
	}
	var ratios []float64
	for _, name := range steady {
		b.Run(name, func(b *testing.B) {
			request, err := json.Marshal([]string{name})
			if err != nil {
				b.Fatal(err)
			}
			want := turn(b, whole, request)
			side := func(w *runtime.Worker) func() cost {
				return inProcess(func() {
					if got := turn(b, w, request); got != want {
						b.Fatalf("%s; as a whole %s", got, want)
					}
				})
			}
			before := parts.Stats().Groups
			for b.Loop() {
				all := inTurns(15, side(split), side(whole))
				report(b, "whole-ms", least(all[1].cpu()), time.Millisecond)
				report(b, "split-ms", least(all[0].cpu()), time.Millisecond)
				ratio(b, "min-split/whole", least(all[0].cpu()), least(all[1].cpu()))
				ratio(b, "median-split/whole", median(all[0].cpu()), median(all[1].cpu()))
				ratios = append(ratios, times(all[0], all[1]))
			}
			b.ReportMetric(float64(parts.Stats().Groups-before), "groups-loaded")
			quiet(b)
		})
	}
	summary(b, "split/whole", ratios)
}

// bare is an image of which nothing was found out: its module runs whole.
type bare struct{ runtime.Image }

// steadyImage builds the image of testdata/steady, with the two programs that are
// another benchmark's, and opens it.
func steadyImage(b *testing.B) *images.Image {
	b.Helper()
	ctx := context.WithoutCancel(b.Context())
	folder := b.TempDir()
	if err := os.CopyFS(folder, os.DirFS(filepath.Join("testdata", "steady"))); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"loops.py", "classes.py"} {
		text, err := os.ReadFile(filepath.Join("testdata", "python", name))
		if err != nil {
			b.Fatal(err)
		}
		write(b, filepath.Join(folder, name), text)
	}
	var cases [][]string
	for _, name := range steady {
		cases = append(cases, []string{name})
	}
	warmup, err := json.Marshal(cases)
	if err != nil {
		b.Fatal(err)
	}
	write(b, filepath.Join(folder, "warmup.json"), warmup)
	builder, _ := programs(b)
	said := builder.Run(b, "", "build", "-t", "localhost/test-bench:steady", folder)
	s, err := store.Open(ctx, filepath.Join(dock.Home(b), "data"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	image, err := images.Open(ctx, s, "localhost/test-bench:steady", images.Options{Pull: images.PullNever})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { image.Close() })
	own := func(s oci.Snapshot) bool { return slices.Contains(s.Program, "/app/predict.py") }
	if d := image.Derived(); d == nil || !slices.ContainsFunc(d.Snapshots, own) {
		b.Fatalf("the image has no snapshot of its own: %s", said.Err)
	}
	return image
}

// worker starts the program of an image that answers again and again.
func worker(b *testing.B, rt *runtime.Runtime, image runtime.Image) (*runtime.Worker, *runtime.Container) {
	b.Helper()
	c, err := rt.Create(b.Context(), image, runtime.Spec{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close(context.WithoutCancel(b.Context())) })
	w, err := c.Worker(b.Context(), runtime.Process{})
	if err != nil {
		b.Fatal(err)
	}
	return w, c
}

func turn(b *testing.B, w *runtime.Worker, request []byte) string {
	answer, err := w.Turn(b.Context(), request)
	if err != nil {
		b.Fatal(err)
	}
	return string(answer)
}
