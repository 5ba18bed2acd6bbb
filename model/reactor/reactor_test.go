package reactor_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/model/reactor"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/test/dock"
)

const modulePath = "/usr/bin/model.wasm"

type image struct{ layers []layer.Layer }

func (i image) Config() ispec.ImageConfig {
	return ispec.ImageConfig{Entrypoint: []string{modulePath}}
}

func (i image) Layers() []layer.Layer { return i.layers }

// compile runs a compiler in a folder of the examples.
func compile(t testing.TB, folder string, env []string, argv ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, no compiler on this machine: %v", err)
	}
	to := filepath.Join(t.TempDir(), "module")
	c := exec.CommandContext(t.Context(), argv[0], append(argv[1:], "-o", to)...)
	c.Dir, c.Env = folder, append(os.Environ(), env...)
	if argv[0] == "go" {
		c.Args = append(c.Args, ".")
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	module, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func goGuest(t testing.TB) []byte {
	return compile(t, "../../examples/guest-go", []string{"GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "GOWORK=off"}, "go", "build", "-buildmode=c-shared")
}

func cGuest(t testing.TB, folder, source string) []byte {
	include, err := filepath.Abs("../../examples/guest-c")
	if err != nil {
		t.Fatal(err)
	}
	return compile(t, folder, nil, "clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror", "-mexec-model=reactor", "-I", include, source)
}

// open starts a module as a model.
func open(t testing.TB, module []byte, l runtime.Limits) (*reactor.Instance, error) {
	t.Helper()
	rt, err := runtime.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close(context.WithoutCancel(t.Context())) })
	c, err := rt.Create(t.Context(), image{[]layer.Layer{dock.Layer(map[string][]byte{modulePath: module})}}, runtime.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.WithoutCancel(t.Context())) })
	i, err := reactor.Open(t.Context(), c, reactor.Options{Limits: l})
	if err == nil {
		t.Cleanup(func() { i.Close(context.WithoutCancel(t.Context())) })
	}
	return i, err
}

func TestGo(t *testing.T) {
	i, err := open(t, goGuest(t), runtime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if s := i.Signature(); s.Name != "trend" || s.Platform != model.PlatformReactor || len(s.Inputs) != 1 || len(s.Outputs) != 2 {
		t.Fatalf("%+v", s)
	}
	ask := func(values []float32, wanted ...string) (*model.Response, error) {
		return i.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("values", values)}, Outputs: wanted})
	}
	for range 100 {
		r, err := ask([]float32{1, 3, 5})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Outputs) != 2 || string(r.Outputs[0].Data) != string(model.Of("next", []float32{7}).Data) || string(r.Outputs[1].Data) != "\x02\x00\x00\x00up" || r.Usage.Fuel == 0 {
			t.Fatalf("%+v", r)
		}
	}
	if r, err := ask([]float32{2, 1}, "direction"); err != nil || len(r.Outputs) != 1 || !strings.HasSuffix(string(r.Outputs[0].Data), "down") {
		t.Errorf("%+v, %v", r, err)
	}
	var input *model.InputError
	if _, err := ask([]float32{}); !errors.As(err, &input) || input.Tensor != "values" {
		t.Errorf("%v", err)
	}
	if _, err := ask(make([]float32, 3<<20)); err != nil { // more than it had room for
		t.Error(err)
	}
	if err := i.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := ask([]float32{1, 2}); err != nil {
		t.Error(err)
	}
}

func TestC(t *testing.T) {
	i, err := open(t, cGuest(t, "../../examples/guest-c", "blur.c"), runtime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := i.Predict(t.Context(), &model.Request{ID: "a \"ü\" ☃\n", Inputs: []model.Tensor{model.Of("rows", []float32{0, 4, 0, 8, 8, 8}, 2, 3)}})
	if err != nil {
		t.Fatal(err)
	}
	if want := model.Of("smooth", []float32{1, 2, 1, 8, 8, 8}, 2, 3); string(r.Outputs[0].Data) != string(want.Data) || len(r.Outputs[0].Shape) != 2 {
		t.Errorf("%+v", r.Outputs)
	}
	var input *model.InputError
	if _, err := i.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("rows", []float32{}, 2, 0)}}); !errors.As(err, &input) || input.Tensor != "rows" {
		t.Errorf("%v", err)
	}
}

// TestWrong has guests do what is wrong: each fails its own request.
func TestWrong(t *testing.T) {
	dir := t.TempDir()
	source := `#include "wherry.h"
const char wherry_model[] = "{\"name\":\"w\",\"inputs\":[{\"name\":\"what\",\"datatype\":\"INT32\",\"shape\":[1]}],"
	"\"outputs\":[{\"name\":\"y\",\"datatype\":\"INT8\",\"shape\":[1]}]}";
void predict(wherry_request *q, wherry_response *p) {
	int64_t shape = 1;
	switch (*(const int *)q->inputs[0].data) {
	case 0: wherry_output(p, "y", "INT8", 1, &shape, "a", 1); return;
	case 1: __builtin_trap();
	case 2: exit(3);
	case 3: for (volatile int i = 0;; i++);
	case 4: wherry_output(p, "z", "INT8", 1, &shape, "a", 1); return;
	case 5: shape = 2; wherry_output(p, "y", "INT8", 1, &shape, "ab", 2); return;
	case 6: wherry_output(p, "y", "INT8", 1, &shape, "ab", 2); return;
	case 7: wherry_refuse(p, NULL, "not today"); return;
	}
}
`
	if err := os.WriteFile(filepath.Join(dir, "w.c"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	i, err := open(t, cGuest(t, dir, "w.c"), runtime.Limits{Fuel: 100_000_000})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(what int32) error {
		r, err := i.Predict(t.Context(), &model.Request{Inputs: []model.Tensor{model.Of("what", []int32{what})}})
		if r == nil || r.Usage.Fuel == 0 || what == 3 && r.Usage.Fuel < 1_000_000 {
			t.Errorf("%d: what it took: %+v", what, r)
		}
		return err
	}
	var own *model.ModelError
	for what, broken := range []bool{false, true, true, true, false, false, false, false, false} {
		err := ask(int32(what))
		if what == 0 && err != nil || what > 0 && err == nil || err != nil && errors.As(err, &own) == broken {
			t.Errorf("%d: %v", what, err)
		}
		if broken {
			if err := i.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := ask(0); err != nil {
			t.Errorf("after %d: %v", what, err)
		}
	}
	if _, err := open(t, []byte("\x00asm\x01\x00\x00\x00"), runtime.Limits{}); err == nil || !strings.Contains(err.Error(), "wherry_signature") {
		t.Errorf("%v", err)
	}
}
