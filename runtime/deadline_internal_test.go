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
			d := &deadline{}
			d.begin(10*time.Second, told(func() { over <- time.Since(began) }))
			c.play(d)
			if got := <-over; got != c.want {
				t.Errorf("%s: over after %s, want %s", c.name, got, c.want)
			}
			d.end()
		})
	}
}

type told func()

func (t told) expire() { t() }

// TestDeadlines: one call after the other has its own time, whenever the timer was set.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, d := time.Now(), &deadline{}
		defer d.stop()
		early := told(func() { t.Errorf("over after %s, though its call has ended", time.Since(began)) })
		for range 100 { // the timer of the first fires in one of these
			d.begin(time.Second, early)
			time.Sleep(900 * time.Millisecond)
			d.end()
		}
		d.begin(0, early)
		time.Sleep(time.Hour)
		d.end()
		for _, timeout := range []time.Duration{time.Hour, time.Minute, time.Second} { // earlier than what the timer is set to
			over := make(chan time.Duration, 2)
			began = time.Now()
			d.begin(timeout, told(func() { over <- time.Since(began) }))
			if got := <-over; got != timeout {
				t.Errorf("over after %s, want %s", got, timeout)
			}
			time.Sleep(2 * time.Hour)
			if len(over) > 0 {
				t.Error("over twice")
			}
			d.end()
			d.begin(time.Hour, early) // sets it
			d.end()
		}
	})
}
