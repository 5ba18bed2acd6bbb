package prepare

import (
	"reflect"
	"testing"

	"github.com/wherry-run/wherry/internal/wasm"
)

// TestTellAhead joins what is near, tells nothing twice, and needs nobody to listen.
func TestTellAhead(t *testing.T) {
	s := &Split{m: &wasm.Module{Code: []wasm.Span{{Start: 10, End: 20}, {Start: 21, End: 40}, {Start: 41, End: 41 + near},
		{Start: 42 + near, End: 50 + near}, {Start: 50 + 2*near, End: 60 + 2*near}}}}
	s.tellAhead([]uint32{0})
	var told [][2]int
	s.TellAhead(func(offset, length int) { told = append(told, [2]int{offset, length}) })
	for _, c := range []struct {
		functions []uint32
		want      [][2]int
	}{
		{nil, nil},
		{[]uint32{1}, [][2]int{{21, 19}}},
		{[]uint32{0, 1}, [][2]int{{10, 30}}},
		{[]uint32{0, 3}, [][2]int{{10, 10}, {42 + near, 8}}},
		{[]uint32{0, 2, 3, 4}, [][2]int{{10, 40 + near}, {50 + 2*near, 10}}},
	} {
		told = nil
		s.tellAhead(c.functions)
		if !reflect.DeepEqual(told, c.want) {
			t.Errorf("%v: %v, want %v", c.functions, told, c.want)
		}
	}
}
