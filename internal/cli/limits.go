package cli

import (
	"fmt"
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
