// Package serve makes a server of models: an http.Handler that speaks the protocols
// clients have already, over a repository of Predictors, and what takes connections
// for it until it is to end, and ends without dropping a request.
//
//	m, err := wherry.Open(ctx, "iris:1")
//	...
//	s, err := serve.New(ctx, serve.Config{Repository: serve.Models("iris", m)})
//	...
//	http.ListenAndServe("localhost:8080", s)
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/inference"
	"github.com/wherry-run/wherry/serve/oip"
	"github.com/wherry-run/wherry/serve/oipgrpc"
	"github.com/wherry-run/wherry/serve/page"
	"github.com/wherry-run/wherry/serve/repository"
	"github.com/wherry-run/wherry/serve/route"
)

// Config says what a server has.
type Config struct {
	// Repository says which models, and within which bounds they work.
	Repository repository.Config
	// Guard says who may ask, and how much. Its Open is the server's own.
	Guard guard.Config
	// MaxBody bounds the body of a request, in bytes; 0 means guard.DefaultMaxBody.
	MaxBody int64
	// Routes are more than those of the protocols, which they go before.
	Routes func(r *repository.Repository) ([]route.Route, error)
	// Log gets what goes wrong in the server, and what becomes of its models; nil:
	// none.
	Log *slog.Logger
	// Version is that of the program, for documents that tell it.
	Version string
	// Settings are what clients of the Open Inference Protocol may read and change of
	// logs and traces; nil: none.
	Settings *inference.Settings
	// Control lets clients of the Open Inference Protocol load and unload models and
	// change Settings: for servers that only those reach who may.
	Control bool
	// Operations say what those who run the server are told.
	Operations Operations
	// Webhooks are the hosts, with or without a port, that clients of Cog's protocol may
	// have called about their predictions; none: webhooks are refused.
	Webhooks []string
}

// Models is the configuration of a repository of one model that is open already.
// It is closed with the server.
func Models(name string, p model.Predictor) repository.Config {
	return repository.Config{Sources: []repository.Source{Source(name, p, 0)}}
}

// Source is a model that is open already and answers so many requests at once; 0:
// what it says itself, else 1. It is closed with the server, and cannot be loaded
// again.
func Source(name string, p model.Predictor, instances int) repository.Source {
	if many, ok := p.(interface{ Instances() int }); ok && instances == 0 {
		instances = many.Instances()
	}
	var memory func() int64
	if known, ok := p.(interface{ Memory() int64 }); ok {
		memory = known.Memory
	}
	opened := false
	return repository.Source{Name: name, Open: func(context.Context) (*repository.Loaded, error) {
		if opened {
			return nil, errors.New("it was opened outside of the server, and cannot be loaded again")
		}
		opened = true
		return &repository.Loaded{Predictor: p, Instances: instances, Memory: memory, Once: true}, nil
	}}
}

// A Server answers requests for models.
type Server struct {
	repository *repository.Repository
	routes     []route.Route
	handler    http.Handler
	control    bool
	history    *page.History
	operations operations
	grpc       oipgrpc.Options
	log        *slog.Logger
	background repository.Work // requests that no client waits for
	calls      repository.Work // of webhooks
}

