package onnx

import (
	"os"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/test/onnx/suite"
)

// exports is how many models testdata/exports.py makes.
const exports = 24

// TestExports makes models with the exporters that people use, as they are without
// options, and asks them 100 times: they answer as native ONNX Runtime does.
// WHERRY_TEST_ONNX_EXPORTS names a folder of more, made with testdata/layout.py.
func TestExports(t *testing.T) {
	if !long() {
		t.Skip("NOT TESTED: exports of today's scikit-learn, XGBoost and LightGBM: set WHERRY_TEST_ONNX=long")
	}
	requirements, err := os.ReadFile("testdata/exports.txt")
	if err != nil {
		t.Fatal(err)
	}
	python, _ := dock.Packages(t, string(requirements))
	root := t.TempDir()
	python.Must(t, "", script(t, "exports.py"), root)
	cases := suite.In(t, root)
	if len(cases) != exports {
		t.Errorf("%d exports, expected %d", len(cases), exports)
	}
	if more := os.Getenv("WHERRY_TEST_ONNX_EXPORTS"); more != "" {
		cases = append(cases, suite.In(t, more)...)
	}
	e := newEngine(t)
	e.tolerance = suite.Tolerance{Relative: 1e-5, Absolute: 5e-5} // distances of KMeans are roots of differences
	for _, c := range cases {
		if v := e.try(t, c); v.Verdict != pass {
			t.Errorf("%s: %s: %s", c.Name, v.Verdict, v.Why)
		} else {
			t.Logf("%s ok", c.Name)
		}
	}
}
