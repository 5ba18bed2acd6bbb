package state

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Attached are the ends of somebody who attaches.
type Attached struct {
	Stdin          io.Reader // nil: nothing is sent, and the input stays open
	Stdout, Stderr io.Writer
	// Signals are passed on to a program of Exec.
	Signals <-chan Signal
}

// StartAttached starts a container with somebody attached who sees everything, and
// gives how it ended. begun, if it is not nil, is called when somebody is attached.
func (s *Store) StartAttached(ctx context.Context, id string, a Attached, begun func()) (Exit, error) {
	if err := s.start(ctx, id, true); err != nil {
		return Exit{}, err
	}
	return s.attach(ctx, id, a, begun)
}

// Attach joins the streams of a container that runs until it ends, or ctx does.
func (s *Store) Attach(ctx context.Context, id string, a Attached) (Exit, error) {
	c, err := s.look(ctx, id)
	if err != nil {
		return Exit{}, err
	}
	if c.State.Status != Running && c.State.Status != Restarting {
		return Exit{}, &StateError{c.Name, c.State.Status, "attach to"}
	}
	return s.attach(ctx, id, a, nil)
}

func (s *Store) attach(ctx context.Context, id string, a Attached, begun func()) (Exit, error) {
	c, err := s.read(id)
	if err != nil {
		return Exit{}, err
	}
	resp, err := s.request(ctx, c, http.MethodPost, "attach", nil, nil)
	if err != nil {
		return Exit{}, err
	}
	if begun != nil {
		begun()
	}
	e, err := a.join(ctx, resp, nil)
	if err != nil {
		if after := s.ending(ctx, id); after != nil {
			return Exit{Code: after.State.ExitCode, Error: after.State.Error}, nil
		}
		return Exit{}, fmt.Errorf("attach to container %s: %w", c.Name, err)
	}
	if e.Failed != nil {
		return Exit{}, e.Failed
	}
	return e.Exit, nil
}

// endingTakes is how long a supervisor that has let go of who was attached may still take
// to end: for writing down how its container ended.
const endingTakes = 3 * time.Second

// ending is a container whose supervisor ends just now, once it has; nil: it goes on.
func (s *Store) ending(ctx context.Context, id string) *Container {
	for until := time.Now().Add(endingTakes); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		c, err := s.look(ctx, id)
		switch {
		case err != nil || time.Now().After(until):
			return nil
		case !c.State.Status.Alive():
			return c
		}
	}
	return nil
}

// Exec runs a program in a container that runs, and gives its exit code.
func (s *Store) Exec(ctx context.Context, id string, e ExecConfig, a Attached) (int, error) {
	c, err := s.look(ctx, id)
	if err != nil {
		return 0, err
	}
	if c.State.Status != Running {
		return 0, &StateError{c.Name, c.State.Status, "run a program in"}
	}
	resp, err := s.request(ctx, c, http.MethodPost, "exec", nil, nil)
	if err != nil {
		return 0, err
	}
	end, err := a.join(ctx, resp, &e)
	if err != nil {
		return 0, fmt.Errorf("run in container %s: %w", c.Name, err)
	}
	if end.Failed != nil {
		return 0, end.Failed
	}
	return end.Exit.Code, nil
}

// join moves streams to and from a supervisor until that says how it ended.
func (a Attached) join(ctx context.Context, resp *http.Response, start *ExecConfig) (ending, error) {
	conn, ok := resp.Body.(io.ReadWriteCloser)
	if !ok || resp.StatusCode != http.StatusSwitchingProtocols {
		_ = resp.Body.Close()
		return ending{}, errFrame
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	frames := &frameWriter{w: conn}
	if start != nil {
		if err := frames.writeJSON(frameStart, start); err != nil {
			return ending{}, err
		}
	}
	done := make(chan struct{})
	defer close(done)
	if a.Stdin != nil {
		go func() { // a read of a terminal cannot be ended: this may outlive the call
			buf := make([]byte, 32<<10)
			for {
				n, err := a.Stdin.Read(buf)
				if n > 0 && frames.write(frameStdin, buf[:n]) != nil {
					return
				}
				if err != nil {
					_ = frames.write(frameStdin, nil)
					return
				}
			}
		}()
	}
	if a.Signals != nil {
		go func() {
			for {
				select {
				case s := <-a.Signals:
					_ = frames.write(frameSignal, []byte{byte(s)})
				case <-done:
					return
				}
			}
		}()
	}
	e, err := a.receive(conn)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return e, err
}

// receive takes what comes until the last frame.
func (a Attached) receive(r io.Reader) (ending, error) {
	var buf []byte
	for {
		kind, p, err := readFrame(r, &buf)
		if err != nil {
			return ending{}, fmt.Errorf("%w: %w", ErrGone, err)
		}
		var dst io.Writer
		switch kind {
		case frameStdout:
			dst = a.Stdout
		case frameStderr:
			dst = a.Stderr
		case frameEnd:
			var e ending
			if err := json.Unmarshal(p, &e); err != nil {
				return e, errFrame
			}
			return e, nil
		}
		if dst != nil {
			if _, err := dst.Write(p); err != nil {
				return ending{}, err
			}
		}
	}
}
