package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

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
	return web.Kind(image.Config(), commandOf(image, spec))
}

// commandOf is what a container would run, by Docker's rules.
func commandOf(image runtime.Image, spec runtime.Spec) []string {
	c := image.Config()
	entrypoint, args := c.Entrypoint, c.Cmd
	if spec.Entrypoint != nil {
		entrypoint, args = spec.Entrypoint, nil
	}
	if spec.Args != nil {
		args = spec.Args
	}
	return append(append([]string{}, entrypoint...), args...)
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
func (a *app) serveOneWeb(ctx context.Context, words []string, o serveOptions) (bool, error) {
	if len(words) != 1 || strings.Contains(words[0], "=") {
		return false, nil
	}
	spec, err := a.spec(o.runOptions)
	if err != nil {
		return true, err
	}
	image, done, err := a.openTarget(ctx, words[0], &spec, o.runOptions)
	if err != nil { // which the server of models says as well, after what is wrong with the flags
		return false, nil
	}
	defer done()
	kind := webKind(image, spec, o.runOptions)
	if kind == "" {
		return false, nil
	}
	return true, a.serveWeb(ctx, words[0], image, spec, kind, o)
}

// serveWeb serves an image that answers HTTP, until the process is asked to end.
func (a *app) serveWeb(ctx context.Context, what string, image runtime.Image, spec runtime.Spec, kind string, o serveOptions) error {
	addresses, err := parsePublish(o.publish)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(a.unheard(a.Err), nil))
	c, on := serve.Config{Log: log}, serve.ListenConfig{Grace: grace(o.stop)}
	if err := a.guarded(o.guard, addresses, &c, &on); err != nil {
		return err
	}
	listeners, err := listen(ctx, addresses)
	if err != nil {
		return err
	}
	defer listeners.close()
	names, leave, err := a.inside(ctx, o.runOptions, listeners)
	if err != nil {
		return err
	}
	defer leave()
	c.Guard.Hosts = known(c.Guard.Hosts, addresses, names)
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	h, err := web.Open(ctx, rt, image, spec, kind, a.webOptions(spec, o, log))
	if err != nil {
		return a.unserved(err)
	}
	defer h.Close(context.WithoutCancel(ctx))
	defer collectLess()()
	a.compiling.hush()
	a.talk().Clear()
	c.Guard.MaxBody, c.Guard.Log = c.MaxBody, log
	c.Guard.AnyPage, c.Guard.Strict = true, false
	c.Guard.MaxBodies = -1 // they are passed on as they come, and not kept
	c.Guard.Refuse = refuseWeb
	listeners.tls = on.TLS != nil
	name, _ := nameOf(what)
	a.say("%s answers at %s", name, listeners.url(listeners.list[0]))
	for _, l := range listeners.list[1:len(addresses)] {
		a.say("and at %s", listeners.url(l))
	}
	a.kept.serving(listeners.list[:len(addresses)])
	err = serve.Handle(ctx, guard.Wrap(h, c.Guard), on, log, listeners.list...)
	if errors.Is(err, serve.ErrGrace) {
		return &hinted{err, "--stop-timeout gives them longer"}
	}
	return err
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
