package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wherry-run/wherry/runtime"
)

// TestExchange sends requests that carry bytes.
func TestExchange(t *testing.T) {
	rt := newRuntime(t, runtime.WithCacheDir(t.TempDir()))
	img := turningImage(t)
	w, _ := hire(t, rt, derive(t, rt, img), runtime.Spec{}, runtime.Process{})
	ask := func(head string, pieces ...string) (string, string, error) {
		var data [][]byte
		for _, p := range pieces {
			data = append(data, []byte(p))
		}
		answer, behind, err := w.Exchange(t.Context(), []byte(head), data...)
		return string(answer), string(behind), err
	}
	gap := strings.Repeat("\x00", 12)
	for n, tt := range []struct{ pieces, head, data string }{
		{"abcd", `{"n":16,"turns":1}`, gap + "dcba"},
		{"", `{"n":0,"turns":2}`, ""},
		{"abcd efgh", `{"n":32,"turns":3}`, gap + "hgfe" + gap + "dcba"},
	} {
		answer, data, err := ask(`{}`, strings.Fields(tt.pieces)...)
		if err != nil || answer != tt.head || data != tt.data {
			t.Errorf("request %d: %s, %q, %v", n, answer, data, err)
		}
	}
	if r := work(t, w); r.Turns != 4 {
		t.Errorf("a request of words is its turn %d", r.Turns)
	}
	var misuse *runtime.ExceptionError
	if _, _, err := ask(`["raise"]`); !errors.As(err, &misuse) || !misuse.Misuse || misuse.Argument != "x" {
		t.Errorf("an exception: %v", err)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	if _, data, err := w.Exchange(t.Context(), []byte(`{}`), big); err != nil || len(data) != len(big) || data[0] != 'f' {
		t.Errorf("16 MiB: %d bytes, %v", len(data), err)
	}
	for _, head := range []string{`["as JSON"]`, `["no JSON"]`, `["silent"]`, `["trap"]`} {
		if _, _, err := ask(head, "abcd"); err == nil {
			t.Errorf("%s: no error", head)
		}
		var broken *runtime.BrokenError
		if _, _, err := ask(`{}`); !errors.As(err, &broken) {
			t.Errorf("after %s: %v", head, err)
		}
		if err := w.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if answer, _, err := ask(`{}`); err != nil || answer != `{"n":0,"turns":1}` {
			t.Errorf("after a reset: %s, %v", answer, err)
		}
	}
	if _, _, err := w.Exchange(t.Context(), []byte(`{}`), slices.Repeat([][]byte{big}, runtime.MaxData/len(big)+1)...); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("more than a request may have: %v", err)
	}
	// It waits for its turn.
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, data, err := w.Exchange(t.Context(), []byte(`{}`), []byte("0123456789abcdef")); err != nil || string(data) != "fedcba9876543210" {
				t.Errorf("one of many: %q, %v", data, err)
			}
		})
	}
	all.Wait()
}

// TestConverse has requests answered in parts, and not wanted any more.
func TestConverse(t *testing.T) {
	rt := newRuntime(t, runtime.WithCacheDir(t.TempDir()))
	w, _ := hire(t, rt, derive(t, rt, turningImage(t)), runtime.Spec{}, runtime.Process{Limits: runtime.Limits{Fuel: 50_000_000}})
	enough := errors.New("enough")
	for _, tt := range []struct {
		head  string
		stop  int // at which part; 0: never
		parts int
		ok    func(error) bool
		fine  bool // it goes on
	}{
		{`["parts 3"]`, 0, 3, func(err error) bool { return err == nil }, true},
		{`[]`, 0, 0, func(err error) bool { return err == nil }, true},
		{`["parts 3"]`, 2, 2, func(err error) bool { return err == enough }, true},
		{`["parts 3 on and on"]`, 1, 1, func(err error) bool { return err == enough }, true},
		{`["parts 2 no part"]`, 0, 2, func(err error) bool { return err == nil }, true},
		{`["parts 3 raise"]`, 0, 3, func(err error) bool { return errors.As(err, new(*runtime.ExceptionError)) }, true},
		{`["parts 3 raise"]`, 3, 3, func(err error) bool { return err == enough }, true},
		{`["parts 1000000000 on and on"]`, 1, 1, func(err error) bool {
			return err != enough && errors.Is(err, enough) && errors.As(err, new(*runtime.LimitError))
		}, false},
		{`["parts 3 silent"]`, 0, 3, func(err error) bool { return err != nil }, false},
	} {
		parts := 0
		_, _, err := w.Converse(t.Context(), func(answer, data []byte) error {
			if want := fmt.Sprintf(`{"part":%d}`, parts); string(answer) != want || len(data) != 16 {
				t.Errorf("%s: part %d: %s, %q", tt.head, parts, answer, data)
			}
			if parts++; parts == tt.stop {
				return enough
			}
			return nil
		}, []byte(tt.head), []byte("abcd"))
		if parts != tt.parts || !tt.ok(err) {
			t.Errorf("%s: %d parts, %v", tt.head, parts, err)
		}
		_, _, err = w.Exchange(t.Context(), []byte(`{}`))
		if (err == nil) != tt.fine {
			t.Errorf("after %s: %v", tt.head, err)
		}
		if !tt.fine {
			if err := w.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, _, err := w.Exchange(t.Context(), []byte(`["parts 3"]`), []byte("abcd")); err != nil {
		t.Errorf("parts that nobody takes: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	_, _, err := w.Converse(ctx, func([]byte, []byte) error { cancel(enough); return nil }, []byte(`["parts 3"]`))
	if !errors.Is(err, enough) {
		t.Errorf("cancelled: %v", err)
	}
}
