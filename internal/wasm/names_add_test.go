package wasm

import "testing"

func TestAddNames(t *testing.T) {
	one := packNames([]funcName{{2, []byte("two")}, {5, []byte("five")}})
	for _, tt := range []struct {
		sidecar []byte
		want    map[uint32]string
	}{
		{one, map[uint32]string{2: "two", 5: "five", 6: "", 7: "seven", 8: "eight", 9: ""}},
		{nil, map[uint32]string{2: "", 7: "seven", 8: "eight"}},
		{one[:len(namesMagic)+6], map[uint32]string{2: "", 7: "seven", 8: "eight"}},
	} {
		got := AddNames(tt.sidecar, 7, []string{"seven", "eight"})
		for i, name := range tt.want {
			if n := NameOf(got, i); n != name {
				t.Errorf("function %d has the name %q, want %q", i, n, name)
			}
		}
	}
}
