package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"

	"github.com/wherry-run/wherry/internal/process"
	"github.com/wherry-run/wherry/runtime"
)

// measure takes the time and the memory of this process while a program starts
// and runs.
type measure struct {
	began, opened, running time.Time

	mu    sync.Mutex
	peaks map[string]int64
}

// The phases of a start, by the words of runtime.Times where it has them.
const (
	phaseProcess = "process" // of the operating system, and Go's runtime
	phaseImage   = "image"   // pulled or built, unpacked, opened
	phaseLoad    = "load"
	phaseCompile = "compile"
	phaseStart   = "start"
	phaseParts   = "parts"
	phaseRun     = "run"
)

func newMeasure(began time.Time) *measure {
	m := &measure{began: began, peaks: map[string]int64{}}
	m.reached(phaseProcess)
	return m
}

// reached notes how much memory the process has needed up to the end of a phase.
func (m *measure) reached(phase string) {
	peak := process.PeakMemory()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.peaks[phase] = peak
	if phase == phaseImage {
		m.opened = time.Now()
	}
}

// usage is what --stats=json prints: the fields of runtime.Stats, with times in
// seconds and sizes in bytes; Disk is what the files that were written hold.
// Image is the time until the image was open, WallClock that of the run, and
// Resident the most memory that the process had up to the end of each phase.
type usage struct {
	ExitCode                     int
	Fuel, PeakMemory             uint64
	Programs                     int64
	Read, Written, Disk          uint64
	PeakOpenFiles                uint64
	Output                       int64
	Image                        float64
	Load, Wait, Prepare, Compile float64
	Start, Run, Parts            float64
	CPU, Throttled, WallClock    float64
	Restored, Groups             int64
	Accelerated                  []runtime.Accelerated `json:",omitempty"`
	Resident                     map[string]int64
	Notes                        []string `json:",omitempty"`
}

// usage is what was measured of a run that ends now.
func (m *measure) usage(s runtime.Stats, code int) usage {
	m.mu.Lock()
	defer m.mu.Unlock()
	return usage{
		ExitCode: code, Fuel: s.Fuel, PeakMemory: s.PeakMemory, Programs: s.Programs, Read: s.Read, Written: s.Written,
		Disk: s.Disk, PeakOpenFiles: s.PeakOpenFiles, Output: s.Output, Image: m.opened.Sub(m.began).Seconds(),
		Load: s.Load.Seconds(), Wait: s.Wait.Seconds(), Prepare: s.Prepare.Seconds(), Compile: s.Compile.Seconds(),
		Start: s.Start.Seconds(), Run: s.Run.Seconds(), Parts: s.Parts.Seconds(),
		CPU: s.CPU.Seconds(), Throttled: s.Throttled.Seconds(), WallClock: time.Since(m.running).Seconds(),
		Restored: s.Restored, Groups: s.Groups, Resident: m.peaks, Notes: s.Notes, Accelerated: s.Accelerated,
	}
}

// write prints what was measured, in the format that --stats names.
func (m *measure) write(w io.Writer, format string, s runtime.Stats, code int) {
	if format == "json" {
		_ = json.NewEncoder(w).Encode(m.usage(s, code))
		return
	}
	fmt.Fprintf(w, "fuel %d, peak memory %s, read %s, written %s, printed %s, in files %s\n", s.Fuel,
		size(s.PeakMemory), size(s.Read), size(s.Written), size(uint64(s.Output)), size(s.Disk))
	fmt.Fprintf(w, "image %s, load %s%s, start %s, run %s (computing %s%s%s), total %s, process %s\n", rounded(m.opened.Sub(m.began)),
		rounded(s.Load), loadSplit(s), rounded(s.Start), rounded(s.Run), rounded(s.CPU), throttled(s), waited(s),
		rounded(time.Since(m.began)), size(uint64(process.PeakMemory())))
	if s.Restored > 0 || s.Groups > 0 {
		fmt.Fprintf(w, "restored %d, groups loaded %d\n", s.Restored, s.Groups)
	}
	writeAccelerated(w, s.Accelerated)
	for _, n := range s.Notes {
		fmt.Fprintf(w, "not restored: %s\n", n)
	}
}

// writeFile writes what was measured for the process that asked for it.
func (m *measure) writeFile(name string, s runtime.Stats, code int) error {
	data, err := json.Marshal(m.usage(s, code))
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o600)
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

// waited says how much of the run was spent waiting for groups.
func waited(s runtime.Stats) string {
	if s.Parts == 0 {
		return ""
	}
	return ", loading parts " + rounded(s.Parts)
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
