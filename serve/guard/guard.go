package guard

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/wherry-run/wherry/serve/route"
)

// Config says what is checked. The zero value checks nothing but puts a request id
// on every request and answers panics.
type Config struct {
	// Keys are those that may ask; nil lets everybody.
	Keys *Keys
	// Open tells requests that need no key: health, readiness. nil: none.
	Open func(*http.Request) bool

	// Bound is the host that the server listens on, as localhost. On a loopback
	// address only requests for one of its names, or of Hosts, are answered, and none
	// of pages of other sites: a page somewhere may have its name point here.
	Bound string
	// Hosts are more names that the server answers to; "*" stands for all. Where the
	// server is not on loopback, giving any turns the check on.
	Hosts []string
	// Origins are sites whose pages may ask, as "https://example.com"; "*": all.
	Origins []string
	// Strict turns pages of other sites away where the server is not on loopback, too:
	// of those who can reach it a browser would bring along every page that is open.
	Strict bool
	// AnyPage lets pages of all sites through, as they are: an application says itself
	// whose pages may ask it, and answers their preflights.
	AnyPage bool

	// MaxBody bounds the bytes of a request's body; 0: DefaultMaxBody.
	MaxBody int64
	// MaxBodies bounds the bytes that the bodies of all requests under way have
	// together; 0: DefaultMaxBodies, and less no bound.
	MaxBodies int64
	// ReadTimeout is how long a body may take, and a second more for each MinRate
	// bytes that came; 0: DefaultReadTimeout.
	ReadTimeout time.Duration
	// WriteTimeout is how long a client may take for each part of an answer; 0:
	// DefaultWriteTimeout.
	WriteTimeout time.Duration

	// Access gets a line for each request, and Log what went wrong here: panics.
	// nil: none.
	Access, Log *slog.Logger
	// Done is told of each request when it was answered; nil: nobody.
	Done func(*Record)
	// Refuse writes the answer to a request that is turned away; nil: a JSON object
	// whose "error" is the message.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, message string)
}

// What holds where a Config says nothing.
const (
	DefaultMaxBody      = route.DefaultMaxBody
	DefaultMaxBodies    = 1 << 30
	DefaultReadTimeout  = 30 * time.Second
	DefaultWriteTimeout = 30 * time.Second
	// MinRate is how many bytes a second a client must send, at least, after its
	// ReadTimeout.
	MinRate = 64 << 10
)

// Wrap puts the checks before h.
func Wrap(h http.Handler, c Config) http.Handler {
	if c.MaxBody == 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.MaxBodies == 0 {
		c.MaxBodies = max(DefaultMaxBodies, c.MaxBody)
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = DefaultReadTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = DefaultWriteTimeout
	}
	if c.Refuse == nil {
		c.Refuse = refuse
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h = c.bodies(h)
	if c.Keys != nil {
		h = c.keys(h)
	}
	h = c.sites(h)
	h = c.hosts(h)
	return c.record(h)
}

// refuse answers as the Open Inference Protocol does.
func refuse(w http.ResponseWriter, _ *http.Request, status int, message string) {
	w.Header()["Cache-Control"] = []string{"no-store"}
	route.Refuse(w, status, message)
}
