package model

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// reader reads the elements of a tensor from JSON, in one pass and from text that
// nobody looked at before.
type reader struct {
	kind   DataType
	base64 bool  // strings are
	expect int64 // elements, as somebody said; less than 0: nobody did

	text  []byte
	at    int
	shape []int64 // of what was read, as far as it is known
	out   []byte
}

// readElements reads a text that holds nothing else, and gives the elements and
// the shape of the lists that they are nested in.
func readElements(kind DataType, text []byte, base64 bool, expect int64) (shape []int64, data []byte, err error) {
	r := reader{kind: kind, base64: base64, text: text, expect: expect}
	if err := r.read(); err != nil {
		return nil, nil, err
	}
	if r.space(); r.at < len(text) {
		return nil, nil, errNoJSON
	}
	return r.shape, r.out, nil
}

var errNoJSON = errors.New("it is no JSON")

// read reads one value.
func (r *reader) read() error {
	r.out = []byte{}
	if size := r.kind.Size(); size > 0 { // a number and its comma are two bytes
		most := len(r.text)/2 + 1
		if r.expect >= 0 && r.expect < int64(most) {
			most = int(r.expect)
		}
		r.out = make([]byte, 0, min(most, 1<<20)*size)
	}
	depth, err := r.deepest()
	if err != nil {
		return err
	}
	r.shape = make([]int64, depth)
	for i := range r.shape {
		r.shape[i] = -1
	}
	return r.value(0)
}

// deepest counts the lists at the beginning.
func (r *reader) deepest() (int, error) {
	n := 0
	for _, c := range r.text {
		switch c {
		case '[':
			if n++; n > MaxDims {
				return 0, fmt.Errorf("its lists are nested more than %d deep", MaxDims)
			}
		case ' ', '\t', '\r', '\n':
		default:
			return n, nil
		}
	}
	return 0, errNoJSON
}

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space; 0 at the end.
func (r *reader) peek() byte {
	if r.space(); r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

// value reads a list, or at the innermost depth an element.
func (r *reader) value(depth int) error {
	c := r.peek()
	if (c == '[') != (depth < len(r.shape)) {
		if c == 0 {
			return errNoJSON
		}
		return errors.New("its lists are not all of the same depth")
	}
	if c != '[' {
		return r.element(c)
	}
	r.at++
	n := int64(0)
	if r.peek() == ']' {
		r.at++
		return r.length(depth, n)
	}
	for {
		if err := r.value(depth + 1); err != nil {
			return err
		}
		n++
		switch r.peek() {
		case ',':
			r.at++
		case ']':
			r.at++
			return r.length(depth, n)
		default:
			return errNoJSON
		}
	}
}

// length notes that a list has n elements.
func (r *reader) length(depth int, n int64) error {
	if r.shape[depth] < 0 {
		r.shape[depth] = n
	}
	if r.shape[depth] != n {
		return fmt.Errorf("its lists are not all of the same length: %d and %d", r.shape[depth], n)
	}
	return nil
}

// element reads what is no list and begins with c.
func (r *reader) element(c byte) error {
	switch {
	case c == '-' || c-'0' <= 9:
		return r.number()
	case c == '"':
		return r.string()
	case c == '{':
		return r.object()
	}
	for _, word := range []string{"true", "false", "null"} {
		if len(r.text)-r.at < len(word) || string(r.text[r.at:r.at+len(word)]) != word {
			continue
		}
		if r.kind != Bool || c == 'n' {
			return fmt.Errorf("%s is no %s", word, r.kind)
		}
		r.at += len(word)
		r.out = append(r.out, b2i(c == 't'))
		return nil
	}
	return errNoJSON
}

func b2i(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// object reads {"base64": "..."}, the one object that is an element.
func (r *reader) object() error {
	d := json.NewDecoder(bytes.NewReader(r.text[r.at:]))
	d.DisallowUnknownFields()
	var v struct {
		Base64 *string `json:"base64"`
	}
	if r.kind != Bytes || d.Decode(&v) != nil || v.Base64 == nil {
		return fmt.Errorf("an object is no %s", r.kind)
	}
	r.at += int(d.InputOffset())
	return r.decode(*v.Base64)
}

func (r *reader) decode(text string) error {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%s is no base64", quote([]byte(text)))
	}
	r.bytes(b)
	return nil
}

func (r *reader) bytes(b []byte) {
	r.out = binary.LittleEndian.AppendUint32(r.out, uint32(len(b)))
	r.out = append(r.out, b...)
}

// string reads a string.
func (r *reader) string() error {
	begin, escaped := r.at, false
	for r.at++; ; r.at++ {
		if r.at >= len(r.text) || r.text[r.at] < ' ' {
			return errNoJSON
		}
		if r.text[r.at] == '"' {
			break
		}
		if r.text[r.at] == '\\' {
			escaped = true
			r.at++
		}
	}
	r.at++
	inner := r.text[begin+1 : r.at-1]
	if !utf8.Valid(inner) {
		return errors.New("it is no text in UTF-8")
	}
	if escaped {
		var s string
		if err := json.Unmarshal(r.text[begin:r.at], &s); err != nil {
			return errNoJSON
		}
		inner = []byte(s)
	}
	if r.kind == Bytes {
		if r.base64 {
			return r.decode(string(inner))
		}
		r.bytes(inner)
		return nil
	}
	if class, _ := r.kind.class(); class == floating {
		switch s := string(inner); s {
		case "NaN", "Infinity", "-Infinity":
			r.out, _ = appendWord(r.out, r.kind, s)
			return nil
		}
	}
	return fmt.Errorf("%s is no %s", quote(inner), r.kind)
}

// number reads a number. Most are of so few digits that they are exact in a
// binary64 after one multiplication; strconv has the others.
func (r *reader) number() error {
	w, ok := readDecimal(r.text[r.at:])
	if !ok {
		return errNoJSON
	}
	word := r.text[r.at : r.at+w.length]
	r.at += w.length
	if r.kind == Bytes {
		return fmt.Errorf("%.40s is no string", word)
	}
	if out, ok := w.append(r.out, r.kind); ok {
		r.out = out
		return nil
	}
	// Nobody keeps the word: it need not be copied.
	out, ok := appendWord(r.out, r.kind, unsafe.String(unsafe.SliceData(word), len(word)))
	if !ok {
		return fmt.Errorf("%.40s is no %s", word, r.kind)
	}
	r.out = out
	return nil
}

// decimal is a number as it is written: digits times ten to the power of exp.
type decimal struct {
	digits   uint64
	exp      int
	negative bool
	integer  bool // it has neither a point nor an exponent
	exact    bool // digits has all of them
	length   int  // of its text
}

// maxDigits have room in 64 bits.
const maxDigits = 19

// readDecimal reads the number that a text begins with, as JSON has numbers.
func readDecimal(b []byte) (d decimal, ok bool) {
	i := 0
	if d.negative = len(b) > 0 && b[0] == '-'; d.negative {
		i++
	}
	begin := i
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		d.digits = d.digits*10 + uint64(b[i]-'0')
	}
	count := i - begin
	if count == 0 || count > 1 && b[begin] == '0' {
		return d, false
	}
	d.integer = true
	if i < len(b) && b[i] == '.' {
		d.integer = false
		i++
		begin := i
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			d.digits = d.digits*10 + uint64(b[i]-'0')
		}
		if i == begin {
			return d, false
		}
		d.exp = begin - i
		count += i - begin
	}
	d.exact = count <= maxDigits
	if i < len(b) && b[i]|0x20 == 'e' {
		d.integer = false
		n, exp := readExponent(b[i+1:])
		if n == 0 {
			return d, false
		}
		i += 1 + n
		d.exp += exp
	}
	d.length = i
	return d, true
}

