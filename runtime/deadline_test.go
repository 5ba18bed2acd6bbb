package runtime_test

import (
	"context"
	"errors"
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
	for range 4000 {
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
// there for the next.
func TestCancelWhileCompiling(t *testing.T) {
	bin := slowModule(t)
	rt := open(t, t.TempDir(), runtime.Totals{})
	for _, how := range []string{"cancel", "deadline", "close"} {
		c := createOn(t, rt, runtime.Program("slow", append(bin, 0, 2, 1, how[0])), runtime.Spec{}) // a section of its own
		ctx, cancel := context.WithCancel(t.Context())
		after := 150 * time.Millisecond
		if how == "deadline" {
			ctx, cancel = context.WithTimeout(t.Context(), after)
		}
		at := time.Now().Add(after)
		time.AfterFunc(after, func() {
			switch how {
			case "cancel":
				cancel()
			case "close":
				c.Close(context.Background())
			}
		})
		err := c.Run(ctx)
		if late := time.Since(at); err == nil || late > time.Second {
			t.Errorf("%s: %v, %s late", how, err, late)
		}
		if want := map[string]error{"cancel": context.Canceled, "deadline": context.DeadlineExceeded, "close": runtime.ErrClosed}[how]; !errors.Is(err, want) {
			t.Errorf("%s: %v", how, err)
		}
		cancel()
	}
	again := createOn(t, rt, runtime.Program("slow", append(bin, 0, 2, 1, 'c')), runtime.Spec{})
	if err := again.Run(t.Context()); err != nil {
		t.Error(err)
	}
}
