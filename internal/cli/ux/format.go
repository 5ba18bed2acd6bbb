package ux

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"text/template"
)

// A Column is one column of a listing: its heading and the field of the row
// (as Docker's --format names it) that it shows.
type Column struct{ Heading, Field string }

// List prints rows (a slice of structs) as a table of columns, or as format
// says: "json" (one JSON object a line), "table TEMPLATE", or a Go template per
// row, as Docker's listings do.
func List[T any](w io.Writer, format string, columns []Column, rows []T) error {
	switch {
	case format == "" || format == "table":
		return table(w, columns, rows)
	case format == "json":
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, r := range rows {
			if err := enc.Encode(r); err != nil {
				return fmt.Errorf("encode row: %w", err)
			}
		}
		return nil
	}
	text, asTable := strings.CutPrefix(format, "table ")
	t, err := parse(text)
	if err != nil {
		return err
	}
	if !asTable {
		return execute(w, t, rows)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if err := t.Execute(tw, headings(columns)); err != nil {
		return fmt.Errorf("format heading: %w", err)
	}
	fmt.Fprintln(tw)
	if err := execute(tw, t, rows); err != nil {
		return err
	}
	return tw.Flush()
}

// Object prints one value: indented JSON, or through a Go template.
func Object(w io.Writer, format string, v any) error {
	if format == "" || format == "json" {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		if format == "" {
			enc.SetIndent("", "    ")
		}
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("encode value: %w", err)
		}
		return nil
	}
	t, err := parse(format)
	if err != nil {
		return err
	}
	err = execute(w, t, []any{v})
	if err == nil {
		return nil
	}
	// The names in the JSON are names for templates, too: {{.Id}} as {{.ID}}.
	if raw, rawErr := untyped(v); rawErr == nil && execute(w, t.Option("missingkey=error"), []any{raw}) == nil {
		return nil
	}
	return err
}

// untyped is a value as its JSON says.
func untyped(v any) (any, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	var raw any
	err = decoder.Decode(&raw)
	return raw, err
}

func parse(text string) (*template.Template, error) {
	unescaped := strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)
	t, err := template.New("--format").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"join":  strings.Join,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"split": strings.Split,
		"title": func(s string) string {
			if s == "" {
				return s
			}
			return strings.ToUpper(s[:1]) + s[1:]
		},
		"truncate": func(s string, n int) string {
			if len(s) > n {
				return s[:n]
			}
			return s
		},
	}).Parse(unescaped)
	if err != nil {
		return nil, &UsageError{Text: fmt.Sprintf("template of --format: %v", err)}
	}
	return t, nil
}

func execute[T any](w io.Writer, t *template.Template, rows []T) error {
	for _, r := range rows {
		var line bytes.Buffer // so that a failing template prints no half line
		if err := t.Execute(&line, r); err != nil {
			return &UsageError{Text: fmt.Sprintf("template of --format: %v", err)}
		}
		line.WriteByte('\n')
		if _, err := line.WriteTo(w); err != nil {
			return err
		}
	}
	return nil
}

func table[T any](w io.Writer, columns []Column, rows []T) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for i, c := range columns {
		if i > 0 {
			fmt.Fprint(tw, "\t")
		}
		fmt.Fprint(tw, c.Heading)
	}
	fmt.Fprintln(tw)
	for _, r := range rows {
		v := reflect.Indirect(reflect.ValueOf(r))
		for i, c := range columns {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, cell(v.FieldByName(c.Field).Interface()))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

// cell is a value on one line: what comes from an image must not end it.
func cell(v any) string {
	return strings.NewReplacer("\n", " ", "\t", " ").Replace(Printable(fmt.Sprint(v)))
}

// Line prints a line of text, some of which may be other people's.
func Line(w io.Writer, text string) {
	fmt.Fprintln(w, cell(text))
}

// Table prints rows of cells below their headings.
func Table(w io.Writer, head []string, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		for i, c := range row {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, cell(c))
		}
		fmt.Fprintln(tw)
	}
	return tw.Flush()
}

func headings(columns []Column) map[string]string {
	m := make(map[string]string, len(columns))
	for _, c := range columns {
		m[c.Field] = c.Heading
	}
	return m
}
