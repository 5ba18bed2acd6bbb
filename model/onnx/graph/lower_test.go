package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func pn(n int32) protowire.Number { return protowire.Number(n) }

func lower(t *testing.T, data []byte) (*Lowered, error) {
	t.Helper()
	m, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return m.Lower()
}

// relu is a model of one operator.
func relu(ir, version int64, nodes ...func(*Blob)) []byte {
	if nodes == nil {
		nodes = []func(*Blob){node("", "Relu", "x", "y")}
	}
	return file(ir, opset(version), append(nodes, input("x", Float, -1, 3), output("y", Float, -1, 3))...)
}

func TestUnchangedIsTheSameBytes(t *testing.T) {
	data := relu(8, 17)
	l, err := lower(t, data)
	if err != nil || l.Changed || !bytes.Equal(l.Bytes.Bytes(), data) {
		t.Fatalf("changed %v, error %v", l.Changed, err)
	}
	if &l.Bytes.Bytes()[0] != &data[0] {
		t.Error("the file was copied")
	}
	s, _ := json.Marshal(l.Signature)
	if want := `{"name":"g","platform":"onnxruntime_onnx","inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"y","datatype":"FP32","shape":[-1,3]}]}`; string(s) != want {
		t.Errorf("%s\nwant %s", s, want)
	}
}

