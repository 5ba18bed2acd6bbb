package cog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/repository"
)

// hooks tells other servers about predictions, of those hosts alone that the server's
// owner allows.
type hooks struct {
	hosts  []string
	client *http.Client
	calls  *repository.Work
	slots  chan struct{} // of those that are posted at this moment
}

func newHooks(hosts []string, calls *repository.Work) *hooks {
	return &hooks{hosts: hosts, calls: calls, slots: make(chan struct{}, callsOnce), client: &http.Client{
		Timeout: 10 * time.Second,
		// A redirect would lead to where nobody allowed to go.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// check tells why a webhook is not used.
func (h *hooks) check(address string) error {
	if len(h.hosts) == 0 {
		return errors.New("this server calls no others; its owner may allow hosts with --allow-webhook")
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return errors.New("it is no address of http or https")
	}
	if !slices.Contains(h.hosts, u.Host) && !(slices.Contains(h.hosts, u.Hostname()) && standardPort(u)) {
		return fmt.Errorf("the host %.100q is not allowed; the server's owner may do so with --allow-webhook", u.Host)
	}
	return nil
}

// standardPort tells whether an address has the port of its scheme: a host alone allows
// no other.
func standardPort(u *url.URL) bool {
	_, port, err := net.SplitHostPort(u.Host)
	return err != nil || u.Scheme == "http" && port == "80" || u.Scheme == "https" && port == "443"
}

// Bounds of what is told.
const (
	attempts  = 4 // of what must arrive
	callsOnce = 64
)

// note is what is to be told: what is known of a prediction then, of which inputs and
// outputs are not copied.
type note struct {
	said  said
	tries int
}

// open begins to tell the webhook of a prediction about it, if it has one: tell takes
// note of an event, and end says that it was the last. Neither waits for the other
// server.
func (h *hooks) open(ctx context.Context, p *prediction, k *kept) (tell func(event string), end func()) {
	if p.webhook == "" {
		return func(string) {}, func() {}
	}
	notes := make(chan note, 2) // start and completed
	ctx = context.WithoutCancel(ctx)
	told := func() {}
	h.calls.Go(func() {
		for n := range notes {
			h.send(ctx, p.webhook, &n)
		}
		told()
	})
	tell = func(event string) {
		if len(p.events) > 0 && !slices.Contains(p.events, event) {
			return
		}
		n := note{p.now(), 1}
		if event == "completed" {
			n.tries = attempts
		}
		notes <- n
	}
	return tell, func() {
		told = k.tells(p)
		close(notes)
	}
}

// send posts a note until it arrives, a few times at most. No more than callsOnce are
// posted at once: there are no more documents of them than that.
func (h *hooks) send(ctx context.Context, address string, n *note) {
	wait := 500 * time.Millisecond
	for i := range n.tries {
		if i > 0 {
			time.Sleep(wait)
			wait *= 2
		}
		h.slots <- struct{}{}
		arrived := h.post(ctx, address, document(&n.said))
		<-h.slots
		if arrived {
			return
		}
	}
}

// post tells whether a document arrived.
func (h *hooks) post(ctx context.Context, address string, doc []byte) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(doc))
	if err != nil {
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	guard.Forward(ctx, r.Header)
	answer, err := h.client.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode < 400
}
