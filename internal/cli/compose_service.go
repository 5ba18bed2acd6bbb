package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// several finds the containers of a service, those that run first: the one with a number,
// or all; with runs those that run made, too.
func (o *composeOptions) several(ctx context.Context, service string, index int, runs bool) ([]compose.Member, error) {
	_, _, _, list, err := o.members(ctx, []string{service})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(m compose.Member) bool {
		return m.OneOff && !runs || index > 0 && (m.OneOff || m.Number != index)
	})
	if len(list) == 0 {
		text := "service " + service + " has no container"
		if index > 0 {
			text += " number " + strconv.Itoa(index)
		}
		return nil, &hinted{fmt.Errorf("%s", text), "wherry compose up -d " + service + " makes it"}
	}
	slices.SortStableFunc(list, func(a, b compose.Member) int {
		switch {
		case a.State.Status.Alive() == b.State.Status.Alive():
			return 0
		case a.State.Status.Alive():
			return -1
		}
		return 1
	})
	return list, nil
}

// one finds a container of a service.
func (o *composeOptions) one(ctx context.Context, service string, index int) (compose.Member, error) {
	list, err := o.several(ctx, service, index, false)
	if err != nil {
		return compose.Member{}, err
	}
	return list[0], nil
}

// onService makes a command on a container one on a service's: with the container's ID
// in the place of the service's name.
func (o *composeOptions) onService(cmd *cobra.Command, use string) *cobra.Command {
	var index int
	run := cmd.RunE
	cmd.Use, cmd.ValidArgsFunction = use, nil
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := o.one(cmd.Context(), args[0], index)
		if err != nil {
			return err
		}
		return run(cmd, slices.Concat([]string{m.ID}, args[1:]))
	}
	cmd.Flags().IntVar(&index, "index", 0, "number of the service's container, where it has several")
	return cmd
}

// serviceCommands are verbs of containers, on services.
func (o *composeOptions) serviceCommands() []*cobra.Command {
	a := o.app
	return []*cobra.Command{
		o.execCommand(), o.cpCommand(), o.portCommand(), o.topCommand(), o.statsCommand(), o.eventsCommand(),
		o.onService(a.attachCommand(), "attach [OPTIONS] SERVICE"), o.onService(a.exportCommand(), "export [OPTIONS] SERVICE"),
		o.onService(a.commitCommand(), "commit [OPTIONS] SERVICE [NAME[:TAG]]"),
	}
}

func (o *composeOptions) execCommand() *cobra.Command {
	cmd := o.onService(o.app.execCommand(), "exec [OPTIONS] SERVICE COMMAND [ARG...]")
	cmd.Short = "Run a program in a container of a service that runs"
	var noTTY bool
	cmd.Flags().BoolVarP(&noTTY, "no-tty", "T", false, "do not tell the program that it runs in a terminal")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f := cmd.Flags()
		if detach, _ := f.GetBool("detach"); !detach { // as Docker Compose: it reads your input, unless you say otherwise
			if !f.Changed("interactive") {
				_ = f.Set("interactive", "true")
			}
			if !f.Changed("tty") && !noTTY && ux.IsTerminal(o.app.In) {
				_ = f.Set("tty", "true")
			}
		}
		return run(cmd, args)
	}
	return cmd
}

func (o *composeOptions) cpCommand() *cobra.Command {
	cmd := o.app.cpCommand()
	var index int
	var all bool
	run := cmd.RunE
	cmd.Use = "cp [OPTIONS] SERVICE:PATH PATH|- | PATH|- SERVICE:PATH"
	cmd.Short = "Copy files between the containers of a service and this machine"
	cmd.Long = "Copy files out of a container of a service, or into all that it has."
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		for i, word := range args {
			service, name := splitCopy(word)
			if service == "" {
				continue
			}
			list, err := o.several(ctx, service, index, all)
			if err != nil {
				return err
			}
			if i == 0 || args[0] == "-" { // an input can be read once
				list = list[:1]
			}
			for _, m := range list {
				words := slices.Clone(args)
				words[i] = m.ID + ":" + name
				if err := run(cmd, words); err != nil {
					return err
				}
			}
			return nil
		}
		return run(cmd, args)
	}
	cmd.Flags().IntVar(&index, "index", 0, "number of the service's container, where it has several")
	cmd.Flags().BoolVar(&all, "all", false, "those that run made, too")
	return cmd
}

