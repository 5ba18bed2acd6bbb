package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// A model is built as an image; its program and what it loads are copied out for
// the host's own Python.
type model struct {
	name, folder string
	args         []string
	want         string
}

var models = []model{
	{"iris", "examples/iris", flower, setosa},
	{"forest", "test/bench/testdata/models/forest", []string{"19.8", "22.2", "130", "1260"}, "malignant"},
	{"text", "test/bench/testdata/models/text", []string{"Hello, my credit card was booked twice for the same order."}, "payment"},
	{"table", "test/bench/testdata/models/table", []string{"34", "80", "Porto", "basic"}, "stays"},
}

// native is what the models need of the host's own Python, in the versions that
// the image has.
const native = "scikit-learn==1.9.1 joblib==1.6.0 pandas==3.0.6 python-slugify==8.0.4"

// askNative has predict.py answer as `wherry run` has it answer: words are
// converted by its type hints, and a line of JSON is printed.
const askNative = `import json, sys, predict
kinds = [getattr(k, "__origin__", k) for name, k in predict.predict.__annotations__.items() if name != "return"]
print(json.dumps(predict.predict(*[kind(word) for kind, word in zip(kinds, sys.argv[1:], strict=True)])))`

// BenchmarkStart is `wherry run MODEL ...`, from the start of the process to its
// end with the prediction printed, beside the host's own Python with the same
// predict.py, the same model and the same packages: warm, with all machine code
// at hand, and cold, with the image unpacked and nothing compiled.
func BenchmarkStart(b *testing.B) {
	heavy(b)
	builder, wherry := programs(b)
	python, packages := dock.Packages(b, native)
	for _, m := range models {
		b.Run(m.name, func(b *testing.B) {
			image, folder := m.build(b, builder)
			python := python
			python.Env = []string{"PYTHONNOUSERSITE=1", "PYTHONPATH=" + folder + string(os.PathListSeparator) + packages}
			ours, theirs := append([]string{"run", image}, m.args...), append([]string{"-c", askNative}, m.args...)
			run := func(p dock.Program, args []string) func() cost {
				return func() cost { return command(b, p, m.want, args...) }
			}
			b.Run("warm", func(b *testing.B) {
				compareStarts(b, 9, run(wherry, ours), run(python, theirs))
				compareMemory(b, wherry, python, m.want, ours, theirs)
			})
			b.Run("cold", func(b *testing.B) {
				compareStarts(b, 5, func() cost { return command(b, cold(b, wherry), m.want, ours...) }, run(python, theirs))
			})
		})
	}
}

// build makes the image and copies its /app out of it, with the base's module of
// words beside types, which the host's Python does not have.
func (m model) build(b *testing.B, builder dock.Program) (image, folder string) {
	b.Helper()
	image, folder = "localhost/test-bench:"+m.name, b.TempDir()
	builder.Must(b, "", "build", "-q", "-t", image, filepath.Join(dock.Root(b), filepath.FromSlash(m.folder)))
	builder.Must(b, "", "run", "-v", folder+":/out", "--entrypoint", "python", image,
		"-c", "import shutil; shutil.copytree('/app', '/out', dirs_exist_ok=True)")
	words, err := os.ReadFile(filepath.Join(dock.Root(b), "packager/bases/python/launcher/modules/wherry.py"))
	if err != nil {
		b.Fatal(err)
	}
	writeFiles(b, map[string][]byte{filepath.Join(folder, "wherry.py"): words})
	return image, folder
}

// programs are wherry in the home that the tests share, where the steps of earlier
// builds are cached, and with the images of that home and a cache of its own, where
// what is at hand is what it compiled itself.
func programs(b *testing.B) (builder, wherry dock.Program) {
	b.Helper()
	builder = dock.Native(b, dock.Home(b))
	builder.Limit = 30 * time.Minute
	wherry = builder
	wherry.Env = []string{"WHERRY_HOME=" + separate(b, dock.Home(b))}
	return builder, wherry
}

// separate makes a home that shares the images of another and nothing else: there
// the image is as it is after a pull, unpacked, and nothing is compiled.
func separate(b *testing.B, home string) string {
	b.Helper()
	data, err := filepath.EvalSymlinks(filepath.Join(home, "data"))
	if os.IsNotExist(err) {
		data = filepath.Join(home, "data")
		err = os.MkdirAll(data, 0o700)
	}
	dir := b.TempDir()
	if err == nil {
		err = os.Symlink(data, filepath.Join(dir, "data"))
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

// cold is the program with an empty cache.
func cold(b *testing.B, wherry dock.Program) dock.Program {
	b.Helper()
	_, home, _ := strings.Cut(wherry.Env[0], "=")
	wherry.Env = []string{"WHERRY_HOME=" + separate(b, home)}
	return wherry
}

// compareStarts reports both sides and their ratios.
func compareStarts(b *testing.B, rounds int, ours, theirs func() cost) {
	for b.Loop() {
		all := inTurns(rounds, ours, theirs)
		report(b, "wherry-min-ms", least(all[0].wall()), time.Millisecond)
		report(b, "wherry-median-ms", median(all[0].wall()), time.Millisecond)
		report(b, "wherry-cpu-ms", median(all[0].cpu()), time.Millisecond)
		report(b, "native-min-ms", least(all[1].wall()), time.Millisecond)
		report(b, "native-median-ms", median(all[1].wall()), time.Millisecond)
		report(b, "native-cpu-ms", median(all[1].cpu()), time.Millisecond)
		ratio(b, "min/native", least(all[0].wall()), least(all[1].wall()))
		ratio(b, "median/native", median(all[0].wall()), median(all[1].wall()))
		ratio(b, "cpu/native", median(all[0].cpu()), median(all[1].cpu()))
		b.ReportMetric(megabytes(peak(all[0])), "wherry-peak-MB")
		b.ReportMetric(megabytes(peak(all[1])), "native-peak-MB")
	}
	quiet(b)
}

// compareMemory reports what a process holds at the moment when it prints the
// answer, with a second one of the same beside it, so that what both share counts
// half: PSS. What it holds alone, in no file, is its own.
func compareMemory(b *testing.B, wherry, python dock.Program, want string, ours, theirs []string) {
	for _, side := range []struct {
		name    string
		program dock.Program
		args    []string
	}{{"wherry", wherry, ours}, {"native", python, theirs}} {
		first, second := hold(b, side.program, want, side.args...), hold(b, side.program, want, side.args...)
		m := second.memory()
		first.release()
		second.release()
		if m == nil {
			return // not known here
		}
		b.ReportMetric(megabytes(m.pss), side.name+"-PSS-MB")
		b.ReportMetric(megabytes(m.own), side.name+"-own-MB")
	}
}

func megabytes(n int64) float64 { return float64(n) / (1 << 20) }
