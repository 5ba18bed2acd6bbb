package shell_test

import (
	"strings"
	"testing"
)

// TestEndlessText: a program that holds text says so when it is too much.
func TestEndlessText(t *testing.T) {
	long := strings.Repeat("long", 16<<10)
	for _, c := range []struct{ text, want string }{
		{"yes " + long + " | tac", "to hold"},
		{"yes " + long + " | tail -n 99999999", "to hold"},
		{"yes " + long + " | tail -c 999999999", "to hold"},
		{"yes " + long + " | head -n -99999999", "to hold"},
		{"yes " + long + " | xargs echo", "to hold"},
		{"x=$(yes " + long + ")", "to hold"},
		{"x=$(while :; do echo " + long + "; done)", "to hold"},
		{"x=" + long + "; while :; do x=$x$x; done", "to hold"},
		{"echo " + long + " | sed '" + strings.Repeat("s/.*/&&&&/;", 20) + "'", "grows"},
		{"echo " + long + " | sed 's/./" + strings.Repeat("&", 1000) + "/g'", "grows"},
		{"echo " + long + " | sed 's/.*/" + strings.Repeat("&", 5000) + "/'", "grows"},
	} {
		if testing.Short() && c.want == "grows" {
			continue // under the race detector sed takes a minute, in one goroutine
		}
		_, stderr, _, err := script(t.Context(), t.TempDir(), c.text)
		if err != nil || !strings.Contains(stderr, c.want) {
			t.Errorf("%.60s: said %.200q, %v; expected ...%s...", c.text, stderr, err, c.want)
		}
	}
}
