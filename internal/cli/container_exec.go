package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/runtime"
)

// aside is a container over the files of one whose program is a server: the
// instances of a server have files of their own.
type aside struct {
	container *runtime.Container
	done      func()
}

func (x *aside) close(ctx context.Context) {
	_ = x.container.Close(context.WithoutCancel(ctx))
	x.done()
}

// Exec runs one more program in the container.
func (k *keptRun) Exec(ctx context.Context, e state.ExecConfig, streams state.Streams) (int, error) {
	c, err := k.containerOf(ctx)
	if err != nil {
		return 0, err
	}
	p := runtime.Process{
		Args: e.Args, Dir: e.WorkingDir, Streams: true, Terminal: e.Terminal,
		Stdin: streams.Stdin, Stdout: streams.Stdout, Stderr: streams.Stderr,
	}
	p.Limits.Timeout = time.Duration(e.Timeout)
	if p.Env = c.Environment(); len(e.Env) > 0 {
		p.Env = slices.Concat(p.Env, e.Env)
	}
	err = c.Exec(ctx, p)
	if err == nil {
		return 0, nil
	}
	var signal *state.Signalled
	if ctx.Err() != nil && errors.As(context.Cause(ctx), &signal) {
		return signal.Signal.ExitCode(), nil
	}
	var missing *runtime.NotFoundError
	var format *runtime.FormatError
	var imports *runtime.ImportError
	code, text := runtime.Status(err)
	switch {
	case errors.As(err, &missing), errors.As(err, &format), errors.As(err, &imports), code == 125:
		return code, &state.StartError{Code: code, Text: text}
	case text != "" && streams.Stderr != nil:
		fmt.Fprintln(streams.Stderr, text)
	}
	return code, nil
}

// containerOf is the container that other programs run in.
func (k *keptRun) containerOf(ctx context.Context) (*runtime.Container, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.container != nil:
		return k.container, nil
	case k.aside != nil:
		return k.aside.container, nil
	case k.runtime == nil:
		return nil, errors.New("it has not begun to run")
	}
	o, err := restored(k.job.Config)
	if err != nil {
		return nil, err
	}
	spec, err := k.app.spec(o)
	if err != nil {
		return nil, err
	}
	spec.Dir = k.job.Upper
	if k.endpoint != nil {
		spec.Dial, spec.Listen = k.endpoint, k.endpoint.Listen
	}
	image, done, err := k.app.openKept(ctx)
	if err != nil {
		return nil, err
	}
	c, err := k.runtime.Create(ctx, image, spec)
	if err != nil {
		done()
		return nil, err
	}
	k.aside = &aside{c, done}
	return c, nil
}
