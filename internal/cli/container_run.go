package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
)

// containers opens the containers of this user, and sees to those whose supervisors
// were killed.
func (a *app) containers(ctx context.Context) (*state.Store, error) {
	s, err := a.openContainers()
	if err != nil {
		return nil, err
	}
	r, err := s.Recover(ctx, false)
	for _, f := range r.Failed {
		a.talk().Line("warning: %v", f)
	}
	return s, err
}

func (a *app) openContainers() (*state.Store, error) {
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	var s *state.Store
	s, err = state.Open(p.Data, state.Options{
		Spawn: func(ctx context.Context, id string, await bool) error {
			return s.Spawner([]string{self}, os.Environ())(ctx, id, await)
		},
		Files: a.filesOf,
		Removed: func(ctx context.Context, c state.Config) error {
			images, err := store.Open(ctx, p.Data)
			if err != nil {
				return err
			}
			defer images.Close()
			return images.Unpin(ctx, pinOf(c.ID))
		},
		Died: func(ctx context.Context, c state.Config) error { return a.died(ctx, c) },
	})
	return s, err
}

// died lets go of what the process of a container held that was killed: its place in
// networks, and its share of the store.
func (a *app) died(ctx context.Context, c state.Config) error {
	ctx, cancel := context.WithTimeout(ctx, diedPatience)
	defer cancel()
	networks, err := a.networks()
	if err == nil {
		err = networks.Forget(ctx, c.ID)
	}
	s, serr := a.store(ctx)
	if serr != nil {
		return errors.Join(err, serr)
	}
	defer s.Close()
	return errors.Join(err, s.ReleaseDead(ctx))
}

// diedPatience is how long whoever looks at containers waits for others that use the
// store: what is left then goes with the next sweep.
const diedPatience = 2 * time.Second

// pinOf is the name under which the store keeps a container's image.
func pinOf(id string) string { return "container-" + id }

// create makes a container of what is named.
func (a *app) create(ctx context.Context, s *state.Store, what string, args []string, o runOptions) (*state.Container, error) {
	spec, err := a.spec(o)
	if err != nil {
		return nil, err
	}
	image, done, err := a.openTarget(ctx, what, &spec, o)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := checkKept(what, image, args, o); err != nil {
		return nil, err
	}
	name := what
	if isPath(what) {
		if i, ok := image.(*images.Image); ok {
			name = i.Name().Familiar()
		}
	}
	c, err := a.configOf(name, args, image, o)
	if err != nil {
		return nil, err
	}
	c.ID = state.NewID()
	if err := a.pin(ctx, &c, image); err != nil {
		return nil, err
	}
	if c.Mounts, err = a.mountsOf(ctx, s, image, o); err != nil {
		return nil, errors.Join(err, a.unpin(ctx, c))
	}
	made, err := s.Create(ctx, c)
	if err == nil && c.Image.Digest == "" {
		err = keepModule(what, filepath.Join(filepath.Dir(s.Upper(made.ID)), moduleFile))
	}
	if err != nil {
		return nil, errors.Join(err, a.unpin(ctx, c))
	}
	if o.life.cidFile != "" {
		err = writeNew(o.life.cidFile, made.ID)
	}
	return made, err
}

// checkKept refuses flags that say nothing to a container with a process of its own.
func checkKept(what string, image runtime.Image, args []string, o runOptions) error {
	switch {
	case o.stats != "" || o.statsFile != "":
		return &hinted{&ux.UsageError{Text: "--stats is for a run in the foreground that is not kept"}, "wherry stats shows what containers use"}
	case o.recordHotSet != "":
		return &ux.UsageError{Text: "--record-hot-set is for a run in the foreground that is not kept"}
	case o.detach() && o.tty && !o.interactive:
		return nil
	case len(o.serving.publish) > 0 && wherry.Kind(image) != "" && !serves(image, args, o):
		return notServed(what, args)
	}
	return nil
}

func (o runOptions) detach() bool { return o.life.detach }

// specOf is what decides what an image is run as.
func specOf(args []string, o runOptions) runtime.Spec {
	spec := runtime.Spec{}
	if len(args) > 0 {
		spec.Args = args
	}
	if o.entrypoint != "" {
		spec.Entrypoint = []string{o.entrypoint}
	}
	return spec
}

// pin has the store keep the container's image, whatever becomes of its name.
func (a *app) pin(ctx context.Context, c *state.Config, image runtime.Image) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	target, id, err := targetOf(ctx, s, image)
	if errors.Is(err, errNotStored) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Image.Digest, c.Image.MediaType, c.Image.Size, c.Image.ID = string(target.Digest), target.MediaType, target.Size, id
	return s.Pin(ctx, pinOf(c.ID), target.Digest)
}

func (a *app) unpin(ctx context.Context, c state.Config) error {
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Unpin(context.WithoutCancel(ctx), pinOf(c.ID))
}

