package ort

import (
	"bytes"
	"context"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/engine"
)

// small is a module with one memory and one function.
var small = []byte("\x00asm\x01\x00\x00\x00" +
	"\x01\x05\x01\x60\x00\x01\x7f" + // type: () -> i32
	"\x03\x02\x01\x00" + // a function of it
	"\x05\x03\x01\x00\x01" + // a memory of one page
	"\x07\x10\x02\x06memory\x02\x00\x03one\x00\x00" + // their names
	"\x0a\x06\x01\x04\x00\x41\x01\x0b") // return 1

func TestGrow(t *testing.T) {
	bin, err := Grow(small, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	e, err := engine.New(ctx, engine.Config{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.WithoutCancel(ctx))
	m, err := e.Load(ctx, strings.Repeat("0", 64), func(context.Context) (engine.Artifact, error) { return engine.Artifact{Wasm: bin}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, err := e.Instantiate(ctx, m, engine.InstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.WithoutCancel(ctx))
	if was, err := i.Call(ctx, growExport, 2); err != nil || was[0] != 1 || i.Memory().Size() != 3*page {
		t.Fatalf("grown from %v to %d bytes, %v", was, i.Memory().Size(), err)
	}
	if one, err := i.Call(ctx, "one"); err != nil || one[0] != 1 {
		t.Fatalf("the module's own function gives %v, %v", one, err)
	}
}

func TestGrowCutOff(t *testing.T) {
	for n := range small {
		_, err := Grow(small[:n], 0)
		whole := n == 8 || n == 15 || n == 19 || n == 24 || n == 42 // where a section ends
		if (err == nil) != whole {
			t.Errorf("%d of %d bytes: %v", n, len(small), err)
		}
	}
}

// TestModelBytes holds a small graph against the bytes that onnx.proto says.
func TestModelBytes(t *testing.T) {
	g := newGraph()
	g.nodeAs("Gemm", "", []string{"x", g.scalar(1)}, []string{"y"}, attribute{"transB", 1}, attribute{"alpha", float32(0.5)})
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
