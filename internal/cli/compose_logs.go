package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// stackPrinter prints what the containers of a stack print: each line behind the name of
// its container, each container in a colour of its own.
type stackPrinter struct {
	app     *app
	project string
	bare    bool // no names
	color   bool
	stamps  bool
	width   int
	hues    map[string]int
	open    map[string]string // containers whose last line has no end yet, with its stream
}

// hues are the colours of names: cyan, yellow, green, magenta, blue, and then the same,
// bright.
var hues = []string{"36", "33", "32", "35", "34", "36;1", "33;1", "32;1", "35;1", "34;1"}

func (o *composeOptions) printer(project string, bare, noColor, stamps bool) (*stackPrinter, error) {
	p := &stackPrinter{app: o.app, project: project, bare: bare, stamps: stamps, hues: map[string]int{}, open: map[string]string{}}
	switch o.ansi {
	case "auto":
		p.color = !noColor && ux.IsTerminal(o.app.Out) && o.app.env("NO_COLOR") == ""
	case "always":
		p.color = !noColor
	case "never":
	default:
		return nil, &ux.UsageError{Text: "--ansi takes auto, always or never"}
	}
	return p, nil
}

// expect makes the names of containers to come as wide as the widest.
func (p *stackPrinter) expect(names []string) {
	for _, name := range names {
		p.width = max(p.width, len(name))
	}
}

// label is a container's name without the stack's before it.
func (p *stackPrinter) label(m compose.Member) string {
	return strings.TrimPrefix(m.Name, p.project+"-")
}

func (p *stackPrinter) prefix(m compose.Member) string {
	if p.bare {
		return ""
	}
	name := p.label(m)
	p.width = max(p.width, len(name))
	text := fmt.Sprintf("%-*s  | ", p.width, name)
	if !p.color {
		return text
	}
	hue, ok := p.hues[m.ID]
	if !ok {
		hue = len(p.hues)
		p.hues[m.ID] = hue
	}
	return "\x1b[" + hues[hue%len(hues)] + "m" + text + "\x1b[0m"
}

// line prints one line. A line that is longer than the log's parts comes in several.
func (p *stackPrinter) line(l compose.Line) {
	var w io.Writer = p.app.Out
	if l.Stream == state.Stderr {
		w = p.app.Err
	}
	text := l.Bytes()
	var b bytes.Buffer
	if p.open[l.Member.ID] != l.Stream {
		b.WriteString(p.prefix(l.Member))
		if p.stamps {
			b.WriteString(l.Time.Format("2006-01-02T15:04:05.000000000Z07:00") + " ")
		}
	}
	b.Write(text)
	delete(p.open, l.Member.ID)
	if !bytes.HasSuffix(text, []byte("\n")) {
		p.open[l.Member.ID] = l.Stream
	}
	_, _ = w.Write(b.Bytes()) // nobody to tell that it is gone
}

// ended tells that a container has.
func (p *stackPrinter) ended(m compose.Member) {
	if p.open[m.ID] != "" {
		fmt.Fprintln(p.app.Out)
		delete(p.open, m.ID)
	}
	text := fmt.Sprintf("%s exited with code %d", p.label(m), m.State.ExitCode)
	if m.State.Error != "" {
		text += " (" + m.State.Error + ")"
	}
	ux.Line(p.app.Out, text)
}

func (o *composeOptions) logsCommand() *cobra.Command {
	var l logsOptions
	var noColor, bare bool
	var index int
	cmd := &cobra.Command{
		Use: "logs [OPTIONS] [SERVICE...]", Short: "Show what the containers of a stack printed",
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.logs(cmd.Context(), l, index, bare, noColor, args)
		},
	}
	f := cmd.Flags()
	l.flags(f)
	f.BoolVar(&noColor, "no-color", false, "no colours")
	f.BoolVar(&bare, "no-log-prefix", false, "show lines as they were printed")
	f.IntVar(&index, "index", 0, "number of the service's container, where it has several")
	return cmd
}

func (o *composeOptions) logs(ctx context.Context, l logsOptions, index int, bare, noColor bool, services []string) error {
	want, err := l.options()
	if err != nil {
		return err
	}
	name, s, e, members, err := o.members(ctx, services)
	if err != nil {
		return err
	}
	_ = s
	wanted := func(m compose.Member) bool {
		return (len(services) == 0 || slices.Contains(services, m.Service)) && (index == 0 || m.Number == index) && (!m.OneOff || len(services) > 0)
	}
	p, err := o.printer(name, bare, noColor, l.timestamps)
	if err != nil {
		return err
	}
	members = slices.DeleteFunc(members, func(m compose.Member) bool { return !wanted(m) })
	for _, m := range members {
		p.expect([]string{p.label(m)})
	}
	if !l.follow {
		return e.Logs(ctx, members, want, func(l compose.Line) error { p.line(l); return nil })
	}
	return e.Follow(ctx, name, compose.FollowOptions{LogOptions: want, Want: wanted, Until: func() bool { return true }}, p.line)
}

// members are the containers of the stack that is meant, those of the services that are
// named or all, with those of run.
func (o *composeOptions) members(ctx context.Context, services []string) (string, *compose.Stack, *compose.Engine, []compose.Member, error) {
	name, s, err := o.name(ctx)
	if err != nil {
		return "", nil, nil, nil, err
	}
	e, err := o.engine(ctx)
	if err != nil {
		return "", nil, nil, nil, err
	}
	list, err := e.Members(ctx, name)
	if err != nil {
		return "", nil, nil, nil, err
	}
	if err := knownServices(s, list, services); err != nil {
		return "", nil, nil, nil, err
	}
	if len(services) > 0 {
		list = slices.DeleteFunc(list, func(m compose.Member) bool { return !slices.Contains(services, m.Service) })
	}
	return name, s, e, list, nil
}
