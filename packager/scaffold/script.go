package scaffold

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// wide is from how many columns on a request is one value instead of one for
// each.
const wide = 48

// script writes the predict.py of a pickle.
type script struct {
	*report
	o       Options
	b       strings.Builder
	params  []string // of the columns, by their order
	body    []string
	answers []string // fields of Answer
}

func newScript(r *report, o Options) *script {
	s := &script{report: r, o: o}
	n := newNames()
	for _, c := range r.Columns {
		s.params = append(s.params, n.make(c.Name))
	}
	return s
}

func (s *script) line(format string, args ...any) { fmt.Fprintf(&s.b, format+"\n", args...) }

// write gives the text, and the example rows as inputs of it.
func (s *script) write() (string, []map[string]any) {
	s.line(`"""Answers requests with %s: %s.`, comment(s.o.Model), s.said())
	s.line("")
	s.line("Written by wherry init. A line that ends in %q holds a guess: look at it.", Mark)
	s.line(`The others need no change."""`)
	s.imports()
	s.line("")
	s.line("HERE = os.path.dirname(os.path.abspath(__file__))")
	if s.Input == "table" {
		s.list("FEATURES", s.Features)
	}
	if len(s.Classes) > 0 {
		s.list("CLASSES", s.Classes)
	}
	s.definitions()
	s.load()
	s.prepare()
	s.answer()
	inputs := s.function()
	return s.b.String(), inputs
}

func (s *script) imports() {
	s.line("import os")
	if s.Format != "joblib" {
		s.line("import pickle")
	}
	s.line("from typing import %s", strings.Join(s.typing(), ", "))
	s.line("")
	if s.Format == "joblib" || s.Prepare != nil && len(s.Prepare.Loads) > 0 {
		s.line("import joblib")
	}
	if s.Input == "array" {
		s.line("import numpy as np")
	}
	if s.Input == "table" {
		s.line("import pandas as pd")
	}
	s.moreImports()
}

func (s *script) typing() []string {
	list := []string{"TypedDict"}
	if s.choices(s.Classes) != "" || slices.ContainsFunc(s.Columns, func(c column) bool { return s.choices(c.Choices) != "" }) {
		list = []string{"Literal", "TypedDict"}
	}
	return list
}

// choices is a Literal of values, "" when there are none, too many or other ones.
func (s *script) choices(values []any) string {
	if len(values) == 0 || len(values) > 100 {
		return ""
	}
	for _, v := range values {
		if _, ok := v.(string); !ok {
			return ""
		}
	}
	return "Literal[" + literals(values) + "]"
}

// list writes a constant, in several lines when it is long.
func (s *script) list(name string, values any) {
	var words []string
	switch v := values.(type) {
	case []string:
		for _, w := range v {
			words = append(words, quoted(w))
		}
	case []any:
		for _, w := range v {
			words = append(words, literal(w))
		}
	}
	text := strings.Join(words, ", ")
	if len(text) < 90 {
		s.line("%s = [%s]", name, text)
		return
	}
	s.line("%s = [", name)
	row := "   "
	for _, w := range words {
		if len(row)+len(w) > 96 {
			s.line("%s", row)
			row = "   "
		}
		row += " " + w + ","
	}
	s.line("%s\n]", row)
}

// borrowed are statements of the notebook or script that stand once in the file:
// those that the pickle refers to, and those that prepare needs.
func (s *script) borrowed() []definition {
	list := slices.Clone(s.Definitions)
	if s.Prepare == nil {
		return list
	}
	for _, l := range s.Prepare.Top {
		if !slices.ContainsFunc(list, func(d definition) bool { return d.Text == l[0] }) {
			list = append(list, definition{Text: l[0], Place: l[1]})
		}
	}
	return list
}

// isImport tells imports from other statements.
func (d definition) isImport() bool {
	return strings.HasPrefix(d.Text, "import ") || strings.HasPrefix(d.Text, "from ")
}

// moreImports are those of borrowed statements, as far as they are not there yet.
func (s *script) moreImports() {
	for _, d := range s.borrowed() {
		if d.isImport() && !strings.Contains("\n"+s.b.String(), "\n"+d.Text+"\n") {
			s.marked("", d.Text, s.o.Source+", "+d.Place)
		}
	}
}

