package gostd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// limit is how long the tests of one package may take on one host.
const limit = 15 * time.Minute

// report is what became of the tests of a package.
type report struct {
	tests     map[string]string // name -> pass, fail or skip
	output    map[string]string // name -> what was printed; "" has the rest
	compiling time.Duration
	took      time.Duration
}

func (r report) count(how string) (n int) {
	for _, ended := range r.tests {
		if ended == how {
			n++
		}
	}
	return n
}

func (r report) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped (compiled in %.1f s, all in %.0f s)",
		r.count("pass"), r.count("fail"), r.count("skip"), r.compiling.Seconds(), r.took.Seconds())
}

// test runs `go test -exec` as a user would.
func (h host) test(t *testing.T, pkg string, flags ...string) report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit+time.Minute)
	defer cancel()
	command, compiling := h.exec(t)
	args := []string{"test", "-json", "-short", "-count=1", "-vet=off", "-timeout", limit.String(), "-exec", command}
	args = append(append(args, flags...), pkg)
	cmd := exec.CommandContext(ctx, dock.Find(t, "go"), args...)
	cmd.Dir = dock.Root(t)
	// Without GOFLAGS: -trimpath takes the place of GOROOT, which these tests look for, out of a program.
	cmd.Env = append(os.Environ(), append(h.extra, "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")...)
	cmd.WaitDelay = 5 * time.Second
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	started := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("go test %s: %v\n%s", pkg, err, talk.String())
	}
	r := parse(out.Bytes())
	r.took = time.Since(started)
	r.output[""] += talk.String()
	r.compiling = compiling()
	return r
}

// again runs once more, alone, what failed here and passed on the other host:
// some tests hold deadlines of seconds, which a busy machine misses.
func (h host) again(t *testing.T, pkg string, ours, theirs report) {
	t.Helper()
	tops := map[string]bool{}
	for name, how := range ours.tests {
		if top, _, _ := strings.Cut(name, "/"); how == "fail" && theirs.tests[name] == "pass" {
			tops[top] = true
		}
	}
	if len(tops) == 0 {
		return
	}
	list := slices.Sorted(maps.Keys(tops))
	second := h.test(t, pkg, "-run", "^("+strings.Join(list, "|")+")$")
	t.Logf("%s, once more: %s: %s", pkg, strings.Join(list, ", "), second)
	maps.Copy(ours.tests, second.tests)
	maps.Copy(ours.output, second.output)
}

// parse reads the events of go test. A test that began and did not end failed:
// its process came to an end before.
func parse(events []byte) report {
	r := report{tests: map[string]string{}, output: map[string]string{}}
	for line := range bytes.Lines(events) {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(line, &e) != nil {
			r.output[""] += string(line)
			continue
		}
		switch e.Action {
		case "output", "build-output":
			r.output[e.Test] += e.Output
		case "run":
			r.tests[e.Test] = "fail"
		case "pass", "fail", "skip":
			if e.Test != "" {
				r.tests[e.Test] = e.Action
			}
		}
	}
	return r
}

// compiling reads how long the host needed until the module could run. What else
// the process said on standard error comes before that.
func compiling(t *testing.T, file string) time.Duration {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Errorf("the program did not start: %v", err)
		return 0
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var stats struct{ Prepare, Compile float64 }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &stats); err != nil {
		t.Errorf("the program did not end: %s", text)
	}
	return time.Duration((stats.Prepare + stats.Compile) * float64(time.Second))
}

// goEnv is a setting of the host's Go.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), dock.Find(t, "go"), "env", name).Output()
	if err != nil {
		t.Fatalf("go env %s: %v", name, err)
	}
	return strings.TrimSpace(string(out))
}
