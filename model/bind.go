package model

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// NewRequest makes a request of a Go value: a struct whose fields are inputs, by
// the names of their tags `wherry:"name"` or else their own ("PetalLength" is
// petal_length, too), or the value of the model's only input. A field is a number,
// truth or string, a slice or array of them, nested as the tensor's shape, bytes
// (for a file or an image), a Tensor, or, where the model takes a table or a JSON
// document, what becomes one by encoding/json: a slice of structs, or one. A nil pointer, slice or map is not
// sent. The error is an *InputError where the value is what does not fit.
func NewRequest(s *Signature, value any) (*Request, error) {
	if r, ok := value.(*Request); ok {
		return r, nil
	}
	v := reflect.Indirect(reflect.ValueOf(value))
	r := &Request{}
	if !v.IsValid() {
		return r, nil
	}
	if f := s.Sole(); v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[Tensor]() || f != nil && f.document() && !named(v.Type(), s.Inputs) {
		if f == nil {
			return nil, &InputError{"", fmt.Sprintf("%s cannot be %d inputs (%s): it must be a struct", v.Type(), len(s.Inputs), names(s.Inputs))}
		}
		t, err := f.bind(v)
		if err != nil {
			return nil, err
		}
		r.Inputs = []Tensor{t}
		return r, nil
	}
	for _, m := range members(v.Type()) {
		f := m.of(s.Inputs)
		if f == nil {
			return nil, &InputError{m.name(), fmt.Sprintf("the model has no such input (of %s); it takes %s", v.Type(), names(s.Inputs))}
		}
		part := v.Field(m.index)
		if isNil(part) {
			continue
		}
		t, err := f.bind(part)
		if err != nil {
			return nil, err
		}
		r.Inputs = append(r.Inputs, t)
	}
	return r, nil
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	}
	return false
}

// document tells whether the field is JSON to Go programs.
func (f *Field) document() bool {
	k := f.Kind()
	return f.Type == Bytes && (k == KindJSON || k == KindTable)
}

// member is an exported field of a struct.
type member struct {
	index    int
	tag, own string
}

func members(t reflect.Type) []member {
	var list []member
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("wherry")
		if !f.IsExported() || tag == "-" {
			continue
		}
		list = append(list, member{index: i, tag: tag, own: f.Name})
	}
	return list
}

func (m member) name() string {
	if m.tag != "" {
		return m.tag
	}
	return m.own
}

// of finds the field of a signature that a member stands for.
func (m member) of(fields []Field) *Field {
	if f := find(fields, m.name()); f != nil || m.tag != "" {
		return f
	}
	want := plain(m.own)
	for i := range fields {
		if plain(fields[i].Name) == want {
			return &fields[i]
		}
	}
	return nil
}

// plain is a name without what Go's names cannot have.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// named tells whether some member of a struct stands for one of the fields.
func named(t reflect.Type, fields []Field) bool {
	return slices.ContainsFunc(members(t), func(m member) bool { return m.of(fields) != nil })
}

// bind makes a tensor for the field of a Go value.
func (f *Field) bind(v reflect.Value) (Tensor, error) {
	v = reflect.Indirect(v)
	if !v.IsValid() {
		return Tensor{}, &InputError{f.Name, "it is nil, the model takes " + f.Describe()}
	}
	switch x := v.Interface().(type) {
	case Tensor:
		return f.Fit(x)
	case []byte:
		if f.Type == Bytes {
			return f.whole(x), nil
		}
	case string:
		if f.Type == Bytes && f.Kind() != KindJSON {
			return f.whole([]byte(x)), nil
		}
	case json.RawMessage:
		return f.Parse(x)
	}
	if f.document() {
		text, err := json.Marshal(v.Interface())
		if err != nil {
			return Tensor{}, &InputError{f.Name, err.Error()}
		}
		if f.Kind() == KindTable && v.Kind() == reflect.Struct { // one row
			text = slices.Concat([]byte("["), text, []byte("]"))
		}
		return f.whole(text), nil
	}
	p := packer{kind: f.Type, shape: []int64{}}
	if err := p.pack(v, 0); err != nil {
		return Tensor{}, &InputError{f.Name, err.Error() + ", the model takes " + f.Describe()}
	}
	shape, err := f.suit(p.shape)
	return Tensor{Name: f.Name, Type: f.Type, Shape: shape, Data: p.out}, err
}

// packer makes elements of nested slices.
type packer struct {
	kind  DataType
	shape []int64
	full  bool // shape is known to its depth
	out   []byte
}

