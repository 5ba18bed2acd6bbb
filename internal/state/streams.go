package state

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// bufferedConn reads what HTTP had read ahead first.
type bufferedConn struct {
	r *bufio.Reader
	net.Conn
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }

// serveAttach joins a command with the program's streams until one of them ends.
func (v *supervisor) serveAttach(w http.ResponseWriter, _ *http.Request) {
	v.framed(w, v.attach)
}

// framed takes a connection over for frames, and counts it while f has it.
func (v *supervisor) framed(w http.ResponseWriter, f func(conn net.Conn, in *bufferedConn, frames *frameWriter)) {
	conn, in, err := hijack(w)
	if err != nil {
		return
	}
	v.connected.Add(1)
	defer v.connected.Add(-1)
	defer conn.Close()
	f(conn, in, &frameWriter{w: conn})
}

func (v *supervisor) attach(conn net.Conn, in *bufferedConn, frames *frameWriter) {
	l := v.hub.add(frames, func() { _ = conn.Close() })
	defer v.hub.remove(l)
	select {
	case <-v.done: // it ended just now
		_ = frames.writeJSON(frameEnd, v.ending())
		v.hub.remove(l)
	default:
	}
	v.mu.Lock()
	e := v.c.Event("attach")
	v.mu.Unlock()
	v.s.Event(e)
	v.attached.Do(func() { close(v.first) })
	left := make(chan struct{})
	go func() {
		defer close(left)
		defer v.hub.remove(l)
		var buf []byte
		for {
			kind, p, err := readFrame(in, &buf)
			if err != nil {
				return
			}
			if kind == frameStdin {
				v.hub.feed(p)
			}
		}
	}()
	<-l.gone
	if v.c.StdinOnce {
		v.hub.feed(nil)
	}
	linger(left)
}

// linger waits until who was answered has gone: what it has not read yet may go with
// the connection.
func linger(left <-chan struct{}) {
	select {
	case <-left:
	case <-time.After(lastAnswers):
	}
}

// dismiss waits until all who are connected have gone, within limits.
func (v *supervisor) dismiss() {
	for end := time.Now().Add(lastAnswers); v.connected.Load() > 0 && time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
	}
}

// execution is one program of exec.
type execution struct {
	id      int
	config  ExecConfig
	started time.Time
	cancel  context.CancelCauseFunc
	ended   chan struct{}
}

// serveExec runs one more program of the container.
func (v *supervisor) serveExec(w http.ResponseWriter, r *http.Request) {
	v.framed(w, func(_ net.Conn, in *bufferedConn, frames *frameWriter) { v.execFramed(r.Context(), in, frames) })
}

func (v *supervisor) execFramed(asked context.Context, in *bufferedConn, frames *frameWriter) {
	var buf []byte
	kind, p, err := readFrame(in, &buf)
	var c ExecConfig
	if err != nil || kind != frameStart || json.Unmarshal(p, &c) != nil || len(c.Args) == 0 {
		return
	}
	ctx := context.WithoutCancel(asked)
	if c.Detach {
		_ = frames.writeJSON(frameEnd, v.execDetached(ctx, c))
		return
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	streams := Streams{Stdout: frames.stream(frameStdout), Stderr: frames.stream(frameStderr), Terminal: c.Terminal}
	var feed *io.PipeWriter
	if c.Stdin {
		var input *io.PipeReader
		input, feed = io.Pipe()
		defer input.Close()
		streams.Stdin = input
	}
	left := make(chan struct{})
	go func() {
		defer close(left)
		defer cancel(errGone)
		readInput(in, feed, cancel)
	}()
	_ = frames.writeJSON(frameEnd, v.exec(ctx, c, streams))
	linger(left)
}

var errGone = errors.New("who asked for it has gone")

// A Signalled is the cause of the end of a program that a signal ended.
type Signalled struct{ Signal Signal }

func (e *Signalled) Error() string { return e.Signal.String() }

// readInput takes what a command sends to its program.
func readInput(in io.Reader, feed *io.PipeWriter, cancel context.CancelCauseFunc) {
	if feed != nil {
		defer feed.Close()
	}
	var buf []byte
	for {
		kind, p, err := readFrame(in, &buf)
		switch {
		case err != nil:
			return
		case kind == frameSignal && len(p) == 1 && Signal(p[0]).Ends():
			cancel(&Signalled{Signal(p[0])})
		case kind == frameStdin && feed != nil && len(p) == 0:
			_ = feed.Close()
		case kind == frameStdin && feed != nil:
			_, _ = feed.Write(p)
		}
	}
}

// execDetached starts a program that nobody looks at.
func (v *supervisor) execDetached(ctx context.Context, c ExecConfig) ending {
	v.mu.Lock()
	running := v.program != nil && v.c.State.Status == Running
	v.mu.Unlock()
	if !running {
		return v.exec(ctx, c, Streams{}) // says why not
	}
	go v.exec(ctx, c, Streams{Stdout: io.Discard, Stderr: io.Discard})
	return ending{Detached: true}
}

// exec runs a program to its end.
func (v *supervisor) exec(ctx context.Context, c ExecConfig, streams Streams) ending {
	v.mu.Lock()
	p, status := v.program, v.c.State.Status
	if p == nil || status != Running {
		name := v.c.Name
		v.mu.Unlock()
		return ending{Failed: &StartError{Code: 1, Text: (&StateError{name, status, "run a program in"}).Error()}}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	v.nextID++
	x := &execution{id: v.nextID, config: c, started: v.s.options.Now(), cancel: cancel, ended: make(chan struct{})}
	v.execs[x.id] = x
	e := v.c.Event("exec_start: " + strings.Join(c.Args, " "))
	v.mu.Unlock()
	v.s.Event(e)
	defer func() {
		v.mu.Lock()
		delete(v.execs, x.id)
		v.mu.Unlock()
		close(x.ended)
	}()
	code, err := p.Exec(ctx, c, streams)
	e.Action = "exec_die"
	e.Actor.Attributes["exitCode"] = fmt.Sprint(code)
	v.s.Event(e)
	if err != nil {
		var start *StartError
		if !errors.As(err, &start) {
			start = &StartError{Code: 126, Text: err.Error()}
		}
		return ending{Failed: start}
	}
	return ending{Exit: Exit{Code: code}}
}

// killExecs ends the programs of exec, with the container's own.
func (v *supervisor) killExecs() {
	v.mu.Lock()
	list := make([]*execution, 0, len(v.execs))
	for _, x := range v.execs {
		list = append(list, x)
	}
	v.mu.Unlock()
	for _, x := range list {
		x.cancel(&Signalled{SIGKILL})
	}
	late := time.After(killPatience)
	for _, x := range list {
		select {
		case <-x.ended:
		case <-late:
			return
		}
	}
}

// top lists what runs in the container.
func (v *supervisor) top() []Process {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.program == nil {
		return nil
	}
	list := []Process{{ID: 1, Command: v.c.Command, Started: v.c.State.Started, CPU: v.program.Usage().CPU}}
	for _, x := range v.execs {
		list = append(list, Process{ID: 1 + x.id, Command: x.config.Args, Started: x.started})
	}
	slices.SortFunc(list, func(a, b Process) int { return a.ID - b.ID })
	return list
}
