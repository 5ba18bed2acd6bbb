package cli

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/repository"
)

// runServing are the flags of wherry run for a model that it serves: few of those of
// wherry serve.
type runServing struct {
	publish   []string
	stop      time.Duration
	stopSet   bool
	instances int
	name      string // by which the model is asked for; "" is the image's
}

func (o *runServing) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.publish, "publish", "p", nil, "port on this machine: of a program [[ADDRESS:]PORT:]PORT as with Docker; where a model is served, [ADDRESS:]PORT (default 127.0.0.1:8080)")
	o.stop = serve.DefaultGrace
	f.Var(secondsFlag{&o.stop, &o.stopSet}, "stop-timeout", "how long it may take to end, and the requests that a served model took, such as 10 or 1m")
	f.IntVar(&o.instances, "instances", 0, "how many requests a served model answers at once (default: one for each processor)")
}

// serves tells whether an image is to be served: a model that nobody asks anything.
func serves(image runtime.Image, args []string, o runOptions) bool {
	return wherry.Kind(image) != "" && len(args) == 0 && o.entrypoint == "" && !o.interactive && !o.tty &&
		o.stats == "" && o.statsFile == "" && o.recordHotSet == ""
}

// notServed says why -p is not for what is to be run.
func notServed(what string, args []string) error {
	if len(args) > 0 {
		return &hinted{&ux.UsageError{Text: "with -p the model is served, and takes no inputs here"}, "leave them away, or -p"}
	}
	return &ux.UsageError{Text: "-p is for serving a model, and the other flags are for running it as a program"}
}

// servedWord names what is to be served for wherry serve: what was built of a folder
// is an image now.
func (o runOptions) servedWord(what string) string {
	if o.serving.name != "" {
		return o.serving.name + "=" + what
	}
	if name, _ := nameOf(what); isPath(what) && name != "" {
		return name + "=" + folderName(what)
	}
	return what
}

// served is what wherry serve is told of the flags of wherry run.
func (o runOptions) served() serveOptions {
	s := serveOptions{modelOptions: modelOptions{o}, publish: o.serving.publish, stop: o.serving.stop, watch: !o.supervised}
	s.pull = string(images.PullNever) // it is here now
	s.schedule.instances, s.schedule.waiting = o.serving.instances, repository.DefaultWaiting
	return s
}
