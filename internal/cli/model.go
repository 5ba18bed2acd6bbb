package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/model"
	"github.com/wherry-run/wherry/runtime"
)

// modelOptions are the flags of commands that ask a model.
type modelOptions struct{ runOptions }

func (o *modelOptions) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&o.env, "env", "e", nil, "variable for the model, NAME=VALUE, or NAME to pass yours on")
	f.StringArrayVar(&o.envFiles, "env-file", nil, "file of variables, one NAME=VALUE a line")
	f.StringArrayVarP(&o.volumes, "volume", "v", nil, "folder or file to mount, HOST:CONTAINER[:ro]")
	f.StringVar(&o.pull, "pull", "missing", "when to pull the image: always, missing or never")
	o.limits.flags(f)
	f.BoolVar(&o.noSnapshot, "no-snapshot", false, "load the model anew, not where its snapshot was taken")
	f.BoolVar(&o.noAccel, noAccelFlag, false, noAccelUse)
	o.unknownImports = "refuse"
}

// askable is a model that was opened for a command.
type askable struct {
	*wherry.Model
	name  string // as it was typed
	image runtime.Image
	close func()
}

// openModel opens what is named, an image or a folder, as a model.
func (a *app) openModel(ctx context.Context, what string, o modelOptions, options ...wherry.Option) (*askable, error) {
	spec, err := a.spec(o.runOptions)
	if err != nil {
		return nil, err
	}
	backend, err := a.backend(ctx, o.native)
	if err != nil {
		return nil, err
	}
	image, done, err := a.openTarget(ctx, what, &spec, o.runOptions)
	if err != nil {
		return nil, err
	}
	m, err := a.loadModel(ctx, what, image, spec, append(backend, options...)...)
	if err != nil {
		done()
		return nil, err
	}
	end := m.close
	m.close = func() { end(); done() }
	return m, nil
}

// loadModel makes a model of an image that is open.
func (a *app) loadModel(ctx context.Context, what string, image runtime.Image, spec runtime.Spec, options ...wherry.Option) (*askable, error) {
	rt, err := a.runtime(ctx)
	if err != nil {
		return nil, err
	}
	limits := spec.Limits
	spec.Limits = runtime.Limits{}
	options = append([]wherry.Option{wherry.WithSpec(spec), wherry.WithLimits(limits), wherry.WithLog(a.unheard(a.Err)), wherry.WithInstances(1)}, options...)
	m, err := wherry.Load(ctx, rt, image, options...)
	if err != nil {
		closeRuntime(ctx, rt)
		var none *wherry.NotModelError
		if errors.As(err, &none) {
			return nil, &hinted{fmt.Errorf("%s: %w", what, err), "run it as a program: wherry run " + what}
		}
		return nil, err
	}
	return &askable{Model: m, name: what, image: image, close: func() {
		_ = m.Close(context.WithoutCancel(ctx)) // it is gone with the process
		closeRuntime(ctx, rt)
	}}, nil
}

// digest is what the image's name leads to; "" for what is no image of the store.
func (m *askable) digest() string {
	if d, ok := m.image.(interface{ Digest() digest.Digest }); ok {
		return string(d.Digest())
	}
	return ""
}

// refused says of a request that failed what to do about it.
func (a *app) refused(m *askable, err error) error {
	a.compiling.hush()
	var wrong *model.InputError
	if errors.As(err, &wrong) {
		return badInput(m.Signature(), err, wrong.Tensor)
	}
	if hint := limitHint(err); hint != "" {
		return &hinted{err, hint}
	}
	return err
}

// maxShown is how many inputs of a signature an error lists.
const maxShown = 12

// badInput shows the line of the signature that a request does not fit.
func badInput(s *model.Signature, err error, name string) error {
	if f := s.Input(name); f != nil {
		hint := f.String()
		if p := f.Parameters; p != nil && p.Description != "" {
			hint += ": " + p.Description
		}
		return &hinted{&ux.UsageError{Text: err.Error()}, hint}
	}
	hint := "it takes"
	for i := range s.Inputs {
		if i == maxShown {
			hint += fmt.Sprintf("\n  and %d more: wherry inspect lists them", len(s.Inputs)-i)
			break
		}
		hint += "\n  " + s.Inputs[i].String()
	}
	return &hinted{&ux.UsageError{Text: err.Error()}, hint}
}
