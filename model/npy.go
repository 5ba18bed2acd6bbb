package model

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/wherry-run/wherry/internal/pattern"
)

// npyMagic begins a file of NumPy.
const npyMagic = "\x93NUMPY"

// Bounds on files of NumPy.
const (
	maxNPYHead  = 64 << 10
	maxNPZFiles = 4096
	maxNPZBytes = 4 << 30 // of all arrays, unpacked
)

var (
	npyDescr   = pattern.New(`'descr'\s*:\s*'([<>|=]?)([a-zA-Z])(\d*)'`)
	npyFortran = pattern.New(`'fortran_order'\s*:\s*(True|False)`)
	npyShape   = pattern.New(`'shape'\s*:\s*\(([\d\s,L]*)\)`)
)

// ParseNPY reads an array as numpy.save writes it: numbers, truths and texts.
// Arrays of objects are pickles, and are not read.
func ParseNPY(data []byte) (Tensor, error) {
	t, err := parseNPY(data)
	if err != nil {
		return Tensor{}, fmt.Errorf("read npy: %w", err)
	}
	return t, nil
}

func parseNPY(data []byte) (Tensor, error) {
	if len(data) < 10 || string(data[:6]) != npyMagic {
		return Tensor{}, errors.New("it is no file of numpy.save")
	}
	size, begin := int(binary.LittleEndian.Uint16(data[8:])), 10
	switch data[6] {
	case 1:
	case 2, 3:
		if len(data) < 12 {
			return Tensor{}, io.ErrUnexpectedEOF
		}
		size, begin = int(min(binary.LittleEndian.Uint32(data[8:]), maxNPYHead+1)), 12
	default:
		return Tensor{}, fmt.Errorf("it is of version %d", data[6])
	}
	if size > maxNPYHead || size > len(data)-begin {
		return Tensor{}, errors.New("its head is cut off, or too long")
	}
	head, body := string(data[begin:begin+size]), data[begin+size:]
	descr, order, dims := npyDescr.FindStringSubmatch(head), npyFortran.FindStringSubmatch(head), npyShape.FindStringSubmatch(head)
	if descr == nil || order == nil || dims == nil {
		return Tensor{}, fmt.Errorf("its head is %.200q: only plain arrays are read", head)
	}
	t := Tensor{Shape: []int64{}}
	for d := range strings.SplitSeq(dims[1], ",") {
		if d = strings.TrimRight(strings.TrimSpace(d), "L"); d == "" {
			continue
		}
		n, err := strconv.ParseInt(d, 10, 64)
		if err != nil {
			return t, fmt.Errorf("its shape is (%.100s)", dims[1])
		}
		t.Shape = append(t.Shape, n)
	}
	return fromNPY(t, descr[1], descr[2], descr[3], order[1] == "True", body)
}

// npyTypes are NumPy's names of the types of numbers.
var npyTypes = map[string]DataType{
	"b1": Bool, "i1": Int8, "i2": Int16, "i4": Int32, "i8": Int64,
	"u1": Uint8, "u2": Uint16, "u4": Uint32, "u8": Uint64, "f2": FP16, "f4": FP32, "f8": FP64,
}

func fromNPY(t Tensor, endian, kind, width string, columns bool, body []byte) (Tensor, error) {
	n, ok := Elements(t.Shape)
	if !ok {
		return t, fmt.Errorf("%v is no shape", t.Shape)
	}
	each, err := strconv.ParseInt("0"+width, 10, 32)
	if err != nil {
		return t, fmt.Errorf("its elements are of type %s%.20s", kind, width)
	}
	if kind == "U" {
		each *= 4
	}
	t.Type = npyTypes[kind+width]
	switch {
	case t.Type == "" && kind == "O":
		return t, errors.New("it holds Python objects: only numbers, truths and texts are read")
	case t.Type == "" && kind != "U" && kind != "S":
		return t, fmt.Errorf("its elements are of type %s%s", kind, width)
	case each > 0 && n > int64(len(body))/each || each*n != int64(len(body)):
		return t, fmt.Errorf("%d bytes, where %v elements of %d bytes are %v", len(body), t.Shape, each, n)
	case each == 0 && n > maxRows:
		return t, fmt.Errorf("%d empty texts", n)
	}
	if columns && len(t.Shape) > 1 {
		body = rowsFirst(body, t.Shape, int(each))
	}
	if t.Type == "" {
		t.Type = Bytes
		return unpad(t, body, kind == "U", endian == ">", int(each), n)
	}
	t.Data = slices.Clone(body)
	if endian == ">" {
		for e := range slices.Chunk(t.Data, int(each)) {
			slices.Reverse(e)
		}
	}
	return t, t.Check()
}

// rowsFirst turns an array that is stored column by column.
func rowsFirst(body []byte, shape []int64, each int) []byte {
	out := make([]byte, 0, len(body))
	at := make([]int64, len(shape))
	for range len(body) / max(each, 1) {
		from, stride := int64(0), int64(1)
		for d, i := range at {
			from += i * stride
			stride *= shape[d]
		}
		out = append(out, body[int(from)*each:][:each]...)
		for d := len(at) - 1; d >= 0; d-- {
			if at[d]++; at[d] < shape[d] {
				break
			}
			at[d] = 0
		}
	}
	return out
}

