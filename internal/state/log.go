package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/docker/go-units"
)

// What is kept of the output of a container that says nothing about it.
const (
	DefaultLogSize  = 16 << 20
	DefaultLogFiles = 3
)

// maxLine is how much of a line is one entry of a log; a longer one is several, of
// which only the last ends with a line feed.
const maxLine = 16 << 10

// Stdout and Stderr are the streams of a log.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// Entry is one line of a log, or a part of one, in the format of Docker's json-file.
type Entry struct {
	Log    string    `json:"log"`
	Stream string    `json:"stream"`
	Time   time.Time `json:"time"`
	// Raw is the line where it is not UTF-8, which JSON cannot say; Log is empty then.
	Raw []byte `json:"raw,omitempty"`
}

// Bytes is what the program printed.
func (e Entry) Bytes() []byte {
	if e.Raw != nil {
		return e.Raw
	}
	return []byte(e.Log)
}

// ParseLogOptions reads Docker's --log-driver and --log-opt.
func ParseLogOptions(driver string, options []string) (LogConfig, error) {
	c := LogConfig{}
	switch driver {
	case "", "json-file", "local":
	case "none":
		c.Off = true
	default:
		return c, fmt.Errorf("log driver %q: there are json-file, local and none", driver)
	}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		var err error
		switch name {
		case "max-size":
			if c.MaxSize, err = units.RAMInBytes(value); err == nil && c.MaxSize < 1<<10 {
				err = errors.New("at least 1k")
			}
		case "max-file":
			if c.MaxFiles, err = strconv.Atoi(value); err == nil && (c.MaxFiles < 1 || c.MaxFiles > 1000) {
				err = errors.New("from 1 to 1000")
			}
		case "mode":
			if value != "blocking" {
				err = errors.New("output is never thrown away here: blocking")
			}
		default:
			err = errors.New("there are max-size and max-file")
		}
		if err != nil {
			return c, fmt.Errorf("log option %s: %w", o, err)
		}
	}
	return c, nil
}

// logName is the name of a log file; numbers only grow.
func logName(n int) string { return fmt.Sprintf("%08d.log", n) }

// logFiles lists the numbers of the log files in a folder, the oldest first.
func logFiles(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list []int
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".log")
		if n, err := strconv.Atoi(digits); ok && err == nil && n > 0 && logName(n) == e.Name() {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list, nil
}

// logWriter writes entries into files of a folder, and removes the oldest when there
// are too many. What a line has not ended yet waits until it does, or a while.
type logWriter struct {
	dir   string
	size  int64
	files int
	now   func() time.Time

	mu      sync.Mutex
	f       *os.File
	number  int
	written int64
	lines   map[string]*bytes.Buffer
	flushes *time.Timer // runs while a line has begun and not ended
	err     error       // the first that writing met: output goes on without a log
}

func openLog(dir string, c LogConfig, now func() time.Time) (*logWriter, error) {
	w := &logWriter{dir: dir, size: c.MaxSize, files: c.MaxFiles, now: now, lines: map[string]*bytes.Buffer{Stdout: {}, Stderr: {}}}
	if w.size == 0 {
		w.size = DefaultLogSize
	}
	if w.files == 0 {
		w.files = DefaultLogFiles
	}
	list, err := logFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	w.number = 1
	if len(list) > 0 {
		w.number = list[len(list)-1]
	}
	return w, w.open()
}

// open opens the current file. A line that a killed supervisor cut off is ended.
func (w *logWriter) open() error {
	name := filepath.Join(w.dir, logName(w.number))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		if _, err = f.ReadAt(last, info.Size()-1); err == nil && last[0] != '\n' {
			_, err = f.Write([]byte("\n"))
		}
	}
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("open log: %w", err)
	}
	w.f, w.written = f, info.Size()
	return nil
}

// write takes what a program printed.
func (w *logWriter) write(stream string, p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	line := w.lines[stream]
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n') + 1
		if n == 0 {
			n = len(p)
		}
		n = min(n, maxLine-line.Len())
		line.Write(p[:n])
		p = p[n:]
		if b := line.Bytes(); len(b) == maxLine || b[len(b)-1] == '\n' {
			w.entry(stream, line)
		}
	}
	if line.Len() > 0 && w.flushes == nil {
		w.flushes = time.AfterFunc(lineWait, w.flush)
	}
}

// lineWait is how long the beginning of a line, such as a question, waits for its end
// before it is written as it is.
const lineWait = 250 * time.Millisecond

// entry writes what is there of a line. The caller has the lock.
func (w *logWriter) entry(stream string, line *bytes.Buffer) {
	defer line.Reset()
	if line.Len() == 0 || w.err != nil || w.f == nil {
		return
	}
	e := Entry{Stream: stream, Time: w.now().UTC()}
	if utf8.Valid(line.Bytes()) {
		e.Log = line.String()
	} else {
		e.Raw = line.Bytes()
	}
	b, err := json.Marshal(e)
	if err == nil {
		var n int
		n, err = w.f.Write(append(b, '\n'))
		w.written += int64(n)
	}
	if err == nil && w.written >= w.size {
		err = w.rotate()
	}
	w.err = err
}

func (w *logWriter) rotate() error {
	if err := w.f.Close(); err != nil {
		return err
	}
	w.f = nil
	w.number++
	if err := w.open(); err != nil {
		return err
	}
	list, err := logFiles(w.dir)
	for len(list) > w.files && err == nil {
		// Windows removes no file that a reader has open: the next time, then.
		if rerr := os.Remove(filepath.Join(w.dir, logName(list[0]))); rerr != nil && errors.Is(rerr, fs.ErrNotExist) {
			break
		}
		list = list[1:]
	}
	return err
}

// flush writes the beginnings of lines that the program may never end.
func (w *logWriter) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.flushes != nil {
		w.flushes.Stop()
		w.flushes = nil
	}
	for _, stream := range []string{Stdout, Stderr} {
		w.entry(stream, w.lines[stream])
	}
}

func (w *logWriter) close() error {
	w.flush()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return w.err
	}
	err := w.f.Close()
	w.f = nil
	return errors.Join(w.err, err)
}

// maxEntry bounds a line of a log file: JSON needs up to six bytes for one.
const maxEntry = 8*maxLine + 1<<10

// parseEntry reads a line of a log file; false for one that a crash spoilt.
func parseEntry(line []byte) (Entry, bool) {
	var e Entry
	if len(line) > maxEntry || json.Unmarshal(line, &e) != nil || e.Stream != Stdout && e.Stream != Stderr {
		return Entry{}, false
	}
	return e, true
}

// readLine reads a line with its end. With an error, such as io.EOF, come the bytes
// that there were before it: the beginning of a line that is being written.
func readLine(r *bufio.Reader) (line []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) <= maxEntry {
			line = append(line, part...)
		} else {
			line = line[:0] // too long to be one of ours: it is skipped
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return line, err
	}
}
