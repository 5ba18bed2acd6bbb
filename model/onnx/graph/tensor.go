package graph

import (
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wherry-run/wherry/model"
)

// place reads where external data lies.
func (t *TensorProto) place(entries map[string]string) (*External, error) {
	name, err := cleanLocation(entries["location"])
	if err != nil {
		return nil, err
	}
	x := &External{Name: name, Length: -1}
	for key, into := range map[string]*int64{"offset": &x.Offset, "length": &x.Length} {
		text, given := entries[key]
		if !given || text == "" {
			continue
		}
		if *into, err = strconv.ParseInt(text, 10, 64); err != nil || *into < 0 {
			return nil, &FormatError{Reason: fmt.Sprintf("its external data has the %s %q", key, shorten(text))}
		}
	}
	n, ok := model.Elements(t.Dims)
	if !ok {
		return nil, &FormatError{Reason: "it has no shape that can be"}
	}
	size, ok := t.Elem.bytes(n)
	switch {
	case !ok:
		return nil, &FormatError{Reason: fmt.Sprintf("it has external data of the type %s", t.Elem)}
	case x.Length == -1:
		x.Length = size
	case x.Length != size:
		return nil, &FormatError{Reason: fmt.Sprintf("it has %d bytes of external data, where its shape has %d", x.Length, size)}
	}
	return x, nil
}

// Strings gives the elements of a tensor of strings, at most most of them; nil
// when it has others, or more.
func (t *TensorProto) Strings(most int) []string {
	if t.Elem != String {
		return nil
	}
	var list []string
	err := fields(t.raw, func(f field) error {
		if f.is(6, protowire.BytesType) {
			if len(list) >= most || len(f.data) > maxName {
				return errMany
			}
			list = append(list, string(f.data))
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return list
}

// Ints gives the elements of a tensor of int64, at most most of them; nil when it
// has others, or more.
func (t *TensorProto) Ints(most int) []int64 {
	if t.Elem != Int64 || t.External != nil {
		return nil
	}
	var list []int64
	add := func(v int64) error {
		if len(list) >= most {
			return errMany
		}
		list = append(list, v)
		return nil
	}
	for raw := t.Raw; len(raw) >= 8; raw = raw[8:] {
		v, _ := protowire.ConsumeFixed64(raw)
		if add(int64(v)) != nil {
			return nil
		}
	}
	if t.Raw != nil {
		return list
	}
	if fields(t.raw, func(f field) error {
		if f.num == 7 {
			return f.ints(add)
		}
		return nil
	}) != nil {
		return nil
	}
	return list
}

var errMany = fmt.Errorf("more than was asked for")

// Int gives an attribute that is one integer.
func (a *Attribute) Int() (v int64, ok bool) {
	if a == nil {
		return 0, false
	}
	err := fields(a.raw, func(f field) error {
		if f.is(3, protowire.VarintType) {
			v, ok = int64(f.v), true
		}
		return nil
	})
	// A zero need not be written: the type says that it is one.
	if !ok && err == nil && a.kind() == kindInt {
		return 0, true
	}
	return v, ok && err == nil
}

// Text gives an attribute that is one string.
func (a *Attribute) Text() (v string, ok bool) {
	if a == nil {
		return "", false
	}
	err := fields(a.raw, func(f field) error {
		if f.is(4, protowire.BytesType) {
			v, ok = string(f.data), true
		}
		return nil
	})
	if !ok && err == nil && a.kind() == kindString {
		return "", true
	}
	return v, ok && err == nil
}

// Ints gives an attribute that is a list of integers, at most most of them.
func (a *Attribute) Ints(most int) []int64 {
	if a == nil {
		return nil
	}
	var list []int64
	if fields(a.raw, func(f field) error {
		if f.num != 8 {
			return nil
		}
		return f.ints(func(v int64) error {
			if len(list) >= most {
				return errMany
			}
			list = append(list, v)
			return nil
		})
	}) != nil {
		return nil
	}
	return list
}

// Strings gives an attribute that is a list of strings, at most most of them.
func (a *Attribute) Strings(most int) []string {
	if a == nil {
		return nil
	}
	var list []string
	if fields(a.raw, func(f field) error {
		if f.is(9, protowire.BytesType) {
			if len(list) >= most || len(f.data) > maxName {
				return errMany
			}
			list = append(list, string(f.data))
		}
		return nil
	}) != nil {
		return nil
	}
	return list
}

// The kinds of attributes that matter here (AttributeProto.AttributeType).
const (
	kindInt    = 2
	kindString = 3
)

// kind is the type that the attribute says it has; 0 when it says none.
func (a *Attribute) kind() (kind int32) {
	if fields(a.raw, func(f field) error {
		if f.is(20, protowire.VarintType) {
			kind = int32(f.v)
		}
		return nil
	}) != nil {
		return 0
	}
	return kind
}
