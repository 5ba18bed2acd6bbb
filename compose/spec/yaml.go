package spec

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/tree"
	"go.yaml.in/yaml/v4"

	"github.com/wherry-run/wherry/internal/pattern"
)

// MaxFile bounds a compose file, in bytes.
const MaxFile = 4 << 20

// Bounds of what is read. A compose file may come out of a registry.
const (
	maxFile   = MaxFile
	maxMarks  = 500_000 // characters of a file that may begin a value
	maxValues = 100_000 // values of all files, with those that aliases stand for
	maxDepth  = 100     // of values in values
	maxFiles  = 1000    // that are read for one stack, and documents in them
	maxNested = 64      // variables within defaults of variables
)

// A document is one of a file's: what it says, and where.
type document struct {
	file   string
	root   *yaml.Node
	tree   map[string]any
	resets []tree.Path // what of other files is left out: !reset and !override
}

// parse takes a file's documents apart. budget is what is left of maxValues.
func parse(file string, data []byte, budget *int) ([]document, error) {
	if len(data) > maxFile {
		return nil, &Error{File: file, Text: fmt.Sprintf("the file has %d bytes, and may have %d", len(data), maxFile)}
	}
	marks := 0
	for _, c := range []string{",", "\n", ":", "[", "{"} {
		marks += bytes.Count(data, []byte(c))
	}
	if marks > maxMarks {
		return nil, &Error{File: file, Text: "the file has too many values"}
	}
	var out []document
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		switch err := decoder.Decode(&n); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, syntax(file, data, err)
		}
		d := document{file: file, root: &n}
		r := reader{budget: budget, within: map[*yaml.Node]bool{}, document: &d}
		v, _, err := r.value(&n, tree.NewPath(), place{})
		if err != nil {
			var e *Error
			if errors.As(err, &e) {
				e.File = file
			}
			return nil, err
		}
		var ok bool
		if d.tree, ok = v.(map[string]any); !ok {
			return nil, &Error{File: file, Line: n.Line, Text: "a compose file is a mapping: services: and the like"}
		}
		out = append(out, d)
	}
}

// position is how the parser's errors say where.
var position = pattern.New(`(?: at )?(?:<unknown position>|line (\d+)(?:, column \d+)?)(: )?`)

