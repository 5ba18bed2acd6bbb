package bench

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// native is what examples/iris needs of the host's own Python.
const native = "scikit-learn==1.9.1 joblib python-slugify==8.0.4"

// BenchmarkStart is `wherry run iris:1 ...`, from the start of the process to the
// printed prediction, beside the host's own Python with the same predict.py, the
// same model and the same scikit-learn: warm, with all machine code at hand, and
// cold, with the image unpacked and nothing compiled.
func BenchmarkStart(b *testing.B) {
	wherry, image, folder := iris(b)
	python, _ := dock.Packages(b, native)
	python.Dir = folder
	args := append([]string{"run", image}, flower...)
	theirs := func() cost {
		return command(b, python, setosa, append([]string{"-c",
			"import sys, json; sys.path.insert(0, " + quoted(folder) + "); import predict; print(json.dumps(predict.predict(*map(float, sys.argv[1:]))))"}, flower...)...)
	}
	warm := func() cost { return command(b, wherry, setosa, args...) }
	b.Run("warm", func(b *testing.B) { compareStarts(b, 9, warm, theirs) })

	// The machine code of this program's own compiles lies in the cache; without
	// it the image is as it is after a pull.
	modules := filepath.Join(dock.Home(b), "cache", "modules")
	aside := modules + ".aside"
	cold := func() cost {
		if err := os.Rename(modules, aside); err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := os.RemoveAll(modules); err != nil {
				b.Fatal(err)
			}
			if err := os.Rename(aside, modules); err != nil {
				b.Fatal(err)
			}
		}()
		return command(b, wherry, setosa, args...)
	}
	b.Run("cold", func(b *testing.B) { compareStarts(b, 5, cold, theirs) })
}

func quoted(s string) string { return "'" + filepath.ToSlash(s) + "'" }

// compareStarts reports both sides and their ratios.
func compareStarts(b *testing.B, rounds int, ours, theirs func() cost) {
	for b.Loop() {
		all := inTurns(rounds, ours, theirs)
		report(b, "wherry-min-ms", least(all[0].wall()), time.Millisecond)
		report(b, "wherry-median-ms", median(all[0].wall()), time.Millisecond)
		report(b, "wherry-cpu-ms", median(all[0].cpu()), time.Millisecond)
		report(b, "native-min-ms", least(all[1].wall()), time.Millisecond)
		report(b, "native-median-ms", median(all[1].wall()), time.Millisecond)
		ratio(b, "min/native", least(all[0].wall()), least(all[1].wall()))
		ratio(b, "median/native", median(all[0].wall()), median(all[1].wall()))
		b.ReportMetric(float64(peak(all[0]))/(1<<20), "wherry-peak-MB")
		b.ReportMetric(float64(peak(all[1]))/(1<<20), "native-peak-MB")
	}
	quiet(b)
}
