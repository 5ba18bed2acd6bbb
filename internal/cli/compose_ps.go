package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// composeRow is a line of compose ps, by Docker's names of the fields.
type composeRow struct {
	containerRow
	Name, Project, Service, Health string
	ExitCode                       int
}

// composePsOptions are the flags of compose ps.
type composePsOptions struct {
	all, quiet, services, noTrunc, orphans bool
	format                                 string
	filters, statuses                      []string
}

func (o *composeOptions) psCommand() *cobra.Command {
	var p composePsOptions
	cmd := &cobra.Command{
		Use: "ps [OPTIONS] [SERVICE...]", Short: "List the containers of a stack",
		RunE: func(cmd *cobra.Command, args []string) error { return o.ps(cmd.Context(), p, args) },
	}
	f := cmd.Flags()
	f.BoolVarP(&p.all, "all", "a", false, "show those that do not run, too")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "show IDs only")
	f.BoolVar(&p.services, "services", false, "show the names of services only")
	f.BoolVar(&p.noTrunc, "no-trunc", false, "do not shorten anything")
	f.BoolVar(&p.orphans, "orphans", true, "show containers of services that the file does not have any more")
	f.StringVar(&p.format, "format", "", "Go template, table TEMPLATE, or json")
	f.StringArrayVar(&p.filters, "filter", nil, "as ps has them")
	f.StringArrayVar(&p.statuses, "status", nil, "created, running, paused, restarting, removing, exited or dead")
	return cmd
}

func (o *composeOptions) ps(ctx context.Context, p composePsOptions, services []string) error {
	name, s, err := o.name(ctx)
	if err != nil {
		return err
	}
	e, err := o.engine(ctx)
	if err != nil {
		return err
	}
	members, err := e.Members(ctx, name)
	if err != nil {
		return err
	}
	if err := knownServices(s, members, services); err != nil {
		return err
	}
	if s != nil && !p.orphans {
		members = slices.DeleteFunc(members, func(m compose.Member) bool { return s.Services[m.Service] == nil })
	}
	for _, status := range p.statuses {
		p.filters = append(p.filters, "status="+status)
	}
	var all []*state.Container
	for _, m := range members {
		all = append(all, m.Container)
	}
	keep, status, err := containerFilter(all, p.filters)
	if err != nil {
		return err
	}
	rows := []composeRow{}
	var seen []string
	for _, m := range members {
		if len(services) > 0 && !slices.Contains(services, m.Service) || !keep(m.Container) || !p.all && !status && (m.OneOff || !m.State.Status.Alive()) {
			continue
		}
		r := composeRow{containerRow: newContainerRow(m.Container, p.noTrunc), Name: m.Name, Project: name, Service: m.Service, ExitCode: m.State.ExitCode}
		r.Health = r.HealthStatus
		rows = append(rows, r)
		switch {
		case p.quiet:
			fmt.Fprintln(o.app.Out, m.ID)
		case p.services && !slices.Contains(seen, m.Service):
			seen = append(seen, m.Service)
			ux.Line(o.app.Out, m.Service)
		}
	}
	if p.quiet || p.services {
		return nil
	}
	return ux.List(o.app.Out, p.format, []ux.Column{
		{Heading: "NAME", Field: "Name"}, {Heading: "IMAGE", Field: "Image"}, {Heading: "COMMAND", Field: "Command"}, {Heading: "SERVICE", Field: "Service"},
		{Heading: "CREATED", Field: "RunningFor"}, {Heading: "STATUS", Field: "Status"}, {Heading: "PORTS", Field: "Ports"},
	}, rows)
}

// knownServices refuses names of services that a stack does not have.
func knownServices(s *compose.Stack, members []compose.Member, services []string) error {
	for _, name := range services {
		in := s != nil && s.Services[name] != nil
		if !in && !slices.ContainsFunc(members, func(m compose.Member) bool { return m.Service == name }) {
			return notUp(s, &compose.UnknownError{Name: name})
		}
	}
	return nil
}
