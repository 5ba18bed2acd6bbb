package runtime

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadline: it stands still while something is loaded, and not for ever.
func TestDeadline(t *testing.T) {
	for _, c := range []struct {
		name string
		play func(d *deadline)
		want time.Duration
	}{
		{"running", func(*deadline) {}, 10 * time.Second},
		{"loading first", func(d *deadline) {
			release := d.hold()
			time.Sleep(time.Minute)
			release()
		}, time.Minute + 10*time.Second},
		{"two at once", func(d *deadline) {
			time.Sleep(4 * time.Second)
			one, two := d.hold(), d.hold()
			time.Sleep(time.Minute)
			one()
			time.Sleep(time.Minute)
			two()
		}, 2*time.Minute + 10*time.Second},
		{"without end", func(d *deadline) {
			for range 100 {
				release := d.hold()
				time.Sleep(time.Minute)
				release()
			}
		}, mostLoading + 10*time.Second},
		{"never released", func(d *deadline) { d.hold() }, mostLoading + 10*time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			over := make(chan time.Duration, 1)
			d := newDeadline(10*time.Second, func() { over <- time.Since(began) })
			c.play(d)
			if got := <-over; got != c.want {
				t.Errorf("%s: over after %s, want %s", c.name, got, c.want)
			}
			d.end()
		})
	}
}
