package inference

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// Classify puts classes in the place of the outputs that wants ask them of. The
// answer may be shared: it is left as it is.
func Classify(a *repository.Answer, s *model.Signature, wants []Want) ([]model.Tensor, error) {
	outputs := a.Outputs
	for _, w := range wants {
		i := slices.IndexFunc(outputs, func(t model.Tensor) bool { return t.Name == w.Name })
		if w.Classes == 0 || i < 0 {
			continue
		}
		var labels []string
		if s != nil {
			if f := s.Output(w.Name); f != nil && f.Parameters != nil {
				labels = f.Parameters.Labels
			}
		}
		t, err := classes(&outputs[i], labels, w.Classes)
		if err != nil {
			return nil, err
		}
		if &outputs[0] == &a.Outputs[0] {
			outputs = slices.Clone(outputs)
		}
		outputs[i] = t
	}
	return outputs, nil
}

// classes gives the most elements of each row of a tensor, the largest first, as
// Triton writes them: value, index and, where there is one, label. The rows are
// those of the first dimension; a tensor of one dimension is one row.
func classes(t *model.Tensor, labels []string, most int) (model.Tensor, error) {
	none := model.Tensor{}
	if t.Type == model.Bytes || t.Type == model.Bool {
		return none, &model.InputError{Tensor: t.Name, Reason: "it has no classes: its elements are " + string(t.Type)}
	}
	values, err := t.Convert(model.FP64)
	if err != nil {
		return none, err
	}
	rows, n := int64(1), int64(len(values.Data)/8)
	if len(t.Shape) > 1 {
		rows = t.Shape[0]
	}
	if rows > 0 {
		n /= rows
	}
	k := min(int64(most), n)
	texts, err := t.Strings()
	if err != nil {
		return none, err
	}
	out, order := make([]string, 0, rows*k), make([]int, n)
	for row := range rows {
		at := func(i int) float64 { return float(values.Data[8*(row*n+int64(i)):]) }
		for i := range order {
			order[i] = i
		}
		// Of equal ones, and of those that are no numbers, the first is first.
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at(b), at(a)) })
		for _, i := range order[:k] {
			text := texts[row*n+int64(i)]
			switch t.Type {
			case model.FP16, model.BF16, model.FP32, model.FP64:
				text = strconv.FormatFloat(at(i), 'f', 6, 64)
			}
			text = fmt.Sprintf("%s:%d", text, i)
			if i < len(labels) {
				text += ":" + labels[i]
			}
			out = append(out, text)
		}
	}
	if len(t.Shape) > 1 {
		return model.Of(t.Name, out, rows, k), nil
	}
	return model.Of(t.Name, out, k), nil
}

func float(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }
