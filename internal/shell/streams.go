package shell

import (
	"io"
	"io/fs"
)

// withStreams is a world in which the paths of the standard streams lead to those
// of a program.
type withStreams struct {
	World
	p Process
}

// OpenFile opens a file, or a stream of the program.
func (w withStreams) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	var s stream
	switch name {
	case "/dev/stdin":
		s.Reader = w.p.Stdin
	case "/dev/stdout":
		s.Writer = w.p.Stdout
	case "/dev/stderr":
		s.Writer = w.p.Stderr
	}
	if s.Reader == nil && s.Writer == nil {
		return w.World.OpenFile(name, flag, perm)
	}
	info, err := w.Stat(name, true)
	s.info = info
	return s, err
}

// stream is a standard stream as a file. Closing it leaves the stream alone.
type stream struct {
	io.Reader
	io.Writer
	info fs.FileInfo
}

func (s stream) Stat() (fs.FileInfo, error) { return s.info, nil }
func (stream) Close() error                 { return nil }

func (s stream) Read(p []byte) (int, error) {
	if s.Reader == nil {
		return 0, fs.ErrInvalid
	}
	return s.Reader.Read(p)
}

func (s stream) Write(p []byte) (int, error) {
	if s.Writer == nil {
		return 0, fs.ErrInvalid
	}
	return s.Writer.Write(p)
}
