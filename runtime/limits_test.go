package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

// limitOf is the limit that ended a run; it fails the test when none did.
func limitOf(t *testing.T, err error) runtime.LimitError {
	t.Helper()
	var limit *runtime.LimitError
	if !errors.As(err, &limit) {
		t.Errorf("no limit ended it: %v", err)
		return runtime.LimitError{}
	}
	return *limit
}

func TestLimitCPUTime(t *testing.T) {
	began := time.Now()
	_, err := run(t, runtime.Spec{Limits: runtime.Limits{CPUTime: 200 * time.Millisecond}}, "spin")
	if l := limitOf(t, err); l.Resource != "CPU time" || time.Since(began) > time.Minute {
		t.Errorf("spin: %v after %s", err, time.Since(began))
	}
	if status, _ := runtime.Status(err); status != 137 {
		t.Errorf("status %d", status)
	}
	for _, what := range []string{"sleep", "stdin"} { // waiting is not computing
		stdin, _ := io.Pipe()
		spec := runtime.Spec{Stdin: stdin, Limits: runtime.Limits{CPUTime: 100 * time.Millisecond, Timeout: 700 * time.Millisecond}}
		_, err := run(t, spec, what)
		if l := limitOf(t, err); l.Resource != "wall time" {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestLimitCPUs(t *testing.T) {
	for _, c := range []struct {
		cpus   float64
		script string
	}{{0.3, "/probe spin"}, {0.5, "/probe spin & /probe spin"}} {
		img := runtime.Program("probe", probeWasm(t))
		limits := runtime.Limits{CPUs: c.cpus, Timeout: 2 * time.Second}
		warm(t, img)
		x := create(t, img, runtime.Spec{Entrypoint: []string{"sh", "-c", c.script}, Args: []string{}, Limits: limits})
		began := time.Now()
		err := x.Run(t.Context())
		took := time.Since(began)
		if l := limitOf(t, err); l.Resource != "wall time" {
			t.Errorf("%s: %v", c.script, err)
		}
		s := x.Stats()
		got := float64(s.CPU) / float64(took)
		// A loaded machine wakes late, and interrupts what has just begun: a fifth of a second may be over. Unlimited
		// they would compute for nearly all of two.
		if got > c.cpus*1.2+0.1 || s.CPU == 0 {
			t.Errorf("%s at %g: computed %s in %s, %.3f", c.script, c.cpus, s.CPU, took, got)
		}
		if s.Throttled == 0 {
			t.Errorf("%s: never rested", c.script)
		}
	}
}

// warm has the module loaded, so that nobody waits for it later.
func warm(t *testing.T, img runtime.Image) {
	t.Helper()
	if err := create(t, img, runtime.Spec{Args: []string{"args"}}).Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestStopsResting: a guest that pays for what it computed rests for minutes.
func TestStopsResting(t *testing.T) {
	img := runtime.Program("probe", probeWasm(t))
	warm(t, img)
	for _, how := range []string{"cancel", "close", "timeout"} {
		limits := runtime.Limits{CPUs: 0.001}
		if how == "timeout" {
			limits.Timeout = 300 * time.Millisecond
		}
		c := create(t, img, runtime.Spec{Args: []string{"spin"}, Limits: limits})
		ctx, cancel := context.WithCancel(t.Context())
		at := time.Now().Add(300 * time.Millisecond)
		time.AfterFunc(300*time.Millisecond, func() {
			switch how {
			case "cancel":
				cancel()
			case "close":
				c.Close(context.Background())
			}
		})
		err := c.Run(ctx)
		cancel()
		if late := time.Since(at); err == nil || late > 10*time.Second {
			t.Errorf("%s: %v, %s late", how, err, late)
		}
	}
}

func TestLimitOutput(t *testing.T) {
	for _, c := range []struct{ entry, args []string }{
		{nil, []string{"flood", "100000"}}, // ends with 0, whatever its writes gave
		{[]string{"sh", "-c"}, []string{"while true; do echo xxxxxxxxx; done"}},
		{[]string{"sh", "-c"}, []string{"/probe flood 600; /probe flood 600 >&2"}},
	} {
		var out bytes.Buffer
		x := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{
			Entrypoint: c.entry, Args: c.args, Stdout: &out, Stderr: &out, Limits: runtime.Limits{Output: 1000},
		})
		err := x.Run(t.Context())
		if l := limitOf(t, err); l.Resource != "output" || out.Len() != 1000 || x.Stats().Output != 1000 {
			t.Errorf("%q: %v after %d bytes, %d counted", c.args, err, out.Len(), x.Stats().Output)
		}
	}
	if out, err := run(t, runtime.Spec{Limits: runtime.Limits{Output: 1000}}, "flood", "1000"); err != nil || len(out) != 1000 {
		t.Errorf("just as much as allowed: %d bytes, %v", len(out), err)
	}
}

func TestLimitOpenFiles(t *testing.T) {
	out, err := run(t, runtime.Spec{Limits: runtime.Limits{OpenFiles: 20}}, "open", "/probe")
	if err != nil || out != "16 No file descriptors available\n" { // three streams and the root
		t.Errorf("got %q, %v", out, err)
	}
}

func TestLimitProcesses(t *testing.T) {
	spec := runtime.Spec{Entrypoint: []string{"sh", "-c"}, Args: []string{"/probe line | /probe line | /probe line"}, Limits: runtime.Limits{Processes: 3}}
	stdin, w := io.Pipe()
	defer w.Close()
	spec.Stdin = stdin
	err := create(t, runtime.Program("probe", probeWasm(t)), spec).Run(t.Context())
	if l := limitOf(t, err); l.Resource != "processes" {
		t.Errorf("a shell and three programs: %v", err)
	}
}

// wat assembles a module from its text.
func wat(t *testing.T, text string) []byte {
	t.Helper()
	return dock.WAT(t, text, "--enable-all", "--debug-names")
}

// exits runs a module that exits with what it finds.
func exits(t *testing.T, module []byte, limits runtime.Limits) (int, string) {
	t.Helper()
	err := create(t, runtime.Program("m", module), runtime.Spec{Limits: limits}).Run(t.Context())
	return runtime.Status(err)
}

// TestLimitTables: the run function's result is the exit status.
func TestLimitTables(t *testing.T) {
	for _, c := range []struct {
		text   string
		tables uint32
		status int
		says   string
	}{
		{`(module (table 10 funcref) (func (export "run") (result i32) (i32.eq (table.grow 0 (ref.null func) (i32.const 90)) (i32.const 10))))`, 100, 1, ""},
		{`(module (table 10 funcref) (func (export "run") (result i32) (i32.eq (table.grow 0 (ref.null func) (i32.const 91)) (i32.const -1))))`, 100, 1, ""},
		{`(module (table 10 funcref) (func (export "run") (result i32) (i32.eq (table.grow 0 (ref.null func) (i32.const 0xf0000000)) (i32.const -1))))`, 0, 1, ""},
		{`(module (table 10 20 funcref) (func (export "run") (result i32) (i32.eq (table.grow 0 (ref.null func) (i32.const 11)) (i32.const -1))))`, 100, 1, ""},
		{`(module (table 0 funcref) (table 0 funcref) (func (export "run") (result i32)
		  (i32.add (table.grow 0 (ref.null func) (i32.const 51)) (table.grow 1 (ref.null func) (i32.const 51)))))`, 100, 255, ""},
		{`(module (table 101 funcref) (func (export "run")))`, 100, 137, "table"},
	} {
		status, text := exits(t, wat(t, c.text), runtime.Limits{Tables: c.tables})
		if status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q, want %d %q", c.text, status, text, c.status, c.says)
		}
	}
}

// TestLimitMemoryToStart: a program that begins with more than it may have.
func TestLimitMemoryToStart(t *testing.T) {
	bin := wat(t, `(module (memory (export "memory") 32) (func (export "_start")))`)
	if status, text := exits(t, bin, runtime.Limits{Memory: 1 << 20}); status != 137 || !strings.Contains(text, "memory: 1048576 bytes") {
		t.Errorf("%d %q", status, text)
	}
}

func TestLimitsOfOneCall(t *testing.T) {
	c := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{Limits: runtime.Limits{OpenFiles: 20}})
	for _, p := range []struct {
		args     []string
		limits   runtime.Limits
		resource string
	}{
		{[]string{"spin"}, runtime.Limits{Fuel: 1_000_000}, "fuel"},
		{[]string{"spin"}, runtime.Limits{CPUTime: 50 * time.Millisecond}, "CPU time"},
		{[]string{"spin"}, runtime.Limits{Timeout: 50 * time.Millisecond}, "wall time"},
		{[]string{"flood", "1000"}, runtime.Limits{Output: 10}, "output"},
		{[]string{"args"}, runtime.Limits{Memory: 1 << 16}, "memory"},
	} {
		err := c.Exec(t.Context(), runtime.Process{Args: append([]string{"/probe"}, p.args...), Limits: p.limits})
		if l := limitOf(t, err); l.Resource != p.resource {
			t.Errorf("%q within %+v: %v", p.args, p.limits, err)
		}
	}
	var out bytes.Buffer
	p := runtime.Process{Args: []string{"/probe", "open", "/probe"}, Streams: true, Stdout: &out, Limits: runtime.Limits{OpenFiles: 100, Fuel: 100_000_000}}
	if err := c.Exec(t.Context(), p); err != nil || !strings.HasPrefix(out.String(), "16 ") {
		t.Errorf("a call does not widen the container's limits: %q, %v", out.String(), err)
	}
	p.Limits = runtime.Limits{Disk: 1}
	if err := c.Exec(t.Context(), p); err == nil || !strings.Contains(err.Error(), "Disk") {
		t.Errorf("Disk of one call: %v", err)
	}
}

func TestLimitsThatAreNone(t *testing.T) {
	rt, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []runtime.Limits{
		{Fuel: 0, CPUs: -1}, {CPUs: 0.0001}, {CPUTime: -1}, {Timeout: -1}, {OpenFiles: -1}, {Output: -1}, {Disk: -1}, {Processes: -1},
	} {
		c, err := rt.Create(t.Context(), runtime.Program("x", nil), runtime.Spec{Limits: l})
		if err == nil {
			c.Close(t.Context())
			t.Errorf("%+v passes", l)
		}
	}
	if _, err := runtime.New(t.Context(), runtime.WithTotals(runtime.Totals{CPUs: -1})); err == nil {
		t.Error("totals of -1 processors pass")
	}
}

func TestTotals(t *testing.T) {
	img := runtime.Program("probe", probeWasm(t))
	cache := t.TempDir()
	for _, c := range []struct {
		totals   runtime.Totals
		args     []string
		resource string
	}{
		{runtime.Totals{Fuel: 3_000_000}, []string{"spin"}, "fuel"},
		{runtime.Totals{CPUTime: 50 * time.Millisecond}, []string{"spin"}, "CPU time"},
		{runtime.Totals{Output: 10}, []string{"flood", "20"}, "output"},
		{runtime.Totals{Memory: 1 << 16}, []string{"args"}, "memory"},
	} {
		rt := open(t, cache, c.totals)
		for range 2 { // what the first used up, the second does not get
			x := createOn(t, rt, img, runtime.Spec{Args: c.args})
			l := limitOf(t, x.Run(t.Context()))
			if l.Resource != c.resource || l.Scope != runtime.ScopeRuntime {
				t.Errorf("%+v: %+v", c.totals, l)
			}
		}
	}
}

func open(t *testing.T, cache string, totals runtime.Totals) *runtime.Runtime {
	t.Helper()
	rt, err := runtime.New(t.Context(), runtime.WithCacheDir(cache), runtime.WithTotals(totals))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

func createOn(t *testing.T, rt *runtime.Runtime, img runtime.Image, spec runtime.Spec) *runtime.Container {
	t.Helper()
	c, err := rt.Create(t.Context(), img, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// TestTotalsShared: what one container holds another does not get, and gets
// once the first has ended.
func TestTotalsShared(t *testing.T) {
	img := runtime.Program("probe", probeWasm(t))
	rt := open(t, t.TempDir(), runtime.Totals{Memory: 32 << 20, Processes: 2})
	stdin, end := io.Pipe()
	said := make(chan string, 1)
	first := createOn(t, rt, img, runtime.Spec{Args: []string{"hold", "20"}, Stdin: stdin, Stdout: writerFunc(func(p []byte) (int, error) {
		said <- string(p)
		return len(p), nil
	})})
	done := make(chan error, 1)
	go func() { done <- first.Run(t.Context()) }()
	if got := <-said; got != "has it\n" {
		t.Fatal(got)
	}
	second := func() string {
		var out bytes.Buffer
		if err := createOn(t, rt, img, runtime.Spec{Args: []string{"hold", "20"}, Stdout: &out}).Run(t.Context()); err != nil {
			t.Error(err)
		}
		return out.String()
	}
	if got := second(); got != "does not get it\n" {
		t.Errorf("beside another: %q", got)
	}
	err := createOn(t, rt, img, runtime.Spec{Entrypoint: []string{"sh", "-c"}, Args: []string{"/probe args"}}).Run(t.Context())
	if l := limitOf(t, err); l.Resource != "processes" || l.Scope != runtime.ScopeRuntime {
		t.Errorf("a third program: %v", err)
	}
	if s := rt.Stats(); s.Memory < 20<<20 || s.Disk != 0 {
		t.Errorf("while one runs: %+v", s)
	}
	end.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if got := second(); got != "has it\n" {
		t.Errorf("after the other: %q", got)
	}
	if s := rt.Stats(); s.Memory != 0 || s.PeakMemory < 20<<20 || s.PeakMemory > 32<<20 {
		t.Errorf("%+v", s)
	}
}

// TestTotalsOpenFiles: descriptors of all programs are counted, and come back.
func TestTotalsOpenFiles(t *testing.T) {
	img := runtime.Program("probe", probeWasm(t))
	rt := open(t, t.TempDir(), runtime.Totals{OpenFiles: 10})
	stdin, end := io.Pipe()
	said := make(chan string, 1)
	first := createOn(t, rt, img, runtime.Spec{Args: []string{"hold", "1"}, Stdin: stdin, Stdout: writerFunc(func(p []byte) (int, error) {
		said <- string(p)
		return len(p), nil
	})})
	done := make(chan error, 1)
	go func() { done <- first.Run(t.Context()) }()
	<-said
	for range 2 { // three streams and the root each
		var out bytes.Buffer
		err := createOn(t, rt, img, runtime.Spec{Args: []string{"open", "/probe"}, Stdout: &out}).Run(t.Context())
		if err != nil || out.String() != "2 Too many open files in system\n" {
			t.Errorf("beside another: %q, %v", out.String(), err)
		}
	}
	err := createOn(t, rt, img, runtime.Spec{Entrypoint: []string{"sh", "-c"}, Args: []string{"/probe stdin | /probe stdin"}, Stdin: stdin}).Run(t.Context())
	if l := limitOf(t, err); l.Resource != "open files" || l.Scope != runtime.ScopeRuntime {
		t.Errorf("a third program: %v", err)
	}
	end.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := rt.Stats(); s.OpenFiles != 0 || s.PeakOpenFiles < 8 || s.PeakOpenFiles > 10 {
		t.Errorf("%+v", s)
	}
}

func TestTotalsDisk(t *testing.T) {
	img := runtime.Program("probe", probeWasm(t))
	rt := open(t, t.TempDir(), runtime.Totals{Disk: 1 << 20})
	one := createOn(t, rt, img, runtime.Spec{Args: []string{"fill", "/big"}})
	if err := one.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := one.Stats(); s.Disk == 0 || s.Disk > 1<<20 || rt.Stats().Disk != s.Disk {
		t.Errorf("%+v", s)
	}
	two := createOn(t, rt, img, runtime.Spec{Args: []string{"write", "/tmp/x", "x"}})
	if err := two.Run(t.Context()); err == nil {
		t.Error("writes what another container has used up")
	}
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := two.Run(t.Context()); err != nil {
		t.Errorf("after the other was closed: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestStats(t *testing.T) {
	var out bytes.Buffer
	rt := open(t, t.TempDir(), runtime.Totals{})
	c := createOn(t, rt, runtime.Program("probe", probeWasm(t)), runtime.Spec{
		Entrypoint: []string{"sh", "-c"}, Args: []string{"/probe stdin; /probe write /tmp/x 12345"}, Stdin: strings.NewReader("hello\n"), Stdout: &out,
	})
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := c.Stats()
	if s.Fuel == 0 || s.Read != 6 || s.Written != 11 || s.Output != 6 || s.Programs != 3 || s.Memory != 0 || s.PeakMemory < 1<<16 {
		t.Errorf("%+v", s)
	}
	if s.Prepare <= 0 || s.Compile <= 0 || s.Load < s.Prepare+s.Compile || s.Start <= 0 || s.Run <= 0 || s.CPU > s.Start+s.Run {
		t.Errorf("times: %+v", s)
	}
	if all := rt.Stats(); all.Fuel != s.Fuel || all.Programs != s.Programs {
		t.Errorf("of the Runtime: %+v, of its only container: %+v", all, s)
	}
}

func TestBacktrace(t *testing.T) {
	bin := wat(t, `(module (func $divide (param i32) (result i32) (i32.div_u (i32.const 1) (local.get 0)))
	  (func $middle (result i32) (call $divide (i32.const 0)))
	  (func (export "_start") (drop (call $middle))))`)
	err := create(t, runtime.Program("m", bin), runtime.Spec{}).Run(t.Context())
	var trap *runtime.TrapError
	if !errors.As(err, &trap) || trap.Trap != "integer divide by zero" || !slices.Equal(trap.Backtrace, []string{"divide (0x32)", "middle (0x38)", "_start (0x3d)"}) {
		t.Errorf("%v, %+v", err, trap.Backtrace)
	}
}
