package model

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// writer writes the elements of a sound tensor as JSON.
type writer struct {
	tensor *Tensor
	base64 bool
	next   int // element
	offset int // of Bytes
}

// list writes the next elements as lists of a shape.
func (w *writer) list(b []byte, shape []int64) []byte {
	if len(shape) == 0 {
		return w.element(b)
	}
	b = append(b, '[')
	for i := range shape[0] {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.list(b, shape[1:])
	}
	return append(b, ']')
}

func (w *writer) element(b []byte) []byte {
	t, i := w.tensor, w.next
	w.next++
	switch class, _ := t.Type.class(); {
	case t.Type == Bytes:
		return w.bytes(b, w.raw())
	case t.Type == Bool:
		return strconv.AppendBool(b, t.Data[i] != 0)
	case class == floating:
		return appendFloat(b, t.number(i), t.Type)
	case class == signed:
		return strconv.AppendInt(b, int64(t.scalar(i).integer), 10)
	}
	return strconv.AppendUint(b, t.scalar(i).integer, 10)
}

// raw is the next element of Bytes.
func (w *writer) raw() []byte {
	n := int(binary.LittleEndian.Uint32(w.tensor.Data[w.offset:]))
	e := w.tensor.Data[w.offset+4:][:n]
	w.offset += 4 + n
	return e
}

func (w *writer) bytes(b, e []byte) []byte {
	if w.base64 {
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, e)
		return append(b, '"')
	}
	return appendString(b, e)
}

// appendString appends a text in quotes; what is no UTF-8 in it is replaced.
func appendString(b, e []byte) []byte {
	b = append(b, '"')
	begin := 0
	for i := 0; i < len(e); {
		c := e[i]
		if c < utf8.RuneSelf && c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRune(e[i:]); (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
		}
		b = append(b, e[begin:i]...)
		b = appendEscaped(b, e[i:i+size])
		i += size
		begin = i
	}
	b = append(b, e[begin:]...)
	return append(b, '"')
}

// appendEscaped appends a character that cannot stand in a string as it is, or, as
// the ends of lines, not in every reader's.
func appendEscaped(b, c []byte) []byte {
	switch c[0] {
	case '"', '\\':
		return append(b, '\\', c[0])
	case '\n':
		return append(b, `\n`...)
	case '\r':
		return append(b, `\r`...)
	case '\t':
		return append(b, `\t`...)
	}
	r, _ := utf8.DecodeRune(c)
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// appendFloat writes a number in as few digits as its type needs.
func appendFloat(b []byte, v float64, kind DataType) []byte {
	switch {
	case v != v:
		return append(b, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, v, form(v), -1, kindBits(kind))
}

// form is how a number is written: in digits, or with an exponent.
func form(v float64) byte {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return 'e'
	}
	return 'f'
}

func kindBits(kind DataType) int {
	if kind == FP64 {
		return 64
	}
	return 32
}
