package models

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

// testWorkers asks two workers that go on from one snapshot, and one of them once
// more after it was put back: none shares with another what is its own.
func testWorkers(t *testing.T, m model) {
	ctx, home := t.Context(), dock.Home(t)
	s, err := store.Open(ctx, filepath.Join(home, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	img, err := images.Open(ctx, s, m.image, images.Options{Pull: images.PullNever})
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	rt, err := runtime.New(ctx, runtime.WithCacheDir(filepath.Join(home, "cache", "modules")))
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(ctx)
	var all []map[string]any
	turn := func(w *runtime.Worker) {
		t.Helper()
		answer, err := w.Turn(ctx, []byte(`["x"]`))
		if err != nil {
			t.Fatal(err)
		}
		var said map[string]any
		if err := json.Unmarshal(answer, &said); err != nil {
			t.Fatalf("%v: %.300s", err, answer)
		}
		all = append(all, said)
	}
	for range 2 {
		c, err := rt.Create(ctx, img, runtime.Spec{Mounts: []runtime.Mount{{Target: "/tmp"}}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		w, err := c.Worker(ctx, runtime.Process{})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close(ctx)
		turn(w)
		turn(w) // its second request goes on from the first
		if err := w.Reset(ctx); err != nil {
			t.Fatal(err)
		}
		turn(w)
		if stats := c.Stats(); stats.Restored != 1 || len(stats.Notes) > 0 {
			t.Errorf("a worker was restored %d times: %v", stats.Restored, stats.Notes)
		}
	}
	testUnwilling(t, rt, img)
	for n, a := range all {
		for _, b := range all[:n] {
			for name, value := range a["own"].(map[string]any) {
				if value == b["own"].(map[string]any)[name] && name != "entropy" && name != "authkey" {
					t.Errorf("two requests share %s: %v", name, value)
				}
			}
		}
		if forward, _ := json.Marshal(a["shared"].(map[string]any)["forward"]); string(forward) != "[true,true,true,true]" {
			t.Errorf("request %d: clocks that go forward: %s", n, forward)
		}
	}
	own := func(n int) map[string]any { return all[n]["own"].(map[string]any) }
	for _, name := range []string{"entropy", "authkey"} { // these live as long as a worker does
		if a, b, c := own(0)[name], own(2)[name], own(3)[name]; a == b || b == c || a == c {
			t.Errorf("two workers share %s: %v %v %v", name, a, b, c)
		}
	}
}

// testUnwilling checks a worker whose on_restore fails: its request says so, and no
// other is answered until it was called again.
func testUnwilling(t *testing.T, rt *runtime.Runtime, img runtime.Image) {
	ctx := t.Context()
	c, err := rt.Create(ctx, img, runtime.Spec{Env: []string{"REFUSE=today"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	w, err := c.Worker(ctx, runtime.Process{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, broken := range []bool{false, true} {
			var raised *runtime.ExceptionError
			answer, err := w.Turn(ctx, []byte(`["x"]`))
			if !errors.As(err, &raised) || raised.Error() != "ValueError: no today" || !strings.Contains(raised.Traceback, "in on_restore") ||
				errors.As(err, new(*runtime.BrokenError)) != broken {
				t.Errorf("%s, %v (%T)", answer, err, err)
			}
		}
		if err := w.Reset(ctx); err != nil {
			t.Fatal(err)
		}
	}
}