func TestVersions(t *testing.T) {
	cast := func(attrs ...func(*Blob)) func(*Blob) {
		return node("", "Cast", "x", "y", append(attrs, integer("to", 1))...)
	}
	for _, c := range []struct {
		name    string
		data    []byte
		ir, set int64
		problem string
	}{
		{"both are lowered", relu(12, 25), 10, 21, ""},
		{"the IR alone", relu(11, 21), 10, 21, ""},
		{"types alone since", relu(8, 22, node("", "Conv", "x", "y")), 8, 21, ""},
		{"an attribute that does nothing here", relu(10, 24, cast(word("round_mode", "down"))), 10, 21, ""},
		{"an attribute with its plain value", relu(10, 28, node("", "SpaceToDepth", "x", "y", integer("blocksize", 2), word("mode", "DCR"))), 10, 21, ""},
		{"an attribute with another", relu(10, 28, node("", "SpaceToDepth", "x", "y", word("mode", "CRD"))), 0, 0, "mode=CRD, which it has since opset 28"},
		{"one that is new", relu(10, 24, node("", "Swish", "x", "y")), 0, 0, "operator Swish (node the Swish): it is new in opset 24"},
		{"a version without implementation", file(10, opset(21), node("", "QLinearMatMul", "x", "y"), input("x", 2, 1), output("y", 2, 1)), 10, 20, ""},
		{"none in any version", relu(10, 20, node("", "ImageDecoder", "x", "y")), 0, 0, "no implementation"},
		{"of a version that is too old", relu(3, 6, node("", "Add", "x", "y")), 0, 0, "no implementation of it as opset 6 has it"},
		{"ONNX Runtime's own in ONNX's domain", relu(8, 14, node("", "LayerNormalization", "x", "y")), 8, 14, ""},
		{"of the future", relu(14, 40), 0, 0, "knows those up to 28"},
		{"nobody's", relu(8, 17, node("", "Frobnicate", "x", "y")), 0, 0, "ONNX has no such operator"},
		{"a type since", file(10, opset(28), node("", "Celu", "x", "y"), input("x", 11, 1), output("y", 11, 1)), 0, 0, "elements of the type double, which it takes since opset 28"},
		{"a type that others have", file(10, opset(28), node("", "Celu", "x", "y"), input("x", 1, 1), input("z", 11, 1), output("y", 1, 1)), 10, 21, ""},
		{"a type of a later IR", file(11, opset(23), node("", "Identity", "x", "y"), input("x", 23, 1), output("y", 23, 1)), 0, 0, "float4e2m1 are younger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := lower(t, c.data)
			if c.problem != "" {
				var u *UnsupportedError
				if !errors.As(err, &u) || !strings.Contains(err.Error(), c.problem) || u.Help == "" {
					t.Fatalf("error %v, want one with %q and help", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			again, err := Read(l.Bytes.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if again.IRVersion != c.ir || again.Opsets[""] != c.set {
				t.Errorf("IR %d, opset %d; want %d, %d", again.IRVersion, again.Opsets[""], c.ir, c.set)
			}
			if n := again.Graph.Nodes[0]; n.Attribute("round_mode") != nil || n.Attribute("mode") != nil {
				t.Error("the attribute is still there")
			}
			if twice, err := again.Lower(); err != nil || twice.Changed {
				t.Errorf("lowered twice: changed %v, error %v", twice != nil && twice.Changed, err)
			}
		})
	}
}

func TestZipMap(t *testing.T) {
	sets := []func(*Blob){set("ai.onnx.ml", 1)}
	sequence := sub(12, str(1, "p"), sub(2, sub(4, sub(1, sub(5, num(1, 8), sub(2, sub(1, num(1, 1))))))))
	labels := sub(5, str(1, "classlabels_strings"), num(20, 8), str(9, "no"), str(9, "yes"))
	trees := sub(1, str(1, "x"), str(2, "label"), str(2, "scores"), str(4, "TreeEnsembleClassifier"), str(7, "ai.onnx.ml"), labels)
	zip := node("ai.onnx.ml", "ZipMap", "scores", "p", labels)
	l, err := lower(t, file(8, sets, trees, zip, input("x", Float, -1, 4), output("label", String, -1), sequence))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := json.Marshal(l.Signature.Outputs)
	if want := `[{"name":"label","datatype":"BYTES","shape":[-1],"parameters":{"choices":["no","yes"]}},{"name":"p","datatype":"FP32","shape":[-1,2],"parameters":{"labels":["no","yes"]}}]`; string(s) != want {
		t.Errorf("%s\nwant %s", s, want)
	}
	again, err := Read(l.Bytes.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if n := again.Graph.Nodes[1]; n.Op != "Identity" || n.Domain != "" || n.Inputs[0] != "scores" || n.Outputs[0] != "p" || again.Opsets[""] == 0 {
		t.Errorf("%+v, %v", n, again.Opsets)
	}
	if p := again.Graph.Outputs[1]; p.Type.Kind != Tensor || p.Type.Elem != Float || p.Type.Shape[1] != 2 || p.Type.Shape[0] != -1 {
		t.Errorf("%+v", p.Type)
	}
	_, err = lower(t, file(8, sets, trees, zip, node("ai.onnx.ml", "ZipMap", "p", "q"), input("x", Float, -1, 4), sequence))
	if err == nil || !strings.Contains(err.Error(), "zipmap") {
		t.Errorf("a ZipMap in the middle: %v", err)
	}
}

func TestSequencesAndMaps(t *testing.T) {
	for _, c := range []struct {
		value func(*Blob)
		want  string
	}{
		{sub(11, str(1, "d"), sub(2, sub(5, num(1, 8), sub(2, sub(1, num(1, 1)))))), "input d: it is a map(string,tensor(float)); models take and give tensors here\nturn the dicts into columns"},
		{sub(12, str(1, "s"), sub(2, sub(4, sub(1, sub(1, num(1, 1)))))), "output s: it is a seq(tensor(float))"},
		{sub(11, str(1, "o"), sub(2, sub(9, sub(1, sub(1, num(1, 1)))))), "input o: it is a optional(tensor(float))"},
		{sub(11, str(1, "c"), sub(2, sub(1, num(1, 14)))), "no elements of the type complex64"},
		{sub(11, str(1, "n")), "does not say what type"},
	} {
		_, err := lower(t, file(8, opset(17), node("", "Relu", "x", "y"), input("x", Float, 1), output("y", Float, 1), c.value))
		var u *UnsupportedError
		if !errors.As(err, &u) || !strings.Contains(err.Error(), c.want) || u.Help == "" {
			t.Errorf("error %v\nwant %q and help", err, c.want)
		}
	}
}

func TestLocale(t *testing.T) {
	// In a graph inside a node, too.
	normalize := node("", "StringNormalizer", "x", "y", word("locale", "en_US"), word("case_change_action", "LOWER"))
	inner := sub(5, str(1, "then_branch"), num(20, 5), sub(6, normalize, str(2, "then")))
	l, err := lower(t, file(8, opset(17), node("", "StringNormalizer", "x", "z"), node("", "If", "x", "y", inner), input("x", String, 1), output("y", String, 1)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(l.Bytes.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*Node{again.Graph.Nodes[0], again.Graph.Nodes[1].Attributes[0].Graphs[0].Nodes[0]} {
		if v, _ := n.Attribute("locale").Text(); v != "C" {
			t.Errorf("locale %q", v)
		}
	}
	if v, _ := again.Graph.Nodes[1].Attributes[0].Graphs[0].Nodes[0].Attribute("case_change_action").Text(); v != "LOWER" || len(l.Notes) != 1 {
		t.Errorf("case %q, notes %q", v, l.Notes)
	}
}

// weights is an initializer of three floats in a file.
func weights(entries ...string) func(*Blob) {
	parts := []func(*Blob){num(1, 3), num(2, 1), str(8, "w"), num(14, 1)}
	for i := 0; i+1 < len(entries); i += 2 {
		parts = append(parts, sub(13, str(1, entries[i]), str(2, entries[i+1])))
	}
	return sub(5, parts...)
}

func TestExternal(t *testing.T) {
	build := func(w func(*Blob)) []byte {
		return file(8, opset(17), node("", "Relu", "w", "y"), w, output("y", Float, 3))
	}
	l, err := lower(t, build(weights("location", "sub/./w.bin", "offset", "8", "length", "12")))
	if err != nil {
		t.Fatal(err)
	}
	if want := (External{"sub/w.bin", 8, 12}); len(l.External) != 1 || l.External[0] != want {
		t.Errorf("%+v", l.External)
	}
	for size, fits := range map[int64]bool{20: true, 19: false, 0: false} {
		if err := l.CheckExternal(func(string) (int64, error) { return size, nil }); (err == nil) != fits {
			t.Errorf("a file of %d: %v", size, err)
		}
	}
	var u *UnsupportedError
	if _, err := lower(t, build(weights("location", "w", "offset", "4294967290"))); !errors.As(err, &u) || u.Help == "" {
		t.Errorf("weights beyond 4 GiB: %v", err)
	}
	for _, entries := range [][]string{
		{}, {"location", ""}, {"location", "/etc/passwd"}, {"location", "../w"}, {"location", "a/../../w"}, {"location", `a\b`}, {"location", "c:w"},
		{"location", "*/_ORT_MEM_ADDR_/*"}, {"location", "."}, {"location", "w", "offset", "-1"}, {"location", "w", "length", "13"},
		{"location", "w", "length", "x"},
	} {
		var e *FormatError
		if _, err := Read(build(weights(entries...))); !errors.As(err, &e) {
			t.Errorf("%q: %v", entries, err)
		}
	}
}

func TestPoolsWithCeiling(t *testing.T) {
	pool := func(op string, size int64, attrs ...func(*Blob)) []byte {
		return file(8, opset(12), node("", op, "x", "y", append(attrs, integer("ceil_mode", 1))...), input("x", Float, 1, 1, size, size), output("y", Float, -1, -1, -1, -1))
	}
	const most, mean = "MaxPool", "AveragePool"
	counted := integer("count_include_pad", 1)
	for i, c := range []struct {
		data []byte
		ok   bool
	}{
		{pool(most, -1, ints("kernel_shape", 3, 3), ints("strides", 2, 2)), true},
		{pool(most, -1, ints("kernel_shape", 1, 1), ints("strides", 2, 2)), false},
		{pool(most, 2, ints("kernel_shape", 1, 1), ints("strides", 2, 2)), false},
		{pool(most, 3, ints("kernel_shape", 1, 1), ints("strides", 2, 2)), true},
		{pool(most, -1, ints("kernel_shape", 1, 1), ints("strides", 2, 2), word("auto_pad", "SAME_UPPER")), true},
		{pool(mean, -1, ints("kernel_shape", 3, 3), ints("strides", 2, 2)), true},
		{pool(mean, -1, ints("kernel_shape", 3, 3), ints("strides", 2, 2), counted), false},
		{pool(mean, 8, ints("kernel_shape", 3, 3), ints("strides", 2, 2), counted), false},
		{pool(mean, 7, ints("kernel_shape", 3, 3), ints("strides", 2, 2), counted), true},
		{pool(mean, -1, ints("kernel_shape", 3, 3), counted), true},
	} {
		if _, err := lower(t, c.data); (err == nil) != c.ok {
			t.Errorf("%d: %v, want ok=%v", i, err, c.ok)
		}
	}
}

func TestNarrowIntegers(t *testing.T) {
	two := func(op string, in, out ElementType, more ...func(*Blob)) []byte {
		return file(8, opset(14), node("", op, "x", "y", append(more, str(1, "x"))...), input("x", in, 3), output("y", out, 3))
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"wraps", two("Add", 2, 2), "Cast Cast Add Cast"},
		{"compares", two("Less", 3, 9), "Cast Cast Less"},
		{"keeps attributes", two("BitShift", 4, 4, word("direction", "LEFT")), "Cast Cast BitShift Cast"},
		{"has them already", two("Add", 6, 6), "Add"},
		{"reverses none", two("ReverseSequence", 7, 7), "Constant Equal Cast Add ReverseSequence"},
	} {
		l, err := lower(t, c.data)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		again, err := Read(l.Bytes.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		var ops []string
		made := map[string]bool{"x": true}
		for _, n := range again.Graph.Nodes {
			ops = append(ops, n.Op)
			for _, in := range n.Inputs {
				if !made[in] {
					t.Errorf("%s: %s reads %q before it is made", c.name, n.Op, in)
				}
			}
			for _, out := range n.Outputs {
				made[out] = true
			}
			if n.Op == "BitShift" && n.Attribute("direction") == nil {
				t.Errorf("%s: the attribute is gone", c.name)
			}
		}
		if got := strings.Join(ops, " "); got != c.want || !made["y"] {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if twice, err := again.Lower(); err != nil || twice.Changed {
			t.Errorf("%s, twice: %v", c.name, err)
		}
	}
}

func TestBlob(t *testing.T) {
	b := msg(str(1, "abc"), num(2, 7), sub(3, str(4, "d")))
	r, err := io.ReadAll(io.MultiReader(&oneByte{b.Reader()}))
	if err != nil || !bytes.Equal(r, b.Bytes()) || int64(len(r)) != b.Size() {
		t.Errorf("%q, %v", r, err)
	}
	var w bytes.Buffer
	if n, err := b.WriteTo(&w); n != b.Size() || err != nil || !bytes.Equal(w.Bytes(), r) {
		t.Errorf("wrote %d, %v", n, err)
	}
}

type oneByte struct{ r io.Reader }

func (o *oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1)]) }

func TestOperatorText(t *testing.T) {
	for name, o := range operators() {
		last := int64(0)
		for _, v := range o.versions {
			if v.since <= last {
				t.Errorf("%s: version %d after %d", name, v.since, last)
			}
			last = v.since
			for _, e := range v.types {
				if e < 1 || e > lastElement {
					t.Errorf("%s: version %d: no such type", name, v.since)
				}
			}
		}
	}
	if n := len(operators()); n < 300 {
		t.Errorf("%d operators", n)
	}
}
