package handler

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wherry-run/wherry/serve/web/wire"
)

// TestSilence: a request whose program says nothing for so long ends, not before, and not
// when it is over or another has begun.
func TestSilence(t *testing.T) {
	const most = 30 * time.Millisecond
	var s silence
	defer s.stop()
	begin := func() (*turn, time.Time) {
		one := &turn{}
		one.Begin(t.Context(), nil)
		t.Cleanup(func() { one.Cancel(nil) })
		now := time.Now()
		s.begin(one, most)
		return one, now
	}
	over := func(one *turn, since time.Time) {
		t.Helper()
		select {
		case <-one.Done():
		case <-time.After(20 * time.Second):
			t.Fatal("a silent program goes on")
		}
		if took := time.Since(since); took < most || !errors.Is(context.Cause(one), wire.ErrSilent) {
			t.Errorf("it ended after %v, %v", took, context.Cause(one))
		}
	}
	first, now := begin()
	s.end()
	soon := time.Since(now) < most
	second, now := begin() // by the timer of the first
	over(second, now)
	s.end()
	third, _ := begin()
	time.Sleep(most / 2)
	now = time.Now()
	if s.heard(); third.Err() == nil { // else this machine took its time
		over(third, now)
	}
	s.end()
	time.Sleep(3 * most)
	if soon && first.Err() != nil {
		t.Error("a request ends after it is over")
	}
}
