// Package dock holds what the tests of the finished program stand on: the
// binary built for any target, a real registry on loopback, and a home whose
// compiled modules outlive one test.
package dock

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Missing skips a test, loudly, because this machine lacks something. In CI
// nothing may be missing: there the test fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing, and CI must not skip: run test/setup", what)
	}
	t.Skipf("NOT TESTED: %s is missing: run test/setup", what)
}

// Find returns the path of a program of this machine, or skips the test.
func Find(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, program)
	}
	return path
}

// WAT assembles a module from its text; flags are wat2wasm's.
func WAT(t testing.TB, text string, flags ...string) []byte {
	t.Helper()
	tool, dir := Find(t, "wat2wasm"), t.TempDir()
	in, out := filepath.Join(dir, "m.wat"), filepath.Join(dir, "m.wasm")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := exec.Command(tool, append(flags, "-o", out, in)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Root is the folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		if _, statErr := os.Stat(filepath.Join(dir, "cmd", "wherry")); statErr == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("the test does not run inside the repository")
	return ""
}

// Home is a WHERRY_HOME shared by the tests that need Python: its module is
// compiled once there, not once a test. WHERRY_TEST_HOME names it.
func Home(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("WHERRY_TEST_HOME")
	if dir == "" {
		dir = filepath.Join(Root(t), ".cache", "wherry")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Built is the program where test/run has compiled it for all tests, or empty.
// Nobody changes that file, or what is beside it.
func Built(goos, goarch string) string {
	dir := os.Getenv("WHERRY_TEST_PROGRAMS")
	if dir == "" {
		return ""
	}
	path := filepath.Join(dir, goos+"-"+goarch, programName(goos))
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func programName(goos string) string {
	if goos == "windows" {
		return "wherry.exe"
	}
	return "wherry"
}

// Build compiles the program as releases are compiled, or gives what is Built.
func Build(t testing.TB, goos, goarch string) string {
	t.Helper()
	goos, goarch = cmp.Or(goos, runtime.GOOS), cmp.Or(goarch, runtime.GOARCH)
	if path := Built(goos, goarch); path != "" {
		return path
	}
	out := filepath.Join(t.TempDir(), programName(goos))
	compile(t, Root(t), out, "./cmd/wherry", goos, goarch)
	return out
}

// Guest compiles a Go program, in a module of its own, for WASI.
func Guest(t testing.TB, dir, out string) {
	t.Helper()
	compile(t, dir, out, ".", "wasip1", "wasm")
}

func compile(t testing.TB, dir, out, pkg, goos, goarch string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), Find(t, "go"), "build", "-trimpath", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s for %s/%s: %v\n%s", pkg, goos, goarch, err, text)
	}
}

// Program is a program as one machine starts it: natively, or through an
// emulator.
type Program struct {
	Command []string // what comes before the arguments
	Env     []string // added to the environment of the test
	Dir     string
	Limit   time.Duration // of one run; zero is five minutes
}

// Native is the program, built for this machine, with its home.
func Native(t testing.TB, home string) Program {
	t.Helper()
	return Program{Command: []string{Build(t, runtime.GOOS, runtime.GOARCH)}, Env: []string{"WHERRY_HOME=" + home}}
}

// Result is how a run ended.
type Result struct {
	Out, Err string
	Code     int
	Took     time.Duration
}

// Run runs the program to its end.
func (p Program) Run(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	limit := p.Limit
	if limit == 0 {
		limit = 5 * time.Minute
	}
	if n, err := strconv.Atoi(os.Getenv("WHERRY_TEST_PATIENCE")); err == nil && n > 1 {
		limit *= time.Duration(n) // as test/run does with its own
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Command[0], append(p.Command[1:len(p.Command):len(p.Command)], args...)...)
	cmd.Dir = p.Dir
	cmd.Env = append(environ(), p.Env...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	// An emulator's server keeps the pipes open after the program is gone.
	cmd.WaitDelay = 5 * time.Second
	started := time.Now()
	err := cmd.Run()
	r := Result{Out: out.String(), Err: talk.String(), Took: time.Since(started)}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		t.Fatalf("%s is not done after %s\n%s", strings.Join(args, " "), limit, r.Err)
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, r.Err)
	}
	return r
}

// Must runs the program, which must succeed, and returns what it printed.
func (p Program) Must(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	r := p.Run(t, stdin, args...)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	t.Logf("%s (%s)", strings.Join(args, " "), r.Took.Round(time.Millisecond))
	return r.Out
}

// environ is the environment of the test without what would change Wherry.
func environ() []string {
	var keep []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "WHERRY_") {
			keep = append(keep, kv)
		}
	}
	return keep
}