func (o *composeOptions) portCommand() *cobra.Command {
	cmd := o.onService(o.app.portCommand(), "port [OPTIONS] SERVICE [PORT[/PROTOCOL]]")
	cmd.Short = "Show where a port of a service is published"
	var protocol string
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 && !strings.Contains(args[1], "/") {
			args[1] += "/" + protocol
		}
		return run(cmd, args)
	}
	cmd.Flags().StringVar(&protocol, "protocol", "tcp", "tcp or udp, of which none is published")
	return cmd
}

func (o *composeOptions) topCommand() *cobra.Command {
	top := o.app.topCommand()
	return o.memberVerb("top", "List the programs that run in the containers of services", func(ctx context.Context, _ *compose.Engine, _ *compose.Stack, list []compose.Member) error {
		top.SetContext(ctx)
		for _, m := range list {
			if !m.State.Status.Alive() {
				continue
			}
			fmt.Fprintln(o.app.Out, m.Name)
			if err := top.RunE(top, []string{m.ID}); err != nil {
				return err
			}
			fmt.Fprintln(o.app.Out)
		}
		return nil
	})
}

func (o *composeOptions) statsCommand() *cobra.Command {
	cmd := o.app.statsCommand()
	run := cmd.RunE
	cmd.Use, cmd.Short, cmd.ValidArgsFunction = "stats [OPTIONS] [SERVICE...]", "Show what the containers of services use", nil
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, _, _, list, err := o.members(cmd.Context(), args)
		if err != nil {
			return err
		}
		all, _ := cmd.Flags().GetBool("all")
		var ids []string
		for _, m := range list {
			if all || m.State.Status.Alive() {
				ids = append(ids, m.ID)
			}
		}
		if len(ids) == 0 {
			return &hinted{fmt.Errorf("no container of the stack runs"), "wherry compose up -d starts it"}
		}
		return run(cmd, ids)
	}
	return cmd
}

func (o *composeOptions) eventsCommand() *cobra.Command {
	var since, until string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "events [OPTIONS] [SERVICE...]", Short: "Show what happens to the containers of a stack, as it happens",
		RunE: func(cmd *cobra.Command, args []string) error {
			name, _, e, _, err := o.members(cmd.Context(), args)
			if err != nil {
				return err
			}
			var want state.EventOptions
			if want.Since, err = parseTime("--since", since); err != nil {
				return err
			}
			if want.Until, err = parseTime("--until", until); err != nil {
				return err
			}
			want.Want = func(e state.Event) bool {
				at := e.Actor.Attributes
				return at[compose.LabelProject] == name && (len(args) == 0 || slices.Contains(args, at[compose.LabelService]))
			}
			return e.Containers.Events(cmd.Context(), want, func(e state.Event) error { return o.event(e, asJSON) })
		},
	}
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this time on, such as 10m")
	f.StringVar(&until, "until", "", "up to this time")
	f.BoolVar(&asJSON, "json", false, "one object of JSON a line")
	return cmd
}

// composeEvent is an event of a stack, as Docker Compose writes it.
type composeEvent struct {
	Action     string            `json:"action"`
	Attributes map[string]string `json:"attributes"`
	ID         string            `json:"id"`
	Service    string            `json:"service"`
	Time       time.Time         `json:"time"`
	Type       string            `json:"type"`
}

// event prints an event of a container, without the labels that every one of a stack has.
func (o *composeOptions) event(e state.Event, asJSON bool) error {
	service := e.Actor.Attributes[compose.LabelService]
	e.Actor.Attributes = maps.Clone(e.Actor.Attributes)
	maps.DeleteFunc(e.Actor.Attributes, func(name, _ string) bool { return strings.HasPrefix(name, compose.LabelPrefix) })
	if !asJSON {
		ux.Line(o.app.Out, eventText(e))
		return nil
	}
	b, err := json.Marshal(composeEvent{e.Action, e.Actor.Attributes, e.Actor.ID, service, e.At, e.Type})
	if err != nil {
		return err
	}
	ux.Line(o.app.Out, string(b))
	return nil
}
