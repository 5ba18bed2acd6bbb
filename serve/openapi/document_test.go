package openapi

import (
	"bytes"
	"slices"
	"testing"
)

func TestAdd(t *testing.T) {
	op := &Operation{Responses: map[string]*Response{"200": {Description: "done"}}}
	for _, c := range []struct {
		pattern, method, path string
		variables             []string
	}{
		{"POST /v2/models/{model}/versions/{version}/infer", "post", "/v2/models/{model}/versions/{version}/infer", []string{"model", "version"}},
		{"GET /{$}", "get", "/", nil},
		{"GET /files/{path...}", "get", "/files/{path}", []string{"path"}},
		{"PUT /predictions/{id}", "put", "/predictions/{id}", []string{"id"}},
	} {
		d := New(Info{Title: "t", Version: "1"})
		if err := d.Add(c.pattern, op); err != nil {
			t.Error(err)
			continue
		}
		got := d.Paths[c.path][c.method]
		if got == nil {
			t.Errorf("%s: %v", c.pattern, d.Paths)
			continue
		}
		var names []string
		for _, p := range got.Parameters {
			names = append(names, p.Name)
		}
		if !slices.Equal(names, c.variables) {
			t.Errorf("%s: variables %v", c.pattern, names)
		}
		if d.Add(c.pattern, op) == nil {
			t.Errorf("%s is taken twice", c.pattern)
		}
	}
	if len(op.Parameters) != 0 {
		t.Error("the operation was changed")
	}
	for _, pattern := range []string{"", "/x", "GET x", "GET /{", "GET /{}", "get /x"} {
		if err := New(Info{}).Add(pattern, op); err == nil {
			t.Errorf("%q is a pattern", pattern)
		}
	}
}

func TestDocument(t *testing.T) {
	op := &Operation{Responses: map[string]*Response{"200": JSONAnswer("done", Ref("Output")), "400": {Description: "its own"}}}
	var first []byte
	for range 20 {
		d := New(Info{Title: "t", Version: "1"})
		for _, p := range []string{"GET /a", "POST /a", "GET /b/{x}"} {
			if err := d.Add(p, op); err != nil {
				t.Fatal(err)
			}
		}
		d.Named("Output", object())
		d.Everywhere(map[string]*Response{"400": {Description: "everybody's"}, "429": {Description: "busy"}})
		b, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !bytes.Equal(b, first) {
			t.Fatalf("two documents:\n%s%s", first, b)
		}
	}
	for _, want := range []string{`"429":{"description":"busy"}`, `"400":{"description":"its own"}`, `"openapi":"3.1.0"`} {
		if !bytes.Contains(first, []byte(want)) {
			t.Errorf("no %s in %s", want, first)
		}
	}
	if bytes.Contains(first, []byte("everybody's")) {
		t.Error("an answer was described by somebody else")
	}
	if len(op.Responses) != 2 {
		t.Error("the operation was changed")
	}
}
