package model

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// Bounds on comma-separated values.
const (
	maxRows    = 10_000_000
	maxColumns = 100_000
)

// sheet is what a CSV file holds.
type sheet struct {
	head []string // nil when the first line is no head
	rows [][]string
	line int // of the first row
}

// readSheet reads CSV with commas, semicolons or tabs. A first line of which some
// cell is no number is the head.
func readSheet(text []byte) (*sheet, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma = separator(text)
	r.TrimLeadingSpace = r.Comma != '\t' // which it would take for the space before a cell that is empty
	r.ReuseRecord = false
	s := &sheet{line: 1}
	rows, err := readRows(r, text)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		return nil, fmt.Errorf("it is empty")
	case len(rows) > maxRows || len(rows[0]) > maxColumns:
		return nil, fmt.Errorf("it has %d rows and %d columns, more than %d and %d", len(rows), len(rows[0]), maxRows, maxColumns)
	}
	s.rows = rows
	if slices.ContainsFunc(rows[0], func(c string) bool { return !isNumber(c) }) {
		s.head, s.rows, s.line = rows[0], rows[1:], 2
		for i := range s.head {
			s.head[i] = strings.TrimSpace(s.head[i])
		}
	}
	return s, nil
}

// readRows reads all rows. A blank line is nothing, but in a table of one column an empty
// cell: without it the rows after it would be those before. At the end there may be some.
func readRows(r *csv.Reader, text []byte) ([][]string, error) {
	var rows [][]string
	for from := int64(0); ; from = r.InputOffset() {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		for range blanks(text[from:]) {
			if len(row) == 1 && len(rows) > 0 && len(rows) <= maxRows {
				rows = append(rows, []string{""})
			}
		}
		if rows = append(rows, row); len(rows) > maxRows+1 {
			return rows, nil // and they are too many
		}
	}
}

// blanks counts the blank lines at the beginning of a text.
func blanks(text []byte) (n int) {
	for {
		rest, ok := bytes.CutPrefix(text, []byte("\n"))
		if !ok {
			rest, ok = bytes.CutPrefix(text, []byte("\r\n"))
		}
		if !ok {
			return n
		}
		text, n = rest, n+1
	}
}

