package dashboard

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// What a command of the page may take: it is for a look at something, and not for work.
const (
	execTimeout = 30 * time.Second
	maxCommand  = 1 << 10 // bytes
	maxSaid     = 64 << 10
	maxExecs    = 4 // at once
)

// said is what a command printed and how it ended.
type said struct {
	Code   int    `json:"code"`
	Output string `json:"output"`
	Cut    bool   `json:"cut,omitempty"`  // it printed more
	Late   bool   `json:"late,omitempty"` // it was ended, for the time it took
}

// exec runs a line of a shell in a container, and answers with what it printed. It ends
// with the request.
func (d *Dashboard) exec(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(io.LimitReader(r.Body, maxCommand+1))
	switch command := strings.TrimSpace(string(text)); {
	case err != nil || len(text) > maxCommand:
		refuse(w, r, http.StatusRequestEntityTooLarge, "the command is too long")
		return
	case command == "" || strings.ContainsRune(command, 0):
		refuse(w, r, http.StatusBadRequest, "there is no command")
		return
	}
	select {
	case d.execs <- struct{}{}:
		defer func() { <-d.execs }()
	default:
		refuse(w, r, http.StatusTooManyRequests, "other commands run still")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), execTimeout)
	defer cancel()
	c, err := d.config.Containers.Get(ctx, r.PathValue("id"))
	if err != nil {
		send(w, r, nil, err)
		return
	}
	out := &kept{}
	code, err := d.config.Containers.Exec(ctx, c.ID, state.ExecConfig{Args: []string{"sh", "-c", string(text)}}, state.Attached{Stdout: out, Stderr: out})
	answer := said{Code: code, Late: errors.Is(ctx.Err(), context.DeadlineExceeded)}
	answer.Output, answer.Cut = out.text()
	if answer.Late {
		err = nil
	}
	send(w, r, answer, err)
}

// kept is the beginning of what a program prints.
type kept struct {
	mu  sync.Mutex
	out []byte
	cut bool
}

func (k *kept) Write(p []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(len(p), maxSaid-len(k.out))
	k.out = append(k.out, p[:n]...)
	k.cut = k.cut || n < len(p)
	return len(p), nil
}

func (k *kept) text() (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.ToValidUTF8(string(k.out), "\uFFFD"), k.cut
}
