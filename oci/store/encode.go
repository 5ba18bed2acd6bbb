package store

import (
	"encoding/json"

	"github.com/wherry-run/wherry/internal/layer"
)

func encodeIndex(x *layer.Index) ([]byte, error) { return json.Marshal(x) }

func decodeIndex(data []byte) (*layer.Index, error) {
	x := new(layer.Index)
	return x, json.Unmarshal(data, x)
}
