package state

import (
	"testing"
	"time"
)

// TestHealthPause: there is a pause between checks, whatever an image says.
func TestHealthPause(t *testing.T) {
	for _, c := range []struct {
		interval, start time.Duration
		starting        bool
		want            time.Duration
	}{
		{0, 0, false, 30 * time.Second}, {0, 0, true, 5 * time.Second}, {time.Second, time.Minute, true, time.Second},
		{1, 0, false, time.Millisecond}, {-1, 0, false, 30 * time.Second}, {0, 1, true, time.Millisecond},
	} {
		h := &HealthCheck{Interval: Duration(c.interval), StartInterval: Duration(c.start)}
		if got := h.pause(c.starting); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
