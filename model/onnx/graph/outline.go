package graph

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/wherry-run/wherry/model"
)

// Outline is the model with its constants of at least so many bytes left out: they are
// named as external data, in a file of the name location that has the bytes that the
// model was read from. It is nil when there are none.
func (m *Model) Outline(location string, least int) (*Blob, error) {
	moved, n := false, 0
	out, err := placed(m.raw, 0, func(f field, at int64, out *Blob) (bool, error) {
		if !f.is(7, protowire.BytesType) {
			return false, nil
		}
		g, err := placed(f.data, at, func(f field, at int64, out *Blob) (bool, error) {
			if !f.is(5, protowire.BytesType) {
				return false, nil
			}
			n++
			if n > len(m.Graph.Initializers) || !m.Graph.Initializers[n-1].large(least) {
				return false, nil
			}
			t, err := elsewhere(f.data, at, location)
			if err == nil {
				moved = true
				out.message(5, t)
			}
			return true, err
		})
		if err == nil {
			out.message(7, g)
		}
		return true, err
	})
	if err != nil || !moved {
		return nil, err
	}
	return out, nil
}

// large tells whether a constant is in one piece of at least so many bytes.
func (t *TensorProto) large(least int) bool {
	if t.External != nil || t.Elem == String || len(t.Raw) < least {
		return false
	}
	n, ok := model.Elements(t.Dims)
	if !ok {
		return false
	}
	size, ok := t.Elem.bytes(n)
	return ok && size == int64(len(t.Raw))
}

// elsewhere is a tensor whose data is where it lies, but in a file of another name.
func elsewhere(raw []byte, at int64, location string) (*Blob, error) {
	const external = 1 // a data location
	where := map[string]string{"location": location}
	t, err := placed(raw, at, func(f field, at int64, _ *Blob) (bool, error) {
		switch {
		case f.is(9, protowire.BytesType): // the last holds
			where["offset"], where["length"] = strconv.FormatInt(at, 10), strconv.Itoa(len(f.data))
			return true, nil
		case f.is(14, protowire.VarintType):
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"location", "offset", "length"} {
		entry := &Blob{}
		entry.text(1, key)
		entry.text(2, where[key])
		t.message(13, entry)
	}
	t.number(14, external)
	return t, nil
}

// placed is copied of a message that begins at an offset of the file. change is told
// where the content of a field does.
func placed(raw []byte, base int64, change func(f field, at int64, out *Blob) (bool, error)) (*Blob, error) {
	return copied(raw, func(f field, out *Blob) (bool, error) {
		at := base + int64(len(f.whole)-len(f.data))
		base += int64(len(f.whole))
		return change(f, at, out)
	})
}
