package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/runtime"
)

// limitOptions are the flags that bound a run.
type limitOptions struct {
	memory, output string
	cpus           float64
	fuel           uint64
	timeout        time.Duration
	ulimits        []string
}

func (o *limitOptions) flags(f *pflag.FlagSet) {
	f.StringVarP(&o.memory, "memory", "m", "", "limit of memory, such as 512m (default 4g)")
	f.Float64Var(&o.cpus, "cpus", 0, "share of the processors, such as 0.5")
	f.Uint64Var(&o.fuel, "fuel", 0, "limit of work, in units of about one instruction")
	f.DurationVar(&o.timeout, "timeout", 0, "limit of time, such as 30s, compiling not counted")
	f.StringVar(&o.output, "max-output", "", "limit of what is printed, such as 10m")
	f.StringArrayVar(&o.ulimits, "ulimit", nil, "limit by its usual name, NAME=N: nofile, nproc, fsize, cpu (seconds), as")
}

// limits are what the flags say. Of two flags for one thing the narrower holds.
func (o *limitOptions) limits() (runtime.Limits, error) {
	l := runtime.Limits{Fuel: o.fuel, Timeout: o.timeout, CPUs: o.cpus}
	if o.timeout < 0 {
		return l, &ux.UsageError{Text: "--timeout takes a time such as 30s"}
	}
	if o.cpus < 0 || math.IsNaN(o.cpus) || math.IsInf(o.cpus, 0) || o.cpus > 0 && o.cpus < 0.001 {
		return l, &ux.UsageError{Text: fmt.Sprintf("--cpus %g: write a number of processors such as 0.5 or 2", o.cpus)}
	}
	memory, err := sizeFlag("--memory", o.memory, "512m or 2g")
	if err != nil {
		return l, err
	}
	l.Memory = uint64(memory)
	if l.Output, err = sizeFlag("--max-output", o.output, "64k or 10m"); err != nil {
		return l, err
	}
	for _, u := range o.ulimits {
		if err := setUlimit(&l, u); err != nil {
			return l, err
		}
	}
	return l, nil
}

func sizeFlag(flag, text, example string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := units.RAMInBytes(text)
	if err != nil || n <= 0 {
		return 0, &ux.UsageError{Text: fmt.Sprintf("%s %q: write a size such as %s", flag, text, example)}
	}
	return n, nil
}

// setUlimit reads NAME=SOFT[:HARD] as Docker does. Nothing here can raise a
// limit, so what holds is the soft one.
func setUlimit(l *runtime.Limits, text string) error {
	name, value, ok := strings.Cut(text, "=")
	soft, hard, two := strings.Cut(value, ":")
	n, err := ulimitValue(soft)
	if two && err == nil {
		var most int64
		if most, err = ulimitValue(hard); err == nil && most > 0 && (n == 0 || n > most) {
			return &ux.UsageError{Text: fmt.Sprintf("--ulimit %s: the soft limit is over the hard one", text)}
		}
	}
	if !ok || err != nil {
		return &ux.UsageError{Text: fmt.Sprintf("--ulimit %q: write NAME=NUMBER, such as nofile=64", text)}
	}
	small := int(min(n, math.MaxInt32))
	switch name {
	case "nofile":
		l.OpenFiles = small
	case "nproc":
		l.Processes = small
	case "fsize":
		l.Disk = n
	case "cpu":
		l.CPUTime = time.Duration(min(n, math.MaxInt64/int64(time.Second))) * time.Second
	case "as":
		if n > 0 && (l.Memory == 0 || uint64(n) < l.Memory) {
			l.Memory = uint64(n)
		}
	case "stack":
		return &hinted{&ux.UsageError{Text: "--ulimit stack: the depth of the stack is fixed here"}, "leave it away"}
	case "core", "data", "locks", "memlock", "msgqueue", "nice", "rss", "rtprio", "rttime", "sigpending":
		return &hinted{&ux.UsageError{Text: "--ulimit " + name + ": there is nothing of that kind in a sandbox"}, "leave it away, or see --memory"}
	default:
		return &ux.UsageError{Text: fmt.Sprintf("--ulimit %s: no limit of that name; there are nofile, nproc, fsize, cpu and as", name)}
	}
	return nil
}

// ulimitValue is a number from 1 on, or 0 for what has no limit: then the
// default holds.
func ulimitValue(text string) (int64, error) {
	if text == "-1" || text == "unlimited" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n <= 0 {
		err = strconv.ErrRange
	}
	return n, err
}

// usage is what --stats=json prints: the fields of runtime.Stats, with times in
// seconds and sizes in bytes; Disk is what the files that were written hold.
type usage struct {
	ExitCode                              int
	Fuel, PeakMemory                      uint64
	Programs                              int64
	Read, Written, Disk                   uint64
	PeakOpenFiles                         uint64
	Output                                int64
	Load, Wait, Prepare, Compile          float64
	Start, Run, CPU, Throttled, WallClock float64
	Restored, Groups                      int64
	Notes                                 []string `json:",omitempty"`
}

func printStats(w io.Writer, format string, s runtime.Stats, total time.Duration, code int) {
	if format == "json" {
		_ = json.NewEncoder(w).Encode(usage{
			code, s.Fuel, s.PeakMemory, s.Programs, s.Read, s.Written, s.Disk, s.PeakOpenFiles, s.Output,
			s.Load.Seconds(), s.Wait.Seconds(), s.Prepare.Seconds(), s.Compile.Seconds(),
			s.Start.Seconds(), s.Run.Seconds(), s.CPU.Seconds(), s.Throttled.Seconds(), total.Seconds(),
			s.Restored, s.Groups, s.Notes,
		})
		return
	}
	fmt.Fprintf(w, "fuel %d, peak memory %s, read %s, written %s, printed %s, in files %s\n", s.Fuel,
		size(s.PeakMemory), size(s.Read), size(s.Written), size(uint64(s.Output)), size(s.Disk))
	fmt.Fprintf(w, "load %s%s, start %s, run %s (computing %s%s), total %s\n", rounded(s.Load), loadSplit(s), rounded(s.Start),
		rounded(s.Run), rounded(s.CPU), throttled(s), rounded(total))
	if s.Restored > 0 || s.Groups > 0 {
		fmt.Fprintf(w, "restored %d, groups loaded %d\n", s.Restored, s.Groups)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "not restored: %s\n", n)
	}
}

// loadSplit says what a load that was not from the cache spent its time with.
func loadSplit(s runtime.Stats) string {
	var parts []string
	for _, p := range []struct {
		name string
		took time.Duration
	}{{"waiting", s.Wait}, {"preparing", s.Prepare}, {"compiling", s.Compile}} {
		if p.took > 0 {
			parts = append(parts, p.name+" "+rounded(p.took))
		}
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func throttled(s runtime.Stats) string {
	if s.Throttled == 0 {
		return ""
	}
	return ", resting " + rounded(s.Throttled)
}

func size(n uint64) string { return units.BytesSize(float64(n)) }

// rounded is a time with about three digits.
func rounded(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
