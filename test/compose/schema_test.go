package compose

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/schema"
)

// A node is a schema.
type node struct {
	Ref        string           `json:"$ref"`
	Type       any              `json:"type"`
	Properties map[string]*node `json:"properties"`
	Patterns   map[string]*node `json:"patternProperties"`
	Items      *node            `json:"items"`
	OneOf      []*node          `json:"oneOf"`
	AllOf      []*node          `json:"allOf"`
	AnyOf      []*node          `json:"anyOf"` // of which each says what is required
	Required   []string         `json:"required"`
	Enum       []any            `json:"enum"`
	Defs       map[string]*node `json:"$defs"`
}

// A place is an attribute of the specification: a file that is right, with a hole in it.
type place struct {
	path string
	fill func(v any) any // the file
	of   *node
}

type walker struct {
	root   *node
	places []place
}

// flat is a schema without references, with what all of its parts say.
func (w *walker) flat(n *node) *node {
	for n.Ref != "" {
		n = w.root.Defs[filepath.Base(n.Ref)]
	}
	if len(n.AllOf) == 0 {
		return n
	}
	out := *n
	out.AllOf, out.Properties = nil, maps.Clone(n.Properties)
	for _, a := range n.AllOf {
		maps.Copy(out.Properties, w.flat(a).Properties)
	}
	return &out
}

// sample is a value that a schema takes.
func (w *walker) sample(n *node) any {
	n = w.flat(n)
	if len(n.Enum) > 0 {
		return n.Enum[0]
	}
	if len(n.OneOf) > 0 {
		return w.sample(n.OneOf[0])
	}
	kind, _ := n.Type.(string)
	if list, ok := n.Type.([]any); ok {
		kind, _ = list[0].(string)
	}
	switch kind {
	case "object":
		m := map[string]any{}
		for _, key := range w.needs(n) {
			m[key] = w.sample(n.Properties[key])
		}
		return m
	case "array":
		return []any{}
	case "integer", "number":
		return 1
	case "boolean":
		return true
	}
	return "sample"
}

// needs are the keys that must be there.
func (w *walker) needs(n *node) []string {
	if len(n.AnyOf) > 0 {
		return slices.Concat(n.Required, n.AnyOf[0].Required)
	}
	return n.Required
}

// walk finds the attributes below a schema.
func (w *walker) walk(n *node, path string, fill func(any) any, depth int) {
	n = w.flat(n)
	w.places = append(w.places, place{path, fill, n})
	if depth == 0 {
		return
	}
	for _, one := range n.OneOf {
		w.below(w.flat(one), path, fill, depth)
	}
	w.below(n, path, fill, depth)
}

func (w *walker) below(n *node, path string, fill func(any) any, depth int) {
	with := func(key string) func(any) any {
		return func(v any) any {
			m := map[string]any{}
			for _, need := range w.needs(n) {
				m[need] = w.sample(n.Properties[need])
			}
			m[key] = v
			if path == "services.k" && key != "image" {
				m["image"] = "sample"
			}
			return fill(m)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(n.Properties)) {
		w.walk(n.Properties[key], strings.TrimPrefix(path+"."+key, "."), with(key), depth-1)
	}
	for _, pattern := range slices.Sorted(maps.Keys(n.Patterns)) {
		if !strings.HasPrefix(pattern, "^x-") {
			w.walk(n.Patterns[pattern], strings.TrimPrefix(path+".k", "."), with("k"), depth-1)
		}
	}
	if n.Items != nil {
		w.walk(n.Items, path+"[]", func(v any) any { return fill([]any{v}) }, depth-1)
	}
}

// values are put into every attribute: one of each kind, those at the bounds, and keys
// that are none.
var values = []any{
	nil, true, -1, 7, 1.5, "text", "7", []any{"one", "one"}, []any{nil}, []any{map[string]any{}}, map[string]any{}, map[string]any{"k": "v"}, map[string]any{"no such": "v"},
}

// more are those of the long form of the test.
var more = []any{
	0, 101, 4294967296, "", "true", []any{}, []any{"one"}, []any{1}, map[string]any{"k": nil}, map[string]any{"x-any": 1}, map[string]any{"k": map[string]any{}},
}

var long = os.Getenv("WHERRY_TEST_COMPOSE") == "long"

// TestSchema puts values of every kind into every attribute of the specification's schema:
// what the library takes and refuses is taken and refused here, and is read the same.
// WHERRY_TEST_COMPOSE=long asks about all of them, of jobs too.
func TestSchema(t *testing.T) {
	w := &walker{root: &node{}}
	if err := json.Unmarshal([]byte(schema.Schema), w.root); err != nil {
		t.Fatal(err)
	}
	w.walk(w.root, "", func(v any) any { return v }, 9)
	dir := t.TempDir()
	name := filepath.Join(dir, "compose.yaml")
	count, taken, differences := 0, 0, map[string]bool{}
	for i, p := range w.places {
		// Jobs, and containers before services, have most in common with services.
		if !long && (strings.HasPrefix(p.path, "jobs.k.") || strings.HasPrefix(p.path, "services.k.pre_start[].")) {
			continue
		}
		list := append(slices.Clone(values), p.of.Enum...)
		if long {
			list = append(list, more...)
		}
		for j, v := range list {
			if !long && (i+j)%2 > 0 { // half of them: neighbours have the others
				continue
			}
			b, err := json.Marshal(p.fill(v))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, b, 0o644); err != nil {
				t.Fatal(err)
			}
			diff, err := differ(question{files: []string{name}, dir: dir, name: "x", loose: true})
			count++
			if err == nil && diff == "" {
				taken++
			}
			if diff != "" && !differences[p.path+firstLine(diff)] {
				differences[p.path+firstLine(diff)] = true
				t.Errorf("%s: %s\n%s", p.path, b, diff)
			}
		}
	}
	t.Logf("%d attributes, %d files, %d of them taken", len(w.places), count, taken)
}

var word = regexp.MustCompile(`[0-9]+`)

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return word.ReplaceAllString(line, "0")
}
