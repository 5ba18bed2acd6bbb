package oip

import (
	"encoding/json"
	"testing"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// FuzzRequest reads requests of JSON and tensors in binary. What is read must agree
// with itself as far as the bytes say so, and with encoding/json about what is JSON.
func FuzzRequest(f *testing.F) {
	for _, s := range []struct {
		body   string
		length int
	}{
		{`{"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}],"outputs":[{"name":"y","parameters":{"binary_data":true,"classification":2}}]}`, -1},
		{`{"inputs":[{"name":"x","shape":[1,2],"datatype":"INT8","parameters":{"binary_data_size":2}}],"parameters":{"binary_data_output":true,"priority":1}}ab`, 139},
		{`{"inputs":[{"data":["a","\ud83d\ude00"],"name":"x","shape":[2],"datatype":"BYTES"}],"x":{"a":[null]}}`, -1},
		{`{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"parameters":{"content_type":"base64"},"data":[["YQ=="]]}]}`, -1},
		{`{"inputs":[]} `, -1}, {`{"inputs":[{"name":"x","shape":[0],"datatype":"BOOL","data":[]},]}`, -1}, {`{"id":1,"outputs":null,"parameters":null,"inputs":[]}`, -1},
	} {
		if s.length < 0 {
			s.length = len(s.body)
		}
		f.Add([]byte(s.body), s.length)
	}
	f.Fuzz(func(t *testing.T, body []byte, length int) {
		if length < 0 || length > len(body) {
			return
		}
		before := string(body)
		q, err := readRequest(body, length)
		if string(body) != before {
			t.Fatal("the body was changed")
		}
		if err != nil {
			return
		}
		if !json.Valid(body[:length]) {
			t.Fatalf("%q was read, which is no JSON", body[:length])
		}
		binary := 0
		for i := range q.Inputs {
			in := &q.Inputs[i]
			if in.Shape == nil {
				t.Fatalf("%s has no shape", in.Name)
			}
			for _, p := range []string{binarySize, "shared_memory_region"} {
				if _, ok := in.Parameters[p]; ok {
					t.Fatalf("%s has the parameter %s", in.Name, p)
				}
			}
			// What came in binary is checked with the signature; as far as it is sound,
			// it can be answered with.
			if in.Check() == nil {
				a := response{receipt: &repository.Receipt{Model: in.Name}, outputs: []model.Tensor{*in}, binary: func(string) bool { return false }}
				if text, _ := a.append(nil, nil); !json.Valid(text) {
					t.Fatalf("%q was written, which is no JSON", text)
				}
			}
			binary += len(in.Data)
		}
		if binary < len(body)-length {
			t.Fatalf("%d bytes of tensors were taken as %d", len(body)-length, binary)
		}
	})
}

// FuzzGenerate reads requests of the generate extension.
func FuzzGenerate(f *testing.F) {
	for _, s := range []string{`{"text_input":"a","parameters":{"temperature":0.5},"id":"1"}`, `{"prompt":["a"],"stream":true}`, `[]`, `null`, `{"a":{"b":[1]}}`} {
		f.Add([]byte(s))
	}
	sig := &model.Signature{Inputs: []model.Field{{Name: "prompt", Type: model.Bytes, Shape: []int64{1}}, {Name: "n", Type: model.Int64}}, Outputs: []model.Field{{Name: "y", Type: model.FP32}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		g := &generation{}
		g.status.Signature = sig
		g.call.Request = &model.Request{}
		members, err := (&scanner{text: body}).members()
		if err != nil || g.fill(members) != nil {
			return
		}
		for i := range g.call.Request.Inputs {
			if err := g.call.Request.Inputs[i].Check(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
