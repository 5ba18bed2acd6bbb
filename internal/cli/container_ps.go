package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// containerRow is a line of wherry ps, by Docker's names of the fields.
type containerRow struct {
	ID           string
	Image        string
	Command      string
	CreatedAt    string
	RunningFor   string
	Ports        string
	State        string
	Status       string
	HealthStatus string
	Size         string
	Names        string
	Labels       string
	Mounts       string
	Networks     string
	LocalVolumes string

	labels map[string]string
}

// Label is the value of one label, for {{.Label "NAME"}}.
func (r containerRow) Label(name string) string { return r.labels[name] }

// psOptions are the flags of wherry ps.
type psOptions struct {
	all, quiet, noTrunc, size, latest bool
	last                              int
	format                            string
	filters                           []string
}

func (a *app) psCommand() *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:     "ps [OPTIONS]",
		Aliases: []string{},
		Short:   "List the containers",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.ps(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.BoolVarP(&o.all, "all", "a", false, "show those that do not run, too")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "show IDs only")
	f.BoolVar(&o.noTrunc, "no-trunc", false, "do not shorten anything")
	f.BoolVarP(&o.size, "size", "s", false, "show how much they wrote")
	f.BoolVarP(&o.latest, "latest", "l", false, "show the one that was made last")
	f.IntVarP(&o.last, "last", "n", -1, "show the last N that were made")
	f.StringVar(&o.format, "format", "", "Go template, table TEMPLATE, or json")
	f.StringArrayVarP(&o.filters, "filter", "f", nil, "id, name, label, status, exited, ancestor, before, since, volume, network, publish, expose, health; NAME=VALUE")
	return cmd
}

func (a *app) ps(ctx context.Context, o psOptions) error {
	s, err := a.containers(ctx)
	if err != nil {
		return err
	}
	all, err := s.List(ctx, nil)
	if err != nil {
		return err
	}
	keep, status, err := containerFilter(all, o.filters)
	if err != nil {
		return err
	}
	if o.latest {
		o.last = 1
	}
	rows := []containerRow{}
	for _, c := range all {
		if !keep(c) || !o.all && !status && o.last < 0 && !c.State.Status.Alive() {
			continue
		}
		if o.last >= 0 && len(rows) >= o.last {
			break
		}
		row := newContainerRow(c, o.noTrunc)
		if o.size || strings.Contains(o.format, ".Size") {
			row.Size = a.sizeOf(ctx, s, c)
		}
		if o.quiet {
			fmt.Fprintln(a.Out, row.ID)
		}
		rows = append(rows, row)
	}
	if o.quiet {
		return nil
	}
	columns := []ux.Column{{Heading: "CONTAINER ID", Field: "ID"}, {Heading: "IMAGE", Field: "Image"}, {Heading: "COMMAND", Field: "Command"},
		{Heading: "CREATED", Field: "RunningFor"}, {Heading: "STATUS", Field: "Status"}, {Heading: "PORTS", Field: "Ports"}, {Heading: "NAMES", Field: "Names"}}
	if o.size {
		columns = append(columns, ux.Column{Heading: "SIZE", Field: "Size"})
	}
	return ux.List(a.Out, o.format, columns, rows)
}

