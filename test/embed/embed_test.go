// Package embed is a Go program in a module of its own that embeds the
// runtime, as somebody else's service would.
package embed

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// compile builds a Go program for WASI.
func compile(t *testing.T, dir string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.Command("go", "build", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", dir, err, text)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func start(t *testing.T, options ...runtime.Option) *runtime.Runtime {
	t.Helper()
	rt, err := runtime.New(t.Context(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.Background()) })
	return rt
}

func TestWordcount(t *testing.T) {
	bin := compile(t, "../../examples/wordcount")
	rt := start(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("to be or not to be"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c, err := rt.Create(t.Context(), runtime.Program("wordcount", bin), runtime.Spec{
		Args: []string{"-n", "2", "/data/text"}, Stdout: &out, Stderr: os.Stderr,
		Mounts: []runtime.Mount{{Source: dir, Target: "/data", ReadOnly: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "      2 be\n      2 to\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHostFunctionAndCancel(t *testing.T) {
	bin := compile(t, "guest")
	shop := wasi.HostModule{Name: "shop", Funcs: []wasi.HostFunc{{
		Name: "price", Params: []wasi.ValueType{wasi.I32}, Results: []wasi.ValueType{wasi.I64},
		Call: func(_ context.Context, _ *wasi.Guest, stack []uint64) { stack[0] = 6 * uint64(uint32(stack[0])) },
	}}}
	rt := start(t, runtime.WithHostModule(shop))
	var out bytes.Buffer
	c, err := rt.Create(t.Context(), runtime.Program("guest", bin), runtime.Spec{Stdout: &out})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	if err := c.Run(t.Context()); err != nil || out.String() != "price 42\n" {
		t.Fatalf("got %q, %v", out.String(), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	time.AfterFunc(200*time.Millisecond, func() {
		cancelled = time.Now()
		cancel()
	})
	spin, err := rt.Create(ctx, runtime.Program("guest", bin), runtime.Spec{Args: []string{"spin"}})
	if err != nil {
		t.Fatal(err)
	}
	defer spin.Close(t.Context())
	err = spin.Run(ctx)
	if took := time.Since(cancelled); took > 10*time.Second { // it would spin for ever; a loaded machine is late
		t.Errorf("stopped %s after it was cancelled", took)
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want a cancelled context", err)
	}
}

// TestLight fails when embedding links what only the command line needs.
func TestLight(t *testing.T) {
	for _, c := range []struct {
		pkg   string
		heavy []string
	}{
		{"runtime", []string{"spf13/cobra", "go-containerregistry", "moby/buildkit", "docker/cli", "wherry/packager", "wherry/oci/", "wherry/images", "net/http"}},
		{"model/onnx", []string{"spf13/cobra", "go-containerregistry", "moby/buildkit", "docker/cli", "wherry/packager", "wherry/images", "net/http"}},
		{"model/python", []string{"spf13/cobra", "go-containerregistry", "moby/buildkit", "docker/cli", "wherry/packager", "wherry/images", "net/http"}},
		{"cmd/wherry", []string{"purego"}}, // it stays static: cmd/wherry-native loads libraries
		{"", []string{"spf13/", "moby/buildkit", "wherry/packager", "wherry/internal/cli", "wherry/serve", "purego"}},
	} {
		pkg := strings.TrimSuffix("github.com/wherry-run/wherry/"+c.pkg, "/")
		list := exec.Command("go", "list", "-deps", pkg)
		list.Dir = filepath.Join("..", "..") // a module of its own need not know all that the root does
		out, err := list.Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 50 {
			t.Fatalf("%s: go list knows %d packages only", pkg, len(deps))
		}
		for _, dep := range deps {
			for _, heavy := range c.heavy {
				if strings.Contains(dep, heavy) {
					t.Errorf("%s links %s", pkg, dep)
				}
			}
		}
	}
}
