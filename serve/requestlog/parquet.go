package requestlog

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"github.com/klauspost/compress/zstd"
)

// groupBytes is when a row group is full, and written for good.
const groupBytes = 4 << 20

// parquetSheet writes a Parquet file: groups of rows that are full, and the one that
// is filled, which is written anew with the table of contents behind it whenever the
// file is flushed. So it can be read at any time.
//
// A library that writes all of Parquet is larger than a server needs to know for one
// flat table of columns that are never empty.
type parquetSheet struct {
	file   *os.File
	zstd   *zstd.Encoder
	groups []group // full
	sealed int64   // where they end in the file
	end    int64   // of the file
	values [][]byte
	rows   int64
	bytes  int64 // of values
}

// group is where the columns of some rows are.
type group struct {
	rows   int64
	chunks []chunk
}

type chunk struct {
	offset       int64
	plain, whole int64 // bytes, its head included: not compressed, and as it is
}

const magic = "PAR1"

func openParquet(path string) (*parquetSheet, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the request log: %w", err)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	s := &parquetSheet{file: f, zstd: z, values: make([][]byte, len(columns))}
	if _, err := f.WriteAt([]byte(magic), 0); err != nil {
		_ = f.Close()
		return nil, err
	}
	s.sealed = int64(len(magic))
	return s, s.flush()
}

func (s *parquetSheet) add(r *row) error {
	before := s.bytes
	var ends [32]int // there are fewer columns
	for i := range columns {
		c, b := &columns[i], s.values[i]
		n := len(b)
		ends[i] = n
		switch c.kind {
		case integer, moment:
			b = binary.LittleEndian.AppendUint64(b, uint64(c.integer(r)))
		case real:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(c.real(r)))
		default:
			v := c.text(r)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(v)))
			b = append(b, v...)
		}
		s.values[i] = b
		s.bytes += int64(len(b) - n)
	}
	s.rows++
	if s.bytes < groupBytes {
		return nil
	}
	err := s.flush()
	if err != nil { // the row is given up
		s.rows--
		s.bytes = before
		for i := range s.values {
			s.values[i] = s.values[i][:ends[i]]
		}
	}
	return err
}

// flush writes the group that is filled, and the table of contents.
func (s *parquetSheet) flush() error {
	var out []byte
	groups := s.groups
	if s.rows > 0 {
		g := group{rows: s.rows}
		for _, plain := range s.values {
			packed := s.zstd.EncodeAll(plain, nil)
			head := pageHead(len(plain), len(packed), s.rows)
			g.chunks = append(g.chunks, chunk{
				offset: s.sealed + int64(len(out)), plain: int64(len(head) + len(plain)), whole: int64(len(head) + len(packed)),
			})
			out = append(append(out, head...), packed...)
		}
		groups = append(groups[:len(groups):len(groups)], g)
	}
	full := int64(len(out))
	contents := fileContents(groups)
	out = append(out, contents...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(contents)))
	out = append(out, magic...)
	if _, err := s.file.WriteAt(out, s.sealed); err != nil {
		return err
	}
	end := s.sealed + int64(len(out))
	if end < s.end {
		if err := s.file.Truncate(end); err != nil {
			return err
		}
	}
	s.end = end
	if s.bytes >= groupBytes {
		s.groups, s.sealed = groups, s.sealed+full
		s.rows, s.bytes = 0, 0
		for i := range s.values {
			s.values[i] = s.values[i][:0]
		}
	}
	return nil
}

// size counts what is not written yet as it is in memory: more than it will be.
func (s *parquetSheet) size() int64 { return s.sealed + s.bytes/4 }

func (s *parquetSheet) close() error {
	err := s.flush()
	_ = s.zstd.Close()
	if wrong := s.file.Close(); err == nil {
		err = wrong
	}
	if err == nil && s.rows == 0 && len(s.groups) == 0 {
		err = os.Remove(s.file.Name())
	}
	return err
}
