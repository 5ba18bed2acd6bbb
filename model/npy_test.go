package model_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

func TestNPY(t *testing.T) {
	for _, x := range []model.Tensor{
		model.Of("", []float32{1, 2, 3, 4, 5, float32(math.Inf(1))}, 2, 3), model.Of("", []float64{math.Pi}), model.Scalar("", int8(-1)),
		model.Of("", []int16{-1, 1}), model.Of("", []int32{7}), model.Of("", []int64{math.MinInt64}), model.Of("", []uint8{255}),
		model.Of("", []uint16{1}), model.Of("", []uint32{1}), model.Of("", []uint64{math.MaxUint64}), model.Of("", []bool{true, false}),
		model.Of("", []model.Float16{0x3c00}), model.Of("", []string{"a", "", "ü😀"}), model.Of("", [][]byte{{0xff}, {1, 2, 3}}),
		model.Of("", []float32{}, 0, 3),
	} {
		b, err := x.NPY()
		if err != nil {
			t.Errorf("%v: %v", x, err)
			continue
		}
		if begin := bytes.IndexByte(b, '\n') + 1; begin%64 != 0 {
			t.Errorf("%s: the elements begin at %d", x.Type, begin)
		}
		if back, err := model.ParseNPY(b); err != nil || !reflect.DeepEqual(back, x) {
			t.Errorf("got %v, %v; want %v", back, err, x)
		}
	}
	half := model.Of("", []model.BFloat16{0x3f80})
	b, err := half.NPY()
	if err != nil {
		t.Fatal(err)
	}
	if x, err := model.ParseNPY(b); err != nil || !reflect.DeepEqual(x, model.Of("", []float32{1})) {
		t.Errorf("got %v, %v", x, err)
	}
}

// npy writes a file of NumPy by hand.
func npy(head string, body ...byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(head)))
	return append(append(b, head...), body...)
}

func TestParseNPY(t *testing.T) {
	head := func(descr, order, shape string) string {
		return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n", descr, order, shape)
	}
	for _, c := range []struct {
		name string
		data []byte
		want model.Tensor
		fail string
	}{
		{"texts of more bytes than can be counted", npy(head("<U2305843009213693952", "False", "(2,)")), model.Tensor{}, "of type U2305843009213693952"},
		{"columns first", npy(head("|u1", "True", "(2, 3)"), 1, 4, 2, 5, 3, 6), model.Of("", []uint8{1, 2, 3, 4, 5, 6}, 2, 3), ""},
		{"big-endian", npy(head(">i2", "False", "(2,)"), 0, 1, 0xff, 0xff), model.Of("", []int16{1, -1}), ""},
		{"wide big-endian", npy(head(">U1", "False", "(1,)"), 0, 0, 0, 'a'), model.Of("", []string{"a"}), ""},
		{"bytes", npy(head("|S2", "False", "(2,)"), 'a', 0, 'b', 'c'), model.Of("", []string{"a", "bc"}), ""},
		{"objects", npy(head("|O", "False", "(1,)"), 1), model.Tensor{}, "Python objects"},
		{"records", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }\n", 0, 0, 0, 0), model.Tensor{}, "only plain arrays"},
		{"complex", npy(head("<c8", "False", "(1,)"), 1, 2, 3, 4, 5, 6, 7, 8), model.Tensor{}, "type c8"},
		{"short", npy(head("<f4", "False", "(2,)"), 1, 2, 3, 4), model.Tensor{}, "4 bytes"},
		{"huge", npy(head("<f4", "False", "(4611686018427387904, 4)")), model.Tensor{}, "no shape"},
		{"huge texts", npy(head("<U0", "False", "(4611686018427387904,)")), model.Tensor{}, "empty texts"},
		{"number", npy(head("<f4", "False", "(99999999999999999999,)")), model.Tensor{}, "its shape"},
		{"truth", npy(head("|b1", "False", "(1,)"), 2), model.Tensor{}, "0 or 1"},
		{"text", []byte("1,2,3,4,5,6,7"), model.Tensor{}, "no file of numpy.save"},
		{"cut off", npy(head("<f4", "False", "(2,)"))[:30], model.Tensor{}, "cut off"},
	} {
		got, err := model.ParseNPY(c.data)
		switch {
		case c.fail != "":
			if err == nil || !strings.Contains(err.Error(), c.fail) {
				t.Errorf("%s: got %v, want %s", c.name, err, c.fail)
			}
		case err != nil || !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: got %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

func TestNPZ(t *testing.T) {
	want := []model.Tensor{model.Of("a", []float32{1, 2}), model.Of("b/c", []string{"x"})}
	var b bytes.Buffer
	if err := model.NPZ(&b, want); err != nil {
		t.Fatal(err)
	}
	if got, err := model.ParseNPZ(b.Bytes()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := model.ParseNPZWithin(b.Bytes(), 200); !errors.Is(err, model.ErrLarge) {
		t.Errorf("of more than it may have: %v, %v", got, err)
	}
}

func FuzzParseNPY(f *testing.F) {
	for _, x := range []model.Tensor{model.Of("", []float32{1, 2}, 1, 2), model.Of("", []string{"ü", ""}), model.Scalar("", true)} {
		b, err := x.NPY()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(npy("{'descr': '>i2', 'fortran_order': True, 'shape': (1, 2), }\n", 0, 1, 2, 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := model.ParseNPY(data)
		if err != nil {
			return
		}
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		if _, err := x.NPY(); err != nil && !strings.Contains(err.Error(), "too long") {
			t.Fatal(err)
		}
	})
}

func FuzzParseNPZ(f *testing.F) {
	var b bytes.Buffer
	if err := model.NPZ(&b, []model.Tensor{model.Of("a", []float32{1, 2})}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := model.ParseNPZ(data)
		if err != nil {
			return
		}
		for _, x := range list {
			if err := x.Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
