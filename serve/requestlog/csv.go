package requestlog

import (
	"encoding/csv"
	"fmt"
	"io"
	"os"
)

// csvSheet appends to a file of CSV.
type csvSheet struct {
	file  *os.File
	out   *csv.Writer
	bytes int64
	cells []string
}

func openCSV(path string) (*csvSheet, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the request log: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	s := &csvSheet{file: f, bytes: st.Size(), cells: make([]string, len(columns))}
	s.out = csv.NewWriter(io.MultiWriter(f, counter{&s.bytes}))
	if s.bytes > 0 {
		return s, nil
	}
	for i := range columns {
		s.cells[i] = columns[i].name
	}
	if err := s.out.Write(s.cells); err != nil {
		_ = f.Close()
		return nil, err
	}
	return s, s.flush()
}

// counter counts what is written.
type counter struct{ n *int64 }

func (c counter) Write(p []byte) (int, error) {
	*c.n += int64(len(p))
	return len(p), nil
}

func (s *csvSheet) add(r *row) error {
	for i := range columns {
		s.cells[i] = columns[i].cell(r)
	}
	return s.out.Write(s.cells)
}

func (s *csvSheet) flush() error {
	s.out.Flush()
	return s.out.Error()
}

func (s *csvSheet) size() int64 { return s.bytes }

func (s *csvSheet) close() error {
	err := s.flush()
	if wrong := s.file.Close(); err == nil {
		err = wrong
	}
	return err
}
