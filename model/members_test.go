package model

import (
	"encoding/json"
	"maps"
	"testing"
)

func TestMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                              ``,
		` { } `:                           ``,
		`[1]`:                             ``,
		`3`:                               ``,
		`{"a":1,"b":"x"}`:                 `a=1 b="x" `,
		"{\n\t\"a\" : [1, {\"b\" : 2}] }": `a=[1, {"b" : 2}] `,
		`{"a\"b":"}\"{","c":{}}`:          `a"b="}\"{" c={} `,
		`{"\u0061":null,"a":-1e5}`:        `a=null a=-1e5 `,
		`{"":true , "x":"\\"}`:            `=true x="\\" `,
	} {
		got := ""
		for k, v := range Members([]byte(text)) {
			got += k + "=" + string(v) + " "
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// FuzzMembers holds Members against encoding/json.
func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"\"}"}],"\u00e9":null}`))
	f.Add([]byte(`[{},[],"x", 1 ]`))
	f.Add([]byte("{\"\xf8\":null}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			return
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) == nil {
			got := map[string]json.RawMessage{}
			for k, v := range Members(text) {
				got[k] = v
			}
			if !maps.EqualFunc(got, object, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
				t.Errorf("%q: %q, want %q", text, got, object)
			}
		}
		var list []json.RawMessage
		if json.Unmarshal(text, &list) == nil {
			i := 0
			for v := range elements(text) {
				if i >= len(list) || string(v) != string(list[i]) {
					t.Fatalf("%q: element %d is %q", text, i, v)
				}
				i++
			}
			if i != len(list) {
				t.Errorf("%q: %d elements of %d", text, i, len(list))
			}
		}
	})
}
