package model

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strconv"
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
	}
	return append(b, t.text(i)...)
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

func appendString(b, e []byte) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(string(e)) // a string always can be
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
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
