package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	goruntime "runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/repository"
)

// serveOptions are the flags of wherry serve, and of wherry run where it serves.
type serveOptions struct {
	modelOptions
	schedule scheduleOptions
	guard    guardOptions
	webhooks []string
	publish  []string
	stop     time.Duration
	watch    bool
	grpc     grpcOptions
}

// scheduleOptions say how much is answered at once.
type scheduleOptions struct {
	instances  int
	waiting    int
	batch      int
	batchDelay time.Duration
	reuse      string
	loaded     string
	first      string // the default model
}

// defaultTimeout bounds a request unless --timeout says otherwise.
const defaultTimeout = 60 * time.Second

func (a *app) serveCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve [OPTIONS] [NAME=]IMAGE|FOLDER...",
		Short: "Serve models over HTTP",
		Long: `Serve models over HTTP, with the protocols that clients speak already: the Open
Inference Protocol, plain JSON, and those of OpenAI, Cog, MLflow and TEI where a
model is of their kind.

NAME is what clients call a model: without it the last part of the image's name.
Its version is the image's tag when that is a number, else 1: of several versions
of one name the highest answers who asks for none.

Only this machine reaches the server unless -p names another address: -p 0.0.0.0:8080
lets everybody. A tag that is moved to another image while the server runs, by
wherry build or wherry pull, is followed without a request being dropped. SIGTERM and
Ctrl-C answer what was asked already; a second one ends at once.`,
		Example: `  wherry serve iris:1
  wherry serve -p 8000 flowers=iris:2 digits:1
  wherry serve -p 0.0.0.0:8080 --instances 4 --waiting 64 ./mymodel`,
		Args:              atLeast(1, "an image or a folder"),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := a.prepareServer(cmd.Context(), o)
			if err != nil {
				return err
			}
			defer p.close()
			if done, err := a.serveOneWeb(cmd.Context(), args, p); done {
				return err
			}
			return a.serve(cmd.Context(), args, p)
		},
	}
	f := cmd.Flags()
	o.modelOptions.flags(f)
	f.Lookup("timeout").Usage = "limit of time of a request, waiting included, such as 30s (default 1m)"
	o.native.flags(f)
	o.flags(f)
	o.network.reach(f)
	return cmd
}

func (o *serveOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.publish, "publish", "p", nil, "where to listen, [HOST:]PORT, or as with Docker [HOST:]PORT:8080 (default 127.0.0.1:8080)")
	f.DurationVar(&o.stop, "stop-timeout", serve.DefaultGrace, "how long requests that were taken may go on at the end")
	f.StringSliceVar(&o.webhooks, "allow-webhook", nil, "let clients of Cog's protocol have this host, HOST or HOST:PORT, told about their predictions")
	f.BoolVar(&o.watch, "watch-tags", true, "follow tags that are moved to another image")
	o.schedule.flags(f)
	o.guard.flags(f)
	o.grpc.flags(f)
}

func (o *scheduleOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.instances, "instances", 0, "how many requests each model answers at once (default: one for each processor)")
	f.IntVar(&o.waiting, "waiting", repository.DefaultWaiting, "how many requests may wait for each model; those beyond get 429")
	f.IntVar(&o.batch, "batch", 0, "answer requests of up to N rows together that wait at the same time, where the model's inputs and outputs are rows")
	f.DurationVar(&o.batchDelay, "batch-delay", 0, "how long a request waits for others to be answered together with")
	f.StringVar(&o.reuse, "reuse", string(model.ReuseAlways), "what a request may find of those before it: always, whatever they left; reset, nothing, the instance is put back; never, nothing, it has an instance of its own")
	f.StringVar(&o.loaded, "max-loaded", "", "memory that all models together may hold, such as 8g: of more, those that were not used longest are unloaded until they are asked")
	f.StringVar(&o.first, "default-model", "", "model that answers when a request names none (default: the first)")
}

