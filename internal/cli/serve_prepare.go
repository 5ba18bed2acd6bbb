package cli

import (
	"context"
	"log/slog"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/serve"
	"github.com/wherry-run/wherry/serve/repository"
)

// preparedServer is what the flags of a server say, read once and before an image is
// opened or fetched: a server of one that is not here would else hear of the registry
// first, and of what is wrong with its keys later.
type preparedServer struct {
	options    serveOptions
	addresses  []string
	repository repository.Config
	config     serve.Config
	on         serve.ListenConfig
	found      *foundImage
	end        func()
}

// foundImage is one that was opened to see what it is for.
type foundImage struct {
	image  runtime.Image
	spec   runtime.Spec
	tagged digest.Digest // what its name led to then
	done   func()
}

// prepareServer reads the flags of a server, its keys and certificate, and opens its
// request log. close ends what it has opened.
func (a *app) prepareServer(ctx context.Context, o serveOptions) (*preparedServer, error) {
	p := &preparedServer{options: o}
	var err error
	if p.addresses, err = o.addresses(); err != nil {
		return nil, err
	}
	if p.repository, err = p.options.schedule.repository(); err != nil { // which fills in what is not said
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(a.unheard(a.Err), &slog.HandlerOptions{Level: slog.LevelDebug}))
	p.config, p.on = serve.Config{Log: log}, serve.ListenConfig{Grace: grace(o.stop)}
	if err := a.guarded(o.guard, p.addresses, &p.config, &p.on); err != nil {
		return nil, err
	}
	requests, err := o.guard.openRequestLog(log)
	if err != nil {
		return nil, err
	}
	p.config.Operations.RequestLog = requests
	p.end = func() { closeRequestLog(ctx, requests) }
	return p, nil
}

func (p *preparedServer) close() {
	if f := p.take(); f != nil {
		f.done()
	}
	p.end()
}

// take hands the image on that was opened, once; nil: there is none.
func (p *preparedServer) take() *foundImage {
	f := p.found
	p.found = nil
	return f
}

// serveFlags serves by the flags of wherry run.
func (a *app) serveFlags(ctx context.Context, o serveOptions, serve func(p *preparedServer) error) error {
	p, err := a.prepareServer(ctx, o)
	if err != nil {
		return err
	}
	defer p.close()
	return serve(p)
}

// find opens an image to see what it is for.
func (a *app) find(ctx context.Context, what string, o runOptions) (*foundImage, error) {
	f := &foundImage{}
	var err error
	if f.spec, err = a.spec(o); err != nil {
		return nil, err
	}
	if f.image, f.done, err = a.openTarget(ctx, what, &f.spec, o); err != nil {
		return nil, err
	}
	if ref, err := oci.ParseReference(what); err == nil && !isPath(what) {
		f.tagged = a.resolved(ctx, ref)
	}
	return f, nil
}
