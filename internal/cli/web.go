package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/guard"
	"github.com/wherry-run/wherry/serve/web"
)

// webKind says how an image would answer HTTP when it is run as spec says; "": it is a
// program, or a model.
func webKind(image runtime.Image, spec runtime.Spec, o runOptions) string {
	if spec.Entrypoint != nil && image.Config().Labels[oci.LabelWeb] != "" && image.Config().Labels[oci.LabelPython] == "" {
		return "" // the image's own program answers, and not another one of it
	}
	if o.interactive || o.tty || o.stats != "" || o.statsFile != "" || o.recordHotSet != "" {
		return ""
	}
	return web.Kind(image.Config(), spec.Command(image.Config()))
}

// webOptions is what a handler is told of the flags.
func (a *app) webOptions(spec runtime.Spec, o serveOptions, log *slog.Logger) web.Options {
	env := map[string]string{}
	for _, kv := range spec.Env {
		name, value, _ := strings.Cut(kv, "=")
		env[name] = value
	}
	return web.Options{
		Env: func(name string) string { return env[name] }, Instances: o.schedule.instances, Waiting: o.schedule.waiting,
		Timeout: o.limits.timeout, Output: a.unheard(a.Err), Log: log,
	}
}

// serveOneWeb is wherry serve for an image that answers HTTP by itself. It tells whether
// that is what was named.
func (a *app) serveOneWeb(ctx context.Context, words []string, p *preparedServer) (bool, error) {
	if len(words) != 1 || strings.Contains(words[0], "=") {
		return false, nil
	}
	name, _, _, err := splitServed(words[0])
	if err != nil {
		return true, err
	}
	f, err := a.find(ctx, words[0], p.options.runOptions)
	if err != nil {
		return true, fmt.Errorf("load model %s: %w", name, err)
	}
	kind := webKind(f.image, f.spec, p.options.runOptions)
	if kind == "" {
		p.found = f // it is a model then, and open
		return false, nil
	}
	defer f.done()
	if p.config.Operations.RequestLog != nil {
		return true, &hinted{&ux.UsageError{Text: "--request-log has the inputs and outputs of models, and " + words[0] + " is a web application or a site"}, "leave it away: such an application has a log of its own"}
	}
	return true, a.serveWeb(ctx, words[0], f.image, f.spec, kind, p)
}

// serveWeb serves an image that answers HTTP, until the process is asked to end.
func (a *app) serveWeb(ctx context.Context, what string, image runtime.Image, spec runtime.Spec, kind string, p *preparedServer) error {
	o, c, on := p.options, p.config, p.on
	log := slog.New(slog.NewTextHandler(a.unheard(a.Err), nil))
	listeners, leave, err := a.reachable(ctx, o.runOptions, p.addresses, &c.Guard)
	if err != nil {
		return err
	}
	defer leave()
	spec.Dial = listeners.dialer()
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	h, err := web.Open(ctx, rt, image, spec, kind, a.webOptions(spec, o, log))
	if err != nil {
		return a.unserved(err)
	}
	live := web.NewLive(h)
	defer live.Close(context.WithoutCancel(ctx))
	defer collectLess()()
	a.compiling.hush()
	a.talk().Clear()
	c.Guard.MaxBody, c.Guard.Log = c.MaxBody, log
	c.Guard.AnyPage, c.Guard.Strict = true, false
	c.Guard.MaxBodies = -1 // they are passed on as they come, and not kept
	c.Guard.Refuse = refuseWeb
	on.Small = kind != oci.WebStatic
	listeners.tls = on.TLS != nil
	name, _ := nameOf(what)
	a.sayWhere(name, listeners.urls())
	packages, err := a.importedPackages(rt, spec, log)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer packages.under.Wait()
	defer stop()
	reload := a.reloading(serving, rt, live, packages, kind, a.webOptions(spec, o, log))
	a.kept.reloads(reload)
	a.watched.serving(serving, kind, reload)
	a.kept.serving(listeners.ofMachine())
	return drained(serve.Handle(ctx, guard.Wrap(live, c.Guard), on, log, listeners.list...))
}

// reloading has live answer by another image.
func (a *app) reloading(ctx context.Context, rt *runtime.Runtime, live *web.Live, packages *importedPackages, kind string, o web.Options) reloading {
	opens := func(image runtime.Image) func(context.Context) (*web.Handler, error) { // it lives as long as the server
		return func(context.Context) (*web.Handler, error) { return web.Open(ctx, rt, image, packages.spec, kind, o) }
	}
	return func(asking context.Context, image runtime.Image, foresee bool, done func()) error {
		if foresee {
			defer done()
			image, err := packages.prepare(asking, image)
			if err != nil {
				return err
			}
			return live.Foresee(context.WithoutCancel(asking), opens(image))
		}
		held := &heldImage{Image: image, done: done}
		release := held.hold()
		over, stale := packages.over(image)
		if stale {
			defer packages.prepareAgain(ctx, image, held.hold())
		}
		began := time.Now()
		return a.unserved(live.Replace(context.WithoutCancel(asking), func(ctx context.Context) (*web.Handler, error) {
			h, err := opens(over)(ctx)
			if err == nil {
				how := []any{"ms", time.Since(began).Milliseconds()}
				if h.Began != "" { // of Python alone
					how = append([]any{"began", h.Began}, how...)
				}
				o.Log.Info("the application was reloaded", how...)
			}
			return h, err
		}, release))
	}
}

// refuseWeb turns a request away in a way that is for people.
func refuseWeb(w http.ResponseWriter, r *http.Request, status int, message string) {
	h := w.Header()
	h["Content-Type"] = []string{"text/plain; charset=utf-8"}
	h["Cache-Control"] = []string{"no-store"}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, "%s\n", message)
	}
}
