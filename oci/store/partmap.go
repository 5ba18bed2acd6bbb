package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
)

const (
	mapSuffix = ".map"
	mapMagic  = "wherrypt"
	mapHead   = 24
	mapStep   = 1 << 20 // so much comes between two notes of one piece
)

// partMap is a file that says how far each piece of a part has come: a head with the
// sizes, and eight bytes a piece.
type partMap struct {
	file  *os.File
	came  []int64
	noted []int64 // what the file says
}

// openPartMap reads a map, and begins a new one when it is not of this blob or speaks of
// more than there is.
func openPartMap(name string, size, piece, there int64) (*partMap, error) {
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	came := parsePartMap(b, size, piece, there)
	if came == nil {
		came = make([]int64, (size+piece-1)/piece)
		head := binary.LittleEndian.AppendUint64([]byte(mapMagic), uint64(size))
		head = binary.LittleEndian.AppendUint64(head, uint64(piece))
		if err := os.WriteFile(name, append(head, make([]byte, 8*len(came))...), 0o600); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	return &partMap{file: f, came: came, noted: append([]int64(nil), came...)}, nil
}

// parsePartMap reads a map of a blob of this size; nil when it is none.
func parsePartMap(b []byte, size, piece, there int64) []int64 {
	n := (size + piece - 1) / piece
	head, ok := bytes.CutPrefix(b, []byte(mapMagic))
	if !ok || int64(len(b)) != mapHead+8*n ||
		binary.LittleEndian.Uint64(head) != uint64(size) || binary.LittleEndian.Uint64(head[8:]) != uint64(piece) {
		return nil
	}
	came := make([]int64, n)
	for i := range came {
		v := binary.LittleEndian.Uint64(b[mapHead+8*i:])
		start := int64(i) * piece
		if v > uint64(min(piece, size-start)) || v > 0 && start+int64(v) > there {
			return nil
		}
		came[i] = int64(v)
	}
	return came
}

// grow notes that n more bytes of a piece came.
func (m *partMap) grow(i int, n int64, full bool) error {
	m.came[i] += n
	if !full && m.came[i]-m.noted[i] < mapStep {
		return nil
	}
	m.noted[i] = m.came[i]
	_, err := m.file.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(m.came[i])), mapHead+8*int64(i))
	return err
}

// close notes the rest.
func (m *partMap) close() error {
	var err error
	for i := range m.came {
		if m.came[i] != m.noted[i] && err == nil {
			err = m.grow(i, 0, true)
		}
	}
	if cerr := m.file.Close(); err == nil {
		err = cerr
	}
	return err
}
