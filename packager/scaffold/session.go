package scaffold

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// maxAnswer bounds what a program of the sandbox may say at once.
const maxAnswer = 8 << 20

// session is a Python that answers jobs, one after the other: what it has imported
// and loaded for one is there for the next.
type session struct {
	stdin  *io.PipeWriter
	stdout *bufio.Reader
	pipe   *io.PipeReader
	cancel context.CancelFunc
	ended  chan struct{}
	err    error // after ended
}

// start begins a session over a folder.
func start(ctx context.Context, s Sandbox, folder string) (*session, error) {
	p := Program{Args: []string{"/wherry/serve.py"}, Folder: folder, Files: map[string][]byte{}}
	list, err := fs.ReadDir(guest, "guest")
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if p.Files["/wherry/"+e.Name()], err = fs.ReadFile(guest, "guest/"+e.Name()); err != nil {
			return nil, err
		}
	}
	jobs, stdin := io.Pipe()
	answers, stdout := io.Pipe()
	ctx, cancel := context.WithCancel(ctx)
	out := &session{stdin: stdin, stdout: bufio.NewReader(answers), pipe: answers, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(out.ended)
		out.err = s.Python(ctx, p, jobs, stdout)
		stdout.CloseWithError(io.ErrUnexpectedEOF)
		jobs.CloseWithError(io.ErrClosedPipe)
	}()
	return out, nil
}

// close ends the session.
func (s *session) close() {
	s.stdin.Close()
	s.pipe.Close()
	s.cancel()
	<-s.ended
}

// ask has a module of guest/ do a job, and reads its answer into said.
func (s *session) ask(module string, job map[string]any, said any) error {
	job["do"] = module
	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	if _, err := s.stdin.Write(append(text, '\n')); err != nil {
		return s.broken(err)
	}
	line, err := s.line()
	if err != nil {
		return s.broken(err)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(said); err != nil {
		return fmt.Errorf("read the answer of the sandbox: %w", err)
	}
	return nil
}

// line is one line of what the program prints.
func (s *session) line() ([]byte, error) {
	var line []byte
	for {
		part, err := s.stdout.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxAnswer:
			return nil, fmt.Errorf("the sandbox says more than %d bytes at once", maxAnswer)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, err
		}
		return line, nil
	}
}

// broken is why the session has ended, if it has.
func (s *session) broken(err error) error {
	if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.ErrClosedPipe) {
		return err
	}
	<-s.ended
	if s.err != nil {
		return s.err
	}
	return errors.New("the sandbox gave no answer")
}

// relocated is a job with its paths below another folder than Work, for a Python
// that sees the folder where it is.
func relocated(line []byte, folder string) ([]byte, error) {
	var job map[string]any
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&job); err != nil {
		return nil, fmt.Errorf("read job: %w", err)
	}
	for _, key := range []string{"path", "model", "source", "output"} {
		if text, ok := job[key].(string); ok && strings.HasPrefix(text, Work+"/") {
			job[key] = join(folder, strings.TrimPrefix(text, Work+"/"))
		}
	}
	return json.Marshal(job)
}
