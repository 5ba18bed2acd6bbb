package wasm

import "testing"

// TestPlaces is about two functions: the first had a charge put in front and an
// instruction replaced by a longer one, the second was left as it was.
func TestPlaces(t *testing.T) {
	var e Editor
	e.NoteRuns()
	e.Reset([]byte("0123456789"), nil)
	e.Replace(0, 1) // the locals
	e.Out = append(e.Out, "abc"...)
	e.Replace(4, 6)
	e.Out = append(e.Out, "XYZ"...)
	if got := string(e.Finish()); got != "abc123XYZ6789" {
		t.Fatal(got)
	}
	one, two := Span{100, 110}, Span{111, 114}
	places := AppendPlace(nil, Span{}, one, 2+len(e.Out), 1, 2, e.Runs())
	places = AppendPlace(places, one, two, 3, 1, 1, []Run{{0, 1, 2}})
	side := AddPlaces([]byte("names"), 7, 3, places)
	// The code section: a count, the length, two bytes of locals, e.Out, the length, three bytes.
	for _, c := range []struct {
		index    uint32
		at, want uint64
	}{
		{7, 4, 101}, {7, 5, 101}, {7, 6, 101}, {7, 7, 101}, {7, 8, 102}, {7, 10, 104}, {7, 12, 104}, {7, 13, 106}, {7, 16, 109},
		{8, 19, 112}, {8, 20, 113}, {8, 21, 0}, {8, 18, 0}, {7, 3, 0}, {7, 17, 0}, {9, 21, 0}, {6, 4, 0}, {1 << 31, 4, 0},
	} {
		got, ok := PlaceOf(side, c.index, c.at)
		if ok != (c.want != 0) || got != c.want {
			t.Errorf("function %d at %d: %d, %v, want %d", c.index, c.at, got, ok, c.want)
		}
	}
	if !HasPlaces(side) || HasPlaces([]byte("names")) || HasPlaces(nil) {
		t.Error("who has places")
	}
}

func FuzzPlaces(f *testing.F) {
	f.Add(AddPlaces(nil, 1, 1, AppendPlace(nil, Span{}, Span{8, 20}, 12, 1, 1, []Run{{0, 1, 11}})), uint32(1), uint64(4))
	f.Add([]byte("\xff\xff\xff\x7fWPLC"), uint32(0), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, index uint32, at uint64) {
		if got, ok := PlaceOf(b, index, at); !ok && got != 0 {
			t.Error(got)
		}
	})
}
