package model

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse makes a tensor for the field of a JSON value, as people write it: a
// number, string or truth, or lists of them. A value that lacks dimensions of
// length 1 gets them, and a flat list becomes rows where only that can be meant.
// Elements of BYTES are strings, or {"base64": "..."}; a file or an image may also
// be a data URL. A table is a list of records, an object of columns or CSV in a
// string; for a JSON document the value is it.
func (f *Field) Parse(value []byte) (Tensor, error) {
	value = bytes.TrimSpace(value)
	if !json.Valid(value) {
		return Tensor{}, &InputError{f.Name, "it is no JSON"}
	}
	return f.parse(value)
}

// parse is Parse of what is known to be JSON.
func (f *Field) parse(value []byte) (Tensor, error) {
	t := Tensor{Name: f.Name, Type: f.Type}
	if !utf8.Valid(value) {
		return t, t.wrong("it is no JSON")
	}
	switch k := f.Kind(); {
	case f.Type != Bytes:
	case k == KindJSON, k == KindTable && value[0] != '"':
		var b bytes.Buffer
		if err := json.Compact(&b, value); err != nil {
			return t, t.wrong("it is no JSON: %v", err)
		}
		if f.Part() != nil && value[0] == '[' { // of several parts of an answer
			list := [][]byte{}
			for one := range elements(b.Bytes()) {
				list = append(list, one)
			}
			return Of(f.Name, list), nil
		}
		return f.whole(b.Bytes()), nil
	case k == KindFile || k == KindImage:
		if b, ok := dataURL(value); ok {
			return f.whole(b), nil
		}
	}
	shape, data, err := readElements(f.Type, value, false, -1)
	if err != nil {
		return t, &InputError{f.Name, err.Error() + ": the model takes " + f.Describe()}
	}
	if t.Shape, err = f.suit(shape); err != nil {
		return t, err
	}
	t.Data = data
	return t, nil
}

// ParseText makes a tensor for the field of a word of a command line: a number,
// true or false, or a text; JSON, where the word is a list or an object that the
// field has a use for; or numbers with commas between.
func (f *Field) ParseText(word string) (Tensor, error) {
	if f.Type == Bytes {
		return f.parseString(word)
	}
	t := Tensor{Name: f.Name, Type: f.Type}
	if trimmed := strings.TrimSpace(word); strings.HasPrefix(trimmed, "[") {
		return f.Parse([]byte(trimmed))
	}
	data := []byte{}
	parts := strings.Split(word, ",")
	for _, p := range parts {
		var ok bool
		if data, ok = f.appendPlain(data, strings.TrimSpace(p)); !ok {
			return t, t.wrong("%s is no %s: the model takes %s", quote([]byte(p)), f.Type, f.Describe())
		}
	}
	shape := []int64{int64(len(parts))}
	if len(parts) == 1 {
		shape = []int64{}
	}
	var err error
	if t.Shape, err = f.suit(shape); err != nil {
		return t, err
	}
	t.Data = data
	return t, nil
}

// parseString is ParseText for BYTES.
func (f *Field) parseString(word string) (Tensor, error) {
	trimmed := strings.TrimSpace(word)
	switch f.Kind() {
	case KindJSON:
		if json.Valid([]byte(trimmed)) {
			return f.Parse([]byte(trimmed))
		}
		text, err := json.Marshal(word) // a word is a string
		return f.whole(text), err
	case KindTable, KindFile, KindImage:
		return f.whole([]byte(word)), nil
	}
	if strings.HasPrefix(trimmed, "[") && json.Valid([]byte(trimmed)) {
		if t, err := f.Parse([]byte(trimmed)); err == nil {
			return t, nil
		}
	}
	t := f.whole([]byte(word))
	var err error
	t.Shape, err = f.suit([]int64{})
	return t, err
}

// File makes a tensor for the field of the content of a file whose format is
// nothing to us: its bytes.
func (f *Field) File(content []byte) Tensor { return f.whole(content) }

// whole is a tensor of one element.
func (f *Field) whole(b []byte) Tensor {
	shape := []int64{1}
	if s, err := f.suit([]int64{}); err == nil {
		shape = s
	}
	return Of(f.Name, [][]byte{b}, shape...)
}

// appendPlain appends a number or a truth as people write them.
func (f *Field) appendPlain(b []byte, word string) ([]byte, bool) {
	if f.Type == Bool {
		switch strings.ToLower(word) {
		case "true", "1", "yes", "on":
			return append(b, 1), true
		case "false", "0", "no", "off":
			return append(b, 0), true
		}
		return b, false
	}
	if strings.ContainsAny(word, "_xXpP") { // Go's, nobody else's
		return b, false
	}
	return appendWord(b, f.Type, word)
}

// dataURL is the content of a data URL in a JSON string.
func dataURL(value []byte) ([]byte, bool) {
	var s string
	if json.Unmarshal(value, &s) != nil || !strings.HasPrefix(s, "data:") {
		return nil, false
	}
	head, content, ok := strings.Cut(s, ",")
	if !ok {
		return nil, false
	}
	if !strings.HasSuffix(head, ";base64") {
		plain, err := url.PathUnescape(content)
		return []byte(plain), err == nil
	}
	b, err := base64.StdEncoding.DecodeString(content)
	return b, err == nil
}

