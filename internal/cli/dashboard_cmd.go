package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/dashboard"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/serve"
)

// dashboardPort is where the dashboard listens, if nobody else does.
const dashboardPort = 8642

func (a *app) dashboardCommand() *cobra.Command {
	var port int
	cmd := &cobra.Command{
		Use: "dashboard", Short: "Show containers, their logs and what they use on a page, and start and stop them", Args: cobra.NoArgs,
		Long: `Show the containers of this machine on a page: their logs and what they use as they
go, images, volumes and networks. The page starts, stops and removes containers.

Only this machine reaches it, and only who has the address that is printed: its last
part is a secret, a new one each time. Ctrl-C ends the page; containers go on.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.dashboard(cmd.Context(), port, cmd.Flags().Changed("port"))
		},
	}
	cmd.Flags().IntVar(&port, "port", dashboardPort, "port of this machine to listen on; 0 is any that is free")
	return cmd
}

func (a *app) dashboard(ctx context.Context, port int, chosen bool) error {
	if port < 0 || port > 65535 {
		return &ux.UsageError{Text: "--port takes a number from 0 to 65535"}
	}
	containers, err := a.containers(ctx)
	if err != nil {
		return err
	}
	networks, err := a.networks()
	if err != nil {
		return err
	}
	s, err := a.store(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	log := slog.New(slog.NewTextHandler(a.Err, nil))
	d, err := dashboard.New(dashboard.Config{
		Containers: containers, Networks: networks, Images: listed{s}, Stacks: stacks{a}, Host: servedHost, Version: version.Get().Version, Log: log,
	})
	if err != nil {
		return err
	}
	listeners, err := listen(ctx, []string{net.JoinHostPort(servedHost, strconv.Itoa(port))})
	if err != nil && !chosen {
		listeners, err = listen(ctx, []string{net.JoinHostPort(servedHost, "0")})
	}
	if err != nil {
		return dashboardPortHint(err)
	}
	watching, end := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { d.Run(watching) })
	defer watch.Wait()
	defer end()
	a.talk().Clear()
	fmt.Fprintln(a.Out, listeners.url(listeners.list[0])+d.Path())
	a.say("%s", "Open it in a browser of this machine. Ctrl-C ends the page, and no container.")
	err = serve.Handle(ctx, d, serve.ListenConfig{Grace: time.Second}, log, listeners.list...)
	if errors.Is(err, serve.ErrGrace) { // logs that were followed
		return nil
	}
	return err
}

// dashboardPortHint speaks of the flag that the command has.
func dashboardPortHint(err error) error {
	var h *hinted
	if errors.As(err, &h) {
		return &hinted{h.error, "wherry dashboard --port 0 takes one that is free"}
	}
	return err
}

// listed is dashboard.Images over the store.
type listed struct{ store *store.Store }

// Images lists the images, each once with all of its names.
func (l listed) Images(ctx context.Context) ([]dashboard.Image, error) {
	list, err := images.List(ctx, l.store)
	if err != nil {
		return nil, err
	}
	shown := make([]dashboard.Image, 0, len(list))
	at := map[string]int{}
	for _, i := range list {
		if unnamed(i) { // as wherry images
			continue
		}
		name := ""
		if !i.Ref.IsZero() {
			name = i.Ref.Familiar()
		}
		n, ok := at[i.ID.String()]
		if !ok {
			n = len(shown)
			at[i.ID.String()] = n
			one := dashboard.Image{ID: i.ID.String(), Size: i.Size, Kind: servedKind(i)}
			if made := since(i.Created); made != "N/A" {
				one.Created = made
			}
			shown = append(shown, one)
		}
		if name != "" && !slices.Contains(shown[n].Names, name) {
			shown[n].Names = append(shown[n].Names, name)
		}
	}
	return shown, nil
}

// servedKind says what an image answers by HTTP as: "model", "web" or "".
func servedKind(i images.Summary) string {
	switch {
	case i.Model || i.Labels[oci.LabelModel] != "":
		return "model"
	case i.Labels[oci.LabelWeb] != "":
		return "web"
	}
	return ""
}

// stacks is dashboard.Stacks over compose.
type stacks struct{ app *app }

// StartStack starts the containers of a stack.
func (s stacks) StartStack(ctx context.Context, project string) error {
	return s.each(ctx, project, func(e *compose.Engine, stack *compose.Stack, list []compose.Member) error {
		return e.Start(ctx, stack, list)
	})
}

// StopStack ends the containers of a stack.
func (s stacks) StopStack(ctx context.Context, project string) error {
	return s.each(ctx, project, func(e *compose.Engine, stack *compose.Stack, list []compose.Member) error {
		return e.Stop(ctx, stack, list, state.StopOptions{})
	})
}

// each does something with the containers of a stack, and with what its files say of them
// where those are there still: the labels of each say enough without.
func (s stacks) each(ctx context.Context, project string, do func(e *compose.Engine, stack *compose.Stack, list []compose.Member) error) error {
	quiet := *s.app
	quiet.quiet, quiet.progress = true, nil
	quiet.Streams = ux.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard} // of the dashboard, not of a stack
	o := &composeOptions{app: &quiet, progress: "quiet", local: true}
	e, err := o.engine(ctx)
	if err != nil {
		return err
	}
	list, err := e.Members(ctx, project)
	if err != nil {
		return err
	}
	list = compose.Of(list, nil)
	if len(list) == 0 {
		return nil
	}
	at := list[0].Labels
	if files := filesOf(at[compose.LabelFiles]); len(files) > 0 {
		o.files, o.dir, o.project = files, at[compose.LabelDir], project
		if _, stack, err := o.name(ctx); err == nil {
			return do(e, stack, list)
		}
	}
	return do(e, nil, list)
}

// filesOf are the files of a stack's label, if all of them are of this machine and there: a
// stack that was typed has none, one of a registry would be fetched, and a comma in a name
// is no other than one between names.
func filesOf(label string) []string {
	files := strings.Split(label, ",")
	for _, name := range files {
		if i, err := os.Stat(name); !filepath.IsAbs(name) || err != nil || !i.Mode().IsRegular() {
			return nil
		}
	}
	return files
}
