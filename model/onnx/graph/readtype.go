package graph

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// typ reads a type; depth is how deep it lies in others.
func (r *reader) typ(b []byte, depth int) (*Type, error) {
	if depth >= maxTypes {
		return nil, &FormatError{Reason: fmt.Sprintf("types lie more than %d deep in each other", maxTypes)}
	}
	if err := r.part(); err != nil {
		return nil, err
	}
	t := &Type{}
	err := fields(b, func(f field) (err error) {
		if f.typ != protowire.BytesType {
			return nil
		}
		kind := kindOf(f.num)
		if kind == None {
			return nil
		}
		if t.Kind != None {
			return &FormatError{Reason: "its type is two types"}
		}
		t.Kind = kind
		switch kind {
		case Tensor, Sparse:
			return r.tensorType(t, f.data)
		case Sequence, Optional:
			return r.typeOf(t, f.data, 1, depth)
		case Map:
			return r.typeOf(t, f.data, 2, depth)
		}
		return nil
	})
	return t, err
}

// kindOf is what a field of a type makes of it.
func kindOf(num protowire.Number) Kind {
	switch num {
	case 1:
		return Tensor
	case 4:
		return Sequence
	case 5:
		return Map
	case 7:
		return Opaque
	case 8:
		return Sparse
	case 9:
		return Optional
	}
	return None
}

// typeOf reads what a sequence, a map or an optional holds: field num of its type.
func (r *reader) typeOf(t *Type, b []byte, num protowire.Number, depth int) error {
	return fields(b, func(f field) (err error) {
		switch {
		case f.is(num, protowire.BytesType):
			t.Of, err = r.typ(f.data, depth+1)
		case f.is(1, protowire.VarintType):
			t.Elem = ElementType(int32(f.v))
		}
		return err
	})
}

func (r *reader) tensorType(t *Type, b []byte) error {
	return fields(b, func(f field) error {
		switch {
		case f.is(1, protowire.VarintType):
			t.Elem = ElementType(int32(f.v))
		case f.is(2, protowire.BytesType):
			if t.Shape != nil {
				return &FormatError{Reason: "it has two shapes"}
			}
			t.Shape, t.Symbols = []int64{}, []string{}
			return fields(f.data, func(f field) error {
				if !f.is(1, protowire.BytesType) {
					return nil
				}
				if len(t.Shape) >= maxDims {
					return &FormatError{Reason: fmt.Sprintf("it has more than %d dimensions", maxDims)}
				}
				return r.dimension(t, f.data)
			})
		}
		return nil
	})
}

// dimension reads one dimension; those without a length, or with a negative one as
// some exporters write, may have any.
func (r *reader) dimension(t *Type, b []byte) error {
	length, symbol := int64(-1), ""
	err := fields(b, func(f field) (err error) {
		switch {
		case f.is(1, protowire.VarintType):
			length, symbol = max(int64(f.v), -1), ""
		case f.is(2, protowire.BytesType):
			length = -1
			symbol, err = r.text(f)
		}
		return err
	})
	t.Shape, t.Symbols = append(t.Shape, length), append(t.Symbols, symbol)
	return err
}
