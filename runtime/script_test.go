package runtime_test

import (
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// TestLimitsOfScripts: what the shell and its small programs do themselves is
// within the container's limits too.
func TestLimitsOfScripts(t *testing.T) {
	img := runtime.Program("probe", probeWasm(t))
	for _, c := range []struct {
		text   string
		limits runtime.Limits
		want   string
	}{
		{"while :; do :; done", runtime.Limits{Timeout: 300 * time.Millisecond}, "wall time"},
		{"while :; do :; done", runtime.Limits{Fuel: 10_000_000}, "fuel"},
		{"while :; do :; done", runtime.Limits{CPUTime: 100 * time.Millisecond}, "CPU time"},
		{"for ((;;)); do x=$((x+1)); done", runtime.Limits{Fuel: 10_000_000}, "fuel"},
		{"yes > /dev/null", runtime.Limits{Fuel: 10_000_000}, "fuel"},
		{"yes | cat > /dev/null", runtime.Limits{CPUTime: 100 * time.Millisecond}, "CPU time"},
		{"sh -c 'while :; do :; done'", runtime.Limits{Fuel: 10_000_000}, "fuel"},
		{"f() { f|f& }; f; sleep 100", runtime.Limits{}, "processes"},
		{"while :; do sleep 100 & done", runtime.Limits{Processes: 10}, "processes"},
	} {
		limits := c.limits
		if limits.Timeout == 0 {
			limits.Timeout = 2 * time.Minute
		}
		began := time.Now()
		err := create(t, img, runtime.Spec{Entrypoint: []string{"sh", "-c"}, Args: []string{c.text}, Limits: limits}).Run(t.Context())
		if l := limitOf(t, err); l.Resource != c.want {
			t.Errorf("%s: %v, want the limit of %s", c.text, err, c.want)
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("%s: took %s", c.text, took)
		}
	}
}

// TestShareOfScripts: a script that computes by itself is kept to its share.
func TestShareOfScripts(t *testing.T) {
	x := create(t, runtime.Program("probe", probeWasm(t)), runtime.Spec{
		Entrypoint: []string{"sh", "-c"}, Args: []string{"while :; do :; done"}, Limits: runtime.Limits{CPUs: 0.2, Timeout: time.Second},
	})
	if l := limitOf(t, x.Run(t.Context())); l.Resource != "wall time" {
		t.Errorf("ended by %s", l.Resource)
	}
	if s := x.Stats(); s.Throttled == 0 || s.CPU > 300*time.Millisecond {
		t.Errorf("computed %s and rested %s in a second", s.CPU, s.Throttled)
	}
}
