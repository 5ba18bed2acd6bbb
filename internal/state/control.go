package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/wherry-run/wherry/internal/local"
)

// upgrade is the protocol that streams speak after HTTP: frames.
const upgrade = "wherry-frames"

// The time that a supervisor waits for its last answers to be read.
const lastAnswers = 2 * time.Second

// controlServer is where the supervisor takes commands.
type controlServer struct {
	at     string
	server *http.Server
}

func (v *supervisor) listen(ctx context.Context, id string) (*controlServer, error) {
	l, at, err := local.Listen(ctx, local.Addresses(v.s.path(runDir), id))
	if err != nil {
		return nil, fmt.Errorf("listen for commands: %w", err)
	}
	mux := http.NewServeMux()
	for route, f := range map[string]func(*http.Request) error{
		"POST /stop": v.serveStop, "POST /restart": v.serveRestart, "POST /kill": v.serveKill,
		"POST /pause": v.servePause, "POST /unpause": v.serveUnpause, "POST /update": v.serveUpdate,
	} {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { answer(w, nil, f(r)) })
	}
	mux.HandleFunc("GET /usage", func(w http.ResponseWriter, r *http.Request) { v.serveUsage(w) })
	mux.HandleFunc("GET /top", func(w http.ResponseWriter, r *http.Request) { answer(w, v.top(), nil) })
	mux.HandleFunc("GET /wait", v.serveWait)
	mux.HandleFunc("POST /reload", v.serveReload)
	mux.HandleFunc("POST /attach", v.serveAttach)
	mux.HandleFunc("POST /exec", v.serveExec)
	v.serveFiles(mux)
	c := &controlServer{at: at, server: &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

// close ends the server once those who wait have their answers.
func (c *controlServer) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastAnswers)
	defer cancel()
	if c.server.Shutdown(ctx) != nil {
		_ = c.server.Close()
	}
	_ = local.Remove(c.at)
}

// failure is how a command's error travels.
type failure struct {
	Text  string
	State *StateError `json:",omitempty"`
	Start *StartError `json:",omitempty"`
}

func answer(w http.ResponseWriter, v any, err error) {
	code := http.StatusOK
	if err != nil {
		f := failure{Text: err.Error()}
		_ = errors.As(err, &f.State)
		_ = errors.As(err, &f.Start)
		v, code = f, http.StatusConflict
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	if v == nil {
		v = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(v)
}

func asked(r *http.Request) (signal Signal, timeout *time.Duration, err error) {
	q := r.URL.Query()
	if text := q.Get("signal"); text != "" {
		if signal, err = ParseSignal(text); err != nil {
			return 0, nil, err
		}
	}
	if text := q.Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, nil, err
		}
		timeout = &d
	}
	return signal, timeout, nil
}

func (v *supervisor) serveStop(r *http.Request) error {
	signal, timeout, err := asked(r)
	if err != nil {
		return err
	}
	v.stop(signal, timeout, true)
	select {
	case <-v.done:
		return nil
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
}

func (v *supervisor) serveRestart(r *http.Request) error {
	signal, timeout, err := asked(r)
	if err != nil {
		return err
	}
	v.mu.Lock()
	before := v.begins
	v.mu.Unlock()
	v.again(signal, timeout)
	for { // until the next life has begun, or it came to nothing
		v.mu.Lock()
		now, changed := v.begins, v.changed
		v.mu.Unlock()
		if now > before {
			return nil
		}
		select {
		case <-changed:
		case <-v.done:
			return &StartError{Code: 125, Text: "it did not start again: " + v.ending().Exit.Error}
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
	}
}

func (v *supervisor) serveKill(r *http.Request) error {
	signal, _, err := asked(r)
	if err != nil {
		return err
	}
	if signal == 0 {
		signal = SIGKILL
	}
	return v.signal(signal)
}

// signal tells the program of a signal.
func (v *supervisor) signal(signal Signal) error {
	v.mu.Lock()
	p, c := v.program, *v.c
	stopSignal, _ := ParseSignal(v.c.StopSignal)
	last := signal == SIGKILL || signal == stopSignal
	if last {
		v.c.State.Stopped = true
	}
	v.mu.Unlock()
	e := c.Event("kill")
	e.Actor.Attributes["signal"] = strconv.Itoa(int(signal))
	v.s.Event(e)
	if last { // whoever kills a container does not want it back
		v.noMore()
	}
	if signal == SIGKILL {
		v.killLife()
		return nil
	}
	if p == nil {
		return &StateError{c.Name, c.State.Status, "signal"}
	}
	return p.Signal(signal)
}

func (v *supervisor) servePause(*http.Request) error   { return v.pause(true) }
func (v *supervisor) serveUnpause(*http.Request) error { return v.pause(false) }

func (v *supervisor) pause(paused bool) error {
	from, to, action := Running, Paused, "pause"
	if !paused {
		from, to, action = Paused, Running, "unpause"
	}
	v.mu.Lock()
	p, c := v.program, *v.c
	if p == nil || c.State.Status != from {
		v.mu.Unlock()
		return &StateError{c.Name, c.State.Status, action}
	}
	err := p.Pause(paused)
	if err == nil {
		v.c.State.Status = to
	}
	v.mu.Unlock()
	if err != nil {
		return err
	}
	v.save()
	v.s.Event(c.Event(action))
	return nil
}

// An Updater is a Program that takes other limits while it runs.
type Updater interface {
	Update(l Limits) error
}

func (v *supervisor) serveUpdate(*http.Request) error {
	var fresh Config
	if err := readJSON(v.s.container(v.c.ID, configFile), &fresh); err != nil {
		return err
	}
	v.mu.Lock()
	v.c.Config = fresh
	p := v.program
	v.mu.Unlock()
	if u, ok := p.(Updater); ok {
		return u.Update(fresh.Limits)
	}
	return nil
}

func (v *supervisor) serveUsage(w http.ResponseWriter) {
	v.mu.Lock()
	p := v.program
	v.mu.Unlock()
	var u Usage
	if p != nil {
		u = p.Usage()
	}
	answer(w, u, nil)
}

// serveWait answers with how the program ended: its last life, or with next-exit the
// one that it lives now.
func (v *supervisor) serveWait(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	ended := v.ended
	v.mu.Unlock()
	if r.URL.Query().Get("condition") != WaitNextExit || ended == nil {
		ended = v.done
	}
	select {
	case <-ended:
	case <-v.done:
	case <-r.Context().Done():
		return
	}
	v.mu.Lock()
	exit := v.last
	v.mu.Unlock()
	answer(w, exit, nil)
}

// prelude is a body that nobody reads until the connection is taken over. For a
// request without one net/http reads on meanwhile, to see the connection end, and
// has to be stopped by a deadline in the past; with one it does not begin.
const prelude = "\n"

// hijack takes the connection over for frames.
func hijack(w http.ResponseWriter) (net.Conn, *bufferedConn, error) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if _, err = rw.Discard(len(prelude)); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	_, err = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + upgrade + "\r\n\r\n")
	if err == nil {
		err = rw.Flush()
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	return conn, &bufferedConn{rw.Reader, conn}, nil
}