func newContainerRow(c *state.Container, full bool) containerRow {
	command := strings.Join(c.Command, " ")
	r := containerRow{
		ID: c.ID, Image: c.Image.Name, Command: quoted(command, full), CreatedAt: c.Created.Local().Format("2006-01-02 15:04:05 -0700 MST"),
		RunningFor: units.HumanDuration(time.Since(c.Created)) + " ago", Ports: portsText(c), State: string(c.State.Status),
		Status: statusText(c), Names: c.Name, labels: c.Labels,
	}
	if !full {
		r.ID = state.Short(c.ID)
	}
	if c.State.Health != nil {
		r.HealthStatus = c.State.Health.Status
	}
	var labels, mounts, networks []string
	for k, v := range c.Labels {
		labels = append(labels, k+"="+v)
	}
	slices.Sort(labels)
	volumes := 0
	for _, m := range c.Mounts {
		name := m.Source
		if m.Name != "" {
			name = m.Name
			volumes++
		}
		if m.Type != mountTmpfs {
			mounts = append(mounts, shortened(name, full))
		}
	}
	for _, n := range c.Networks {
		networks = append(networks, n.Name)
	}
	if len(networks) == 0 && c.Network != "" {
		networks = []string{c.Network}
	}
	r.Labels, r.Mounts, r.Networks = strings.Join(labels, ","), strings.Join(mounts, ","), strings.Join(networks, ",")
	r.LocalVolumes = strconv.Itoa(volumes)
	return r
}

// shortened is a text as listings of Docker show it.
func shortened(text string, full bool) string {
	if r := []rune(text); !full && len(r) > 15 {
		return string(r[:14]) + "…"
	}
	return text
}

func quoted(command string, full bool) string {
	if r := []rune(command); !full && len(r) > 20 {
		command = string(r[:19]) + "…"
	}
	return strconv.Quote(command)
}

// statusText is how a container stands, in Docker's words.
func statusText(c *state.Container) string {
	st := c.State
	up := units.HumanDuration(time.Since(st.Started))
	switch st.Status {
	case state.Running:
		text := "Up " + up
		switch {
		case st.Health == nil:
		case st.Health.Status == state.Starting:
			text += " (health: starting)"
		default:
			text += " (" + st.Health.Status + ")"
		}
		return text
	case state.Paused:
		return "Up " + up + " (Paused)"
	case state.Restarting:
		return fmt.Sprintf("Restarting (%d) %s ago", st.ExitCode, units.HumanDuration(time.Since(st.Finished)))
	case state.Exited:
		return fmt.Sprintf("Exited (%d) %s ago", st.ExitCode, units.HumanDuration(time.Since(st.Finished)))
	case state.Created:
		return "Created"
	case state.Dead:
		return "Dead"
	case state.Removing:
		return "Removal In Progress"
	}
	return string(st.Status)
}

// portsText lists the ports of a container that runs: those that are published, and
// those that are only exposed.
func portsText(c *state.Container) string {
	if !c.State.Status.Alive() {
		return ""
	}
	var list []string
	published := map[string]bool{}
	for _, p := range c.State.Ports {
		inside := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		published[inside] = true
		host := p.HostIP
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		list = append(list, fmt.Sprintf("%s:%d->%s", host, p.HostPort, inside))
	}
	for _, p := range c.Exposed {
		if !strings.Contains(p, "/") {
			p += "/tcp"
		}
		if !published[p] {
			list = append(list, p)
		}
	}
	return strings.Join(list, ", ")
}

// sizeOf is what a container wrote.
func (a *app) sizeOf(ctx context.Context, s *state.Store, c *state.Container) string {
	return units.HumanSizeWithPrecision(float64(diskOf(s.Upper(c.ID))), 3)
}

// containerFilter reads -f: what containers are wanted, and whether a status is asked
// for, so that those that do not run are meant, too.
func containerFilter(all []*state.Container, filters []string) (keep func(*state.Container) bool, status bool, err error) {
	tests := map[string][]func(*state.Container) bool{}
	for _, f := range filters {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return nil, false, &ux.UsageError{Text: "a filter is written NAME=VALUE, not " + f}
		}
		test, err := containerTest(all, name, value)
		if err != nil {
			return nil, false, err
		}
		if name == "label" { // all of them have to be there
			name += value
		}
		tests[name] = append(tests[name], test)
		status = status || name == "status" || name == "exited"
	}
	return func(c *state.Container) bool {
		for _, any := range tests {
			if !slices.ContainsFunc(any, func(test func(*state.Container) bool) bool { return test(c) }) {
				return false
			}
		}
		return true
	}, status, nil
}

