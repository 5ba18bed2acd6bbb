package runtime

import (
	"fmt"
	"math"
	"time"
)

// Limits bound what a container uses: all its programs together, unless a
// field says otherwise. A zero field means its default. In a Process they bound
// that call, within its container's.
type Limits struct {
	// Memory bounds the linear memories in bytes. memory.grow fails beyond it.
	Memory uint64
	// Tables bounds how many elements the tables of one program grow to.
	// table.grow fails beyond it. Another value than the default is part of a
	// module's compiled form: the module is compiled once for each.
	Tables uint32
	// Fuel bounds the work, in units of about one instruction; 0 means
	// unbounded. A unit means the same work on every machine.
	// A program may end well that overdraws it by less than one pass of a loop.
	Fuel uint64
	// CPUTime bounds the time spent computing; 0 means unbounded. It is the time
	// that passes while the guest has the processor, without that which a host
	// call waits; where the machine is overloaded, it passes for nothing.
	CPUTime time.Duration
	// CPUs is how many processors' worth of time the guest may compute: at 0.5
	// it rests as long as it computes. 0 means unbounded. Compiling is not part
	// of it: see WithWorkers.
	CPUs float64
	// Timeout bounds the wall time of one Run or Exec; 0 means unbounded. While a
	// module is loaded or compiled it stands still, for 15 minutes at most.
	Timeout time.Duration
	// OpenFiles bounds the file descriptors of each program; opening one more
	// is EMFILE.
	OpenFiles int
	// Output bounds the bytes written to standard output and error; 0 means
	// unbounded.
	Output int64
	// Disk bounds the bytes that the container writes to its own files, and
	// those in its /tmp; writing more is ENOSPC. Its default is smaller without
	// Spec.Dir: then they are in memory. A Process has none of its own.
	Disk int64
	// Processes bounds how many programs run at once (pipelines of a shell).
	Processes int
}

// DefaultLimits are the limits of a container whose Spec says nothing.
func DefaultLimits() Limits {
	return Limits{
		Memory:    4 << 30,
		Tables:    10_000_000,
		OpenFiles: 1024,
		Disk:      16 << 30,
		Processes: 64,
	}
}

// memoryDisk is the default of Limits.Disk for files that are kept in memory.
const memoryDisk = 2 << 30

func (s Spec) limits() Limits {
	d := DefaultLimits()
	if s.Dir == "" {
		d.Disk = memoryDisk
	}
	return s.Limits.over(d)
}

// over is l with d's value in every field that is zero.
func (l Limits) over(d Limits) Limits {
	return Limits{
		Memory: or(l.Memory, d.Memory), Tables: or(l.Tables, d.Tables), Fuel: or(l.Fuel, d.Fuel),
		CPUTime: or(l.CPUTime, d.CPUTime), CPUs: or(l.CPUs, d.CPUs), Timeout: or(l.Timeout, d.Timeout),
		OpenFiles: or(l.OpenFiles, d.OpenFiles), Output: or(l.Output, d.Output),
		Disk: or(l.Disk, d.Disk), Processes: or(l.Processes, d.Processes),
	}
}

// or is v, or d where v is zero.
func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// within is the narrower of two limits, of which zero is none.
func within[T int | int64 | uint32 | uint64 | float64 | time.Duration](a, b T) T {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// check refuses what is no limit.
func (l Limits) check() error {
	for _, f := range []struct {
		name string
		bad  bool
	}{
		{"CPUTime", l.CPUTime < 0}, {"Timeout", l.Timeout < 0}, {"OpenFiles", l.OpenFiles < 0},
		{"Output", l.Output < 0}, {"Disk", l.Disk < 0}, {"Processes", l.Processes < 0},
		{"CPUs", l.CPUs < 0 || math.IsNaN(l.CPUs) || l.CPUs > 0 && l.CPUs < leastShare},
	} {
		if f.bad {
			return fmt.Errorf("limits: %s is not a limit: %s", f.name, l.value(f.name))
		}
	}
	return nil
}

func (l Limits) value(name string) string {
	switch name {
	case "CPUTime":
		return l.CPUTime.String()
	case "Timeout":
		return l.Timeout.String()
	case "CPUs":
		return fmt.Sprintf("%g (from %g on)", l.CPUs, leastShare)
	case "OpenFiles":
		return fmt.Sprint(l.OpenFiles)
	case "Output":
		return fmt.Sprint(l.Output)
	case "Disk":
		return fmt.Sprint(l.Disk)
	}
	return fmt.Sprint(l.Processes)
}

// Totals bound what all containers of a Runtime use together. A zero field
// bounds nothing.
type Totals struct {
	// Memory bounds the linear memories of all programs that run, in bytes.
	Memory uint64
	// Fuel bounds the work of all programs since the Runtime was made.
	Fuel uint64
	// CPUTime bounds the time that all programs spend computing.
	CPUTime time.Duration
	// CPUs is how many processors' worth of time all programs may compute.
	CPUs float64
	// Output bounds the bytes of standard output and error.
	Output int64
	// Disk bounds the bytes of files that open containers wrote and hold, in
	// their folders and in memory; writing more is EDQUOT.
	Disk int64
	// Processes bounds how many programs run at once.
	Processes int
	// OpenFiles bounds the file descriptors of all programs, their standard
	// streams and folders included; opening one more is ENFILE.
	OpenFiles int
}

func (t Totals) limits() Limits {
	return Limits{Memory: t.Memory, Fuel: t.Fuel, CPUTime: t.CPUTime, CPUs: t.CPUs, Output: t.Output, Disk: t.Disk, Processes: t.Processes, OpenFiles: t.OpenFiles}
}

// WithTotals bounds what all containers of the Runtime use together, besides
// what each of them may.
func WithTotals(t Totals) Option { return func(c *config) { c.totals = t } }
