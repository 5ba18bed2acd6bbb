package python

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/wherry-run/wherry/serve/web/pool"
	"github.com/wherry-run/wherry/serve/web/socket"
	"github.com/wherry-run/wherry/serve/web/wire"
)

// Bounds of the WebSockets of an application.
const (
	maxSockets  = 1024     // at once
	maxHeld     = 64 << 20 // bytes of messages that come in
	maxBatch    = 256      // events of a turn
	maxPayload  = 4 << 20  // bytes of messages of a turn, of which one may be larger
	mostMessage = 16 << 20 // bytes of a message, if the command does not say
)

// A hub is the instance that has all the WebSockets of an application, and the
// connections that it has. The application's event loop runs in turns: it is told what
// has come, does what there is to do, and says when it has to be called again.
type hub struct {
	Config
	// begin starts an application, of which said hears what it says.
	begin func(ctx context.Context, said func(letter byte, rest []byte) []byte) (guest, error)

	mu      sync.Mutex
	guest   guest
	sockets map[uint32]*connection // that the application has
	events  []event
	next    uint32
	held    int // bytes of messages that were read, and not taken by the application yet
	closed  bool
	open    sync.WaitGroup // requests
	wake    chan struct{}  // something was added, or the hub is closed
	running chan struct{}  // closed when no turn follows; nil: none ever did
	cut     context.CancelCauseFunc
}

// guest is an application that was imported.
type guest interface {
	Exchange(ctx context.Context, head []byte, pieces ...[]byte) (answer, data []byte, err error)
	// End tells it that this is the end, and ends it.
	End(ctx context.Context)
}

