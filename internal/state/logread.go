package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// LogOptions say which entries of a log are wanted.
type LogOptions struct {
	Follow       bool
	Since, Until time.Time
	// Tail is how many of the last entries there are to be at most; nil is all.
	Tail *int
	// Only is Stdout or Stderr; "" is both.
	Only string
}

// Logs gives the entries of a container's log, the oldest first. With Follow it
// goes on until the container has ended, or ctx.
func (s *Store) Logs(ctx context.Context, id string, o LogOptions, give func(Entry) error) error {
	ended := func() bool {
		c, err := s.look(ctx, id)
		return err != nil || !c.State.Status.Alive()
	}
	r := &logReader{dir: s.container(id, logsDir)}
	defer r.close()
	if err := r.seek(o.Tail); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	return r.follow(ctx, o.Follow, ended, func(line []byte) (bool, error) {
		e, ok := parseEntry(line)
		switch {
		case !ok, o.Only != "" && e.Stream != o.Only, e.Time.Before(o.Since):
			return true, nil
		case !o.Until.IsZero() && e.Time.After(o.Until):
			return false, nil
		}
		return true, give(e)
	})
}

// logReader reads the lines of a folder's log files one after another, while
// somebody else writes and removes them.
type logReader struct {
	dir    string
	number int
	f      *os.File
	r      *bufio.Reader
	begun  []byte // of a line that has no end yet
}

const (
	followPoll = 25 * time.Millisecond
	// endedPoll is how many polls without a line it takes to look whether the writer
	// is still there.
	endedPoll = 8
)

// follow gives lines until give returns false. Without wait it ends at the end of
// the log, with it when there is no writer any more.
func (r *logReader) follow(ctx context.Context, wait bool, ended func() bool, give func([]byte) (bool, error)) error {
	last := false
	for idle := 1; ; idle++ {
		for {
			if err := ctx.Err(); err != nil {
				return context.Cause(ctx)
			}
			line, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return fmt.Errorf("read log: %w", err)
			}
			idle = 0
			if more, err := give(line); err != nil || !more {
				return err
			}
		}
		if !wait || last {
			return nil
		}
		if idle%endedPoll == 0 {
			if last = ended(); last {
				continue // what was written since
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(followPoll):
		}
	}
}

// next is the next whole line; io.EOF when there is none now.
func (r *logReader) next() ([]byte, error) {
	for {
		if r.f == nil {
			ok, err := r.open()
			if err != nil {
				return nil, err
			}
			if !ok {
				return nil, io.EOF
			}
		}
		line, err := readLine(r.r)
		if err == nil {
			line = append(r.begun, line...)
			r.begun = nil
			return line, nil
		}
		if !errors.Is(err, io.EOF) {
			return nil, err
		}
		r.begun = append(r.begun, line...)
		list, err := logFiles(r.dir)
		if err != nil || len(list) == 0 || list[len(list)-1] <= r.number {
			return nil, io.EOF
		}
		// There is a newer file: this one grows no more. What was written before
		// that one was made has to be read first.
		if line, err := readLine(r.r); err == nil {
			line = append(r.begun, line...)
			r.begun = nil
			return line, nil
		}
		r.close()
	}
}

// open opens the oldest file after the one that was read last.
func (r *logReader) open() (bool, error) {
	list, err := logFiles(r.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, err
	}
	for _, n := range list {
		if n <= r.number {
			continue
		}
		f, err := os.Open(filepath.Join(r.dir, logName(n)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // rotated away meanwhile
		}
		if err != nil {
			return false, err
		}
		r.f, r.number, r.r, r.begun = f, n, bufio.NewReaderSize(f, 64<<10), nil
		return true, nil
	}
	return false, nil
}

func (r *logReader) close() {
	if r.f != nil {
		_ = r.f.Close()
		r.f = nil
	}
}

// seek goes to where the last n lines begin; to the beginning for nil.
func (r *logReader) seek(n *int) error {
	if n == nil || *n < 0 {
		return nil
	}
	list, err := logFiles(r.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	want := *n
	for _, number := range slices.Backward(list) {
		f, err := os.Open(filepath.Join(r.dir, logName(number)))
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		at, found, err := lastLines(f, want)
		if err == nil {
			_, err = f.Seek(at, io.SeekStart)
		}
		if err != nil {
			_ = f.Close()
			return err
		}
		r.close()
		r.f, r.number, r.r = f, number, bufio.NewReaderSize(f, 64<<10)
		if want -= found; want <= 0 {
			break
		}
	}
	return nil
}

// lastLines is where the last n lines of a file begin, and how many there are, if
// they are fewer.
func lastLines(f *os.File, n int) (at int64, found int, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	end := info.Size()
	if n <= 0 {
		return end, 0, nil
	}
	buf := make([]byte, 64<<10)
	for at = end; at > 0; {
		size := min(int64(len(buf)), at)
		part := buf[:size]
		if _, err := f.ReadAt(part, at-size); err != nil {
			return 0, 0, err
		}
		for len(part) > 0 {
			i := bytes.LastIndexByte(part, '\n')
			if i < 0 {
				break
			}
			part = part[:i]
			from := at - size + int64(i) + 1
			if from == end {
				continue // the end of the last line
			}
			if found++; found == n {
				return from, found, nil
			}
		}
		at -= size
	}
	if end > 0 {
		found++
	}
	return 0, found, nil
}
