package late

import (
	"context"
	"errors"
	"testing"
	"time"
)

type key struct{}

// A context that is made late says the same as one made at once, whatever was asked
// of it before.
func TestContext(t *testing.T) {
	own, outer := errors.New("own"), errors.New("outer")
	for name, ask := range map[string]func(*Context){
		"nothing": func(*Context) {},
		"done":    func(c *Context) { c.Done() },
		"value":   func(c *Context) { c.Value("key") },
		"err":     func(c *Context) { _ = c.Err() },
	} {
		for who, want := range map[string]error{"nobody": nil, "itself": own, "its parent": outer, "itself, then its parent": own} {
			parent, stop := context.WithCancelCause(context.WithValue(t.Context(), key{}, "value"))
			c := New(parent, nil)
			ask(c)
			if who == "itself" || who == "itself, then its parent" {
				c.Cancel(own)
			}
			if who == "its parent" || who == "itself, then its parent" {
				stop(outer)
			}
			if got := context.Cause(c); !errors.Is(got, want) {
				t.Errorf("%s asked, %s cancelled: %v, want %v", name, who, got, want)
			}
			if (c.Err() != nil) != (want != nil) || c.Value(key{}) != "value" {
				t.Errorf("%s asked, %s cancelled: %v, %v", name, who, c.Err(), c.Value(key{}))
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
func TestWakes(t *testing.T) {
	own := errors.New("own")
	c := New(t.Context(), nil)
	child, stop := context.WithTimeout(c, time.Minute)
	defer stop()
	go c.Cancel(own)
	<-child.Done()
	if context.Cause(child) != own {
		t.Error(context.Cause(child))
	}
	<-c.Done()
}

// It ends with the life that it was given, whether somebody waited before or not, and
// for one reason.
func TestLife(t *testing.T) {
	why := errors.New("why")
	for _, waited := range []bool{true, false} {
		life, end := context.WithCancelCause(t.Context())
		c := New(t.Context(), life)
		if waited {
			c.Done()
		}
		if c.Err() != nil {
			t.Errorf("before: %v", c.Err())
		}
		end(why)
		if waited {
			<-c.Done()
		}
		if c.Err() == nil || context.Cause(c) != why {
			t.Errorf("waited %t: %v, %v", waited, c.Err(), context.Cause(c))
		}
		c.Cancel(errors.New("late"))
		<-c.Done()
		if context.Cause(c) != why {
			t.Errorf("waited %t, then cancelled: %v", waited, context.Cause(c))
		}
	}
	life, end := context.WithCancelCause(t.Context())
	c := New(t.Context(), life)
	own := errors.New("own")
	c.Cancel(own)
	end(why)
	if context.Cause(c) != own {
		t.Errorf("cancelled before: %v", context.Cause(c))
	}
}
