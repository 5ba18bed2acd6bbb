package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/runtime"
)

// vary builds the guest that prints what differs between runs.
func vary(t *testing.T) []byte {
	t.Helper()
	probeWasm(t) // skips where there is no clang
	out := filepath.Join(t.TempDir(), "vary.wasm")
	text, err := exec.Command("clang", "--target=wasm32-wasi", "-O1", "-msimd128", "-o", out, "testdata/vary.c").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// drip is an input that comes in pieces of other sizes, and at other times, in every run.
type drip struct{ left int }

func (d *drip) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	if rand.IntN(4) == 0 {
		time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
	}
	n := min(1+rand.IntN(30000), d.left, len(p))
	for i := range p[:n] {
		p[i] = byte(d.left - i)
	}
	d.left -= n
	return n, nil
}

// observe runs a command over the guest and returns all that it prints. The mounted folder is made anew, its files in
// another order every time.
func observe(t *testing.T, rt *runtime.Runtime, img runtime.Image, spec runtime.Spec, args ...string) string {
	t.Helper()
	in := t.TempDir()
	names := strings.Fields("one two three four five six seven")
	rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(in, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	spec.Args, spec.Stdin, spec.Stdout, spec.Stderr = args, &drip{left: 300000}, &out, &out
	spec.Mounts = []runtime.Mount{{Source: in, Target: "/in", ReadOnly: true}}
	c, err := rt.Create(t.Context(), img, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Run(t.Context()), c.Close(t.Context())); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return out.String()
}

// TestDeterministic runs a program, and a script that pipes it, on the compiler and on the interpreter, whose NaNs and
// whose speed are others.
func TestDeterministic(t *testing.T) {
	img := newImage(t, ispec.ImageConfig{}, file{"bin/vary", 0o755, vary(t)})
	compiler, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	interpreter, err := runtime.New(t.Context(), runtime.WithInterpreter())
	if err != nil {
		t.Fatal(err)
	}
	defer interpreter.Close(context.Background())
	for name, args := range map[string][]string{
		"program": {"/bin/vary"},
		"script": {"/bin/sh", "-c", `vary one | cat | cat; vary one | vary two | { vary three; date +%s; sleep 2; date +%s; }; echo $RANDOM; touch /t;
			stat -c %Y /t; vary four; ls /in /made`},
	} {
		t.Run(name, func(t *testing.T) {
			spec := runtime.Spec{Deterministic: true}
			want := observe(t, compiler, img, spec, args...)
			for i := range 3 {
				if got := observe(t, compiler, img, spec, args...); got != want {
					t.Fatalf("run %d differs:\n%s\nfrom\n%s", i, got, want)
				}
			}
			if got := observe(t, interpreter, img, spec, args...); got != want {
				t.Errorf("the interpreter differs:\n%s\nfrom\n%s", got, want)
			}
			if name == "program" {
				settledNaNs(t, want)
			}
		})
	}
	// What the test compares does differ when nobody sees to it.
	if a, b := observe(t, compiler, img, runtime.Spec{}, "/bin/vary"), observe(t, compiler, img, runtime.Spec{}, "/bin/vary"); a == b {
		t.Errorf("two runs of a program of chance print the same:\n%s", a)
	}
}

func settledNaNs(t *testing.T, out string) {
	t.Helper()
	for _, want := range []string{
		"PYTHONHASHSEED=0\n", "time 315532800.0000", "0/0 7ff8000000000000\n", "inf-inf 7ff8000000000000\n", "sqrt(-1) 7ff8000000000000\n",
		"payload+1 7ff8000000000000\n", "1+payload 7ff8000000000000\n", "floor payload 7ff8000000000000\n", "promoted 7ff8000000000000\n",
		"copied fff8000000012345\n", "negated 7ff8000000012345\n", "f0/0 7fc00000\n", "fpayload+1 7fc00000\n", "fdemoted 7fc00000\n",
		"fcopied ffc12345\n", "f32x4.add 3f8000007fc00000 400000007f800000\n", "f64x2.sub 7ff8000000000000 7ff8000000000000\n",
		"/in: . .. five four one seven six three two\n", "poll 1, read 65536\n", "input of 300000,",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestDeterministicEpoch(t *testing.T) {
	for _, c := range []struct {
		image, spec []string
		want        string
	}{
		{nil, nil, "315532800\n"},
		{[]string{"SOURCE_DATE_EPOCH=1000"}, nil, "1000\n"},
		{[]string{"SOURCE_DATE_EPOCH=1000"}, []string{"SOURCE_DATE_EPOCH=2000"}, "2000\n"},
		{nil, []string{"SOURCE_DATE_EPOCH=soon"}, ""},
		{nil, []string{"SOURCE_DATE_EPOCH=-1"}, ""},
		{nil, []string{"SOURCE_DATE_EPOCH=9223372036854775807"}, ""},
	} {
		rt, err := shared()
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		img := newImage(t, ispec.ImageConfig{Env: c.image, Cmd: []string{"date", "+%s"}})
		made, err := rt.Create(t.Context(), img, runtime.Spec{Deterministic: true, Env: c.spec, Stdout: &out})
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
				t.Errorf("%v: made with %v", c.spec, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(made.Run(t.Context()), made.Close(t.Context())); err != nil || out.String() != c.want {
			t.Errorf("%v, %v: %q, %v; want %q", c.image, c.spec, out.String(), err, c.want)
		}
	}
}
