package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
)

// benchOptions are the flags of wherry bench.
type benchOptions struct {
	modelOptions
	over         benchHTTPOptions
	startup      bool
	batches      []int64
	instances    int
	duration     time.Duration
	rounds, cold int
	format       string
}

func (a *app) benchCommand() *cobra.Command {
	var o benchOptions
	models := pflag.NewFlagSet("models", pflag.ContinueOnError)
	cmd := &cobra.Command{
		Use:   "bench [OPTIONS] IMAGE|FOLDER|FILE.wasm [INPUT... | -- ARG...]\n  wherry bench --url URL [OPTIONS] [INPUT...]",
		Short: "Measure the answers of a model, or the starts of a program",
		Long: `Measure how fast a model answers, or, with --startup, where the time and the
memory of a start go.

A model that stands ready is asked again and again, in this process: how long an
answer takes that half, 90 and 99 of a hundred requests stay within, and how many
come in a second; with more and more rows in a request where the model takes any
number, and by several at once. It is asked what is typed, as with wherry predict,
else its first golden case, else what its signature allows.

With --http it is asked over HTTP, as wherry serve would answer, by more and more
clients at once; with --url so is a server that runs already, of any kind. A URL of
a server that speaks the Open Inference Protocol, or of one of its models
(/v2/models/NAME), is asked as a model is; any other gets what --data has, or GET.
Each client asks again as soon as it was answered, on a connection of its own. Who
asks needs processors, too: for a busy server ask from another machine.

With --startup, IMAGE is run again and again, by a process of its own each time,
with nothing to read: cold, with nothing compiled (in a cache of its own, yours
stays as it is), and warm. What it prints is not shown. The phases are

  process   the process begins, and ends
  image     the image is opened
  load      modules come from the cache, and memories of snapshots from the store
  compile   they are checked and compiled
  start     instances are made, and their memory
  parts     the program waits for more of its module, compiled or not
  run       the program runs
  total     all of these
  answer    from the beginning to the first byte on standard output
  cpu       what all processors together computed, in the whole process

and PEAK is the most memory that the process had needed by the end of the phase.`,
		Example: `  wherry bench iris:1
  wherry bench --batch 1,64,1024 churn:1 @rows.csv
  wherry bench --http iris:1
  wherry bench --url http://localhost:8000 --concurrency 1,8,64 --duration 10s
  wherry bench --url http://localhost:8000/predict --data row.json
  wherry bench --startup iris:1 -- 5.1 3.5 1.4 0.2
  wherry bench --startup --format json python -- -c 'print(1)'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if o.over.url != "" {
				return nil
			}
			return atLeast(1, "an image, a folder or a .wasm file")(cmd, args)
		},
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !o.startup {
				if o.instances < 1 || o.duration <= 0 || slices.ContainsFunc(o.batches, func(n int64) bool { return n < 1 }) || len(o.batches) == 0 {
					return &ux.UsageError{Text: "--instances and --batch take numbers from 1 on, --duration a time such as 2s"}
				}
				if err := o.over.check(); err != nil {
					return err
				}
				for _, name := range []string{"batch", "instances"} {
					if f := models.Lookup(name); f.Changed && (o.over.url != "" || o.over.http && name == "batch") {
						return &ux.UsageError{Text: "--" + name + " is not for a server that is asked over HTTP"}
					}
				}
				switch {
				case o.over.url != "":
					return a.benchURL(cmd.Context(), args, o)
				case o.over.http:
					return a.benchImage(cmd.Context(), args[0], args[1:], o)
				}
				return a.benchModel(cmd.Context(), args[0], args[1:], o)
			}
			var unused error
			models.VisitAll(func(f *pflag.Flag) {
				if f.Changed {
					unused = &ux.UsageError{Text: "--" + f.Name + " is not for --startup"}
				}
			})
			if unused != nil {
				return unused
			}
			if o.rounds < 1 || o.cold < 0 {
				return &ux.UsageError{Text: "--rounds takes a number from 1 on, --cold-rounds one from 0 on"}
			}
			return a.benchStartup(cmd.Context(), args, o)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false)
	o.modelOptions.flags(models)
	o.native.flags(models)
	models.Int64SliceVar(&o.batches, "batch", []int64{1, 4, 16, 64, 256}, "rows of a request, where a model takes any number")
	models.IntVar(&o.instances, "instances", defaultInstances(), "how many requests a model answers at once: in the last line, and with --http")
	models.DurationVar(&o.duration, "duration", 2*time.Second, "how long each line is measured")
	o.over.flags(models)
	f.AddFlagSet(models)
	f.BoolVar(&o.startup, "startup", false, "measure starts")
	f.IntVar(&o.rounds, "rounds", 10, "warm starts to take the least and the median of")
	f.IntVar(&o.cold, "cold-rounds", 1, "cold starts to take the least of")
	f.StringVar(&o.format, "format", "", "Go template, table TEMPLATE, or json: times in seconds, sizes in bytes")
	return cmd
}

// phaseRow is a line of wherry bench --startup.
type phaseRow struct {
	Phase                       string
	Cold, WarmLeast, WarmMedian seconds
	ColdPeak, WarmPeak          octets
}

// seconds is a time that JSON has as a number. What was not measured is "-".
type seconds float64

func (s seconds) String() string {
	if s == 0 {
		return "-"
	}
	return rounded(time.Duration(float64(s) * float64(time.Second)))
}

// octets is a size that JSON has as a number. What was not measured is "-".
type octets int64

func (n octets) String() string {
	if n == 0 {
		return "-"
	}
	return units.BytesSize(float64(n))
}

// Rows that are no phases of runtime.Times.
const (
	rowTotal  = "total"
	rowAnswer = "answer"
	rowCPU    = "cpu"
)

var benchRows = []string{phaseProcess, phaseImage, phaseLoad, phaseCompile, phaseStart, phaseParts, phaseRun, rowTotal, rowAnswer, rowCPU}

// start is what was measured of one start: seconds, and bytes at the end of
// phases.
type start struct {
	times map[string]float64
	peaks map[string]int64
}

// benchStartup measures starts.
func (a *app) benchStartup(ctx context.Context, args []string, o benchOptions) error {
	b, err := a.newBench(args)
	if err != nil {
		return err
	}
	defer b.close()
	task := a.talk().Start("measuring starts of "+args[0], false)
	if _, err := b.round(ctx, nil, a.talk().Output(a.Err)); err != nil { // pulls, builds, unpacks and compiles
		return err
	}
	var cold, warm []start
	for n := range o.cold + o.rounds {
		task.Update(int64(n), int64(o.cold+o.rounds))
		if n < o.cold {
			s, err := b.coldRound(ctx)
			if err != nil {
				return err
			}
			cold = append(cold, s)
			continue
		}
		s, err := b.round(ctx, nil, nil)
		if err != nil {
			return err
		}
		warm = append(warm, s)
	}
	task.End("done")
	a.talk().Clear()
	return ux.List(a.Out, o.format, []ux.Column{
		{Heading: "PHASE", Field: "Phase"}, {Heading: "COLD", Field: "Cold"}, {Heading: "PEAK", Field: "ColdPeak"},
		{Heading: "WARM LEAST", Field: "WarmLeast"}, {Heading: "WARM MEDIAN", Field: "WarmMedian"}, {Heading: "PEAK", Field: "WarmPeak"},
	}, phaseRows(cold, warm))
}

// phaseRows sums starts up.
func phaseRows(cold, warm []start) []phaseRow {
	rows := make([]phaseRow, 0, len(benchRows))
	for _, name := range benchRows {
		row := phaseRow{Phase: name}
		row.Cold, _, row.ColdPeak = sumUp(cold, name)
		row.WarmLeast, row.WarmMedian, row.WarmPeak = sumUp(warm, name)
		rows = append(rows, row)
	}
	return rows
}

// sumUp gives the least and the median time of a phase, and its median peak.
func sumUp(list []start, name string) (least, median seconds, peak octets) {
	if len(list) == 0 {
		return 0, 0, 0
	}
	var times []float64
	var peaks []int64
	for _, s := range list {
		times, peaks = append(times, s.times[name]), append(peaks, s.peaks[name])
	}
	slices.Sort(times)
	slices.Sort(peaks)
	return seconds(times[0]), seconds(times[len(times)/2]), octets(peaks[len(peaks)/2])
}

// bench runs a program in processes of their own.
type bench struct {
	self string
	args []string
	env  []string
	dir  string // for what the processes write down, and for caches
}

func (a *app) newBench(args []string) (*bench, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program to measure: %w", err)
	}
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	// Beside the cache, so that what is measured is the same disk.
	_ = os.MkdirAll(p.Cache, 0o700)
	dir, err := os.MkdirTemp(p.Cache, "bench-")
	if err != nil {
		if dir, err = os.MkdirTemp("", "wherry-bench-"); err != nil {
			return nil, err
		}
	}
	if len(args) > 1 && args[1] == "--" {
		args = slices.Delete(slices.Clone(args), 1, 2)
	}
	return &bench{self: self, args: args, env: os.Environ(), dir: dir}, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// coldRound measures a start with nothing compiled.
func (b *bench) coldRound(ctx context.Context) (start, error) {
	cache, err := os.MkdirTemp(b.dir, "cache-")
	if err != nil {
		return start{}, err
	}
	defer os.RemoveAll(cache)
	return b.round(ctx, []string{cacheVariable + "=" + cache, bakedVariable + "="}, nil)
}

// round measures a start. What the process says goes to talk, else only into
// the error of one that fails.
func (b *bench) round(ctx context.Context, env []string, talk io.Writer) (start, error) {
	file := filepath.Join(b.dir, "stats.json")
	cmd := exec.CommandContext(ctx, b.self, slices.Concat([]string{"run", "--" + statsFileFlag, file, "--"}, b.args)...)
	cmd.Env = append(slices.Clone(b.env), env...)
	cmd.WaitDelay = time.Second
	var said strings.Builder
	if cmd.Stderr = talk; talk == nil {
		cmd.Stderr = &said
	}
	began := time.Now()
	answer := &firstByte{began: began}
	cmd.Stdout = answer
	err := cmd.Run()
	total := time.Since(began).Seconds()
	if ctx.Err() != nil {
		return start{}, ctx.Err()
	}
	if err != nil {
		return start{}, benchError(err, said.String())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return start{}, err
	}
	var u usage
	if err := json.Unmarshal(data, &u); err != nil {
		return start{}, fmt.Errorf("read what was measured: %w", err)
	}
	return newStart(u, total, answer.after.Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()), nil
}

// newStart takes a start apart.
func newStart(u usage, total, answer, cpu float64) start {
	compile := u.Prepare + u.Compile + u.Wait
	load := max(0, u.Load-compile)
	run := max(0, u.Run-u.Parts)
	s := start{peaks: u.Resident, times: map[string]float64{
		phaseImage: u.Image, phaseLoad: load, phaseCompile: compile, phaseStart: u.Start, phaseParts: u.Parts, phaseRun: run,
		phaseProcess: max(0, total-u.Image-u.Load-u.Start-u.Run), rowTotal: total, rowAnswer: answer, rowCPU: cpu,
	}}
	if compile > 0 {
		s.peaks[phaseCompile] = s.peaks[phaseLoad] // they cannot be told apart
	}
	s.peaks[rowTotal] = s.peaks[phaseRun]
	return s
}

// firstByte notes when something was written.
type firstByte struct {
	began time.Time
	after time.Duration
}

func (f *firstByte) Write(p []byte) (int, error) {
	if f.after == 0 && len(p) > 0 {
		f.after = time.Since(f.began)
	}
	return len(p), nil
}

// benchError says why a start came to nothing.
func benchError(err error, said string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	text := fmt.Sprintf("the program ended with status %d", exit.ExitCode())
	if lines := strings.Split(strings.TrimSpace(said), "\n"); lines[len(lines)-1] != "" {
		text += ": " + lines[len(lines)-1]
	}
	return &hinted{errors.New(text), "give it arguments with which it ends well: wherry bench --startup IMAGE -- ARG..."}
}
