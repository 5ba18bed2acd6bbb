package dashboard

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"time"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/page"
)

// An Image is what the page shows of one.
type Image struct {
	ID      string   `json:"id"` // of the config
	Names   []string `json:"names"`
	Size    int64    `json:"size"`
	Created string   `json:"created,omitempty"`
	// Kind is "model" or "web" for one that is served, else "".
	Kind string `json:"kind,omitempty"`
}

// Images are those of this machine.
type Images interface {
	Images(ctx context.Context) ([]Image, error)
}

// Stacks begins and ends what was made of one compose file.
type Stacks interface {
	// StartStack starts the containers of a stack, those first that others need.
	StartStack(ctx context.Context, project string) error
	// StopStack ends them, those first that need others.
	StopStack(ctx context.Context, project string) error
}

// Config says what the page is of.
type Config struct {
	Containers *state.Store
	// Networks are those of this user; nil has none.
	Networks *network.Store
	Images   Images
	// Stacks are those of this user; nil: their containers are started one by one.
	Stacks Stacks
	// Host is where it listens: an address of the loopback.
	Host    string
	Version string
	// Log gets what went wrong; nil: none.
	Log *slog.Logger
}

//go:embed assets
var assets embed.FS

// A Dashboard is the page and what it asks. Run keeps what its graphs are drawn of.
type Dashboard struct {
	config  Config
	handler http.Handler
	files   page.Files
	usage   *usage

	token string // opens the page
	key   string // is the cookie of who has opened it
	place string // the path of the page, between slashes
	logs  chan struct{}
	execs chan struct{}
}

// New makes a dashboard with secrets of its own.
func New(c Config) (*Dashboard, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	files, err := page.ReadFiles(assets, "assets")
	if err != nil {
		return nil, err
	}
	common, err := page.Common()
	if err != nil {
		return nil, err
	}
	maps.Copy(files, common)
	d := &Dashboard{
		config: c, files: files, usage: newUsage(c.Containers),
		token: secret(), key: secret(), place: "/" + secret()[:24] + "/", logs: make(chan struct{}, maxLogs), execs: make(chan struct{}, maxExecs),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /open/{token}", d.open)
	mux.Handle(d.place, http.StripPrefix(d.place[:len(d.place)-1], d.keyed(d.routes())))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { refuse(w, r, http.StatusNotFound, notHere) })
	d.handler = guard.Wrap(mux, guard.Config{Bound: c.Host, Strict: true, MaxBody: 2 * maxCommand, Log: c.Log, Refuse: refuse})
	return d, nil
}

const notHere = "Open the address that wherry dashboard printed; one of an earlier run does not lead here any more."

// secret is a word that nobody guesses.
func secret() string {
	b := make([]byte, 32)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// routes are the page, the files that it loads, what it asks and what it does.
func (d *Dashboard) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { d.files.Send(w, r, "index.html") })
	mux.HandleFunc("GET /assets/{file}", func(w http.ResponseWriter, r *http.Request) { d.files.Send(w, r, r.PathValue("file")) })
	for path, f := range map[string]func(ctx context.Context) (any, error){
		"containers": d.containers, "images": d.images, "volumes": d.volumes, "networks": d.networks,
	} {
		mux.HandleFunc("GET /data/"+path, func(w http.ResponseWriter, r *http.Request) {
			v, err := f(r.Context())
			send(w, r, v, err)
		})
	}
	mux.HandleFunc("GET /data/containers/{id}", d.container)
	mux.HandleFunc("GET /data/containers/{id}/logs", d.log)
	mux.HandleFunc("POST /do/{verb}/{id}", d.do)
	mux.HandleFunc("POST /stack/{verb}/{project}", d.doStack)
	mux.HandleFunc("POST /exec/{id}", d.exec)
	return mux
}

// ServeHTTP answers one request.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// Path is where the page is opened the first time; it has the token.
func (d *Dashboard) Path() string { return "/open/" + d.token }

// Run looks at what containers use, for the graphs, until ctx ends.
func (d *Dashboard) Run(ctx context.Context) { d.usage.run(ctx) }

const cookie = "wherry-dashboard"

// open gives a cookie to who has the token, and leads to the page.
func (d *Dashboard) open(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	page.Secure(h)
	h.Set("Cache-Control", "no-store")
	if !same(r.PathValue("token"), d.token) {
		refuse(w, r, http.StatusForbidden, notHere)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: d.key, Path: d.place, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	h.Set("Location", d.place)
	w.WriteHeader(http.StatusSeeOther)
}

// keyed turns away who has no cookie.
func (d *Dashboard) keyed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, c := range r.CookiesNamed(cookie) {
			if same(c.Value, d.key) {
				next.ServeHTTP(w, r)
				return
			}
		}
		refuse(w, r, http.StatusForbidden, notHere)
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// failure is an answer that says what went wrong.
type failure struct {
	Error string `json:"error"`
	Hint  string `json:"hint,omitempty"`
}

// refuse turns a request away: the page's own in its way, and people in theirs.
func refuse(w http.ResponseWriter, r *http.Request, status int, message string) {
	if !page.Wanted(r) {
		sendJSON(w, status, failure{Error: message})
		return
	}
	h := w.Header()
	page.Secure(h)
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, message+"\n")
}

// send answers with what was found, or with why it was not.
func send(w http.ResponseWriter, r *http.Request, v any, err error) {
	var start *state.StartError
	switch {
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // nobody is there any more
	case errors.As(err, new(*state.NotFoundError)):
		sendJSON(w, http.StatusNotFound, failure{Error: err.Error()})
	case errors.As(err, &start):
		sendJSON(w, http.StatusConflict, failure{start.Text, start.Hint})
	case errors.As(err, new(*state.StateError)):
		sendJSON(w, http.StatusConflict, failure{Error: err.Error()})
	case err != nil:
		sendJSON(w, http.StatusInternalServerError, failure{Error: err.Error()})
	default:
		sendJSON(w, http.StatusOK, v)
	}
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	h := w.Header()
	page.Secure(h)
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that left needs no answer
}

// doTimeout bounds what a button may take: a program that ends has its grace period.
const doTimeout = 2 * time.Minute