func (p *packer) pack(v reflect.Value, depth int) error {
	if k := v.Kind(); k == reflect.Slice && !(p.kind == Bytes && v.Type().Elem().Kind() == reflect.Uint8) || k == reflect.Array {
		return p.list(v, depth)
	}
	if depth != len(p.shape) {
		return fmt.Errorf("its slices are not all of the same depth")
	}
	p.full = true
	return p.element(v)
}

func (p *packer) list(v reflect.Value, depth int) error {
	switch {
	case depth >= MaxDims:
		return fmt.Errorf("its slices are nested more than %d deep", MaxDims)
	case depth == len(p.shape) && !p.full:
		p.shape = append(p.shape, int64(v.Len()))
	case depth == len(p.shape):
		return fmt.Errorf("its slices are not all of the same depth")
	case p.shape[depth] != int64(v.Len()):
		return fmt.Errorf("its slices are not all of the same length: %d and %d", p.shape[depth], v.Len())
	}
	if flat, ok := p.flat(v); ok {
		p.full = true
		p.out = append(p.out, flat...)
		return nil
	}
	for i := range v.Len() {
		if err := p.pack(v.Index(i), depth+1); err != nil {
			return err
		}
	}
	if v.Len() == 0 && v.Type().Elem().Kind() != reflect.Slice {
		p.full = true
	}
	return nil
}

// flat is the elements of a slice that has them as they are.
func (p *packer) flat(v reflect.Value) ([]byte, bool) {
	switch x := v.Interface().(type) {
	case []float32:
		return encode(x), p.kind == FP32
	case []float64:
		return encode(x), p.kind == FP64
	case []int64:
		return encode(x), p.kind == Int64
	case []int32:
		return encode(x), p.kind == Int32
	case []uint8:
		return x, p.kind == Uint8
	case []string:
		return encode(x), p.kind == Bytes
	}
	return nil, false
}

func (p *packer) element(v reflect.Value) error {
	s := scalar{}
	switch {
	case p.kind == Bytes && v.Kind() == reflect.String:
		p.out = append(p.out, encodeBytes([]string{v.String()})...)
		return nil
	case p.kind == Bytes && v.Kind() == reflect.Slice:
		p.out = append(p.out, encodeBytes([][]byte{v.Bytes()})...)
		return nil
	case p.kind == Bool && v.Kind() == reflect.Bool:
		p.out = append(p.out, b2i(v.Bool()))
		return nil
	case v.Type() == reflect.TypeFor[Float16]():
		s = ofFloat(float64(Float16(v.Uint()).Float32()))
	case v.Type() == reflect.TypeFor[BFloat16]():
		s = ofFloat(float64(BFloat16(v.Uint()).Float32()))
	case v.CanInt():
		s = ofInt(v.Int())
	case v.CanUint():
		s = ofUint(v.Uint())
	case v.CanFloat():
		s = ofFloat(v.Float())
	default:
		return fmt.Errorf("a %s is no %s", v.Type(), p.kind)
	}
	out, ok := appendNumber(p.out, p.kind, s)
	if !ok {
		return fmt.Errorf("%s is no %s", s, p.kind)
	}
	p.out = out
	return nil
}

// Into stores the response in what out points to: a struct whose fields are
// outputs, found as NewRequest finds inputs, or a value for the model's only
// output. A field for which there is no output, or none that it can hold, is an
// error; outputs without a field are left out.
func (r *Response) Into(s *Signature, out any) error {
	p := reflect.ValueOf(out)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return fmt.Errorf("%T is no pointer to store a response in", out)
	}
	v := p.Elem()
	if x, ok := out.(*Response); ok {
		*x = *r
		return nil
	}
	fields := make([]Field, len(r.Outputs))
	for i := range r.Outputs {
		t := &r.Outputs[i]
		fields[i] = Field{Name: t.Name, Type: t.Type, Shape: t.Shape}
		if f := s.Output(t.Name); f != nil {
			fields[i].Parameters = f.Parameters
		}
	}
	if v.Kind() != reflect.Struct || v.Type() == reflect.TypeFor[Tensor]() || len(fields) == 1 && fields[0].document() && !named(v.Type(), fields) {
		if len(fields) != 1 {
			return fmt.Errorf("%s cannot hold %d outputs (%s): it must be a struct", v.Type(), len(fields), names(fields))
		}
		return fields[0].store(&r.Outputs[0], v)
	}
	for _, m := range members(v.Type()) {
		f := m.of(fields)
		if f == nil {
			return fmt.Errorf("%s.%s: the model has no such output; it gives %s", v.Type(), m.own, names(fields))
		}
		i := slices.IndexFunc(r.Outputs, func(t Tensor) bool { return t.Name == f.Name })
		if err := f.store(&r.Outputs[i], v.Field(m.index)); err != nil {
			return err
		}
	}
	return nil
}

