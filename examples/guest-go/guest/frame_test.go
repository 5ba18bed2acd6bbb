package guest

import (
	"encoding/binary"
	"testing"
)

// A request that says the same as the one before has its own bytes, and is held against
// them again.
func TestAgain(t *testing.T) {
	const text = `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}`
	said := append(binary.LittleEndian.AppendUint32(nil, uint32(len(text))), text...)
	for i, data := range []string{"abcd", "efgh", "efg", "", "ijkl"} {
		r, err := parse(append(said[:len(said):len(said)], data...))
		if len(data) < 4 {
			if err == nil {
				t.Errorf("%d: %q is taken", i, data)
			}
			continue
		}
		if err != nil || string(r.Inputs["x"].Data) != data {
			t.Errorf("%d: %v, %v", i, r, err)
		}
		if i > 0 && string(model.reader.last) != text {
			t.Errorf("%d: it was not read as the one before", i)
		}
	}
}