// definitions are the other borrowed statements.
func (s *script) definitions() {
	for _, d := range s.borrowed() {
		if d.isImport() {
			continue
		}
		if strings.Contains(d.Text, "\n") {
			s.line("\n")
		}
		s.marked("", d.Text, s.o.Source+", "+d.Place)
	}
}

// marked writes a statement that is a guess, and where it is from.
func (s *script) marked(indent, text, from string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) == 1 {
		s.line("%s%s  %s: from %s", indent, text, Mark, comment(from))
		return
	}
	s.line("%s# The next %d lines are from %s.  %s", indent, len(lines), comment(from), Mark)
	for _, l := range lines {
		s.line("%s%s", indent, l)
	}
}

func (s *script) load() {
	s.line("\n# Loaded once, when the model starts; predict is called as often as needed.")
	name := "model"
	if s.Part != nil {
		name = "bundle"
	}
	path := quoted(s.o.Model)
	if s.Format == "joblib" {
		s.line("%s = joblib.load(os.path.join(HERE, %s))", name, path)
	} else {
		s.line("with open(os.path.join(HERE, %s), \"rb\") as file:", path)
		s.line("    %s = pickle.load(file)", name)
	}
	if s.Part != nil {
		s.line("model = bundle[%s]", literal(s.Part.Key))
		for _, other := range s.Part.Others {
			s.line("# The file holds bundle[%s] too, a %s.  %s", literal(other[0]), comment(fmt.Sprint(other[1])), Mark)
		}
	}
	if s.Prepare == nil {
		return
	}
	for _, name := range slices.Sorted(keys(s.Prepare.Loads)) {
		s.line("%s = joblib.load(os.path.join(HERE, %s))", name, quoted(filepath.Base(filepath.FromSlash(s.Prepare.Loads[name]))))
	}
}

// prepare is the function that makes the model's columns of a request's.
func (s *script) prepare() {
	p := s.Prepare
	if p == nil {
		return
	}
	s.line("\n\ndef prepare(%s):", p.Frame)
	s.line(`    """What %s does to its table before the model sees it; it was tried on the table's rows."""`, comment(s.o.Source))
	for _, n := range p.Notes {
		s.line("    # Look at this: %s  %s", comment(n), Mark)
	}
	for i, l := range p.Lines {
		if i == len(p.Lines)-1 {
			s.line("    %s", l[0])
			break
		}
		s.marked("    ", l[0], s.o.Source+", "+l[1])
	}
}

// answer says what predict gives, and how it is made of what the model does.
func (s *script) answer() {
	kind := func(one string) (string, string, string) {
		if s.Outputs > 1 {
			return "list[" + one + "]", "[" + one + "(v) for v in ", "]"
		}
		return one, one + "(", ")"
	}
	field := func(name, hint, value string) {
		s.answers = append(s.answers, fmt.Sprintf("%s: %s", name, hint))
		s.body = append(s.body, fmt.Sprintf("%q: %s", name, value))
	}
	switch {
	case !s.can("predict"):
		field("output", "list[float]", "[float(v) for v in model.transform(table)[0]]")
	case s.Kind == "classifier" && len(s.Classes) > 0:
		hint, conversion := "str", "str"
		switch s.Classes[0].(type) {
		case bool:
			hint, conversion = "bool", "bool"
		case json.Number:
			hint, conversion = "float", "float"
			if !strings.ContainsAny(fmt.Sprint(s.Classes[0]), ".eE") {
				hint, conversion = "int", "int"
			}
		}
		if c := s.choices(s.Classes); c != "" {
			hint = c
		}
		field("prediction", hint, conversion+"(model.predict(table)[0])")
		if s.can("predict_proba") {
			field("probabilities", "list[float]", "model.predict_proba(table)[0].tolist()")
		}
	case s.Kind == "classifier":
		field("prediction", "list[str]", "[str(v) for v in model.predict(table)[0]]")
	case s.Kind == "clusterer" || s.Kind == "outlier_detector":
		field("prediction", "int", "int(model.predict(table)[0])")
		if s.can("decision_function") {
			field("score", "float", "float(model.decision_function(table)[0])")
		}
	default:
		hint, before, after := kind("float")
		if s.Outputs > 1 {
			field("prediction", hint, before+"model.predict(table)[0]"+after)
			break
		}
		field("prediction", hint, before+"np.ravel(model.predict(table))[0]"+after)
	}
	if strings.Contains(strings.Join(s.body, ""), "np.") && s.Input != "array" {
		s.body[0] = strings.ReplaceAll(s.body[0], "np.ravel(model.predict(table))[0]", "model.predict(table).ravel()[0]")
	}
	s.line("\n\nclass Answer(TypedDict):")
	if len(s.Classes) > 0 && s.can("predict_proba") {
		s.line(`    """What predict gives; probabilities are in the order of CLASSES."""`)
	} else {
		s.line(`    """What predict gives."""`)
	}
	for _, a := range s.answers {
		s.line("    %s", a)
	}
}