// readExponent reads what follows an e, and gives its length; 0 when it is none.
// Beyond what any number has, it stays as far away.
func readExponent(b []byte) (n, exp int) {
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		n++
	}
	begin := n
	for ; n < len(b) && b[n]-'0' <= 9; n++ {
		exp = min(exp*10+int(b[n]-'0'), 1<<20)
	}
	if n == begin {
		return 0, 0
	}
	if negative {
		exp = -exp
	}
	return n, exp
}

// powers of ten are exact in a binary64 up to this one.
var powers = [...]float64{1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// float is the nearest binary64, when that is easily told: two numbers that are
// exact make one that is rounded once.
func (d *decimal) float() (v float64, ok bool) {
	if !d.exact || d.digits >= 1<<53 || d.exp < 1-len(powers) || d.exp >= len(powers) {
		return 0, false
	}
	v = float64(d.digits)
	if d.exp < 0 {
		v /= powers[-d.exp]
	} else {
		v *= powers[d.exp]
	}
	if d.negative {
		v = -v
	}
	return v, true
}

// append appends the number as an element, when that is easily told. Where it
// says false, appendWord decides.
func (d *decimal) append(b []byte, kind DataType) ([]byte, bool) {
	switch kind {
	case FP32:
		v, ok := d.float()
		if f := math.Float64bits(v); ok && (v == 0 || f&(1<<29-1) != 1<<28 && math.Abs(v) >= 0x1p-126 && math.Abs(v) < 0x1p127) {
			// What does not lie in the middle between two binary32 is rounded to
			// the same one, whether it was rounded to a binary64 before or not.
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v))), true
		}
		return b, false
	case FP64:
		if v, ok := d.float(); ok {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v)), true
		}
		return b, false
	case Bool, FP16, BF16, Bytes:
		return b, false
	}
	if !d.integer || !d.exact || bits.Len64(d.digits) > 63 {
		return b, false
	}
	v := int64(d.digits)
	if d.negative {
		v = -v
	}
	return appendNumber(b, kind, ofInt(v))
}

// appendWord appends a number that is written in text as an element.
func appendWord(b []byte, kind DataType, word string) ([]byte, bool) {
	switch class, _ := kind.class(); {
	case kind == Bool:
		if word == "0" || word == "1" {
			return append(b, word[0]-'0'), true
		}
		return b, false
	case class == floating:
		bits := 64
		if kind == FP32 {
			bits = 32 // rounded once
		}
		v, err := strconv.ParseFloat(word, bits)
		if err != nil {
			return b, false
		}
		return appendNumber(b, kind, scalar{float: v})
	}
	if v, err := strconv.ParseInt(word, 10, 64); err == nil {
		return appendNumber(b, kind, ofInt(v))
	}
	if v, err := strconv.ParseUint(word, 10, 64); err == nil {
		return appendNumber(b, kind, ofUint(v))
	}
	v, err := strconv.ParseFloat(word, 64)
	if err != nil || math.Abs(v) > 1<<53 { // such an integer is not what is meant
		return b, false
	}
	return appendNumber(b, kind, ofFloat(v))
}
