package models

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/hostmath"
	oip "github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/test/dock"
)

// TestAlgebra has Python compute with each set of kernels that this processor has, and without: the numbers agree, and
// what is no number is at the same places.
func TestAlgebra(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: linear algebra in Python needs the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	wherry := dock.Native(t, dock.Home(t))
	wherry.Limit = 30 * time.Minute // the first one on a machine compiles the module
	work := t.TempDir()
	layOut(t, map[string]string{filepath.Join(work, "algebra.py"): filepath.Join("testdata", "algebra.py")})
	want := compute(t, wherry, work, "none")
	if len(want) < 400 {
		t.Fatalf("only %d results", len(want))
	}
	for _, set := range hostmath.Available() {
		t.Run(set, func(t *testing.T) {
			got := compute(t, wherry, work, set)
			worst := map[oip.DataType]float64{}
			for name, w := range want {
				g, ok := got[name]
				if !ok {
					t.Fatalf("%s is missing", name)
				}
				if strings.HasPrefix(name, "same ") {
					if !bytes.Equal(g.Data, w.Data) || g.Type != w.Type {
						t.Errorf("%s is not the same to the last bit", name)
					}
					continue
				}
				worst[w.Type] = max(worst[w.Type], apart(t, name, g, w))
			}
			t.Logf("%d results, apart at most %v", len(want), worst)
		})
	}
}

// compute runs the program with a set of kernels and gives what it computed, by name.
func compute(t *testing.T, wherry dock.Program, work, set string) map[string]oip.Tensor {
	t.Helper()
	wherry.Env = append(slices.Clone(wherry.Env), "WHERRY_KERNELS="+set)
	args := []string{"run", "-v", work + ":/work"}
	if set == "none" { // the same machine code, and nobody answers
		wherry.Env = wherry.Env[:len(wherry.Env)-1]
		args = append(args, "--no-accel")
	}
	wherry.Must(t, "", append(args, "python", "python3", "/work/algebra.py", "/work/"+set+".npz")...)
	data, err := os.ReadFile(filepath.Join(work, set+".npz"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := oip.ParseNPZ(data)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]oip.Tensor{}
	for _, x := range list {
		all[x.Name] = x
	}
	return all
}

// apart is the largest difference of two tensors, relative to the largest number.
func apart(t *testing.T, name string, got, want oip.Tensor) float64 {
	t.Helper()
	wide := func(x oip.Tensor) []float64 {
		x, err := x.Convert(oip.FP64)
		if err != nil {
			t.Fatal(err)
		}
		list, err := oip.Values[float64](x)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	x, y := wide(got), wide(want)
	if len(x) != len(y) || got.Type != want.Type {
		t.Fatalf("%s: %s of %d, want %s of %d", name, got.Type, len(x), want.Type, len(y))
	}
	most, largest := 0.0, 0.0
	for i := range x {
		if math.IsNaN(x[i]) != math.IsNaN(y[i]) || math.IsInf(x[i], 1) != math.IsInf(y[i], 1) || math.IsInf(x[i], -1) != math.IsInf(y[i], -1) {
			t.Errorf("%s: element %d is %g, want %g", name, i, x[i], y[i])
			return 0
		}
		if math.IsNaN(y[i]) || math.IsInf(y[i], 0) {
			continue
		}
		most, largest = max(most, math.Abs(x[i]-y[i])), max(largest, math.Abs(y[i]))
	}
	if most == 0 {
		return 0
	}
	limit := 1e-12
	if want.Type == oip.FP32 {
		limit = 2e-5
	}
	if r := most / largest; r > limit {
		t.Errorf("%s: %g apart of %g", name, most, largest)
		return r
	}
	return most / largest
}
