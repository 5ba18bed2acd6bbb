package repository

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestDeadlineContext: it says what one of package context would, whatever was asked
// of it before.
func TestDeadlineContext(t *testing.T) {
	type key struct{}
	gone := errors.New("gone")
	for asked, ask := range map[string]func(context.Context){
		"nothing": func(context.Context) {}, "done": func(c context.Context) { c.Done() }, "err": func(c context.Context) { _ = c.Err() },
	} {
		for _, c := range []struct {
			parent, own time.Duration // until they end; 0: never
			leaves      bool
			want        error
		}{
			{0, time.Second, false, context.DeadlineExceeded},
			{time.Second / 2, time.Hour, false, context.DeadlineExceeded},
			{0, time.Hour, true, gone},
			{0, time.Hour, false, nil},
		} {
			synctest.Test(t, func(t *testing.T) {
				parent, leave := context.WithCancelCause(context.WithValue(context.Background(), key{}, 1))
				defer leave(nil)
				if c.parent > 0 {
					var end func()
					parent, end = context.WithTimeout(parent, c.parent)
					defer end()
				}
				d := newDeadline(parent, time.Now().Add(c.own))
				defer d.end()
				ask(d)
				child, end := context.WithCancel(d)
				if asked == "nothing" {
					end()
				} else {
					defer end()
				}
				time.Sleep(2 * time.Second)
				if c.leaves {
					leave(gone)
				}
				synctest.Wait()
				if got := context.Cause(d); !errors.Is(got, c.want) {
					t.Errorf("%s asked, %+v: the cause is %v", asked, c, got)
				}
				if (d.Err() != nil) != (c.want != nil) || d.Value(key{}) != 1 {
					t.Errorf("%s asked, %+v: %v", asked, c, d.Err())
				}
				if asked != "nothing" && (child.Err() != nil) != (c.want != nil) {
					t.Errorf("%s asked, %+v: its child has %v", asked, c, child.Err())
				}
				select {
				case <-d.Done():
					if c.want == nil {
						t.Error("it is over")
					}
				default:
					if c.want != nil {
						t.Error("it is not over")
					}
				}
			})
		}
	}
}
