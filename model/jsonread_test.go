package model_test

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model"
)

// What is read in one pass is what strconv reads, bit for bit.
func TestReadDataNumbers(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	words := []string{"0", "-0", "1", "1e22", "1e23", "-1E+2", "9007199254740993", "16777217", "16777217.0", "33554435",
		"1.17549435e-38", "1e-45", "5e-324", "3.4028235e38", "0.000000000000000000001", "123456789012345678901234567890",
		"1.00000005960464477539062500000000001", "1.000000059604644775390625", "1e-1000000", "0e1000000000"}
	for range 20_000 {
		words = append(words,
			strconv.FormatFloat(math.Float64frombits(r.Uint64()&^(0x7ff<<52)|uint64(900+r.IntN(200))<<52), 'g', 1+r.IntN(17), 64),
			strconv.FormatFloat(float64(math.Float32frombits(r.Uint32()&^(0xff<<23)|uint32(1+r.IntN(250))<<23)), 'g', -1, 32),
			// Half-way between two binary32: the hardest.
			strconv.FormatFloat(float64(1+r.IntN(1<<24))+float64(r.IntN(4))/4, 'f', -1, 64))
	}
	for _, word := range words {
		for _, kind := range []model.DataType{model.FP32, model.FP64} {
			bits := 8 * kind.Size()
			v, err := strconv.ParseFloat(word, bits)
			if err != nil {
				continue
			}
			want := model.Of("x", []float64{v})
			if kind == model.FP32 {
				want = model.Of("x", []float32{float32(v)})
			}
			got := model.Tensor{Name: "x", Type: kind, Shape: []int64{1}}
			if n, err := got.ReadData([]byte("[" + word + "],")); err != nil || n != len(word)+2 || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("%s %s: got %x, %d, %v; want %x", kind, word, got.Data, n, err, want.Data)
			}
		}
	}
}

// What follows a value is left alone, and what is no JSON is never read as a number.
func TestReadDataSyntax(t *testing.T) {
	for text, want := range map[string]string{
		`[1,2]}`: "4", `[ 1 , 2 ] ]`: "", `[1,2`: "no JSON", `[1 2]`: "no JSON", `[1,]`: "no JSON", `[,1]`: "no JSON", `[01,2]`: "no JSON",
		`[1.,2]`: "no JSON", `[.5,2]`: "no JSON", `[+1,2]`: "no JSON", `[-,2]`: "no JSON", `[1e,2]`: "no JSON", `[1e+,2]`: "no JSON",
		`[0x1,2]`: "no JSON", `[1_0,2]`: "no JSON", `[inf,2]`: "no JSON", `[NaN,2]`: "no JSON", `["NaN",2]`: "", `["NaN,2]`: "no JSON",
		``: "no JSON", `[`: "no JSON", `[[`: "no JSON", `[tru,1]`: "no JSON", `["a` + "\n" + `",1]`: "no JSON", `["\`: "no JSON",
		`[1,2]]`: "", `{`: "object", `[1e400,2]`: "no FP32", "[\"\xff\",1]": "UTF-8",
	} {
		x := model.Tensor{Name: "x", Type: model.FP32, Shape: []int64{2}}
		n, err := x.ReadData([]byte(text))
		switch {
		case want != "" && want != "4" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want %s", text, err, want)
		case (want == "" || want == "4") && (err != nil || text[n-1] != ']'):
			t.Errorf("%s: got %d, %v", text, n, err)
		}
	}
}

func FuzzReadData(f *testing.F) {
	for _, s := range []string{"[1,2]", "[[1.5e3],[-2]]", `["NaN","a\u00e9"]`, `[{"base64":"YQ=="},"b"]`, "[true,false]", "[[],[]]", "1 "} {
		for kind := range 14 {
			f.Add([]byte(s), byte(kind), byte(2))
		}
	}
	kinds := []model.DataType{model.Bool, model.Uint8, model.Uint16, model.Uint32, model.Uint64, model.Int8, model.Int16,
		model.Int32, model.Int64, model.FP16, model.BF16, model.FP32, model.FP64, model.Bytes}
	f.Fuzz(func(t *testing.T, text []byte, kind, length byte) {
		x := model.Tensor{Name: "x", Type: kinds[int(kind)%len(kinds)], Shape: []int64{int64(length)}}
		n, err := x.ReadData(text)
		if err != nil {
			return
		}
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text[:n]) {
			t.Fatalf("%q was read, which is no JSON", text[:n])
		}
		out, plain := x.AppendData(nil)
		if !plain {
			x.Parameters = map[string]any{"content_type": "base64"}
		}
		back := x
		if m, err := back.ReadData(out); err != nil || m != len(out) || !bytes.Equal(back.Data, x.Data) {
			t.Fatalf("%q became %q: %d, %v", text[:n], out, m, err)
		}
	})
}

func BenchmarkData(b *testing.B) {
	values := make([]float32, 3*224*224)
	for i := range values {
		values[i] = float32(i) / 1000
	}
	x := model.Of("x", values, 1, 3, 224, 224)
	text, _ := x.AppendData(nil)
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := x.ReadData(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		buf := make([]byte, 0, 2*len(text))
		for b.Loop() {
			x.AppendData(buf)
		}
	})
}
