package model

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// objects is a model with a table and two optional inputs.
func objects() *Signature {
	return &Signature{Inputs: []Field{
		{Name: "people", Type: Bytes, Shape: []int64{1}, Parameters: &FieldParameters{Kind: KindTable, Columns: []Column{{"age", Int64}, {"name", Bytes}}}},
		{Name: "scale", Type: FP64, Shape: []int64{1}, Parameters: &FieldParameters{Optional: true}},
		{Name: "note", Type: Bytes, Shape: []int64{1}, Parameters: &FieldParameters{Kind: KindJSON, Optional: true}},
	}, Outputs: []Field{{Name: "y", Type: FP64, Shape: []int64{1}}}}
}

// told is a request in a line.
func told(r *Request) string {
	var parts []string
	for i := range r.Inputs {
		list, err := r.Inputs[i].Strings()
		if err != nil {
			return err.Error()
		}
		parts = append(parts, r.Inputs[i].Name+"="+strings.Join(list, ";"))
	}
	return strings.Join(parts, " ")
}

func TestParseJSON(t *testing.T) {
	matrix := &Signature{Inputs: []Field{{Name: "x", Type: FP32, Shape: []int64{-1, 2}}}, Outputs: []Field{{Name: "y", Type: FP32}}}
	blob := &Signature{Inputs: []Field{{Name: "b", Type: Bytes, Shape: []int64{-1}}}, Outputs: []Field{{Name: "y", Type: FP32}}}
	for _, c := range []struct {
		s          *Signature
		text, want string // requests with | between, or an error
		many       bool
	}{
		{objects(), `{"people":[{"age":1}],"scale":2}`, `people=[{"age":1}] scale=2`, false},
		{objects(), `{"people":[{"age":1}],"scale":null,"note":null}`, `people=[{"age":1}] note=null`, false},
		{objects(), `{"age":1,"name":"a"}`, `people=[{"age":1,"name":"a"}]`, false},
		{objects(), `{"age":[1,2],"name":["a","b"]}`, `people={"age":[1,2],"name":["a","b"]}`, false},
		{objects(), ` [{"age":1},{"age":2}] `, `people=[{"age":1},{"age":2}]`, false},
		{objects(), `"age,name\n1,a"`, "people=age,name\n1,a", false},
		{objects(), `{"age":1,"size":2}`, `people=[{"age":1,"size":2}]`, false}, // the model says what it lacks
		{matrix, `{"x":[[1,2]]}`, "x=1;2", false},
		{matrix, `[[1,2],[3,4]]`, "x=1;2;3;4", false},
		{matrix, `[{"x":[1,2]},{"x":[3,4]}]`, "x=1;2|x=3;4", true},
		{matrix, `[{"x":[1,2]},{"x":[3]}]`, "error: x: it has the shape [1], the model takes FP32 [-1 2] (request 2)", false},
		{matrix, `{"y":1}`, `error: y: the model has no such input; it takes "x"`, false},
		{matrix, `[`, "error: it is no JSON", false},
		{matrix, ``, "error: it is no JSON", false},
		{blob, `[{"base64":"YQ=="},"b"]`, "b=a;b", false},
	} {
		list, many, err := c.s.ParseJSON([]byte(c.text))
		got := make([]string, 0, len(list))
		for _, r := range list {
			if err == nil {
				got = append(got, told(r))
			}
		}
		said := strings.Join(got, "|")
		if err != nil {
			said = "error: " + err.Error()
			if !errors.As(err, new(*InputError)) {
				t.Errorf("%s: %T", c.text, err)
			}
		}
		if said != c.want || many != c.many && err == nil {
			t.Errorf("%s: %s, %v\nwant %s, %v", c.text, said, many, c.want, c.many)
		}
	}
}

func TestRecord(t *testing.T) {
	r := Record{Table: objects().Table()}
	for name, word := range map[string]string{"age": "31"} {
		if ok, err := r.Add(name, word); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if ok, err := r.Add("name", `a"b`); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := r.Add("age", "32"); err == nil {
		t.Error("a column twice")
	}
	if ok, _ := r.Add("size", "32"); ok {
		t.Error("a column that there is not")
	}
	if got, err := r.Tensor(); err != nil || told(&Request{Inputs: []Tensor{got}}) != `people=[{"age":31,"name":"a\"b"}]` {
		t.Error(told(&Request{Inputs: []Tensor{got}}), err)
	}
	var none Record
	if ok, err := none.Add("age", "1"); ok || err != nil {
		t.Error("a column of no table")
	}
	if ok, err := (&Record{Table: objects().Table()}).Add("age", "x"); !ok || err == nil {
		t.Error("a word that is no number")
	}
}

// FuzzParseJSON shows that what is read fits the signature but for its constraints, and
// that tables of rows do no harm.
func FuzzParseJSON(f *testing.F) {
	list := []*Signature{objects(), {
		Inputs:  []Field{{Name: "x", Type: FP32, Shape: []int64{-1, 2}}, {Name: "s", Type: Bytes, Shape: []int64{1}, Parameters: &FieldParameters{Optional: true}}},
		Outputs: []Field{{Name: "y", Type: FP32}},
	}, {
		Inputs:  []Field{{Name: "a", Type: FP64, Shape: []int64{1}}, {Name: "b", Type: Int8, Shape: []int64{-1}}},
		Outputs: []Field{{Name: "y", Type: FP32}},
	}}
	f.Add(uint8(0), []byte(`{"age":[1],"name":["a"]}`))
	f.Add(uint8(1), []byte(`[{"x":[1,2],"s":"a"},{"x":[3,4]}]`))
	f.Add(uint8(2), []byte(`{"columns":["a","b"],"data":[[1,2],[null,4]]}`))
	f.Fuzz(func(t *testing.T, which uint8, text []byte) {
		s := list[int(which)%len(list)]
		check := func(requests []*Request, err error) {
			if err != nil {
				if !errors.As(err, new(*InputError)) {
					t.Errorf("%T: %v", err, err)
				}
				return
			}
			for _, r := range requests {
				for i := range r.Inputs {
					if err := r.Inputs[i].Check(); err != nil {
						t.Errorf("%s: %v", text, err)
					}
				}
			}
		}
		requests, _, err := s.ParseJSON(text)
		check(requests, err)
		var table struct {
			Columns []string
			Data    [][]json.RawMessage
		}
		if json.Unmarshal(text, &table) == nil {
			requests, _, err := s.ParseRows(table.Columns, table.Data)
			check(requests, err)
		}
		if requests, err := s.ParseCSV(text); err == nil {
			check(requests, nil)
		}
	})
}