// suit finds the shape that a value of some shape has as the field's: dimensions
// of length 1 come and go, and a flat list fills the one dimension that is free.
func (f *Field) suit(shape []int64) ([]int64, error) {
	want := f.Shape
	switch {
	case fits(shape, want):
		return shape, nil
	case len(shape) < len(want):
		ones := slices.Repeat([]int64{1}, len(want)-len(shape))
		if s := slices.Concat(ones, shape); fits(s, want) {
			return s, nil
		}
		if s := slices.Concat(shape, ones); fits(s, want) {
			return s, nil
		}
		if s, ok := fill(want, countOf(shape)); ok && len(shape) <= 1 {
			return s, nil
		}
	case len(shape) > len(want):
		if s := without1(shape); len(s) < len(shape) {
			return f.suit(pad(s, len(want)))
		}
	case len(shape) == 1:
		if s, ok := fill(want, shape[0]); ok {
			return s, nil
		}
	}
	return nil, &InputError{f.Name, "it has the shape " + showShape(shape) + ", the model takes " + f.Describe()}
}

// fill gives a shape with one free dimension the length that n elements need.
func fill(want []int64, n int64) ([]int64, bool) {
	free, fixed := -1, int64(1)
	for i, d := range want {
		switch {
		case d >= 0:
			fixed *= d
		case free >= 0:
			return nil, false
		default:
			free = i
		}
		if fixed > n {
			return nil, false
		}
	}
	s := slices.Clone(want)
	switch {
	case free < 0:
		return s, fixed == n
	case fixed == 0 || n%fixed != 0:
		return nil, false
	}
	s[free] = n / fixed
	return s, true
}

func without1(shape []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(shape), func(d int64) bool { return d == 1 })
}

// pad puts dimensions of length 1 before a shape until it has n.
func pad(shape []int64, n int) []int64 {
	if len(shape) >= n {
		return shape
	}
	return slices.Concat(slices.Repeat([]int64{1}, n-len(shape)), shape)
}

// AppendValue appends the tensor as a JSON value: lists nested as its shape, a
// scalar as itself. The field that it is of, f, may be nil; where it always has one
// element, that is the value, and where the element is a JSON document, that is it.
// Bytes that are no text are {"base64": "..."}.
func (t *Tensor) AppendValue(b []byte, f *Field) ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if f != nil && f.Part() != nil && f.document() && len(t.Shape) == 1 {
		if list, ok := t.appendDocuments(b); ok {
			return list, nil
		}
	} else if doc, ok := t.document(f); ok {
		var c bytes.Buffer
		if err := json.Compact(&c, doc); err != nil {
			return nil, err
		}
		return append(b, c.Bytes()...), nil
	}
	shape := t.Shape
	if f != nil && (f.single() && f.Part() == nil || slices.Equal(f.Shape, []int64{1})) && countOf(shape) == 1 {
		shape = nil
	}
	if countOf(shape) == 0 && hollow(shape) {
		return nil, t.wrong("%s is a shape of too many lists with nothing in them", showShape(shape))
	}
	w := writer{tensor: t}
	if t.Type == Bytes && !t.isText() {
		return t.appendBinary(b, shape), nil
	}
	return w.list(b, shape), nil
}

// maxHollow bounds the lists that a tensor without elements is written as.
const maxHollow = 1 << 16

// hollow tells whether a shape without elements is too many empty lists.
func hollow(shape []int64) bool {
	n := int64(1)
	for _, d := range shape {
		if d == 0 {
			return false
		}
		if n > maxHollow/d {
			return true
		}
		n *= d
	}
	return false
}

// single tells whether the field is one file, image or table in a list.
func (f *Field) single() bool {
	switch f.Kind() {
	case KindFile, KindImage, KindTable, KindJSON:
		return true
	}
	return false
}

// document is the JSON document that a tensor holds.
func (t *Tensor) document(f *Field) ([]byte, bool) {
	if f == nil || t.Type != Bytes || countOf(t.Shape) != 1 {
		return nil, false
	}
	if k := f.Kind(); k != KindJSON && k != KindTable {
		return nil, false
	}
	doc := t.Data[4:]
	return doc, json.Valid(doc) && utf8.Valid(doc) && (f.Kind() == KindJSON || doc[0] == '[' || doc[0] == '{')
}

// appendDocuments appends a list of JSON documents, those of several parts of an answer;
// false when one is none.
func (t *Tensor) appendDocuments(b []byte) ([]byte, bool) {
	w := writer{tensor: t}
	c := bytes.NewBuffer(append(b, '['))
	for i := range t.Shape[0] {
		if i > 0 {
			c.WriteByte(',')
		}
		if doc := w.raw(); !utf8.Valid(doc) || json.Compact(c, doc) != nil {
			return b, false
		}
	}
	c.WriteByte(']')
	return c.Bytes(), true
}

// appendBinary is a list of objects with base64.
func (t *Tensor) appendBinary(b []byte, shape []int64) []byte {
	w := writer{tensor: t, base64: true}
	var list func(b []byte, shape []int64) []byte
	list = func(b []byte, shape []int64) []byte {
		if len(shape) == 0 {
			b = append(b, `{"base64":`...)
			return append(w.element(b), '}')
		}
		b = append(b, '[')
		for i := range shape[0] {
			if i > 0 {
				b = append(b, ',')
			}
			b = list(b, shape[1:])
		}
		return append(b, ']')
	}
	return list(b, shape)
}
