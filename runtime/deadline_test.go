package runtime_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
)

// slowModule takes half a second or more to compile, and does nothing.
func slowModule(t *testing.T) []byte {
	t.Helper()
	var text strings.Builder
	text.WriteString(`(module (func (export "_start"))`)
	body := strings.Repeat(`(i64.add (i64.mul (local.get 0) (local.get 1)) `, 40) + `(i64.const 3)` + strings.Repeat(`)`, 40)
	functions := 4000
	if testing.Short() { // under the race detector compiling takes ten times as long
		functions = 1500
	}
	for range functions {
		text.WriteString(`(func (param i64 i64) (result i64) ` + body + ")\n")
	}
	return wat(t, text.String()+")")
}

// TestTimeoutStartsWithTheProgram: compiling is not counted, running is.
func TestTimeoutStartsWithTheProgram(t *testing.T) {
	rt := open(t, t.TempDir(), runtime.Totals{})
	const timeout = 100 * time.Millisecond
	for _, spec := range []runtime.Spec{{}, {Entrypoint: []string{"sh", "-c"}, Args: []string{"/slow"}}} {
		spec.Limits.Timeout = timeout
		c := createOn(t, rt, runtime.Program("slow", slowModule(t)), spec)
		if err := c.Run(t.Context()); err != nil {
			t.Errorf("%q: %v", spec.Args, err)
		}
		if s := c.Stats(); spec.Args == nil && s.Load < timeout {
			t.Errorf("loaded within %s: it proves nothing", s.Load)
		}
	}
	began := time.Now()
	err := createOn(t, rt, runtime.Program("probe", probeWasm(t)), runtime.Spec{
		Args: []string{"spin"}, Limits: runtime.Limits{Timeout: timeout},
	}).Run(t.Context())
	if l := limitOf(t, err); l.Resource != "wall time" || l.Limit != "100ms" || time.Since(began) < timeout {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

// TestCancelWhileCompiling: the caller returns at once, and what was begun is
// there for the next, who does not compile it again.
func TestCancelWhileCompiling(t *testing.T) {
	bin := slowModule(t)
	cache := t.TempDir()
	rt := open(t, cache, runtime.Totals{})
	for i, how := range []string{"cancel", "close", "deadline"} {
		img := runtime.Program("slow", append(slices.Clip(bin), 0, 2, 1, byte(i))) // a section makes it another module
		c := createOn(t, rt, img, runtime.Spec{})
		ctx, cancel := context.WithCancel(t.Context())
		if how == "deadline" { // at any moment
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		var at time.Time
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			if how == "deadline" {
				<-ctx.Done()
			} else {
				wait(func() bool { return count(cache, "drafts") > 0 })
			}
			at = time.Now()
			if how == "close" {
				c.Close(context.Background())
			} else {
				cancel()
			}
		}()
		err := c.Run(ctx)
		ended, landed := time.Now(), count(cache, "entries") > i
		<-stopped
		if late := ended.Sub(at); err == nil || landed && late > time.Second {
			t.Errorf("%s: %v, %s late, compiled by then: %v", how, err, late, landed)
		}
		if want := map[string]error{"cancel": context.Canceled, "deadline": context.DeadlineExceeded, "close": runtime.ErrClosed}[how]; !errors.Is(err, want) {
			t.Errorf("%s: %v", how, err)
		}
		wait(func() bool { return count(cache, "drafts") == 0 })
		if n := count(cache, "entries"); n <= i && how != "deadline" {
			t.Fatalf("%s: %d modules are in the cache", how, n)
		}
		again := createOn(t, open(t, cache, runtime.Totals{}), img, runtime.Spec{})
		if err := again.Run(t.Context()); err != nil {
			t.Errorf("%s: again: %v", how, err)
		}
		if s := again.Stats(); s.Compile > 0 && how != "deadline" {
			t.Errorf("%s: compiled again, for %s", how, s.Compile)
		}
		cancel()
	}
}

// TestCloseWhileCompiling: a Runtime that is closed gives its compiling up, and
// what closes it need not wait: then nothing stays of what was begun.
func TestCloseWhileCompiling(t *testing.T) {
	// Nobody waits for the compiler, which may be writing when the folder goes, and after
	// that: what TempDir made would have to be gone.
	cache, err := os.MkdirTemp("", "compiling")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wait(func() bool { return os.RemoveAll(cache) == nil }) })
	rt := open(t, cache, runtime.Totals{})
	c := createOn(t, rt, runtime.Program("slow", slowModule(t)), runtime.Spec{})
	done := make(chan error, 1)
	go func() { done <- c.Run(t.Context()) }()
	wait(func() bool { return count(cache, "drafts") > 0 })
	now, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := rt.Close(now); err != nil && !errors.Is(err, context.Canceled) || count(cache, "entries") > 0 {
		t.Errorf("closed after %s: %v", time.Since(began), err)
	}
	wait(func() bool { return count(cache, "drafts") == 0 }) // the compiler may just be putting a file there
	if n := count(cache, "drafts"); n > 0 {
		t.Errorf("%d drafts are left", n)
	}
	if err := <-done; !errors.Is(err, runtime.ErrClosed) {
		t.Errorf("run: %v", err)
	}
}

// count is how many modules a folder of the cache has.
func count(cache, folder string) int {
	entries, _ := os.ReadDir(filepath.Join(cache, folder))
	return len(entries)
}

// wait waits for what must come, and a minute at most.
func wait(ready func() bool) {
	for end := time.Now().Add(time.Minute); !ready() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}
