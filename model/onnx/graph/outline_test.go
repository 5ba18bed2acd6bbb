package graph

import (
	"bytes"
	"strings"
	"testing"
)

// constant is an initializer with its data in one piece.
func constant(name string, elem ElementType, data []byte, dims ...int64) func(*Blob) {
	parts := []func(*Blob){}
	for _, d := range dims {
		parts = append(parts, num(1, d))
	}
	return sub(5, append(parts, num(2, int64(elem)), str(8, name), str(9, string(data)), num(14, 0))...)
}

func TestOutline(t *testing.T) {
	big, small := bytes.Repeat([]byte("0123456789abcdef"), 64), []byte("four")
	data := file(8, opset(13), node("", "Add", "x", "y"), constant("small", Float, small, 1), constant("big", Float, big, 16, 16),
		constant("bytes", 2, big, 1024), constant("wrong", Float, big, 3), input("x", Float, 16, 16), output("y", Float, 16, 16))
	m, err := Read(data)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := m.Outline("here", len(big)+1); out != nil || err != nil {
		t.Errorf("nothing is as large: %v, %v", out, err)
	}
	out, err := m.Outline("here", len(big))
	if err != nil || out == nil {
		t.Fatalf("%v, %v", out, err)
	}
	thin, err := Read(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range thin.Graph.Initializers {
		was := m.Graph.Initializers[i]
		moved := c.Name == "big" || c.Name == "bytes"
		if c.Name != was.Name || c.Elem != was.Elem || moved != (c.External != nil) || moved == (c.Raw != nil) {
			t.Errorf("%+v of %+v", c, was)
			continue
		}
		if x := c.External; moved && (x.Name != "here" || !bytes.Equal(data[x.Offset:x.Offset+x.Length], big)) {
			t.Errorf("%s is at %+v", c.Name, x)
		}
	}
	if n := out.Size(); n > int64(len(data)-2*len(big)+300) || !strings.Contains(string(out.Bytes()), "four") {
		t.Errorf("%d bytes of %d", n, len(data))
	}
}

// FuzzOutline has what is moved be found where it is said to be.
func FuzzOutline(f *testing.F) {
	f.Add(file(8, opset(13), constant("big", Float, []byte("12345678"), 2), input("x", Float, 1), output("y", Float, 1)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Read(data)
		if err != nil {
			return
		}
		out, err := m.Outline("here", 4)
		if err != nil || out == nil {
			return
		}
		thin, err := Read(out.Bytes())
		if err != nil {
			t.Fatalf("%v", err)
		}
		for i, c := range thin.Graph.Initializers {
			if was := m.Graph.Initializers[i]; c.External != nil && was.External == nil {
				if x := c.External; x.Offset+x.Length > int64(len(data)) || !bytes.Equal(data[x.Offset:x.Offset+x.Length], was.Raw) {
					t.Fatalf("%s is at %+v", c.Name, x)
				}
			}
		}
	})
}
