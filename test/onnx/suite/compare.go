package suite

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/wherry-run/wherry/model"
)

// A Tolerance is how far numbers may lie apart: by Relative of the right one, and
// Absolute more.
type Tolerance struct{ Relative, Absolute float64 }

// Suite is that of ONNX's own runner.
func Suite() Tolerance { return Tolerance{1e-3, 1e-7} }

// Compare says in what an output differs from what it must be; "" when it does
// not.
func (t Tolerance) Compare(got, want *model.Tensor) string {
	switch {
	case got.Type != want.Type:
		return fmt.Sprintf("%s: elements of %s, not %s", want.Name, got.Type, want.Type)
	case !slices.Equal(got.Shape, want.Shape):
		return fmt.Sprintf("%s: the shape %v, not %v", want.Name, got.Shape, want.Shape)
	case bytes.Equal(got.Data, want.Data):
		return ""
	}
	float := floats(want.Type)
	if float == nil {
		return fmt.Sprintf("%s: other elements", want.Name)
	}
	if want.Type == model.FP16 && t != Suite() {
		t = Tolerance{1.0 / 256, 1.0 / 256} // 1.18 rounds between operators, later releases do not
	}
	size := want.Type.Size()
	for i := 0; i < len(want.Data); i += size {
		g, w := float(got.Data[i:]), float(want.Data[i:])
		if same := g == w || math.IsNaN(g) && math.IsNaN(w) || math.Abs(g-w) <= t.Absolute+t.Relative*math.Abs(w); !same {
			return fmt.Sprintf("%s: element %d is %g, not %g", want.Name, i/size, g, w)
		}
	}
	return ""
}

// floats reads an element of a type of numbers with a point; nil for others.
func floats(t model.DataType) func([]byte) float64 {
	little := binary.LittleEndian
	switch t {
	case model.FP32:
		return func(b []byte) float64 { return float64(math.Float32frombits(little.Uint32(b))) }
	case model.FP64:
		return func(b []byte) float64 { return math.Float64frombits(little.Uint64(b)) }
	case model.BF16:
		return func(b []byte) float64 { return float64(model.BFloat16(little.Uint16(b)).Float32()) }
	case model.FP16:
		return func(b []byte) float64 { return float64(model.Float16(little.Uint16(b)).Float32()) }
	}
	return nil
}
