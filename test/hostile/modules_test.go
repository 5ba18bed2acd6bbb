package hostile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// row is one module and how running it has to end.
type row struct {
	name   string
	module []byte
	want   ending
	limits runtime.Limits // what is set replaces the limits of strict
	bound  bound
	spec   func(*runtime.Spec)
}

// strict are limits under which no row needs long to reach them.
var strict = runtime.Limits{
	Memory: 64 * mib, Fuel: 50_000_000, Timeout: 20 * time.Second,
	OpenFiles: 64, Disk: 8 * mib, Processes: 4,
}

func (r row) toSpec() runtime.Spec {
	s := runtime.Spec{Limits: strict, Stdout: io.Discard, Stderr: io.Discard}
	if r.limits.Memory != 0 {
		s.Limits.Memory = r.limits.Memory
	}
	if r.limits.Fuel != 0 {
		s.Limits.Fuel = r.limits.Fuel
	}
	if r.limits.Timeout != 0 {
		s.Limits.Timeout = r.limits.Timeout
	}
	if r.spec != nil {
		r.spec(&s)
	}
	return s
}

func newRuntime(t *testing.T) *runtime.Runtime {
	t.Helper()
	rt, err := runtime.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

func run(ctx context.Context, rt *runtime.Runtime, module []byte, spec runtime.Spec) error {
	c, err := rt.Create(ctx, runtime.Program("guest", module), spec)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return c.Run(ctx)
}

// TestModules runs every module, and after each an honest one in the same
// Runtime: what one guest does must not reach the next.
func TestModules(t *testing.T) {
	rt := newRuntime(t)
	honest := answer("fd_close", "i", 99).module() // EBADF
	var names []string
	for _, part := range [][]row{malformed(), bombs(), work(), endless(), greedy(), pointers(), imports(), statuses()} {
		for _, r := range part {
			names = append(names, r.name)
			t.Run(r.name, func(t *testing.T) {
				var err error
				within(t, r.bound, func() { err = run(t.Context(), rt, r.module, r.toSpec()) })
				if want := r.want(err); want != "" {
					t.Errorf("ended with %T %.300v; want %s", err, err, want)
				}
				if err != nil && (len(err.Error()) > 2000 || strings.ContainsFunc(err.Error(), unicode.IsControl)) {
					t.Errorf("no message for people: %.300q", err.Error())
				}
				if err := run(t.Context(), rt, honest, runtime.Spec{Limits: strict}); exits(ebadf)(err) != "" {
					t.Fatalf("the next module ended with %v", err)
				}
			})
		}
	}
	corpus(t, "modules", names)
}

// TestEveryFunction calls each function of WASI with arguments that point
// nowhere: the guest gets an errno or exits, it does not trap and the host does
// not fail.
func TestEveryFunction(t *testing.T) {
	host, err := preview1.New(preview1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	rt := newRuntime(t)
	funcs := host.Module().Funcs
	if len(funcs) < 45 {
		t.Errorf("%d functions, want all 45", len(funcs))
	}
	// An argument that is a length, a count or a pointer gets rest; the first
	// is a descriptor in most functions.
	for _, args := range []struct{ first, rest int64 }{
		{3, -1}, {-1, -1}, {1, 0xfffc}, {3, 0x7fffffff}, {0x80000000, 0x80000000}, {3, 65536}, {0, 0xffff},
	} {
		for _, f := range funcs {
			params, values := "", []int64{}
			for i, p := range f.Params {
				params += map[bool]string{true: "I", false: "i"}[p == wasm.I64]
				values = append(values, args.rest)
				if i == 0 {
					values[0] = args.first
				}
			}
			module := answer(f.Name, params, values...).module()
			if f.Name == "proc_exit" {
				module = calls([]hostFunc{wasip1("proc_exit", "i")}, i32(args.rest), wasm.OpCall, 0).module()
			}
			var err error
			within(t, usual, func() {
				err = run(t.Context(), rt, module, runtime.Spec{
					Limits: runtime.Limits{Memory: mib, Fuel: 1_000_000, Timeout: 200 * time.Millisecond, Disk: mib},
					Stdin:  bytes.NewReader(make([]byte, 10)),
				})
			})
			ends := f.Name == "proc_exit" || f.Name == "proc_raise"
			if ends && errors.As(err, new(*runtime.ExitError)) || errno(err) || f.Name == "poll_oneoff" && exceeds("wall time")(err) == "" {
				continue
			}
			t.Errorf("%s(%d, %d...): ended with %T %v", f.Name, args.first, args.rest, err, err)
		}
	}
}

// errno tells whether err is an exit with an errno of WASI, or with none.
func errno(err error) bool {
	for n := range uint32(77) {
		if exits(n)(err) == "" {
			return true
		}
	}
	return false
}
