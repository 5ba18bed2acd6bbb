package engine

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A context that is made late says the same as one made at once, whatever was asked
// of it before.
func TestLateContext(t *testing.T) {
	own, outer := errors.New("own"), errors.New("outer")
	for name, ask := range map[string]func(*lateContext){
		"nothing": func(*lateContext) {},
		"done":    func(c *lateContext) { c.Done() },
		"value":   func(c *lateContext) { c.Value("key") },
		"err":     func(c *lateContext) { _ = c.Err() },
	} {
		for who, want := range map[string]error{"nobody": nil, "itself": own, "its parent": outer, "itself, then its parent": own} {
			parent, stop := context.WithCancelCause(context.WithValue(t.Context(), callKey{}, "value"))
			c := &lateContext{parent: parent}
			ask(c)
			if who == "itself" || who == "itself, then its parent" {
				c.cancel(own)
			}
			if who == "its parent" || who == "itself, then its parent" {
				stop(outer)
			}
			if got := context.Cause(c); !errors.Is(got, want) {
				t.Errorf("%s asked, %s cancelled: %v, want %v", name, who, got, want)
			}
			if (c.Err() != nil) != (want != nil) || c.Value(callKey{}) != "value" {
				t.Errorf("%s asked, %s cancelled: %v, %v", name, who, c.Err(), c.Value(callKey{}))
			}
			select {
			case <-c.Done():
				if want == nil {
					t.Errorf("%s asked: it is over", name)
				}
			default:
				if want != nil {
					t.Errorf("%s asked, %s cancelled: it is not over", name, who)
				}
			}
			stop(nil)
		}
	}
}

// Contexts derived from it end with it, and so does who waits.
func TestLateContextWakes(t *testing.T) {
	own := errors.New("own")
	c := &lateContext{parent: t.Context()}
	child, stop := context.WithTimeout(c, time.Minute)
	defer stop()
	go c.cancel(own)
	<-child.Done()
	if context.Cause(child) != own {
		t.Error(context.Cause(child))
	}
	<-c.Done()
}
