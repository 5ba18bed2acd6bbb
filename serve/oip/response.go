package oip

import (
	"encoding/json"
	"strconv"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/repository"
)

// binarySize is the parameter of a tensor that tells how many bytes of it follow
// the JSON.
const binarySize = "binary_data_size"

// response is the answer to a request.
type response struct {
	receipt *repository.Receipt
	id      string
	outputs []model.Tensor
	binary  func(name string) bool // which are wanted in binary
}

// append appends the JSON of the response, and to parts the tensors that are to
// follow it.
func (a *response) append(b []byte, parts [][]byte) ([]byte, [][]byte) {
	b = append(b, `{"model_name":`...)
	b = appendString(b, a.receipt.Model)
	b = append(b, `,"model_version":`...)
	b = appendString(b, a.receipt.Version)
	if a.id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, a.id)
	}
	b = append(b, `,"outputs":[`...)
	for i := range a.outputs {
		t := &a.outputs[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = appendString(b, t.Name)
		b = append(b, `,"datatype":"`...)
		b = append(b, t.Type...)
		b = append(b, `","shape":[`...)
		for i, d := range t.Shape {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, d, 10)
		}
		b = append(b, ']')
		if a.binary(t.Name) {
			b = appendParameters(b, t.Parameters, binarySize, len(t.Data))
			parts = append(parts, t.Data)
		} else {
			b = appendData(b, t)
		}
		b = append(b, '}')
	}
	return append(b, "]}"...), parts
}

// appendData appends the elements of a tensor, and its parameters, one of which may
// say how they are written.
func appendData(b []byte, t *model.Tensor) []byte {
	if t.Type != model.Bytes {
		b = appendParameters(b, t.Parameters, "", nil)
		b = append(b, `,"data":`...)
		b, _ = t.AppendData(b)
		return b
	}
	before := len(b)
	b = append(b, `,"data":`...)
	b, plain := t.AppendData(b)
	switch {
	case !plain:
		return append(appendParameters(b[:before:before], t.Parameters, "content_type", "base64"), b[before:]...)
	case len(t.Parameters) > 0:
		return append(appendParameters(b[:before:before], t.Parameters, "", nil), b[before:]...)
	}
	return b
}

// appendParameters appends parameters, and one more of a name that is not "".
func appendParameters(b []byte, p map[string]any, name string, value any) []byte {
	if n, ok := value.(int); ok && len(p) == 0 {
		b = append(b, `,"parameters":{"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		return append(strconv.AppendInt(b, int64(n), 10), '}')
	}
	all := make(map[string]any, len(p)+1)
	for key, v := range p {
		all[key] = v
	}
	if name != "" {
		all[name] = value
	}
	if len(all) == 0 {
		return b
	}
	text, err := json.Marshal(all)
	if err != nil {
		return b // a model's parameters that JSON does not know are not shown
	}
	return append(append(b, `,"parameters":`...), text...)
}

// appendString appends a string in JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			text, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