// store puts an output into a Go value.
func (f *Field) store(t *Tensor, v reflect.Value) error {
	if err := t.Check(); err != nil {
		return err
	}
	if v.Type() == reflect.TypeFor[Tensor]() {
		v.Set(reflect.ValueOf(*t))
		return nil
	}
	if countOf(t.Shape) == 0 && hollow(t.Shape) {
		return t.wrong("%s is a shape of too many lists with nothing in them", showShape(t.Shape))
	}
	if t.Type == Bytes && countOf(t.Shape) == 1 {
		if ok, err := f.storeBytes(t.Data[4:], v); ok || err != nil {
			return err
		}
	}
	u := unpacker{tensor: t}
	if err := u.unpack(v, t.Shape); err != nil {
		return fmt.Errorf("%s, which is %s %s, does not fit into %s: %w", f.Name, t.Type, showShape(t.Shape), v.Type(), err)
	}
	return nil
}

// storeBytes puts the one element of an output into a Go value; false when that is
// for what makes slices.
func (f *Field) storeBytes(e []byte, v reflect.Value) (bool, error) {
	switch x := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*x = append(json.RawMessage{}, e...)
		return true, nil
	case *[]byte:
		*x = append([]byte{}, e...)
		return true, nil
	}
	if f.document() && json.Valid(e) {
		if err := json.Unmarshal(e, v.Addr().Interface()); err != nil {
			return false, fmt.Errorf("%s: %w", f.Name, err)
		}
		return true, nil
	}
	if v.Kind() == reflect.String {
		v.SetString(string(e))
		return true, nil
	}
	return false, nil
}

// unpacker makes nested slices of elements.
type unpacker struct {
	tensor *Tensor
	next   int
	offset int // of Bytes
}

func (u *unpacker) unpack(v reflect.Value, shape []int64) error {
	bytes := u.tensor.Type == Bytes && v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8
	switch {
	case v.Kind() == reflect.Slice && !bytes:
		if len(shape) == 0 {
			shape = []int64{1} // a scalar, in a slice
		}
		list := reflect.MakeSlice(v.Type(), int(shape[0]), int(shape[0]))
		for i := range list.Len() {
			if err := u.unpack(list.Index(i), shape[1:]); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	case v.Kind() == reflect.Array:
		if len(shape) == 0 || shape[0] != int64(v.Len()) {
			return fmt.Errorf("its length is another")
		}
		for i := range v.Len() {
			if err := u.unpack(v.Index(i), shape[1:]); err != nil {
				return err
			}
		}
		return nil
	case countOf(shape) != 1: // dimensions of length 1 go
		return fmt.Errorf("there are %d elements for it", countOf(shape))
	}
	return u.element(v)
}

func (u *unpacker) element(v reflect.Value) error {
	t, i := u.tensor, u.next
	u.next++
	if t.Type == Bytes {
		w := writer{tensor: t, offset: u.offset}
		e := w.raw()
		u.offset = w.offset
		switch {
		case v.Kind() == reflect.String:
			v.SetString(string(e))
		case v.Kind() == reflect.Slice:
			v.SetBytes(append([]byte{}, e...))
		default:
			return fmt.Errorf("it is text")
		}
		return nil
	}
	s := t.scalar(i)
	switch {
	case v.Kind() == reflect.Bool:
		if t.Type != Bool {
			return fmt.Errorf("it is a number")
		}
		v.SetBool(s.integer != 0)
	case v.Type() == reflect.TypeFor[Float16]():
		v.SetUint(uint64(ToFloat16(s.asFloat())))
	case v.Type() == reflect.TypeFor[BFloat16]():
		v.SetUint(uint64(ToBFloat16(s.asFloat())))
	case v.CanFloat():
		v.SetFloat(s.asFloat())
	case v.CanInt():
		if n := int64(s.integer); !s.whole || !s.negative && n < 0 || v.OverflowInt(n) {
			return fmt.Errorf("element %d is %s", i, s)
		}
		v.SetInt(int64(s.integer))
	case v.CanUint():
		if !s.whole || s.negative || v.OverflowUint(s.integer) {
			return fmt.Errorf("element %d is %s", i, s)
		}
		v.SetUint(s.integer)
	default:
		return fmt.Errorf("it is a number")
	}
	return nil
}
