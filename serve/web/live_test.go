package web

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// TestLive replaces what answers while it does: no request is lost, each is answered to
// its end by what began with it, and what did not begin is told of until the next.
func TestLive(t *testing.T) {
	ctx := t.Context()
	var mu sync.Mutex
	closed := map[string]int{}
	hold, held := make(chan struct{}), make(chan struct{})
	answering := func(text string) *Handler {
		h := &Handler{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(held)
				<-hold
			}
			mu.Lock()
			defer mu.Unlock()
			if closed[text] > 0 {
				t.Errorf("%s answers, and was closed", text)
			}
			_, _ = io.WriteString(w, text)
		})}
		h.close = append(h.close, func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			closed[text]++
			return nil
		})
		return h
	}
	live := NewLive(answering("one"))
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		live.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	slow := make(chan string, 1)
	go func() {
		_, text := ask("/slow")
		slow <- text
	}()
	<-held
	gone := make(chan struct{})
	replace := func(h *Handler, err error, done func()) error {
		return live.Replace(ctx, func(context.Context) (*Handler, error) { return h, err }, done)
	}
	if err := replace(answering("two"), nil, func() { close(gone) }); err != nil {
		t.Fatal(err)
	}
	if code, text := ask("/"); code != 200 || text != "two" {
		t.Errorf("%d %s, want two", code, text)
	}
	close(hold)
	if text := <-slow; text != "one" {
		t.Errorf("a request that had begun was answered with %s", text)
	}
	broken := &runtime.ExceptionError{Type: "SyntaxError", Message: "secret words"}
	freed := false
	if err := replace(nil, broken, func() { freed = true }); !errors.Is(err, broken) || !freed {
		t.Errorf("%v, freed %t", err, freed)
	}
	if code, text := ask("/"); code != 500 || text != "Internal Server Error: the application did not begin, its log says why (SyntaxError)\n" {
		t.Errorf("%d %q", code, text)
	}
	if err := replace(answering("three"), nil, func() {}); err != nil {
		t.Fatal(err)
	}
	if code, text := ask("/"); code != 200 || text != "three" {
		t.Errorf("%d %s, want three", code, text)
	}
	<-gone
	if err := live.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"one", "two", "three"} {
		if closed[text] != 1 {
			t.Errorf("%s was closed %d times", text, closed[text])
		}
	}
	freed = false
	err := live.Replace(ctx, func(context.Context) (*Handler, error) {
		t.Error("one is opened after the end")
		return answering("four"), nil
	}, func() { freed = true })
	if err == nil || !freed {
		t.Errorf("after the end: %v, freed %t", err, freed)
	}
}

// slowly is a handler whose requests go on until their context ends.
func slowly(closed *atomic.Int64) *Handler {
	return &Handler{
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		timeout: time.Minute,
		close:   []func(context.Context) error{func(context.Context) error { closed.Add(1); return nil }},
	}
}

// TestLiveRetires: what was replaced has the time that its requests may take, unless too
// many wait for theirs.
func TestLiveRetires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed, freed atomic.Int64
		ctx, leave := context.WithCancel(t.Context())
		live := NewLive(slowly(&closed))
		next := func() {
			go live.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
			synctest.Wait()
			err := live.Replace(t.Context(), func(context.Context) (*Handler, error) { return slowly(&closed), nil }, func() { freed.Add(1) })
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		next()
		if time.Sleep(59 * time.Second); closed.Load() != 0 {
			t.Error("it was closed while a request was answered")
		}
		if time.Sleep(2 * time.Second); closed.Load() != 1 {
			t.Error("it waits for ever")
		}
		for i := range maxRetired + 2 {
			next()
			if want := int64(1 + max(0, i+1-maxRetired)); closed.Load() != want {
				t.Errorf("after %d: %d were closed, not %d", i+1, closed.Load(), want)
			}
		}
		leave()
		if err := live.Close(t.Context()); err != nil || closed.Load() != maxRetired+4 || freed.Load() != maxRetired+3 {
			t.Errorf("%v, %d were closed, %d freed", err, closed.Load(), freed.Load())
		}
	})
}

// TestLiveCloseWaits for what is about to begin, which does not.
func TestLiveCloseWaits(t *testing.T) {
	for _, foresee := range []bool{false, true} {
		var closed atomic.Int64
		live := NewLive(slowly(&closed))
		opening, goOn := make(chan struct{}), make(chan struct{})
		open := func(context.Context) (*Handler, error) {
			close(opening)
			<-goOn
			return slowly(&closed), nil
		}
		replaced, ended := make(chan error, 1), make(chan error, 1)
		go func() {
			if foresee {
				replaced <- live.Foresee(t.Context(), open)
			} else {
				replaced <- live.Replace(t.Context(), open, func() {})
			}
		}()
		<-opening
		go func() { ended <- live.Close(t.Context()) }()
		select {
		case <-ended:
			t.Error("it did not wait")
		case <-time.After(20 * time.Millisecond):
		}
		close(goOn)
		if err := <-ended; err != nil || closed.Load() != 2 {
			t.Errorf("%v, %d were closed", err, closed.Load())
		}
		if err := <-replaced; (err == nil) != foresee {
			t.Error(err)
		}
	}
}