// syntax is the parser's error with the file's name, and the line as people count: of two
// that it says the later is meant, and one of parsing counts from 0.
func syntax(file string, data []byte, err error) error {
	said := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &Error{File: file, Err: err}
	for _, m := range position.FindAllStringSubmatch(said, -1) {
		e.Line, _ = strconv.Atoi(m[1])
	}
	e.Text = strings.TrimSuffix(position.ReplaceAllString(said, "$2"), ": ")
	if strings.HasPrefix(said, "while parsing") {
		e.Line++
	}
	e.Line = min(e.Line, bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n"))+1)
	if e.Text = strings.TrimPrefix(e.Text, ": "); e.Text == "" {
		e.Text = said
	}
	return e
}

// A reader makes values of nodes.
type reader struct {
	*document
	budget *int
	within map[*yaml.Node]bool // anchors that are being read
}

// place is where a node stands.
type place struct {
	depth      int
	listed     bool // in a list: what is to be reset has no path
	overridden bool // in what overrides as a whole
}

// value makes a value of a node; there is none where the node is to be reset.
func (r *reader) value(n *yaml.Node, p tree.Path, at place) (v any, there bool, err error) {
	if *r.budget--; *r.budget < 0 {
		return nil, false, &Error{Line: n.Line, Text: fmt.Sprintf("there are more than %d values here, with those that aliases stand for", maxValues)}
	}
	if at.depth++; at.depth > maxDepth {
		return nil, false, &Error{Line: n.Line, Text: fmt.Sprintf("values are nested deeper than %d", maxDepth)}
	}
	if n.Tag == "!reset" || n.Tag == "!override" {
		if !at.listed && !at.overridden {
			r.resets = append(r.resets, p)
		}
		if n.Tag == "!reset" {
			return nil, false, nil
		}
		at.overridden = true
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return r.value(n.Content[0], p, at)
	case yaml.AliasNode:
		if r.within[n.Alias] {
			return nil, false, &Error{Line: n.Line, Path: p.String(), Text: fmt.Sprintf("*%s is within what it stands for: a cycle", n.Value)}
		}
		r.within[n.Alias] = true
		defer delete(r.within, n.Alias)
		return r.value(n.Alias, p, at)
	case yaml.SequenceNode:
		v, err = r.list(n, p, at)
		return v, true, err
	case yaml.MappingNode:
		v, err = r.mapping(n, p, at)
		return v, true, err
	}
	if err := n.Decode(&v); err != nil {
		return nil, false, &Error{Line: n.Line, Path: p.String(), Text: strings.TrimPrefix(err.Error(), "yaml: "), Err: err}
	}
	return v, true, nil
}

func (r *reader) list(n *yaml.Node, p tree.Path, at place) (any, error) {
	at.listed = true
	out := make([]any, 0, len(n.Content))
	for i, e := range n.Content {
		v, there, err := r.value(e, p.Next(strconv.Itoa(i)), at)
		if err != nil {
			return nil, err
		}
		if there {
			out = append(out, v)
		}
	}
	return out, nil
}

func (r *reader) mapping(n *yaml.Node, p tree.Path, at place) (map[string]any, error) {
	out := make(map[string]any, len(n.Content)/2)
	lines := map[string]int{}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, err := r.key(n.Content[i], p)
		if err != nil {
			return nil, err
		}
		line := n.Content[i].Line
		if before, twice := lines[key]; twice {
			return nil, &Error{Line: line, Path: p.Next(key).String(), Text: fmt.Sprintf("the key is there already, in line %d", before)}
		}
		lines[key] = line
		if merging(n.Content[i]) {
			merges = append(merges, n.Content[i+1])
			continue
		}
		v, there, err := r.value(n.Content[i+1], p.Next(key), at)
		if err != nil {
			return nil, err
		}
		if there {
			out[key] = v
		}
	}
	for _, m := range merges {
		if err := r.merge(out, m, p, at, true); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge adds what stands behind <<; what is there already stays.
func (r *reader) merge(out map[string]any, n *yaml.Node, p tree.Path, at place, lists bool) error {
	target := n
	if n.Kind == yaml.AliasNode {
		target = n.Alias
	}
	if lists && target.Kind == yaml.SequenceNode {
		for _, e := range target.Content {
			if err := r.merge(out, e, p, at, false); err != nil {
				return err
			}
		}
		return nil
	}
	v, there, err := r.value(n, p, at)
	if err != nil || !there {
		return err
	}
	from, ok := v.(map[string]any)
	if !ok {
		return &Error{Line: n.Line, Path: p.String(), Text: "<< takes a mapping, or a list of mappings"}
	}
	for k, v := range from {
		if _, ok := out[k]; !ok {
			out[k] = v
		}
	}
	return nil
}

// key is a mapping's key, which is text.
func (r *reader) key(n *yaml.Node, p tree.Path) (string, error) {
	line := n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if merging(n) {
		return n.Value, nil
	}
	var v any
	if n.Kind == yaml.ScalarNode {
		if err := n.Decode(&v); err != nil {
			return "", &Error{Line: line, Path: p.String(), Text: strings.TrimPrefix(err.Error(), "yaml: "), Err: err}
		}
	}
	s, ok := v.(string)
	if !ok {
		return "", &Error{Line: line, Path: p.String(), Text: fmt.Sprintf("the key %s is no text: quote it", n.Value)}
	}
	return s, nil
}

func merging(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "<<" && (n.Tag == "" || n.Tag == "!" || n.Tag == "!!merge")
}

// line is where a path is written, or what is around it.
func (d document) line(path []string) int { return lineOf(d.root, path, maxDepth) }

func lineOf(n *yaml.Node, path []string, depth int) int {
	for n.Kind == yaml.DocumentNode || n.Kind == yaml.AliasNode {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		} else {
			n = n.Content[0]
		}
	}
	if len(path) == 0 || depth == 0 {
		return n.Line
	}
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(path[0]); err == nil && i < len(n.Content) {
			return lineOf(n.Content[i], path[1:], depth-1)
		}
		return n.Line
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Value == path[0] {
			if len(path) == 1 {
				return key.Line
			}
			if at := lineOf(value, path[1:], depth-1); at > key.Line || value.Kind == yaml.AliasNode {
				return at
			}
			return key.Line
		}
	}
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if merging(n.Content[i]) {
			return lineOf(n.Content[i+1], path, depth-1)
		}
	}
	return n.Line
}
