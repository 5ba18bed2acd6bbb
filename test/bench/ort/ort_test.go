package ort

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// TestModelBytes holds a small graph against the bytes that onnx.proto says.
func TestModelBytes(t *testing.T) {
	g := NewGraph()
	g.NodeAs("Gemm", "", []string{"x", g.Scalar(1)}, []string{"y"}, Attribute{"transB", 1}, Attribute{"alpha", float32(0.5)})
	got := hex.EncodeToString(g.body)
	for _, part := range []string{
		"120562656e6368", // name: "bench"
		"2a0c" + "1001" + "42027631" + "4a040000803f",       // initializer { data_type: FLOAT name: "v1" raw_data: 1.0 }
		"0a0178" + "0a027631" + "120179" + "220447656d6d",   // input: "x" input: "v1" output: "y" op_type: "Gemm"
		"2a0d" + "0a067472616e7342" + "1801" + "a00102",     // attribute { name: "transB" i: 1 type: INT }
		"2a0f" + "0a05616c706861" + "150000003f" + "a00101", // attribute { name: "alpha" f: 0.5 type: FLOAT }
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	for range 4 {
		if a, b := trees(2, 3, 5, 1), trees(2, 3, 5, 1); !bytes.Equal(a.File, b.File) {
			t.Fatal("a model's bytes differ from run to run")
		}
	}
}
