package graph

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestHostile(t *testing.T) {
	deep := func(n int) []byte {
		b := msg(str(2, "g"))
		for range n {
			b = msg(sub(1, str(4, "If"), sub(5, str(1, "a"), func(out *Blob) { out.message(6, b) })))
		}
		return msg(num(1, 8), func(out *Blob) { out.message(7, b) }).Bytes()
	}
	deepType := msg(sub(1, num(1, 1)))
	for range 100 {
		deepType = msg(sub(4, func(out *Blob) { out.message(1, deepType) }))
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, "empty"},
		{"text", []byte("hello world"), "no protobuf"},
		{"no graph", msg(num(1, 8)).Bytes(), "no graph"},
		{"two graphs", msg(sub(7), sub(7)).Bytes(), "two graphs"},
		{"cut", relu(8, 17)[:40], "cut off"},
		{"a group", []byte{0x0b, 0x0c}, "group"},
		{"deep", deep(40), "deep in each other"},
		{"deep type", msg(sub(7, sub(11, func(out *Blob) { out.message(2, deepType) }))).Bytes(), "deep in each other"},
		{"nodes", msg(sub(7, func(out *Blob) { out.add(bytes.Repeat([]byte{0x0a, 0}, maxNodes+1)) })).Bytes(), "more than 524288 nodes"},
		{"dimensions", msg(sub(7, sub(5, func(out *Blob) { out.add(bytes.Repeat([]byte{0x08, 1}, 300)) }))).Bytes(), "no shape"},
		{"negative dimension", msg(sub(7, sub(5, num(1, -1)))).Bytes(), "no shape"},
		{"name", msg(sub(7, str(2, strings.Repeat("x", maxName+1)))).Bytes(), "a name has more"},
		{"versions", msg(set("", 1), set("ai.onnx", 2), sub(7)).Bytes(), "versions 1 and 2"},
		{"version", msg(set("", -1), sub(7)).Bytes(), "has the version -1"},
	} {
		var e *FormatError
		if _, err := Read(c.data); !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := Read(deep(20)); err != nil {
		t.Errorf("20 graphs in each other: %v", err)
	}
}

func TestOtherFiles(t *testing.T) {
	for head, want := range map[string]string{
		"PK\x03\x04xxxx": "zip archive", "\x80\x04\x95xxxxxxx": "pickle", "\x20\x00\x00\x00ORTM": "ONNX Runtime's own format",
		"\x1c\x00\x00\x00TFL3": "TensorFlow Lite", "version https://git-lfs.github.com/spec/v1": "Git LFS",
	} {
		var u *UnsupportedError
		if _, err := Read([]byte(head)); !errors.As(err, &u) || !strings.Contains(err.Error(), want) || u.Help == "" {
			t.Errorf("%q: %v", head, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(relu(8, 17))
	f.Add(relu(12, 25))
	f.Add(file(8, opset(17), node("", "Relu", "w", "y"), weights("location", "w", "offset", "8"), output("y", Float, 3)))
	f.Add(file(8, []func(*Blob){set("ai.onnx.ml", 1)}, node("ai.onnx.ml", "ZipMap", "x", "p"), input("x", Float, -1), output("p", Float)))
	inner := sub(5, str(1, "then_branch"), sub(6, node("", "StringNormalizer", "x", "y")))
	f.Add(file(8, opset(17), node("", "If", "x", "y", inner), input("x", String, 1), output("y", String, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(data)
		if err != nil {
			return
		}
		l, err := m.Lower()
		if err != nil {
			return
		}
		// What was made can be read, has the same signature, and needs no more.
		again, err := Read(l.Bytes.Bytes())
		if err != nil {
			t.Fatalf("the lowered model: %v", err)
		}
		twice, err := again.Lower()
		if err != nil {
			t.Fatalf("the lowered model, lowered: %v", err)
		}
		if len(twice.Signature.Inputs) != len(l.Signature.Inputs) || len(twice.Signature.Outputs) != len(l.Signature.Outputs) {
			t.Fatalf("%v, then %v", l.Signature, twice.Signature)
		}
	})
}

func TestParseTensor(t *testing.T) {
	for _, c := range []struct {
		name  string
		data  *Blob
		typ   string
		bytes string
	}{
		{"raw", msg(num(1, 2), num(2, 1), str(9, "12345678")), "FP32", "12345678"},
		{"int64, packed", msg(num(1, 2), num(2, 7), str(7, "\x01\x02")), "INT64", "\x01\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00"},
		{"int8 in int32", msg(num(1, 1), num(2, 3), num(5, -1)), "INT8", "\xff"},
		{"half in int32", msg(num(2, 10), num(5, 0x3c00)), "FP16", "\x00\x3c"},
		{"strings", msg(num(1, 2), num(2, 8), str(6, "a"), str(6, "")), "BYTES", "\x01\x00\x00\x00a\x00\x00\x00\x00"},
		{"too few", msg(num(1, 3), num(2, 1), str(9, "12345678")), "", ""},
		{"complex", msg(num(1, 1), num(2, 14), str(9, "12345678")), "", ""},
	} {
		v, err := ParseTensor(c.data.Bytes())
		if c.typ == "" {
			if err == nil {
				t.Errorf("%s: %+v", c.name, v)
			}
			continue
		}
		if err != nil || string(v.Type) != c.typ || string(v.Data) != c.bytes {
			t.Errorf("%s: %+v, %v", c.name, v, err)
		}
	}
}

func FuzzParseTensor(f *testing.F) {
	f.Add(msg(num(1, 2), num(2, 7), str(7, "\x01\x02")).Bytes())
	f.Add(msg(num(1, 2), num(2, 8), str(6, "a"), str(6, "")).Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if v, err := ParseTensor(data); err == nil && v.Check() != nil {
			t.Fatalf("%+v", v)
		}
	})
}
