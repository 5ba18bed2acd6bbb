// Package bench measures Wherry beside its peers, in one run and in turns, so
// that what else the machine does falls on both alike. The figures to read are
// the ratios; no test fails by the clock. Commands are measured by the clock on
// the wall and by processor time, calls in this process by processor time.
//
// What needs the Python module of 99 MB runs with WHERRY_BENCH_HEAVY=1.
package bench

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// cost is what one run took: time that went by, and time of a processor.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes of memory, of a process; 0: not known
}

// series is what one side took in each round.
type series []cost

func (s series) wall() []time.Duration { return s.of(func(c cost) time.Duration { return c.wall }) }
func (s series) cpu() []time.Duration  { return s.of(func(c cost) time.Duration { return c.cpu }) }

func (s series) of(get func(cost) time.Duration) []time.Duration {
	list := make([]time.Duration, len(s))
	for i, c := range s {
		list[i] = get(c)
	}
	slices.Sort(list)
	return list
}

// inTurns runs every side once to warm it up, and then all of them in each
// round, in an order that turns.
func inTurns(rounds int, sides ...func() cost) []series {
	all := make([]series, len(sides))
	for _, run := range sides {
		run()
	}
	for round := range rounds {
		for i := range sides {
			at := (i + round) % len(sides)
			all[at] = append(all[at], sides[at]())
		}
	}
	return all
}

func least(list []time.Duration) time.Duration  { return list[0] }
func median(list []time.Duration) time.Duration { return list[len(list)/2] }

// peak is the most memory of all rounds.
func peak(s series) (most int64) {
	for _, c := range s {
		most = max(most, c.peak)
	}
	return most
}

// report gives a metric in milliseconds or microseconds.
func report(b *testing.B, name string, d, unit time.Duration) {
	b.ReportMetric(float64(d)/float64(unit), name)
}

// ratio reports how many times the first side took what the second did.
func ratio(b *testing.B, name string, of, to time.Duration) {
	if to > 0 {
		b.ReportMetric(float64(of)/float64(to), name)
	}
}

// quiet hides the time of an iteration, which says nothing here.
func quiet(b *testing.B) { b.ReportMetric(0, "ns/op") }

// command starts a program and waits for it. It must print want.
func command(b *testing.B, p dock.Program, want string, args ...string) cost {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], args...)...)
	cmd.Env = append(os.Environ(), p.Env...)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	started := time.Now()
	out, err := cmd.Output()
	took := time.Since(started)
	if err != nil || !bytes.Contains(out, []byte(want)) {
		b.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, talk.Bytes())
	}
	return cost{took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), peakOf(cmd.ProcessState)}
}

// clang compiles a guest of testdata.
func clang(b *testing.B, source string, flags ...string) []byte {
	b.Helper()
	out := filepath.Join(b.TempDir(), "guest.wasm")
	args := append([]string{"--target=wasm32-wasi", "-O2", "-o", out, filepath.Join("testdata", source)}, flags...)
	if text, err := exec.CommandContext(b.Context(), dock.Find(b, "clang"), args...).CombinedOutput(); err != nil {
		b.Fatalf("clang: %v\n%s", err, text)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		b.Fatal(err)
	}
	return bin
}

// inProcess measures a call in this process.
func inProcess(call func()) func() cost {
	return func() cost {
		began, before := time.Now(), processor()
		call()
		return cost{wall: time.Since(began), cpu: processor() - before}
	}
}
