package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

func TestLimitFlags(t *testing.T) {
	for _, c := range []struct {
		flags limitOptions
		want  runtime.Limits
		text  string // part of the error
	}{
		{limitOptions{}, runtime.Limits{}, ""},
		{limitOptions{memory: "512m", output: "1k", cpus: 0.5, fuel: 7, timeout: time.Second},
			runtime.Limits{Memory: 512 << 20, Output: 1 << 10, CPUs: 0.5, Fuel: 7, Timeout: time.Second}, ""},
		{limitOptions{ulimits: []string{"nofile=64", "nproc=3:5", "fsize=4096", "cpu=10", "as=1048576"}},
			runtime.Limits{OpenFiles: 64, Processes: 3, Disk: 4096, CPUTime: 10 * time.Second, Memory: 1 << 20}, ""},
		{limitOptions{memory: "1m", ulimits: []string{"as=2097152"}}, runtime.Limits{Memory: 1 << 20}, ""},
		{limitOptions{ulimits: []string{"nofile=-1", "cpu=unlimited"}}, runtime.Limits{}, ""},
		{limitOptions{ulimits: []string{"cpu=9223372036854775807"}}, runtime.Limits{CPUTime: 9223372036 * time.Second}, ""},
		{limitOptions{ulimits: []string{"nofile"}}, runtime.Limits{}, "NAME=NUMBER"},
		{limitOptions{ulimits: []string{"nofile="}}, runtime.Limits{}, "NAME=NUMBER"},
		{limitOptions{ulimits: []string{"nofile=0"}}, runtime.Limits{}, "NAME=NUMBER"},
		{limitOptions{ulimits: []string{"nofile=9:3"}}, runtime.Limits{}, "over the hard one"},
		{limitOptions{ulimits: []string{"nofile=-1:3"}}, runtime.Limits{}, "over the hard one"},
		{limitOptions{ulimits: []string{"memlock=1"}}, runtime.Limits{}, "memlock"},
		{limitOptions{ulimits: []string{"stack=1"}}, runtime.Limits{}, "stack"},
		{limitOptions{ulimits: []string{"files=1"}}, runtime.Limits{}, "no limit of that name"},
		{limitOptions{memory: "much"}, runtime.Limits{}, "512m"},
		{limitOptions{memory: "-1"}, runtime.Limits{}, "512m"},
		{limitOptions{cpus: -1}, runtime.Limits{}, "--cpus"},
		{limitOptions{cpus: 0.0001}, runtime.Limits{}, "--cpus"},
		{limitOptions{timeout: -time.Second}, runtime.Limits{}, "--timeout"},
	} {
		got, err := c.flags.limits()
		if c.text == "" && (err != nil || got != c.want) || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%+v: got %+v, %v; want %+v, %q", c.flags, got, err, c.want, c.text)
		}
	}
}

func TestBacktrace(t *testing.T) {
	calls := []string{"a", "b", "c", "d", "e"}
	for _, c := range []struct {
		calls []string
		all   bool
		want  string
	}{
		{nil, false, ""},
		{calls[:3], false, "\n    at a\n    at b\n    at c"},
		{calls, false, "\n    at a\n    at b\n    at c\n    and 2 more: --backtrace prints them"},
		{calls, true, "\n    at a\n    at b\n    at c\n    at d\n    at e"},
	} {
		if got := frames(c.calls, c.all); got != c.want {
			t.Errorf("%q, all %v: got %q", c.calls, c.all, got)
		}
	}
}