// writeNew writes a file that must not be there yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &ux.UsageError{Text: "--cidfile " + name + ": the file is there already, of another container perhaps"}
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// writeWhole writes a file so that others see all of it, or what was there before.
func writeWhole(name string, write func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// copyWhole is writeWhole of what is read.
func copyWhole(name string, from io.Reader) error {
	return writeWhole(name, func(f *os.File) error {
		_, err := io.Copy(f, from)
		return err
	})
}

// keepModule copies a module of this machine to where its container has it.
func keepModule(what, to string) error {
	f, err := os.Open(what)
	if err != nil {
		return err
	}
	return errors.Join(copyWhole(to, f), f.Close())
}

// runKept is run for a container with a process of its own: in the background with
// -d, else with this command attached to it.
func (a *app) runKept(ctx context.Context, what string, args []string, o runOptions) error {
	if o.life.cidFile != "" {
		if _, err := os.Stat(o.life.cidFile); err == nil {
			return &ux.UsageError{Text: "--cidfile " + o.life.cidFile + ": the file is there already, of another container perhaps"}
		}
	}
	s, err := a.containers(ctx)
	if err != nil {
		return err
	}
	c, err := a.create(ctx, s, what, args, o)
	if err != nil {
		return err
	}
	a.talk().Clear()
	if o.life.detach {
		if err := s.Start(ctx, c.ID); err != nil {
			if o.life.remove {
				_ = s.Remove(context.WithoutCancel(ctx), c.ID, true)
			}
			return notStarted(err)
		}
		fmt.Fprintln(a.Out, c.ID)
		return nil
	}
	return a.attached(ctx, s, c, o.life.signals, func(ctx context.Context, to state.Attached) (state.Exit, error) {
		if o.interactive {
			to.Stdin = a.In
		}
		exit, err := s.StartAttached(ctx, c.ID, to, nil)
		if o.life.remove {
			awaitRemoval(context.WithoutCancel(ctx), s, c, err != nil)
		}
		return exit, err
	})
}

// removalPatience is how long run --rm waits until its container is gone.
const removalPatience = 5 * time.Second

// awaitRemoval waits until a container is gone that goes with its end, or removes one
// that never began.
func awaitRemoval(ctx context.Context, s *state.Store, c *state.Container, failed bool) {
	if failed && s.Remove(ctx, c.ID, true) == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, removalPatience)
	defer cancel()
	_, _ = s.Wait(ctx, c.ID, state.WaitRemoved) // or it goes later
}

// attached joins the streams of this command and a container's. Signals go to the
// container, or, with proxy false, end the command and leave the container alone.
func (a *app) attached(ctx context.Context, s *state.Store, c *state.Container, proxy bool, join func(context.Context, state.Attached) (state.Exit, error)) error {
	to := state.Attached{Stdout: a.Out, Stderr: a.Err}
	joined, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() {
		signal := state.Signal(interruptCode(ctx) - 128)
		if !proxy || s.Kill(joined, c.ID, signal) != nil {
			cancel(context.Cause(ctx))
		}
	})
	defer stop()
	exit, err := join(joined, to)
	if err != nil {
		return notStarted(err)
	}
	if exit.Code != 0 || exit.Error != "" {
		return &exited{exit.Code, exit.Error}
	}
	return nil
}

// notStarted gives the exit code that Docker would have.
func notStarted(err error) error {
	var start *state.StartError
	if !errors.As(err, &start) {
		return err
	}
	return &hinted{&exited{start.Code, start.Text}, start.Hint}
}

func (a *app) createCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:               "create [OPTIONS] IMAGE|FOLDER|FILE.wasm [ARG...]",
		Short:             "Make a container without starting it",
		Args:              atLeast(1, "an image, a folder or a .wasm file"),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			s, err := a.containers(ctx)
			if err != nil {
				return err
			}
			o.supervised = true // nobody looks at this terminal
			c, err := a.create(ctx, s, args[0], args[1:], o)
			if err != nil {
				return err
			}
			a.talk().Clear()
			fmt.Fprintln(a.Out, c.ID)
			return nil
		},
	}
	o.flags(cmd.Flags())
	return cmd
}

// superviseCommand is the process of a container: wherry starts itself with it.
func (a *app) superviseCommand() *cobra.Command {
	var await bool
	cmd := &cobra.Command{
		Use:    "supervise CONTAINER",
		Short:  "Keep a container (wherry start runs it)",
		Hidden: true,
		Args:   exactly(1, "one container"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.openContainers()
			if err != nil {
				return err
			}
			report := io.WriteCloser(os.Stdout)
			return s.Supervise(cmd.Context(), args[0], &runner{a}, state.SuperviseOptions{Report: state.ReportTo(report), Await: await, Watch: true})
		},
	}
	cmd.Flags().BoolVar(&await, "await", false, "wait for somebody to attach")
	return cmd
}

// users are the containers of an image.
func (a *app) users(ctx context.Context, id digest.Digest) ([]images.User, error) {
	s, err := a.openContainers()
	if err != nil {
		return nil, err
	}
	list, err := s.List(ctx, func(c *state.Container) bool { return c.Image.ID == string(id) })
	var users []images.User
	for _, c := range list {
		users = append(users, images.User{Container: c.Name, Running: c.State.Status.Alive()})
	}
	return users, err
}

// completeContainers offers the names of containers to the shell.
func (a *app) completeContainers(cmd *cobra.Command, args []string, begins string) ([]string, cobra.ShellCompDirective) {
	s, err := a.openContainers()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	list, err := s.List(cmd.Context(), func(c *state.Container) bool {
		return strings.HasPrefix(c.Name, begins) && !slices.Contains(args, c.Name)
	})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
