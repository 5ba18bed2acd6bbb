// Package web makes an http.Handler of a container that answers HTTP without a
// socket: a static site, a program by CGI, a reactor, a Python application by WSGI or
// ASGI. It knows what an image says of itself; each kind has a room below.
package web

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	goruntime "runtime"
	"strings"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/servercmd"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve/web/cgi"
	"github.com/wherry-run/wherry/serve/web/handler"
	"github.com/wherry-run/wherry/serve/web/proxy"
	"github.com/wherry-run/wherry/serve/web/python"
	"github.com/wherry-run/wherry/serve/web/socket"
	"github.com/wherry-run/wherry/serve/web/static"
)

// Kind says how an image answers HTTP, one of the constants oci.Web...; "" when it does
// not. command is what would run: the image's own, or what replaces it.
func Kind(c ispec.ImageConfig, command []string) string {
	switch kind := c.Labels[oci.LabelWeb]; kind {
	case oci.WebStatic:
		if len(command) == 0 {
			return kind
		}
	case oci.WebCGI, oci.WebHandler:
		if len(command) > 0 {
			return kind
		}
	}
	if a, err := application(c, command, nil); err == nil {
		return a.Protocol
	}
	return ""
}

// application is the Python application that a command is to serve, where the image has
// our Python.
func application(c ispec.ImageConfig, command []string, env func(string) string) (*servercmd.Application, error) {
	if c.Labels[oci.LabelPython] == "" {
		return nil, servercmd.ErrNone
	}
	return servercmd.Parse(command, func(name string) string {
		if env != nil {
			if v := env(name); v != "" {
				return v
			}
		}
		for _, kv := range c.Env {
			if v, ok := strings.CutPrefix(kv, name+"="); ok {
				return v
			}
		}
		return ""
	})
}

// Options say how a container is served.
type Options struct {
	// Env overrides labels: FallbackVariable, RootVariable and ProxyVariable. nil is an
	// empty one.
	Env func(name string) string
	// Instances is how many requests are answered at once by programs; 0 is one for each
	// processor. Waiting is how many may wait for that; 0 is DefaultWaiting.
	Instances, Waiting int
	// Timeout bounds how long a program may work on a request before it begins to
	// answer; 0 is DefaultTimeout.
	Timeout time.Duration
	// Limits bound each request; Open takes them of the Spec.
	Limits runtime.Limits
	// Output gets what programs print; nil discards it.
	Output io.Writer
	// Log gets what goes wrong; nil: none.
	Log *slog.Logger

	chosen int // Instances, before it has its default
}

// DefaultTimeout bounds the work on a request, and DefaultWaiting who waits for it.
const (
	DefaultTimeout = 60 * time.Second
	DefaultWaiting = 512
)

// Variables of the environment that say what labels of the image do not.
const (
	FallbackVariable = "WHERRY_WEB_FALLBACK"
	RootVariable     = "WHERRY_WEB_ROOT"
	ProxyVariable    = "WHERRY_WEB_PROXY"
)

// A Handler answers requests out of a container of its own. Close it when no request is
// under way any more.
type Handler struct {
	http.Handler
	// Kind is how.
	Kind string
	// Began is how the first instance of a Python application did: one of the python
	// package's constants; "" of other kinds.
	Began string

	timeout time.Duration                 // how long requests may take to be answered
	close   []func(context.Context) error // in reverse
}

// Close ends its programs and frees the container.
func (h *Handler) Close(ctx context.Context) error {
	var first error
	for i := len(h.close) - 1; i >= 0; i-- {
		first = cmp.Or(first, h.close[i](ctx))
	}
	h.close = nil
	return first
}