// unpad makes elements of BYTES of texts that zeros make equally long.
func unpad(t Tensor, body []byte, wide, big bool, each int, n int64) (Tensor, error) {
	t.Data = []byte{}
	add := func(e []byte) {
		e = bytes.TrimRight(e, "\x00")
		t.Data = append(binary.LittleEndian.AppendUint32(t.Data, uint32(len(e))), e...)
	}
	var text []byte
	for range n {
		e := body[:each]
		body = body[each:]
		if !wide {
			add(e)
			continue
		}
		text = text[:0]
		for c := range slices.Chunk(e, 4) {
			r := binary.LittleEndian.Uint32(c)
			if big {
				r = binary.BigEndian.Uint32(c)
			}
			text = utf8.AppendRune(text, rune(r))
		}
		add(text)
	}
	return t, nil
}

// NPY writes the tensor as numpy.save does. Texts become Python strings, bytes of
// another kind NumPy's bytes, which lose zeros at their end; BF16 becomes FP32.
func (t Tensor) NPY() ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.Type == BF16 {
		var err error
		if t, err = t.Convert(FP32); err != nil {
			return nil, err
		}
	}
	descr, body := "", t.Data
	for name, kind := range npyTypes {
		if kind == t.Type {
			descr = "<" + name
		}
	}
	switch {
	case t.Type == Bytes:
		if descr, body = t.padded(); body == nil {
			return nil, t.wrong("its texts are too long, or differ too much in length, for an array of NumPy")
		}
	case t.Type.Size() == 1:
		descr = "|" + descr[1:]
	}
	dims := ""
	for _, d := range t.Shape {
		dims += strconv.FormatInt(d, 10) + ", "
	}
	if len(t.Shape) == 1 {
		dims = strings.TrimSuffix(dims, " ")
	} else {
		dims = strings.TrimSuffix(dims, ", ")
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	head += strings.Repeat(" ", 63-(len(npyMagic)+4+len(head))%64) + "\n"
	out := append([]byte(npyMagic), 1, 0)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(head)))
	out = append(out, head...)
	return append(out, body...), nil
}

// maxPadded bounds texts of equal length.
const maxPadded = 1 << 30

// padded gives texts of equal length; nil when they are too much.
func (t *Tensor) padded() (descr string, body []byte) {
	most, count, wide := 1, 0, t.isText()
	for e := range t.elements() {
		count++
		n := len(e)
		if wide {
			n = utf8.RuneCount(e)
		}
		most = max(most, n)
	}
	if 4*most > maxPadded/max(count, 1) {
		return "", nil
	}
	body = []byte{}
	for e := range t.elements() {
		if !wide {
			body = append(body, e...)
			body = append(body, make([]byte, most-len(e))...)
			continue
		}
		n := 0
		for _, r := range string(e) {
			body = binary.LittleEndian.AppendUint32(body, uint32(r))
			n++
		}
		body = append(body, make([]byte, 4*(most-n))...)
	}
	if wide {
		return fmt.Sprintf("<U%d", most), body
	}
	return fmt.Sprintf("|S%d", most), body
}

// ErrLarge is that of an archive whose arrays have more bytes than they may.
var ErrLarge = errors.New("its arrays have more bytes than they may")

// ParseNPZ reads the arrays of numpy.savez, with their names, in their order.
func ParseNPZ(data []byte) ([]Tensor, error) { return ParseNPZWithin(data, maxNPZBytes) }

// ParseNPZWithin is ParseNPZ of arrays that have at most so many bytes together, else
// ErrLarge: an archive of a few bytes may become many.
func ParseNPZWithin(data []byte, most int64) ([]Tensor, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("read npz: %w", err)
	}
	if len(z.File) > maxNPZFiles {
		return nil, fmt.Errorf("read npz: %d arrays, more than %d", len(z.File), maxNPZFiles)
	}
	var list []Tensor
	left := most
	for _, f := range z.File {
		name, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("read npz: %w", err)
		}
		b, err := io.ReadAll(io.LimitReader(r, left+1))
		r.Close()
		if left -= int64(len(b)); err == nil && left < 0 {
			err = ErrLarge
		}
		if err != nil {
			return nil, fmt.Errorf("read npz: %w", err)
		}
		t, err := ParseNPY(b)
		if err != nil {
			return nil, fmt.Errorf("%.100q: %w", name, err)
		}
		t.Name = name
		list = append(list, t)
	}
	return list, nil
}

// NPZ writes tensors as numpy.savez does, under their names.
func NPZ(w io.Writer, tensors []Tensor) error {
	z := zip.NewWriter(w)
	for _, t := range tensors {
		b, err := t.NPY()
		if err != nil {
			return err
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: t.Name + ".npy", Method: zip.Store})
		if err != nil {
			return fmt.Errorf("write npz: %w", err)
		}
		if _, err := f.Write(b); err != nil {
			return fmt.Errorf("write npz: %w", err)
		}
	}
	return z.Close()
}

// Fit makes a tensor from elsewhere one of the field's: its name, its type where
// all values can have it, its dimensions of length 1.
func (f *Field) Fit(t Tensor) (Tensor, error) {
	t.Name = f.Name
	out, err := t.Convert(f.Type)
	if err != nil {
		return t, &InputError{f.Name, strings.TrimPrefix(err.Error(), f.Name+": ") + ": the model takes " + f.Describe()}
	}
	out.Shape, err = f.suit(out.Shape)
	return out, err
}
