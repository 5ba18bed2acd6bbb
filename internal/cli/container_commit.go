package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

// commitOptions are the flags of commit and import.
type commitOptions struct {
	author, message string
	change          []string
	pause, noPause  bool
}

func (a *app) commitCommand() *cobra.Command {
	var o commitOptions
	cmd := &cobra.Command{
		Use: "commit [OPTIONS] CONTAINER [NAME[:TAG]]", Short: "Make an image of what a container changed", Args: between(1, 2, "a container, and perhaps a name for the image"), ValidArgsFunction: a.completeContainers,
		Long: `Make an image of a container: its image, what it changed of that as one more layer,
and the flags that it was created with. What is in volumes is not part of it.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.commit(cmd.Context(), args[0], args[1:], o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.author, "author", "a", "", "who made it")
	f.StringVarP(&o.message, "message", "m", "", "what is to be said of it in its history")
	f.StringArrayVarP(&o.change, "change", "c", nil, "instruction of a Wasmfile to apply, such as 'ENV A=b' or 'CMD [\"serve\"]'")
	f.BoolVarP(&o.pause, "pause", "p", true, "pause the container meanwhile")
	f.BoolVar(&o.noPause, "no-pause", false, "let the container go on meanwhile")
	return cmd
}

func (a *app) importCommand() *cobra.Command {
	var o commitOptions
	cmd := &cobra.Command{
		Use: "import [OPTIONS] FILE|URL|- [NAME[:TAG]]", Short: "Make an image of the files in a tar", Args: between(1, 2, "a tar, and perhaps a name for the image"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			r, err := a.openTar(ctx, args[0])
			if err != nil {
				return err
			}
			defer r.Close()
			return a.keepLayer(ctx, "import", args[0], args[1:], packager.CommitOptions{
				Layer: r, Change: o.change, Comment: o.message, CreatedBy: "wherry import",
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.message, "message", "m", "", "what is to be said of it in its history")
	f.StringArrayVarP(&o.change, "change", "c", nil, "instruction of a Wasmfile to apply, such as 'ENTRYPOINT [\"/bin/app\"]'")
	f.Var(new(platformFlag), "platform", platformUse)
	return cmd
}

// openTar opens the archive that a word names: "-" is the input.
func (a *app) openTar(ctx context.Context, name string) (io.ReadCloser, error) {
	switch {
	case name == "-" && ux.IsTerminal(a.In):
		return nil, &hinted{&ux.UsageError{Text: "a tar is not typed at a terminal"}, "write the name of a file, or redirect"}
	case name == "-":
		return io.NopCloser(a.In), nil
	case strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://"):
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, name, nil)
		if err != nil {
			return nil, &ux.UsageError{Text: err.Error()}
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
			return nil, fmt.Errorf("get %s: the server answers %s", name, resp.Status)
		}
		return resp.Body, nil
	}
	return os.Open(name)
}

// commit makes an image of a container.
func (a *app) commit(ctx context.Context, name string, ref []string, o commitOptions) error {
	s, c, err := a.container(ctx, name)
	if err != nil {
		return err
	}
	if c.State.Status == state.Running && o.pause && !o.noPause {
		if err := s.Pause(ctx, c.ID); err != nil {
			return err
		}
		defer func() { _ = s.Unpause(context.WithoutCancel(ctx), c.ID) }() // it may have ended
	}
	files, done, err := s.Files(ctx, c)
	if err != nil {
		return err
	}
	defer done()
	b := *a
	b.kept = &keptRun{job: state.Job{Container: *c, Upper: s.Upper(c.ID)}}
	image, closeImage, err := b.openKept(ctx)
	if err != nil {
		return err
	}
	defer closeImage()
	base, closeBase, err := a.committed(ctx, image, c)
	if err != nil {
		return err
	}
	defer closeBase()
	r, w := io.Pipe()
	go func() { w.CloseWithError(files.Layer(ctx, w)) }()
	err = a.keepLayer(ctx, "commit", c.Name, ref, packager.CommitOptions{
		Base: base, Layer: r, Change: o.change, Comment: o.message, Author: o.author, CreatedBy: strings.Join(c.Command, " "),
		Configure: func(to *oci.ImageConfig) { asCreated(to, c.Config) },
	})
	_ = r.Close()
	if err != nil {
		return err
	}
	s.Event(c.Event("commit"))
	return nil
}

// committed is a container's image as the packager takes it. One that is not in the
// store, a program from a file, is made an image of first.
func (a *app) committed(ctx context.Context, image runtime.Image, c *state.Container) (*packager.Image, func(), error) {
	if i, ok := image.(*images.Image); ok {
		return packaged(c.Image.Name, i), func() {}, nil
	}
	r, w := io.Pipe()
	go func() {
		l := image.Layers()[0]
		w.CloseWithError(layer.Write(ctx, w, l.Index.Entries, layer.OpenFrom(l.Content), layer.WriteOptions{}))
	}()
	defer r.Close()
	shop, err := a.workshop(ctx)
	if err != nil {
		return nil, nil, err
	}
	done := func() { shop.close(context.WithoutCancel(ctx)) }
	made, err := packager.Commit(ctx, packager.CommitOptions{
		Options: shop.options, Layer: r, CreatedBy: "COPY " + filepath.Base(c.Image.Name),
		Configure: func(to *oci.ImageConfig) { to.ImageConfig = image.Config() },
	})
	if err != nil {
		done()
		return nil, nil, err
	}
	opened, err := images.OpenTarget(ctx, shop.store, made.Index, images.Options{})
	if err != nil {
		done()
		return nil, nil, err
	}
	return packaged("", opened), func() { _ = opened.Close(); done() }, nil
}

// asCreated gives an image the flags that a container was created with.
func asCreated(to *oci.ImageConfig, c state.Config) {
	for _, kv := range c.Env {
		name, _, _ := strings.Cut(kv, "=")
		to.Env = slices.DeleteFunc(to.Env, func(have string) bool { return strings.HasPrefix(have, name+"=") })
		to.Env = append(to.Env, kv)
	}
	if c.Entrypoint != nil {
		to.Entrypoint, to.Cmd = c.Entrypoint, nil
	}
	if c.Args != nil {
		to.Cmd = c.Args
	}
	if c.WorkingDir != "" {
		to.WorkingDir = c.WorkingDir
	}
	if c.User != "" {
		to.User = c.User
	}
	if c.StopSignal != "" {
		to.StopSignal = c.StopSignal
	}
	for k, v := range c.Labels {
		if to.Labels == nil {
			to.Labels = map[string]string{}
		}
		to.Labels[k] = v
	}
	for _, p := range c.Exposed {
		if to.ExposedPorts == nil {
			to.ExposedPorts = map[string]struct{}{}
		}
		to.ExposedPorts[p] = struct{}{}
	}
}

// keepLayer makes an image of a layer, names it and prints its ID.
func (a *app) keepLayer(ctx context.Context, action, of string, names []string, o packager.CommitOptions) error {
	var ref oci.Reference
	var err error
	if len(names) > 0 {
		if ref, err = parseRef(names[0]); err != nil {
			return err
		}
	}
	w, err := a.workshop(ctx)
	if err != nil {
		return err
	}
	defer w.close(context.WithoutCancel(ctx))
	o.Options = w.options
	o.Progress, o.Epoch = nil, time.Now()
	made, err := packager.Commit(ctx, o)
	if err != nil {
		return fmt.Errorf("%s %s: %w", action, of, err)
	}
	if ref.IsZero() {
		err = w.store.Add(ctx, made.Index)
	} else {
		err = w.store.Tag(ctx, ref, made.Index)
	}
	if err != nil {
		return err
	}
	a.talk().Clear()
	if action == "commit" { // which is the container's
		action = "create"
	}
	a.imageEvent(action, made.Config.Digest, ref)
	_, err = fmt.Fprintln(a.Out, made.Config.Digest)
	return err
}