// function writes predict, and gives the example rows as its inputs.
func (s *script) function() []map[string]any {
	var inputs []map[string]any
	result := "    return {" + strings.Join(s.body, ", ") + "}"
	switch {
	case s.Input == "text":
		s.line("\n\ndef predict(text: str) -> Answer:")
		s.line("    table = [text]")
		for _, row := range s.Rows {
			if len(row) == 1 {
				inputs = append(inputs, map[string]any{"text": row[0]})
			}
		}
	case s.Input == "array" && (len(s.Features) != len(s.Columns) || len(s.Columns) > wide):
		s.line("\n\ndef predict(x: list[float]) -> Answer:")
		s.line(`    """x: %d numbers, in the order of training."""`, len(s.Columns))
		s.line("    table = np.asarray([x], dtype=float)")
		for _, row := range s.Rows {
			inputs = append(inputs, map[string]any{"x": row})
		}
	case len(s.Columns) > wide:
		s.line("\n\ndef predict(row: dict) -> Answer:")
		s.line(`    """row: a value for each of %d columns, by its name."""`, len(s.Columns))
		s.line("    table = pd.DataFrame([row])")
		for _, row := range s.Rows {
			inputs = append(inputs, map[string]any{"row": named(s.Columns, nil, row)})
		}
	default:
		s.line("\n\ndef predict(")
		for i, c := range s.Columns {
			s.line("    %s: %s,%s", s.params[i], s.hint(c), s.why(c))
		}
		s.line(") -> Answer:")
		if s.Input == "array" {
			s.line("    table = np.asarray([[%s]], dtype=float)", strings.Join(s.params, ", "))
		} else {
			s.line("    table = pd.DataFrame([{")
			for i, c := range s.Columns {
				s.line("        %s: %s,", quoted(c.Name), s.params[i])
			}
			s.line("    }])")
		}
		for _, row := range s.Rows {
			inputs = append(inputs, named(s.Columns, s.params, row))
		}
	}
	if s.Input == "table" {
		if s.Prepare != nil {
			s.line("    table = prepare(table)")
		} else {
			s.line("    table = table[FEATURES]")
		}
	}
	if s.Part != nil {
		for _, other := range s.Part.Others {
			if strings.HasSuffix(fmt.Sprint(other[1]), "Scaler") {
				s.line("    table = bundle[%s].transform(table)  %s", literal(other[0]), Mark)
			}
		}
	}
	s.line("%s", result)
	return inputs
}

// hint is the type of a column as a parameter.
func (s *script) hint(c column) string {
	if text := s.choices(c.Choices); text != "" {
		return text
	}
	return c.Type
}

// why marks the type of a column that nothing but a guess speaks for.
func (s *script) why(c column) string {
	if s.RowsFrom == guessed && len(c.Choices) == 0 {
		return "  " + Mark + " the type, if it is another"
	}
	return ""
}

// named is a row by the names of its columns, or of their parameters.
func named(columns []column, params []string, row []any) map[string]any {
	out := map[string]any{}
	for i, c := range columns {
		name := c.Name
		if params != nil {
			name = params[i]
		}
		out[name] = row[i]
	}
	return out
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