// separator is what stands between the cells of the first line.
func separator(text []byte) rune {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	best, most := ',', bytes.Count(line, []byte(","))
	for _, c := range []rune{'\t', ';'} {
		if n := bytes.Count(line, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

func isNumber(cell string) bool {
	_, ok := appendWord(nil, FP64, strings.TrimSpace(cell))
	return ok || strings.TrimSpace(cell) == ""
}

// ParseCSV makes a tensor for the field of comma-separated values: a table as it
// stands, numbers row by row. Where the field's columns have names and the file a
// head, they are found by name. An empty cell is NaN where there is one.
func (f *Field) ParseCSV(text []byte) (Tensor, error) {
	if f.Type == Bytes && f.single() {
		return f.whole(text), nil
	}
	t := Tensor{Name: f.Name, Type: f.Type}
	s, err := readSheet(text)
	if err != nil {
		return t, t.wrong("%v", err)
	}
	if f.Type == Bytes && s.head != nil && len(s.head) == 1 && s.head[0] != f.Name {
		s.rows, s.line, s.head = slices.Insert(s.rows, 0, s.head), 1, nil // texts have no head but their name
	}
	columns, err := f.columns(s)
	if err != nil {
		return t, err
	}
	return f.pick(s, columns)
}

// columns finds those of the field in a sheet, by name if it has them.
func (f *Field) columns(s *sheet) ([]int, error) {
	var list []int
	if f.Parameters == nil || len(f.Parameters.Columns) == 0 || s.head == nil {
		for i := range s.width() {
			list = append(list, i)
		}
		return list, nil
	}
	for _, c := range f.Parameters.Columns {
		i := slices.Index(s.head, c.Name)
		if i < 0 {
			return nil, &InputError{f.Name, fmt.Sprintf("the file has no column %q; it has %s", c.Name, listingOf(s.head))}
		}
		list = append(list, i)
	}
	return list, nil
}

func listingOf(words []string) string {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = w
	}
	return listing(list)
}

func (s *sheet) width() int {
	switch {
	case s.head != nil:
		return len(s.head)
	case len(s.rows) > 0:
		return len(s.rows[0])
	}
	return 0
}

// pick makes a tensor of some columns.
func (f *Field) pick(s *sheet, columns []int) (Tensor, error) {
	t := Tensor{Name: f.Name, Type: f.Type, Data: []byte{}}
	for n, row := range s.rows {
		for _, c := range columns {
			cell := row[c]
			var ok bool
			if t.Data, ok = f.appendCell(t.Data, cell); !ok {
				return t, t.wrong("line %d, column %s: %s is no %s", s.line+n, s.column(c), quote([]byte(cell)), f.Type)
			}
		}
	}
	shape := []int64{int64(len(s.rows)), int64(len(columns))}
	var err error
	if t.Shape, err = f.suit(shape); err == nil {
		return t, nil
	}
	for _, s := range [][]int64{shape[:1], shape[1:]} { // as a column, as a row
		if countOf(s) == countOf(shape) {
			if suited, serr := f.suit(s); serr == nil {
				t.Shape, err = suited, nil
				break
			}
		}
	}
	return t, err
}

func (s *sheet) column(c int) string {
	if s.head != nil {
		return quote([]byte(s.head[c]))
	}
	return fmt.Sprint(c + 1)
}

func (f *Field) appendCell(b []byte, cell string) ([]byte, bool) {
	if f.Type == Bytes {
		r := reader{out: b}
		r.bytes([]byte(cell))
		return r.out, true
	}
	cell = strings.TrimSpace(cell)
	if class, _ := f.Type.class(); cell == "" && class == floating {
		return appendNumber(b, f.Type, scalar{float: math.NaN()})
	}
	return f.appendPlain(b, cell)
}

// ParseCSV makes requests of comma-separated values: one, where the file is the
// only input or its columns are inputs of as many elements as there are rows; else
// the columns are inputs of one element, and each row is a request.
func (s *Signature) ParseCSV(text []byte) ([]*Request, error) {
	if f := s.Sole(); f != nil && (f.single() || f.Shape == nil || len(f.Shape) > 0) && !s.headed(f, text) {
		t, err := f.ParseCSV(text)
		if err != nil {
			return nil, err
		}
		return []*Request{{Inputs: []Tensor{t}}}, nil
	}
	sh, err := readSheet(text)
	if err != nil {
		return nil, &InputError{Reason: err.Error()}
	}
	fields, err := s.byColumn(sh)
	if err != nil {
		return nil, err
	}
	if r, ok := whole(sh, fields); ok {
		return []*Request{r}, nil
	}
	var list []*Request
	for n := range sh.rows {
		r := &Request{}
		one := &sheet{head: sh.head, rows: sh.rows[n : n+1], line: sh.line + n}
		for c, f := range fields {
			if f == nil || sh.rows[n][c] == "" && f.Optional() {
				continue
			}
			t, err := f.pick(one, []int{c})
			if err != nil {
				return nil, err
			}
			r.Inputs = append(r.Inputs, t)
		}
		list = append(list, r)
	}
	return list, nil
}

// headed tells whether the head of a file names inputs besides the one that is needed,
// or that one where it is one element a row.
func (s *Signature) headed(f *Field, text []byte) bool {
	if len(s.Inputs) == 1 && !f.one() || f.Type == Bytes && f.single() {
		return false
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if sh, err := readSheet(line); err == nil {
		for _, name := range sh.head {
			if in := s.Input(name); in != nil && (in != f || f.one()) {
				return true
			}
		}
	}
	return false
}

// byColumn finds the input of each column: by the head, else in their order. A
// column that is no input is left out.
func (s *Signature) byColumn(sh *sheet) ([]*Field, error) {
	fields := make([]*Field, sh.width())
	if sh.head == nil {
		if len(fields) > len(s.Inputs) {
			return nil, &InputError{"", fmt.Sprintf("the file has %d columns, and the model takes %d inputs: %s", len(fields), len(s.Inputs), names(s.Inputs))}
		}
		for c := range fields {
			fields[c] = &s.Inputs[c]
		}
		return fields, nil
	}
	for c, name := range sh.head {
		fields[c] = s.Input(name)
	}
	for i := range s.Inputs {
		if f := &s.Inputs[i]; !f.Optional() && !slices.Contains(fields, f) {
			return nil, &InputError{f.Name, "the file has no such column; it has " + listingOf(sh.head)}
		}
	}
	return fields, nil
}

// whole makes one request of all rows; false when an input has no room for them.
func whole(sh *sheet, fields []*Field) (*Request, bool) {
	r := &Request{}
	for c, f := range fields {
		if f == nil {
			continue
		}
		t, err := f.pick(sh, []int{c})
		if err != nil {
			return nil, false
		}
		r.Inputs = append(r.Inputs, t)
	}
	return r, true
}