// serve serves what is named until the process is asked to end.
func (a *app) serve(ctx context.Context, what []string, p *preparedServer) error {
	o, config, c, on := p.options, p.repository, p.config, p.on
	if o.limits.timeout == 0 {
		o.limits.timeout = defaultTimeout
	}
	config.Timeout, config.MaxTimeout = o.limits.timeout, o.limits.timeout
	c.Version, c.Webhooks = version.Get().Version, o.webhooks
	c.Guard.Strict = true // models are for programs, and the server's own page
	end, err := a.traced(ctx, &c)
	if err != nil {
		return err
	}
	defer end()
	a.settings(&c)
	listeners, leave, err := a.reachable(ctx, o.runOptions, p.addresses, &c.Guard)
	if err != nil {
		return err
	}
	defer leave()
	calls, err := o.grpc.listen(ctx, append(slices.Clone(p.addresses), net.JoinHostPort(servedHost, "0"))[0])
	if err != nil {
		return err
	}
	defer calls.close()
	on.GRPC = calls.list
	rt, err := a.runtime(ctx)
	if err != nil {
		return err
	}
	defer closeRuntime(ctx, rt)
	models, err := a.servedModels(ctx, rt, what, o)
	if err != nil {
		return err
	}
	models[0].found = p.take
	for _, m := range models {
		m.dial = listeners.dialer()
		config.Sources = append(config.Sources, m.source())
	}
	c.Repository = config
	s, err := serve.New(ctx, c)
	if err != nil {
		return a.unserved(err)
	}
	defer s.Close(context.WithoutCancel(ctx))
	defer collectLess()()
	defer a.attend(ctx, s.Repository(), models, o.watch)()
	a.compiling.hush()
	a.talk().Clear()
	listeners.tls, listeners.keyed = on.TLS != nil, c.Guard.Keys != nil
	a.sayServed(s, models, listeners)
	a.kept.serving(listeners.ofMachine())
	for _, l := range calls.list {
		a.say("gRPC answers at %s", l.Addr())
	}
	return drained(s.Serve(ctx, on, listeners.list...))
}

// drained is how a server has ended, with what would have helped.
func drained(err error) error {
	if errors.Is(err, serve.ErrGrace) {
		return &hinted{err, "--stop-timeout gives them longer"}
	}
	return err
}

// grace is --stop-timeout: 0 is none there.
func grace(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

func (o *scheduleOptions) repository() (repository.Config, error) {
	c := repository.Config{Default: o.first, Waiting: o.waiting}
	switch {
	case o.instances < 0:
		return c, &ux.UsageError{Text: "--instances takes a number from 1 on"}
	case o.waiting < 0:
		return c, &ux.UsageError{Text: "--waiting takes a number from 0 on"}
	case o.batch < 0 || o.batchDelay < 0:
		return c, &ux.UsageError{Text: "--batch and --batch-delay take no less than 0"}
	case o.reuse != "" && !slices.Contains([]model.Reuse{model.ReuseAlways, model.ReuseReset, model.ReuseNever}, model.Reuse(o.reuse)):
		return c, &ux.UsageError{Text: "--reuse " + o.reuse + ": write always, reset or never"}
	case o.batchDelay > 0 && o.batch < 2:
		return c, &ux.UsageError{Text: "--batch-delay is for --batch N"}
	}
	if o.waiting == 0 {
		c.Waiting = -1
	}
	if o.instances == 0 {
		o.instances = goruntime.GOMAXPROCS(0)
	}
	var err error
	c.Memory, err = sizeFlag("--max-loaded", o.loaded, "2g")
	return c, err
}

// unserved says of models that could not be opened what to do about it.
func (a *app) unserved(err error) error {
	a.compiling.hush()
	a.talk().Clear()
	if hint := limitHint(err); hint != "" {
		return &hinted{err, hint}
	}
	return err
}

// splitServed is NAME=IMAGE, or IMAGE, with the name and the version that clients
// call it by.
func splitServed(word string) (name, version, what string, err error) {
	name, what, ok := strings.Cut(word, "=")
	if !ok {
		name, what = "", word
	}
	if what == "" || ok && !isModelName(name) {
		return "", "", "", &ux.UsageError{Text: fmt.Sprintf("%s: write [NAME=]IMAGE, the name of letters, digits, and . _ - between", word)}
	}
	given, version := nameOf(what)
	if name == "" {
		name = given
	}
	return name, version, what, nil
}
