package task_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/serve/task"
)

func TestInputs(t *testing.T) {
	var many *task.CountError
	for _, c := range []struct {
		name, value string
		texts       []string
		tokens      [][]int64
		err         error
	}{
		{"a text", ` "a,b" `, []string{"a,b"}, nil, nil},
		{"texts", `["a", "b\"]"]`, []string{"a", `b"]`}, nil, nil},
		{"nothing in a list", ` [ ] `, []string{}, nil, nil},
		{"tokens", `[1, 2]`, nil, [][]int64{{1, 2}}, nil},
		{"lists of tokens", `[[1], [2, 3], []]`, nil, [][]int64{{1}, {2, 3}, {}}, nil},
		{"nothing", ``, nil, nil, task.ErrNoInputs},
		{"null", `null`, nil, nil, task.ErrNoInputs},
		{"an object", `{"a":"b"}`, nil, nil, task.ErrNotInputs},
		{"a number", `1`, nil, nil, task.ErrNotInputs},
		{"a mixture", `["a", 1]`, nil, nil, task.ErrNotInputs},
		{"another", `[1, "a"]`, nil, nil, task.ErrNotInputs},
	} {
		texts, tokens, err := task.Inputs([]byte(c.value))
		if !errors.Is(err, c.err) || err == nil && (!reflect.DeepEqual(texts, c.texts) || !reflect.DeepEqual(tokens, c.tokens)) {
			t.Errorf("%s: %q %v %v", c.name, texts, tokens, err)
		}
	}
	most := `[""` + strings.Repeat(`,""`, task.MaxTexts-1) + `]`
	if texts, _, err := task.Inputs([]byte(most)); err != nil || len(texts) != task.MaxTexts {
		t.Errorf("%d texts, %v", len(texts), err)
	}
	if _, _, err := task.Inputs([]byte(`["",` + most[1:])); !errors.As(err, &many) || many.N != task.MaxTexts+1 {
		t.Errorf("one more: %v", err)
	}
}

func TestSequences(t *testing.T) {
	for _, c := range []struct {
		value        string
		texts, pairs []string
		many, wrong  bool
	}{
		{`"a"`, []string{"a"}, nil, false, false},
		{`["a"]`, []string{"a"}, nil, false, false},
		{`["a","b"]`, []string{"a"}, []string{"b"}, false, false},
		{`[["a"],["b"]]`, []string{"a", "b"}, nil, true, false},
		{`[["a","b"],["c","d"]]`, []string{"a", "c"}, []string{"b", "d"}, true, false},
		{`[["a","b"],["c"]]`, nil, nil, false, true},
		{`[["a"],["c","d"]]`, nil, nil, false, true},
		{`["a","b","c"]`, nil, nil, false, true},
		{`[["a"],"b"]`, nil, nil, false, true},
		{`[]`, nil, nil, false, true},
		{`[[]]`, nil, nil, false, true},
		{`[1]`, nil, nil, false, true},
		{`{}`, nil, nil, false, true},
	} {
		texts, pairs, many, err := task.Sequences([]byte(c.value))
		if (err != nil) != c.wrong || !c.wrong && (!reflect.DeepEqual(texts, c.texts) || !reflect.DeepEqual(pairs, c.pairs) || many != c.many) {
			t.Errorf("%s: %q %q %v %v", c.value, texts, pairs, many, err)
		}
	}
}

// TestCounted: a list of more than is read takes no room before that is known.
func TestCounted(t *testing.T) {
	const n = 1 << 20
	texts, numbers := []byte(`[""`+strings.Repeat(`,""`, n)+`]`), []byte(`[[]`+strings.Repeat(`,[]`, n)+`]`)
	pair := []byte(`[["a"` + strings.Repeat(`,"a"`, n) + `]]`)
	for name, read := range map[string]func() error{
		"texts":   func() error { _, _, err := task.Inputs(texts); return err },
		"tokens":  func() error { _, _, err := task.Inputs(numbers); return err },
		"classes": func() error { _, _, _, err := task.Sequences(texts); return err },
		"pair":    func() error { _, _, _, err := task.Sequences(pair); return err },
		"list": func() error {
			var list task.List[json.RawMessage]
			return json.Unmarshal(texts, &list)
		},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; err == nil || took > 10<<20 {
			t.Errorf("%s: %d bytes, %v", name, took, err)
		}
	}
}

func FuzzInputs(f *testing.F) {
	for _, s := range []string{`"a"`, `["a",["b"]]`, `[[1,2],[3]]`, `[["a","b"]]`, `[[],[]]`, ` [1 , 2]`, `nul`, `["\"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if !json.Valid(value) {
			return
		}
		texts, tokens, err := task.Inputs(value)
		if err == nil && (len(texts) > task.MaxTexts || len(tokens) > task.MaxTexts) {
			t.Errorf("%d texts, %d lists", len(texts), len(tokens))
		}
		if _, pairs, _, err := task.Sequences(value); err == nil && len(pairs) > task.MaxTexts {
			t.Errorf("%d pairs", len(pairs))
		}
	})
}