// New opens the models and makes a server of them. ctx bounds the opening.
func New(ctx context.Context, c Config) (*Server, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Settings != nil && !c.Control {
		c.Settings.Locked = true
	}
	s := &Server{log: c.Log, control: c.Control, history: page.NewHistory()}
	c.Repository.Observe = both(s.history.Observe, c.Repository.Observe)
	s.complain(&c)
	if err := s.operate(&c); err != nil {
		return nil, err
	}
	r, err := repository.New(ctx, c.Repository)
	if err != nil {
		return nil, err
	}
	s.repository, s.grpc = r, overGRPC(c)
	if err := s.mount(c); err != nil {
		return nil, errors.Join(err, r.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// both tells two observers of an event; the second may be nil.
func both(first, second func(context.Context, repository.Event)) func(context.Context, repository.Event) {
	if second == nil {
		return first
	}
	return func(ctx context.Context, e repository.Event) {
		first(ctx, e)
		second(ctx, e)
	}
}

// Repository is what the server answers from.
func (s *Server) Repository() *repository.Repository { return s.repository }

// models are those of the repository, as clients of the Open Inference Protocol
// may use them.
func (s *Server) models() inference.Repository {
	if s.control {
		return &controlled{s.repository, s.log}
	}
	return inference.Locked(s.repository)
}

// Routes are those that the server answers, without those below /m/.
func (s *Server) Routes() []route.Route { return s.routes }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// Close ends the models. Requests under way fail: Drain first.
func (s *Server) Close(ctx context.Context) error { return s.repository.Close(ctx) }

// Drain turns away what comes from now on, and returns when all is answered that
// came before, in the background as well, and webhooks were told. For these it waits
// no longer than ctx, either, but that is no error.
func (s *Server) Drain(ctx context.Context) error {
	s.repository.Retire()
	if err := s.background.Wait(ctx); err != nil {
		return err
	}
	if err := s.repository.Drain(ctx); err != nil {
		return err
	}
	if s.calls.Wait(ctx) != nil {
		s.log.Warn("not all webhooks were told before the time to end was over")
	}
	return nil
}

// modelPrefix is where the routes of each model are that name none themselves.
const modelPrefix = "/m/{model}"

// mount joins the routes of all protocols to one handler.
func (s *Server) mount(c Config) (err error) {
	if c.Routes != nil {
		more, err := c.Routes(s.repository)
		if err != nil {
			return err
		}
		s.routes = append(s.routes, more...)
	}
	protocols, err := s.protocols(c)
	if err != nil {
		return err
	}
	s.routes = slices.Concat(s.routes, s.operations.routes(), protocols)
	mux := http.NewServeMux()
	defer func() { // of http.ServeMux, about patterns
		if p := recover(); p != nil {
			err = fmt.Errorf("join routes: %v", p)
		}
	}()
	groups := map[string]group{}
	for _, one := range s.routes {
		groups[one.Pattern] = append(groups[one.Pattern], one)
		if one.PerModel {
			p := below(modelPrefix, one.Pattern)
			groups[p] = append(groups[p], one)
		}
	}
	for pattern, g := range groups {
		mux.Handle(pattern, g.handler())
	}
	if groups["/"] == nil {
		mux.Handle("/", nothing(mux))
	}
	g := c.Guard
	g.Strict = g.Strict || g.Bound != "" // models are for programs, and for the server's own page
	g.Open = func(r *http.Request) bool {
		_, pattern := mux.Handler(r)
		return groups[pattern].open(r)
	}
	if c.MaxBody > 0 {
		g.MaxBody = c.MaxBody
	}
	if g.Log == nil {
		g.Log = c.Log
	}
	s.handler = guard.Wrap(s.operations.wrap(mux), g)
	return nil
}

// A group is the routes that share a pattern, in the order in which they are asked.
type group []route.Route

// choose gives the first that is for the request, or nil.
func (g group) choose(r *http.Request) *route.Route {
	for i := range g {
		if g[i].When == nil || g[i].When(r) {
			return &g[i]
		}
	}
	return nil
}

// open tells whether the route for a request needs no key. When is asked only where
// that hangs on it: it may read a body, and nothing of those without a key is read.
func (g group) open(r *http.Request) bool {
	if !slices.ContainsFunc(g, func(one route.Route) bool { return one.Open }) {
		return false
	}
	one := g.choose(r)
	return one != nil && one.Open
}

func (g group) handler() http.Handler {
	if len(g) == 1 && g[0].When == nil {
		return g[0].Handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if one := g.choose(r); one != nil {
			one.Handler.ServeHTTP(w, r)
			return
		}
		route.Refuse(w, http.StatusNotFound, "there is nothing here for this request")
	})
}

// nothing answers requests that no route is for: with 405 where another method is.
func nothing(mux *http.ServeMux) http.Handler {
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var allowed []string
		for _, m := range methods {
			other := &http.Request{Method: m, URL: r.URL, Host: r.Host}
			if _, pattern := mux.Handler(other); pattern != "/" && pattern != "" {
				allowed = append(allowed, m)
			}
		}
		if allowed == nil {
			route.Refuse(w, http.StatusNotFound, "there is nothing at "+shorten(r.URL.Path))
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		route.Refuse(w, http.StatusMethodNotAllowed, shorten(r.URL.Path)+" takes "+strings.Join(allowed, ", "))
	})
}

// shorten is the beginning of a path that is long.
func shorten(path string) string {
	if len(path) <= 80 {
		return path
	}
	return strings.ToValidUTF8(path[:80], "") + "..."
}

// below puts the path of a pattern below another.
func below(prefix, pattern string) string {
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		return prefix + pattern
	}
	return method + " " + prefix + path
}

// protocols are the routes of all protocols.
func (s *Server) protocols(c Config) ([]route.Route, error) {
	r := s.repository
	playground, err := page.Routes(r, page.Options{History: s.history, Version: c.Version})
	if err != nil {
		return nil, err
	}
	return slices.Concat(
		s.health(),
		playground,
		[]route.Route{s.document(c)},
		oip.Routes(s.models(), oip.Options{Version: c.Version, MaxBody: c.MaxBody, Settings: c.Settings}),
		s.dialects(c),
	), nil
}

// health are the routes that orchestrators ask.
func (s *Server) health() []route.Route {
	answer := func(good func() bool) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{"text/plain; charset=utf-8"}
			if !good() {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = w.Write([]byte("not ready\n"))
				return
			}
			_, _ = w.Write([]byte("ok\n"))
		})
	}
	return []route.Route{
		{Pattern: "GET /livez", Open: true, Handler: answer(func() bool { return true }), Operation: toldAs("livez", "Whether the server runs", "text/plain")},
		{Pattern: "GET /readyz", Open: true, Handler: answer(s.repository.Ready), Operation: toldAs("readyz", "Whether all models can answer", "text/plain", "503")},
	}
}

// DefaultGrace is how long a server waits for the requests that it has when it is to
// end.
const DefaultGrace = 10 * time.Second
