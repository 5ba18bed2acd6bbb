// Package browser drives Chromium by its DevTools protocol, as far as the tests of
// pages need it: over two pipes, so that there is no port and nothing to install but
// the browser.
package browser

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// programs are the names that Chromium has on different systems.
var programs = []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"}

// A Browser is a running Chromium without a window.
type Browser struct {
	in   *os.File
	next int

	mu      sync.Mutex
	waiting map[int]chan reply
	pages   map[string]*Page // by session
	ended   error
}

type reply struct {
	ID        int             `json:"id"`
	Method    string          `json:"method"`
	SessionID string          `json:"sessionId"`
	Params    json.RawMessage `json:"params"`
	Result    json.RawMessage `json:"result"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Start runs Chromium until the test ends.
func Start(t testing.TB) *Browser {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("NOT TESTED: on Windows a browser cannot be given pipes by os/exec")
	}
	program := ""
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		dock.Missing(t, "Chromium")
	}
	toBrowser, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	// The sandbox of Chromium does not start for root; what it shows here is ours.
	cmd := exec.CommandContext(ctx, program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
		"--disable-dev-shm-usage", "--disable-background-networking", "--force-color-profile=srgb", "--hide-scrollbars", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	b := &Browser{in: in, waiting: map[int]chan reply{}, pages: map[string]*Page{}}
	var reading sync.WaitGroup
	reading.Go(func() { b.read(out) })
	t.Cleanup(func() {
		_, _ = b.call("", "Browser.close", nil) // it answers, or is gone already
		waited := make(chan struct{})
		go func() {
			_ = cmd.Wait() // how it ends says nothing
			close(waited)
		}()
		select {
		case <-waited:
		case <-time.After(5 * time.Second):
		}
		cancel()
		<-waited
		in.Close()
		reading.Wait()
		out.Close()
		if t.Failed() {
			t.Logf("Chromium said:\n%.4000s", said.String())
		}
	})
	return b
}

// read takes what the browser says until it ends.
func (b *Browser) read(from *os.File) {
	r := bufio.NewReader(from)
	for {
		message, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			b.ended = fmt.Errorf("the browser has ended: %w", err)
			for id, c := range b.waiting {
				close(c)
				delete(b.waiting, id)
			}
			b.mu.Unlock()
			return
		}
		var m reply
		if json.Unmarshal(message[:len(message)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		c, p := b.waiting[m.ID], b.pages[m.SessionID]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case c != nil:
			c <- m
		case p != nil:
			p.event(m)
		}
	}
}

// patience is how long the browser may take for anything.
const patience = 20 * time.Second

// call asks the browser for something.
func (b *Browser) call(session, method string, params any) (json.RawMessage, error) {
	b.mu.Lock()
	if b.ended != nil {
		b.mu.Unlock()
		return nil, b.ended
	}
	b.next++
	c, id := make(chan reply, 1), b.next
	b.waiting[id] = c
	request := map[string]any{"id": id, "method": method}
	if params != nil {
		request["params"] = params
	}
	if session != "" {
		request["sessionId"] = session
	}
	text, err := json.Marshal(request)
	if err == nil {
		_, err = b.in.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m, ok := <-c:
		switch {
		case !ok:
			return nil, fmt.Errorf("%s: the browser has ended", method)
		case m.Error != nil:
			return nil, fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		return m.Result, nil
	case <-time.After(patience):
		return nil, fmt.Errorf("%s: no answer after %s", method, patience)
	}
}
