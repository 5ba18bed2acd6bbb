package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/state"
)

// attachedStack is compose up with what the containers print.
type attachedStack struct {
	*composeOptions
	stack   *compose.Stack
	engine  *compose.Engine
	flags   *upOptions
	printer *stackPrinter
	names   []string // of services
	shown   []string // those of which the output is shown

	mu sync.Mutex
	up bool
	// ending: one has ended, and the others are to end for that.
	ending bool
	ended  map[string]state.State // by service: of the container that ended last
	ender  int                    // the exit code of the one that ended all
	over   context.CancelCauseFunc
}

// errAborted ends an attached stack of which a container has ended.
var errAborted = errors.New("a container has ended")

// upAttached brings a stack up and shows what it prints, until all of it has ended or
// somebody asks for the end, who stops it.
func (o *composeOptions) upAttached(ctx context.Context, s *compose.Stack, e *compose.Engine, u *upOptions, options compose.UpOptions) error {
	names, err := s.Selected(options.Services, options.Alone)
	if err != nil {
		return notUp(s, err)
	}
	if u.exitFrom != "" && s.Services[u.exitFrom] == nil {
		return notUp(s, &compose.UnknownError{Name: u.exitFrom})
	}
	p, err := o.printer(s.Name, u.noPrefix, u.noColor, u.stamps)
	if err != nil {
		return err
	}
	shown := names
	if !u.attachNeeds && len(options.Services) > 0 {
		shown = options.Services
	}
	for _, name := range shown {
		p.expect([]string{name + "-1"})
	}
	x := &attachedStack{composeOptions: o, stack: s, engine: e, flags: u, printer: p, names: names, shown: shown, ended: map[string]state.State{}}
	running, over := context.WithCancelCause(ctx)
	defer over(nil)
	x.over = over
	followed := make(chan error, 1)
	logs, quiet := context.WithCancel(context.WithoutCancel(ctx))
	defer quiet()
	go func() { followed <- x.follow(logs) }()
	err = e.Up(running, s, options)
	o.app.talk().Clear()
	if err == nil {
		x.mu.Lock()
		x.up = true
		x.mu.Unlock()
		if u.watch {
			go func() { over(o.watchStack(running, s, e, names, options)) }()
		}
		select {
		case <-running.Done():
		case err = <-followed:
			return errors.Join(err, x.code())
		}
	}
	return x.end(ctx, running, notUp(s, err), followed, quiet)
}

// follow shows what the containers print from now on, and hears of all that end.
func (x *attachedStack) follow(ctx context.Context) error {
	want := func(m compose.Member) bool {
		return !m.OneOff && slices.Contains(x.names, m.Service) && x.stack.Services[m.Service] != nil
	}
	o := compose.FollowOptions{LogOptions: state.LogOptions{Since: time.Now()}, Want: want, Ended: x.hasEnded, Until: func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.up
	}}
	return x.engine.Follow(ctx, x.stack.Name, o, func(l compose.Line) {
		if x.shows(l.Member) {
			x.printer.line(l)
		}
	})
}

// shows tells whether the output of a container is shown.
func (x *attachedStack) shows(m compose.Member) bool {
	if len(x.flags.attach) > 0 {
		return slices.Contains(x.flags.attach, m.Service)
	}
	return slices.Contains(x.shown, m.Service) && !x.stack.Services[m.Service].Quiet && !slices.Contains(x.flags.noAttach, m.Service)
}

// hasEnded hears of a container that has ended.
func (x *attachedStack) hasEnded(m compose.Member) {
	if x.shows(m) {
		x.printer.ended(m)
	}
	x.mu.Lock()
	x.ended[m.Service] = m.State
	failed := m.State.ExitCode != 0
	ends := !x.ending && (x.flags.abort && (failed || !x.awaited(m.Service)) || x.flags.abortFailure && failed)
	if ends {
		x.ending, x.ender = true, m.State.ExitCode
	}
	x.mu.Unlock()
	if ends {
		x.over(errAborted)
	}
}

// awaited tells a service whose success others wait for: that it ends well is no end of
// the stack.
func (x *attachedStack) awaited(service string) bool {
	for _, s := range x.stack.Services {
		if s.Needs[service].Completed() {
			return true
		}
	}
	return false
}

// code is the exit code that was asked for: of a service, or of the one that ended.
func (x *attachedStack) code() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	code := 0
	switch {
	case x.flags.exitFrom != "":
		code = x.ended[x.flags.exitFrom].ExitCode
	case x.flags.abort || x.flags.abortFailure:
		code = x.ender
	}
	if code != 0 {
		return &exited{code, ""}
	}
	return nil
}

// end stops the stack. A signal while it does ends everything at once.
func (x *attachedStack) end(ctx, running context.Context, failed error, followed chan error, quiet func()) error {
	cause := context.Cause(running)
	asked := ctx.Err() != nil
	if failed != nil && !asked && !errors.Is(cause, errAborted) {
		quiet()
		<-followed
		return failed
	}
	if asked {
		x.app.talk().Line("stopping; Ctrl-C again ends everything at once")
	}
	stopping, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	again := make(chan os.Signal, 1)
	signal.Notify(again, os.Interrupt)
	defer signal.Stop(again)
	members, err := x.engine.Members(stopping, x.stack.Name)
	if err != nil {
		return err
	}
	members = compose.Of(members, x.names)
	done := make(chan error, 1)
	go func() { done <- x.engine.Stop(stopping, x.stack, members, x.flags.Stop) }()
	select {
	case err = <-done:
	case <-again:
		err = x.engine.Kill(context.WithoutCancel(ctx), members, state.SIGKILL)
		cancel()
		<-done
	}
	select {
	case <-followed:
	case <-time.After(time.Second):
	}
	quiet()
	x.app.talk().Clear()
	switch {
	case err != nil:
		return err
	case asked:
		return &exited{interruptCode(ctx), ""}
	case errors.Is(cause, errAborted):
		return x.code()
	}
	return cause
}
