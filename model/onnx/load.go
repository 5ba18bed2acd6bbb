package onnx

import (
	"fmt"
	"io"

	"github.com/wherry-run/wherry/model/onnx/graph"
)

// Bytes are a Source in memory.
type Bytes []byte

// Size implements Source.
func (b Bytes) Size() int64 { return int64(len(b)) }

// Bytes are those of a Source that has them in memory, as a file of an image that is
// mapped.
func (b Bytes) Bytes() ([]byte, bool) { return b, true }

// ReadAt implements io.ReaderAt.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// constants is the name by which ONNX Runtime asks for constants of the model's own file.
const constants = ".wherry-constants"

// The smallest model, and the smallest constant, that is not read with the rest.
const (
	leastModel    = 1 << 20
	leastConstant = 64 << 10
)

// load has ONNX Runtime load the model. Large constants it fetches one by one, from where
// they lie to where they stay: in the file they would be in its memory three times, with
// the file itself, and as the parser has them.
func (d *driver) load(c *calls) error {
	source := d.content
	if source == nil {
		f, err := d.openFile(d.model)
		if err != nil {
			return err
		}
		defer f.Close()
		source = f
	}
	if source.Size() < leastModel || source.Size() > graph.MaxBytes {
		d.session.loaded = c.load(source)
		return nil
	}
	whole, err := bytesOf(source)
	if err != nil {
		return err
	}
	if thin := outline(whole, leastConstant); thin != nil {
		d.whole, source = whole, thin
		defer func() { d.whole = nil }()
	}
	d.session.loaded = c.load(source)
	return nil
}

// bytesOf are all of a source.
func bytesOf(source Source) (Bytes, error) {
	if m, ok := source.(interface{ Bytes() ([]byte, bool) }); ok {
		if b, ok := m.Bytes(); ok {
			return b, nil
		}
	}
	b := make([]byte, source.Size())
	if err := readFull(source, b, 0); err != nil {
		return nil, fmt.Errorf("read the model: %w", err)
	}
	return b, nil
}

// outline is a model without its large constants; nil where it has none, or cannot be
// read: ONNX Runtime then says why.
func outline(whole Bytes, least int) Source {
	m, err := graph.Read(whole)
	if err != nil {
		return nil
	}
	thin, err := m.Outline(constants, least)
	if err != nil || thin == nil {
		return nil
	}
	return Bytes(thin.Bytes())
}
