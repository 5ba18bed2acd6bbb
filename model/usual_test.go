package model

import (
	"bytes"
	"reflect"
	"testing"
)

// plusTwo is a signature of numbers alone.
func plusTwo() *Signature {
	return &Signature{
		Inputs:  []Field{{Name: "x", Type: FP32, Shape: []int64{-1}}, {Name: "n", Type: Int64, Shape: []int64{1}, Parameters: &FieldParameters{Optional: true}}},
		Outputs: []Field{{Name: "y", Type: FP32}},
	}
}

func TestUsual(t *testing.T) {
	for text, usual := range map[string]bool{
		`{"x":[5.1,3.5,1.4,0.2]}`: true, `{ "n" : 3 , "x" : [ 1 ] }`: true, `{"n":3,"x":[]}`: true, `{"x":5}`: true, `{"x":["NaN",1e3]}`: true, `{"n":[7]}`: true,
		`{}`: false, `[]`: false, `{"x":[1]`: false, `{"x":[1]}}`: false, `{"x":[1],}`: false, `{"x":[1],"x":[2]}`: false, `{"x":null}`: false, `{"n":null,"x":[1]}`: false,
		`{"y":[1]}`: false, `{"x":[1] "n":2}`: false, `{"x":[01]}`: false, `{"x":[[1],[2,3]]}`: false, "{\"\\u0078\":[1]}": false, `{"x"[1]}`: false, `{"x":[1]} x`: false, `{"n":1.5}`: false, `{"n":[1,2]}`: false,
	} {
		if requests, ok := plusTwo().parseUsual([]byte(text)); ok != usual || ok && len(requests) != 1 {
			t.Errorf("%s: usual: %t, want %t", text, ok, usual)
		}
	}
}

// FuzzUsual shows that what is usual is read as anything else is.
func FuzzUsual(f *testing.F) {
	for _, text := range []string{`{"x":[5.1,3.5,1.4,0.2]}`, `{"n":3,"x":[[1],[2]]}`, `{"x":["NaN"],"n":true}`, `{"x":{"base64":"AAA="}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = bytes.TrimSpace(text)
		s := plusTwo()
		got, ok := s.parseUsual(text)
		if !ok {
			return
		}
		want, many, err := s.parseDocument(text)
		if err != nil || many || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, and %v, %t, %v", text, got, want, many, err)
		}
	})
}