// event is what the application is told of a connection: JSON, and bytes behind it.
type event struct {
	ID   uint32         `json:"id"`
	Open map[string]any `json:"open,omitempty"`
	Root string         `json:"root,omitempty"`
	// Text and Bytes are the size of a message, and Gone is how the connection ended.
	Text   *int   `json:"text,omitempty"`
	Bytes  *int   `json:"bytes,omitempty"`
	Gone   int    `json:"gone,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Drained says that more may be sent.
	Drained bool `json:"drained,omitempty"`

	data []byte
}

// turned is what the application says after a turn.
type turned struct {
	Next *float64    `json:"next"` // seconds; nil: it waits for something to come
	Took [][2]uint32 `json:"took"` // connections, and how many of their messages were received
	Over []uint32    `json:"over"` // connections that the application is done with
}

// mostMessage bounds the messages that clients send.
func (b *hub) mostMessage() int64 {
	return int64(min(cmp.Or(b.Application.Message, mostMessage), maxHeld))
}

var errClosed = errors.New("the server ends")

// enter adds a connection.
func (b *hub) enter(c *connection, scope map[string]any, root string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return pool.ErrClosed
	}
	if len(b.sockets) >= maxSockets {
		return pool.ErrFull
	}
	if b.sockets == nil {
		b.sockets, b.wake = map[uint32]*connection{}, make(chan struct{}, 1)
	}
	b.next++
	c.id, c.hub = b.next, b
	b.sockets[c.id] = c
	b.open.Add(1)
	b.events = append(b.events, event{ID: c.id, Open: scope, Root: root})
	if b.running == nil {
		b.running = make(chan struct{})
		var ctx context.Context
		ctx, b.cut = context.WithCancelCause(context.WithoutCancel(c.request.Context()))
		go b.run(ctx, b.running)
	}
	b.poke()
	return nil
}

func (b *hub) poke() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// tell adds an event, if the application still has the connection.
func (b *hub) tell(e event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sockets[e.ID] == nil {
		b.held -= len(e.data)
		return
	}
	b.events = append(b.events, e)
	b.poke()
}

// of is a connection that the application has.
func (b *hub) of(id uint32) *connection {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sockets[id]
}

var errHeld = errors.New("as many bytes of messages wait as may")

// hold counts bytes of messages.
func (b *hub) hold(n int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held += n; b.held > maxHeld && n > 0 {
		return errHeld
	}
	return nil
}

// run has the application do its turns until the hub is closed.
func (b *hub) run(ctx context.Context, done chan<- struct{}) {
	defer close(done)
	defer func() {
		if b.guest != nil {
			b.guest.End(ctx)
		}
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-b.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		var next time.Duration
		err := context.Cause(ctx)
		if err == nil {
			batch, size := b.batch()
			next, err = b.turn(ctx, batch)
			_ = b.hold(-size)
		}
		if err != nil {
			next = -1
			b.broke(ctx, err)
		}
		b.mu.Lock()
		idle, ended := len(b.sockets) == 0, b.closed && len(b.sockets) == 0
		if len(b.events) > 0 {
			next = 0
		}
		b.mu.Unlock()
		switch {
		case ended:
			return
		case idle || next < 0: // what runs without a connection rests until there is one
			timer.Stop()
		default:
			timer.Reset(next)
		}
	}
}

// batch takes the events of the next turn, and says how many bytes lie behind them.
func (b *hub) batch() (batch []event, size int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for n < len(b.events) && n < maxBatch && (n == 0 || size+len(b.events[n].data) <= maxPayload) {
		size += len(b.events[n].data)
		n++
	}
	batch = append([]event{}, b.events[:n]...)
	b.events = b.events[n:]
	if len(b.events) == 0 {
		b.events = nil
	}
	return batch, size
}

// turn has the application do what there is to do. It gives how long it has nothing more
// to do by itself; -1: for ever.
func (b *hub) turn(ctx context.Context, batch []event) (time.Duration, error) {
	if b.guest == nil { // only turns look at it, one after the other
		g, err := b.begin(ctx, b.said)
		if err != nil {
			return -1, err
		}
		b.guest = g
	}
	text, err := json.Marshal(map[string]any{"turn": batch})
	if err != nil {
		return -1, err
	}
	var data []byte // in one piece: between pieces there may be a gap
	if len(batch) == 1 {
		data = batch[0].data
	} else {
		for _, e := range batch {
			data = append(data, e.data...)
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.Timeout, wire.ErrSilent)
	defer cancel()
	told, _, err := b.guest.Exchange(ctx, text, data)
	if err != nil {
		return -1, err
	}
	var t turned
	if err := json.Unmarshal(told, &t); err != nil || len(t.Over) > maxSockets || len(t.Took) > maxSockets {
		return -1, errors.New("a turn's answer of another version")
	}
	b.settle(t)
	if t.Next == nil || !(*t.Next < 1e6) { // a week and more
		return -1, nil
	}
	return time.Duration(max(*t.Next, 0) * float64(time.Second)), nil
}

// settle notes what the application has taken, and is done with.
func (b *hub) settle(t turned) {
	for _, took := range t.Took {
		if c := b.of(took[0]); c != nil {
			c.took(int(took[1]))
		}
	}
	for _, id := range t.Over {
		b.mu.Lock()
		c := b.sockets[id]
		delete(b.sockets, id)
		b.mu.Unlock()
		if c != nil {
			c.finish(&socket.CloseError{Code: socket.Normal})
		}
	}
}

// broke ends all connections of an instance that goes on no more.
func (b *hub) broke(ctx context.Context, err error) {
	b.Log.Error("the application's WebSockets have ended", "error", err)
	b.mu.Lock()
	all := b.sockets
	for _, e := range b.events {
		b.held -= len(e.data)
	}
	b.sockets, b.events = map[uint32]*connection{}, nil
	b.mu.Unlock()
	for _, c := range all {
		c.fail(err)
	}
	if b.guest != nil {
		b.guest.End(ctx)
		b.guest = nil
	}
}

// close tells all clients and the application that the server ends, and ends it.
func (b *hub) close() error {
	b.mu.Lock()
	b.closed = true
	var all []*connection
	for _, c := range b.sockets {
		all = append(all, c)
	}
	running := b.running
	if running != nil {
		b.poke()
	}
	b.mu.Unlock()
	for _, c := range all {
		c.finish(&socket.CloseError{Code: socket.GoingAway})
	}
	if running == nil {
		return nil
	}
	last := time.AfterFunc(lastWords, func() { b.cut(errClosed) })
	defer last.Stop()
	<-running
	waited := make(chan struct{})
	go func() {
		b.open.Wait()
		close(waited)
	}()
	select {
	case <-waited:
	case <-time.After(lastWords): // a client that takes nothing has its time-out, and the server does not wait for it
	}
	return nil
}

// serve answers the handshake of a request, and carries messages until the connection
// has ended.
func (b *hub) serve(w http.ResponseWriter, r *http.Request) {
	if !socket.Valid(w, r) {
		return
	}
	scope := scope(r)
	scope["type"], scope["scheme"], scope["subprotocols"] = "websocket", "ws", socket.Protocols(r)
	if r.TLS != nil {
		scope["scheme"] = "wss"
	}
	delete(scope, "method")
	c := newConnection(w, r)
	if err := b.enter(c, scope, b.Application.Root); err != nil {
		pool.Refuse(w, r, b.Log, "application", err)
		return
	}
	defer b.open.Done()
	c.serve()
}