func containerTest(all []*state.Container, name, value string) (func(*state.Container) bool, error) {
	switch name {
	case "id":
		return func(c *state.Container) bool { return strings.HasPrefix(c.ID, value) }, nil
	case "name":
		return func(c *state.Container) bool { return strings.Contains(c.Name, strings.TrimPrefix(value, "/")) }, nil
	case "label":
		key, want, exact := strings.Cut(value, "=")
		return func(c *state.Container) bool {
			v, has := c.Labels[key]
			return has && (!exact || v == want)
		}, nil
	case "status":
		known := []state.Status{state.Created, state.Running, state.Paused, state.Restarting, state.Removing, state.Exited, state.Dead}
		if !slices.Contains(known, state.Status(value)) {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--filter status=%s: there are created, running, paused, restarting, removing, exited and dead", value)}
		}
		return func(c *state.Container) bool { return c.State.Status == state.Status(value) }, nil
	case "exited":
		code, err := strconv.Atoi(value)
		if err != nil {
			return nil, &ux.UsageError{Text: "--filter exited=" + value + ": write an exit code"}
		}
		return func(c *state.Container) bool { return c.State.Status == state.Exited && c.State.ExitCode == code }, nil
	case "ancestor":
		return func(c *state.Container) bool {
			image := c.Image.Name
			base, _, _ := strings.Cut(image, ":")
			id := strings.TrimPrefix(c.Image.ID, "sha256:")
			return image == value || base == value || image == value+":latest" || value != "" && strings.HasPrefix(id, strings.TrimPrefix(value, "sha256:"))
		}, nil
	case "before", "since":
		for _, c := range all {
			if c.Name == value || strings.HasPrefix(c.ID, value) && value != "" {
				at := c.Created
				return func(c *state.Container) bool {
					return name == "before" && c.Created.Before(at) || name == "since" && c.Created.After(at)
				}, nil
			}
		}
		return nil, &state.NotFoundError{Kind: "container", Name: value}
	case "volume":
		return func(c *state.Container) bool {
			return slices.ContainsFunc(c.Mounts, func(m state.Mount) bool {
				return m.Name == value && value != "" || m.Source == value || m.Target == value
			})
		}, nil
	case "network":
		return func(c *state.Container) bool {
			return c.Network == value || slices.ContainsFunc(c.Networks, func(n state.NetworkJoin) bool { return n.Name == value })
		}, nil
	case "publish":
		return func(c *state.Container) bool {
			return slices.ContainsFunc(slices.Concat(c.Ports, c.State.Ports), func(p state.Port) bool { return portMatches(p.HostPort, p.Protocol, value) })
		}, nil
	case "expose":
		return func(c *state.Container) bool {
			return slices.ContainsFunc(c.Exposed, func(p string) bool { return p == value || p == value+"/tcp" || p+"/tcp" == value }) ||
				slices.ContainsFunc(c.Ports, func(p state.Port) bool { return portMatches(p.Container, p.Protocol, value) })
		}, nil
	case "health":
		return func(c *state.Container) bool {
			have := "none"
			if c.State.Health != nil {
				have = c.State.Health.Status
			}
			return have == value
		}, nil
	case "isolation", "is-task":
		return func(*state.Container) bool { return value == "false" || value == "default" }, nil
	}
	return nil, &hinted{&ux.UsageError{Text: "unknown filter " + name}, "there are id, name, label, status, exited, ancestor, before, since, volume, network, publish, expose and health"}
}

// portMatches tells whether a port is the one, or in the range, that a filter names.
func portMatches(port uint16, protocol, value string) bool {
	value, proto, ok := strings.Cut(value, "/")
	if ok && proto != protocol {
		return false
	}
	from, to, two := strings.Cut(value, "-")
	low, err := strconv.Atoi(from)
	high := low
	if two && err == nil {
		high, err = strconv.Atoi(to)
	}
	return err == nil && low <= int(port) && int(port) <= high
}
