package prepare_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

// memory is a file in memory.
type memory []byte

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return 0, io.ErrShortWrite
	}
	return copy(m[off:], p), nil
}

// TestPages lays encoded memories over each other and compares with the whole.
func TestPages(t *testing.T) {
	const size = 4 << 16
	r := rand.New(rand.NewPCG(1, 2))
	base, next := make([]byte, size), make([]byte, size)
	for range 20 {
		base[r.IntN(size)] = 1
	}
	copy(next, base)
	for range 20 {
		next[r.IntN(size)] = byte(r.IntN(3)) // some become zero again
	}
	clear(next[3*4096 : 9*4096])
	for name, under := range map[string][]byte{"alone": nil, "over a base": base, "over a shorter one": base[:size/2]} {
		var b, again bytes.Buffer
		if err := prepare.EncodePages(&b, next, under); err != nil {
			t.Fatal(err)
		}
		if err := prepare.EncodePages(&again, next, under); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Errorf("%s: encoded twice, not the same bytes: %v", name, err)
		}
		got := make(memory, size)
		copy(got, under)
		if err := prepare.DecodePages(bytes.NewReader(b.Bytes()), size, got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(got, next) {
			t.Errorf("%s: came back different", name)
		}
		if err := prepare.DecodePages(bytes.NewReader(b.Bytes()), size/2, make(memory, size/2)); err == nil {
			t.Errorf("%s: fitted into half of the memory", name)
		}
		for cut := range b.Len() {
			if cut%997 == 0 {
				if err := prepare.DecodePages(bytes.NewReader(b.Bytes()[:cut]), size, make(memory, size)); err == nil {
					t.Errorf("%s: the first %d bytes were taken for all", name, cut)
				}
			}
		}
	}
}

// FuzzPages checks that no bytes write outside of the memory.
func FuzzPages(f *testing.F) {
	var b bytes.Buffer
	m := make([]byte, 3*4096)
	m[5000] = 1
	if err := prepare.EncodePages(&b, m, nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = prepare.DecodePages(bytes.NewReader(data), 1<<16, make(memory, 1<<16))
	})
}

// FuzzFacts checks that damaged facts are refused or harmless.
func FuzzFacts(f *testing.F) {
	f.Add([]byte("WFCT\x01\x00\x00\x00\x01\x20\x05"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var x prepare.Facts
		if x.UnmarshalBinary(data) != nil {
			return
		}
		again, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var y prepare.Facts
		if err := y.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
	})
}
