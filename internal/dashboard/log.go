package dashboard

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/serve/page"
)

// Bounds of logs: how many are followed at once, and how many lines begin one.
const (
	maxLogs  = 32
	maxTail  = 5000
	tailBase = 500
	// beatEvery is how often a log without new lines says that it goes on: who has
	// left is noticed then.
	beatEvery = 15 * time.Second
)

// line is one of a log, as the page gets it: a JSON object on a line of its own.
type line struct {
	At     time.Time `json:"at"`
	Stream string    `json:"stream"`
	Text   string    `json:"text"`
}

// log sends the last lines of a container's log and goes on with what it prints. It ends
// with this life of the container.
func (d *Dashboard) log(w http.ResponseWriter, r *http.Request) {
	c, err := d.config.Containers.Get(r.Context(), r.PathValue("id"))
	if err != nil {
		send(w, r, nil, err)
		return
	}
	select {
	case d.logs <- struct{}{}:
		defer func() { <-d.logs }()
	default:
		refuse(w, r, http.StatusServiceUnavailable, "more logs are open than can be followed at once: close some pages")
		return
	}
	tail := tailBase
	if n, err := strconv.Atoi(r.URL.Query().Get("tail")); err == nil && n >= 0 {
		tail = min(n, maxTail)
	}
	h := w.Header()
	page.Secure(h)
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out := &logAnswer{w: w, control: http.NewResponseController(w), cancel: cancel}
	out.flush()
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	var beating sync.WaitGroup
	beating.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-beat.C:
				out.write([]byte("\n"))
				out.flush()
			}
		}
	})
	o := state.LogOptions{Follow: c.State.Status.Alive() && r.URL.Query().Get("follow") != "0", Tail: &tail}
	_ = d.config.Containers.Logs(ctx, c.ID, o, func(e state.Entry) error { // its end is all that there is to say
		out.entry(e)
		return nil
	})
	cancel()
	beating.Wait()
	out.end()
}

// logAnswer writes lines to a client, a burst of them together.
type logAnswer struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  context.CancelFunc
	dirty   bool // something waits for flush
	ended   bool
}

// burst is how long a line may wait for others.
const burst = 20 * time.Millisecond

func (a *logAnswer) entry(e state.Entry) {
	text := strings.TrimSuffix(strings.ToValidUTF8(string(e.Bytes()), "\uFFFD"), "\n")
	b, err := json.Marshal(line{e.Time, e.Stream, text})
	if err != nil {
		return
	}
	a.write(append(b, '\n'))
}

func (a *logAnswer) write(b []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, err := a.w.Write(b); err != nil {
		a.cancel()
		return
	}
	if !a.dirty {
		a.dirty = true
		time.AfterFunc(burst, a.flush)
	}
}

func (a *logAnswer) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return
	}
	a.dirty = false
	if a.control.Flush() != nil {
		a.cancel()
	}
}

// end says that nothing is written any more: the answer is not ours from then on.
func (a *logAnswer) end() {
	a.mu.Lock()
	a.ended = true
	a.mu.Unlock()
}
