package hostmath

import "testing"

// ledger is an Env that counts what is held.
type ledger struct {
	held, room int64
}

func (l *ledger) Memory() []byte    { return nil }
func (l *ledger) Tick(uint64) error { return nil }

func (l *ledger) Hold(bytes int64) bool {
	if l.held+bytes > l.room {
		return false
	}
	l.held += bytes
	return true
}

// TestHold: of what a call holds several times the guest is charged for the most, and
// gets all of that back.
func TestHold(t *testing.T) {
	w, l := newWork(), &ledger{room: 4096}
	defer w.free()
	for _, c := range []struct {
		count int
		held  int64
	}{{100, 800}, {50, 800}, {400, 3200}, {10_000, 3200}, {512, 4096}} {
		got := hold[float64](w, l, c.count)
		if (got == nil) != (c.count == 10_000) || got != nil && len(got) != c.count || l.held != c.held || w.held != c.held {
			t.Errorf("%d numbers: %d, %d bytes are held, want %d", c.count, len(got), l.held, c.held)
		}
	}
	if w.release(l); l.held != 0 {
		t.Errorf("%d bytes are left", l.held)
	}
}

// TestFree: of the memory of a call nothing large is kept for others, who were not charged
// for it.
func TestFree(t *testing.T) {
	for count, kept := range map[int]bool{packed: true, mostKept: true, mostKept + 1: false, 1 << 22: false} {
		w, l := new(work), &ledger{room: 1 << 30}
		if hold[float64](w, l, count) == nil {
			t.Fatal("there is room")
		}
		w.release(l)
		if w.free(); (w.buffer != nil) != kept {
			t.Errorf("of %d numbers %d are kept", count, len(w.buffer))
		}
	}
}

// TestDigests: a constant that is no digest pins nothing, and is seen here.
func TestDigests(t *testing.T) {
	var none [32]byte
	for _, s := range []string{"", "zz", "ab"} {
		if digest(s) != none {
			t.Errorf("%q is a digest", s)
		}
	}
	n := 0
	for _, list := range [][]Pin{onnxRuntimePins(), wasiPythonPins()} {
		for _, p := range list {
			if n++; p.Module == none || p.Body == none {
				t.Errorf("%s, function %d: its digests are %x, %x", p.Kernel, p.Function, p.Module, p.Body)
			}
		}
	}
	if n == 0 {
		t.Error("nothing is pinned")
	}
}
