package store

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

func FuzzPartMap(f *testing.F) {
	name := filepath.Join(f.TempDir(), "map")
	m, err := openPartMap(name, 40<<20, 8<<20, 0)
	if err != nil {
		f.Fatal(err)
	}
	if err := m.grow(1, 5, true); err != nil {
		f.Fatal(err)
	}
	if err := m.close(); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, int64(9<<20))
	f.Add(binary.LittleEndian.AppendUint64(b[:len(b)-8], 1<<63), int64(40<<20))
	f.Fuzz(func(t *testing.T, b []byte, there int64) {
		const size, piece = 40 << 20, 8 << 20
		came := parsePartMap(b, size, piece, there)
		for i, n := range came {
			if n < 0 || n > piece || n > 0 && int64(i)*piece+n > there {
				t.Errorf("piece %d has %d of %d bytes", i, n, there)
			}
		}
	})
}