// Open makes a handler of an image, of which Kind has said what it is.
func Open(ctx context.Context, rt *runtime.Runtime, image runtime.Image, spec runtime.Spec, kind string, o Options) (_ *Handler, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Env == nil {
		o.Env = func(string) string { return "" }
	}
	o.Timeout, o.Waiting = cmp.Or(o.Timeout, DefaultTimeout), cmp.Or(o.Waiting, DefaultWaiting)
	o.chosen = o.Instances
	o.Instances = cmp.Or(o.Instances, goruntime.GOMAXPROCS(0))
	if spec.Limits.Processes == 0 { // those of a request may start others
		spec.Limits.Processes = max(runtime.DefaultLimits().Processes, 4*o.Instances)
	}
	o.Limits, spec.Limits = perRequest(spec.Limits)
	if kind == oci.WebStatic {
		spec.ReadOnly = true // nothing runs that could write
	}
	routes, err := proxy.Routes(image.Config().Labels, oci.LabelWebProxy, o.Env(ProxyVariable))
	if err != nil {
		return nil, fmt.Errorf("labels %sPATH, or %s: %w", oci.LabelWebProxy, ProxyVariable, err)
	}
	c, err := rt.Create(ctx, image, spec)
	if err != nil {
		return nil, err
	}
	h := &Handler{Kind: kind, timeout: o.Timeout, close: []func(context.Context) error{c.Close}}
	defer func() {
		if err != nil {
			_ = h.Close(context.WithoutCancel(ctx))
		}
	}()
	if err := h.answer(ctx, c, image.Config(), spec, o); err != nil {
		return nil, err
	}
	if kind != oci.WebASGI {
		h.Handler = socket.Without(h.Handler, "there are no WebSockets here: what answers is "+kind+", and applications of ASGI have them")
	}
	if len(routes) > 0 {
		p := proxy.New(proxy.Config{Routes: routes, Next: h.Handler, Dial: spec.Dial, Timeout: o.Timeout, Log: o.Log})
		h.Handler = p
		h.close = append(h.close, p.Close)
	}
	return h, nil
}

// answer has the container answer in its way.
func (h *Handler) answer(ctx context.Context, c *runtime.Container, config ispec.ImageConfig, spec runtime.Spec, o Options) error {
	switch h.Kind {
	case oci.WebStatic:
		return h.static(c, config, spec, o)
	case oci.WebCGI:
		return h.cgi(c, o)
	case oci.WebHandler:
		return h.reactor(ctx, c, o)
	case oci.WebWSGI, oci.WebASGI:
		a, err := application(config, c.Command(), o.Env)
		if err != nil {
			return err
		}
		return h.python(ctx, c, a, o)
	}
	return fmt.Errorf("an image of kind %q cannot be served", h.Kind)
}

// perRequest divides limits into those of each request and those of the container,
// which lives for many of them.
func perRequest(l runtime.Limits) (request, container runtime.Limits) {
	request, container = l, l
	request.Disk, request.Processes, request.Timeout = 0, 0, 0
	container.Fuel, container.CPUTime, container.Output, container.Timeout = 0, 0, 0, 0
	return request, container
}

// cgi has a program answer that is run for each request.
func (h *Handler) cgi(c *runtime.Container, o Options) error {
	most := o.Instances
	if o.chosen == 0 { // a run that waits for something leaves the processor to others
		most *= 4
	}
	p, err := cgi.New(cgi.Config{
		Container: c, Limits: o.Limits, Timeout: o.Timeout, Most: most, Waiting: o.Waiting, Stderr: o.Output, Log: o.Log,
	})
	if err != nil {
		return err
	}
	h.Handler = p
	h.close = append(h.close, p.Close)
	return nil
}

// reactor has a module answer by its exports.
func (h *Handler) reactor(ctx context.Context, c *runtime.Container, o Options) error {
	p, err := handler.New(ctx, handler.Config{
		Container: c, Limits: o.Limits, Timeout: o.Timeout, Instances: o.Instances, Waiting: o.Waiting, Output: o.Output, Log: o.Log,
	})
	if err != nil {
		return err
	}
	h.Handler = p
	h.close = append(h.close, p.Close)
	return nil
}

// python has a Python application answer.
func (h *Handler) python(ctx context.Context, c *runtime.Container, a *servercmd.Application, o Options) error {
	p, err := python.New(ctx, python.Config{
		Application: a, Container: c, Limits: o.Limits, Timeout: o.Timeout, Instances: o.Instances, Waiting: o.Waiting, Output: o.Output, Log: o.Log,
	})
	if err != nil {
		return err
	}
	h.Handler, h.Began = p, p.Began()
	h.close = append(h.close, p.Close)
	return nil
}

// static has files answer.
func (h *Handler) static(c *runtime.Container, config ispec.ImageConfig, spec runtime.Spec, o Options) error {
	s, err := static.New(static.Config{
		Files:    c,
		Root:     cmp.Or(o.Env(RootVariable), config.Labels[oci.LabelWebRoot], oci.DefaultWebRoot),
		Fallback: cmp.Or(o.Env(FallbackVariable), config.Labels[oci.LabelWebFallback]),
		Frozen:   len(spec.Mounts) == 0 && spec.Dir == "",
	})
	if err != nil {
		return err
	}
	h.Handler = s
	h.close = append(h.close, func(context.Context) error { return s.Close() })
	return nil
}
