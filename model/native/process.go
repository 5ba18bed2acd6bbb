// Package native has ONNX models run by ONNX Runtime as native code: by the program
// wherry-native, a process of its own outside of the sandbox. Who asks for it trusts
// the model's file as a program.
package native

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/wherry-run/wherry/model"
)

// Options say what runs a model.
type Options struct {
	// Program is the path of wherry-native.
	Program string
	// Library is the path of ONNX Runtime's shared library.
	Library string
	// Threads is how many threads a request may use; 0 is for the library to say.
	Threads int
	// Log gets what the process prints; nil discards it.
	Log io.Writer
}

// An Instance is a model in a process of its own. It is a model.Instance.
type Instance struct {
	cmd       *exec.Cmd
	in        io.WriteCloser
	out       *bufio.Reader
	signature *model.Signature
	version   string
	last      *tail
	once      sync.Once
	ended     error // how the process ended
	broken    error
}

var _ model.Instance = (*Instance)(nil)

// leave is how long a process has to end by itself.
const leave = 2 * time.Second

// Open starts a process that loads the model of a file. The signature says what
// outputs there are.
func Open(ctx context.Context, file string, s *model.Signature, o Options) (*Instance, error) {
	cmd := exec.Command(o.Program, "--ort-library", o.Library) // it lives longer than ctx
	i := &Instance{cmd: cmd, signature: s, last: &tail{to: o.Log}}
	cmd.Stderr = i.last
	cmd.WaitDelay = leave
	var err error
	if i.in, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start wherry-native: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start wherry-native: %w", err)
	}
	i.out = bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start wherry-native: %w", err)
	}
	m, _, err := i.exchange(ctx, Message{Load: &Load{Model: file, Threads: o.Threads}}, nil)
	if err == nil && m.Ready == nil {
		err = errFrame
	}
	if err != nil {
		i.kill()
		return nil, fmt.Errorf("load the model natively: %w", err)
	}
	i.version = m.Ready.Version
	return i, nil
}

// Version is that of ONNX Runtime.
func (i *Instance) Version() string { return i.version }

// Predict answers a request. When ctx ends before it, the process does, too.
func (i *Instance) Predict(ctx context.Context, r *model.Request) (*model.Response, error) {
	if i.broken != nil {
		return nil, i.broken
	}
	wanted := r.Outputs
	if len(wanted) == 0 {
		for k := range i.signature.Outputs {
			wanted = append(wanted, i.signature.Outputs[k].Name)
		}
	}
	list, data := pieces(r.Inputs)
	began := time.Now()
	m, got, err := i.exchange(ctx, Message{Run: &Run{Inputs: list, Outputs: wanted}}, data)
	if err != nil {
		return nil, err
	}
	if m.Answer == nil || len(m.Answer.Outputs) != len(wanted) {
		return nil, i.fail(errFrame)
	}
	out := &model.Response{Usage: model.Usage{Compute: time.Since(began)}}
	if out.Outputs, err = tensors(m.Answer.Outputs, got); err != nil {
		return nil, i.fail(&wrongError{err.Error()})
	}
	for k := range out.Outputs {
		if out.Outputs[k].Name != wanted[k] {
			return nil, i.fail(errFrame)
		}
	}
	return out, nil
}

// exchange says something to the process and takes its answer.
func (i *Instance) exchange(ctx context.Context, m Message, data [][]byte) (Message, []byte, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, nil, context.Cause(ctx)
	}
	stop := context.AfterFunc(ctx, func() { i.cmd.Process.Kill() })
	err := writeFrame(i.in, m, data)
	var got Message
	var bytes []byte
	if err == nil {
		got, bytes, err = readFrame(i.out)
	}
	switch {
	case !stop(): // it is being killed
		i.kill()
		i.broken = context.Cause(ctx)
		return Message{}, nil, i.broken
	case err != nil:
		return Message{}, nil, i.fail(err)
	case got.Error != nil:
		return Message{}, nil, got.Error.err()
	}
	return got, bytes, nil
}

// fail ends a process that did not answer as it should, or has ended.
func (i *Instance) fail(err error) error {
	var wrong *wrongError
	if errors.As(err, &wrong) || errors.Is(err, errFrame) {
		i.kill()
		err = fmt.Errorf("native ONNX Runtime: %w", err)
	} else {
		i.end()
		if err = i.ended; err == nil {
			err = errors.New("it ended")
		}
		if said := i.last.line(); said != "" {
			err = fmt.Errorf("%w: %s", err, said)
		}
		err = fmt.Errorf("native ONNX Runtime has ended while it worked: %w", err)
	}
	i.broken = err
	return err
}

// wrongError is an answer that contradicts itself. It is no error of the request.
type wrongError struct{ reason string }

func (e *wrongError) Error() string { return "an answer that is none: " + e.reason }

// Reset does nothing: ONNX Runtime remembers no request.
func (i *Instance) Reset(context.Context) error { return i.broken }

// Close ends the process.
func (i *Instance) Close(context.Context) error {
	i.end()
	i.broken = model.ErrClosed
	return nil // how it ends nothing hangs on
}

// end lets the process end by itself, for a while.
func (i *Instance) end() {
	i.in.Close()
	late := time.AfterFunc(leave, func() { i.cmd.Process.Kill() })
	defer late.Stop()
	i.wait()
}

func (i *Instance) kill() {
	i.in.Close()
	i.cmd.Process.Kill()
	i.wait()
}

func (i *Instance) wait() {
	i.once.Do(func() {
		io.Copy(io.Discard, i.out) // until it ends
		i.ended = i.cmd.Wait()
	})
}

// tail passes on what a process prints, and keeps the end of it.
type tail struct {
	mu   sync.Mutex
	to   io.Writer
	kept []byte
}

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p[max(0, len(p)-maxTail):]...)
	t.kept = t.kept[max(0, len(t.kept)-maxTail):]
	if t.to != nil {
		t.to.Write(p) // nothing hangs on it
	}
	return len(p), nil
}

// line is the last line.
func (t *tail) line() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.kept))
	return text[strings.LastIndexByte(text, '\n')+1:]
}
