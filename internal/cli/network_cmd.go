package cli

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/network"
)

// networkRow is a line of wherry network ls, by Docker's names of the fields.
type networkRow struct {
	ID, Name, Driver, Scope, IPv4, IPv6, Internal, CreatedAt, Labels string

	labels  map[string]string
	builtin bool
	used    func() bool
}

// Label is the value of one label, for {{.Label "NAME"}}.
func (r networkRow) Label(name string) string { return r.labels[name] }

func (a *app) networkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "network", Short: "Networks of containers",
		Long: `Networks of containers.

Containers of one network reach each other by their names, by aliases and by
NAME.NETWORK. Others do not reach them, and they reach nothing else but what
run --allow-net names. docs/containers.md says more.`,
	}
	cmd.AddCommand(a.networkCreateCommand(), a.networkListCommand(), a.networkInspectCommand(), a.networkRemoveCommand(),
		a.networkConnectCommand(), a.networkDisconnectCommand(), a.networkPruneCommand())
	return cmd
}

func (a *app) networkCreateCommand() *cobra.Command {
	var o network.Options
	var labels, options, subnets []string
	var driver, scope string
	var v6, v4, attachable bool
	cmd := &cobra.Command{
		Use: "create [OPTIONS] NETWORK", Short: "Make a network", Args: exactly(1, "the name of the network"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if driver != "bridge" || len(options) > 0 || scope != "local" {
				return &ux.UsageError{Text: "networks are inside this machine: there is no other driver than bridge, and it has no options"}
			}
			if v6 || !v4 || len(subnets) > 1 {
				return &ux.UsageError{Text: "containers of a network have addresses of IPv4, from one subnet; what they reach outside may have others"}
			}
			for _, text := range subnets {
				p, err := netip.ParsePrefix(text)
				if err != nil {
					return &ux.UsageError{Text: fmt.Sprintf("--subnet %q: write one as 192.168.100.0/24", text)}
				}
				o.Subnet = p
			}
			var err error
			if o.Labels, err = networkLabels(labels); err != nil {
				return err
			}
			o.Name = args[0]
			s, err := a.networks()
			if err != nil {
				return err
			}
			n, err := s.Create(cmd.Context(), o)
			if err == nil {
				a.event("network", "create", n.ID, n.Name)
				fmt.Fprintln(a.Out, n.ID)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&driver, "driver", "d", "bridge", "bridge")
	f.StringArrayVarP(&options, "opt", "o", nil, "refused: bridge has none")
	f.StringVar(&scope, "scope", "local", "local")
	f.StringArrayVar(&subnets, "subnet", nil, "addresses of the network, such as 192.168.100.0/24")
	f.StringArrayVar(&labels, "label", nil, "label, NAME=VALUE")
	f.BoolVar(&o.Internal, "internal", false, "let its containers reach nothing outside, whatever they are allowed")
	f.BoolVar(&attachable, "attachable", false, "accepted: containers can be connected to every network")
	f.BoolVar(&v6, "ipv6", false, "refused: addresses are of IPv4")
	f.BoolVar(&v4, "ipv4", true, "addresses of IPv4")
	return cmd
}

// networkLabels reads --label.
func networkLabels(list []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, text := range list {
		k, v, _ := strings.Cut(text, "=")
		if k == "" {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--label %q: write NAME=VALUE", text)}
		}
		labels[k] = v
	}
	return labels, nil
}

const timeOfNetworks = "2006-01-02 15:04:05.999999999 -0700 MST"

// networkRows are all networks, and the three that are none.
func (a *app) networkRows(ctx context.Context, s *network.Store, whole bool) ([]networkRow, error) {
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	rows := []networkRow{
		{Name: network.Default, Driver: "bridge", builtin: true}, {Name: network.Host, Driver: "host", builtin: true}, {Name: network.None, Driver: "null", builtin: true},
	}
	for i := range rows {
		rows[i].ID, rows[i].Scope, rows[i].IPv4, rows[i].IPv6, rows[i].Internal = "-", "local", "true", "false", "false"
		rows[i].used = func() bool { return true }
	}
	for _, n := range list {
		r := networkRow{
			ID: n.ID, Name: n.Name, Driver: "bridge", Scope: "local", IPv4: "true", IPv6: "false", Internal: strconv.FormatBool(n.Internal),
			CreatedAt: n.Created.Local().Format(timeOfNetworks), labels: n.Labels,
		}
		if !whole {
			r.ID = n.ID[:12]
		}
		var labels []string
		for k, v := range n.Labels {
			labels = append(labels, k+"="+v)
		}
		slices.Sort(labels)
		r.Labels = strings.Join(labels, ",")
		r.used = func() bool {
			members, err := s.Members(ctx, n)
			return err == nil && len(members) > 0
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b networkRow) int { return strings.Compare(a.Name, b.Name) })
	return rows, nil
}

func (a *app) networkListCommand() *cobra.Command {
	var quiet, whole bool
	var format string
	var filters []string
	cmd := &cobra.Command{
		Use: "ls [OPTIONS]", Aliases: []string{"list"}, Short: "List the networks", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			keep, err := networkFilter(filters)
			if err != nil {
				return err
			}
			s, err := a.networks()
			if err != nil {
				return err
			}
			all, err := a.networkRows(cmd.Context(), s, whole)
			if err != nil {
				return err
			}
			rows := []networkRow{}
			for _, r := range all {
				if keep(r) {
					rows = append(rows, r)
				}
			}
			if quiet {
				for _, r := range rows {
					if !r.builtin {
						fmt.Fprintln(a.Out, r.ID)
					}
				}
				return nil
			}
			return ux.List(a.Out, format, []ux.Column{
				{Heading: "NETWORK ID", Field: "ID"}, {Heading: "NAME", Field: "Name"}, {Heading: "DRIVER", Field: "Driver"}, {Heading: "SCOPE", Field: "Scope"},
			}, rows)
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&quiet, "quiet", "q", false, "show IDs only")
	f.BoolVar(&whole, "no-trunc", false, "show whole IDs")
	f.StringVar(&format, "format", "", "Go template, table TEMPLATE, or json")
	f.StringArrayVarP(&filters, "filter", "f", nil, "name, id, label, driver, scope, type=custom|builtin, or dangling=true|false")
	return cmd
}

// networkFilter reads --filter.
func networkFilter(filters []string) (func(networkRow) bool, error) {
	var tests []func(networkRow) bool
	for _, text := range filters {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, &ux.UsageError{Text: "a filter is written NAME=VALUE, not " + text}
		}
		var test func(networkRow) bool
		switch name {
		case "name":
			test = func(r networkRow) bool { return strings.Contains(r.Name, value) }
		case "id":
			test = func(r networkRow) bool { return strings.HasPrefix(r.ID, value) }
		case "driver":
			test = func(r networkRow) bool { return r.Driver == value }
		case "scope":
			test = func(r networkRow) bool { return r.Scope == value }
		case "type":
			test = func(r networkRow) bool { return r.builtin == (value == "builtin") }
		case "dangling":
			test = func(r networkRow) bool { return r.used() != (value == "true" || value == "1") }
		case "label":
			key, want, exact := strings.Cut(value, "=")
			test = func(r networkRow) bool {
				have, has := r.labels[key]
				return has && (!exact || have == want)
			}
		default:
			return nil, &hinted{&ux.UsageError{Text: "unknown filter " + name}, "there are name, id, label, driver, scope, type and dangling"}
		}
		tests = append(tests, test)
	}
	return func(r networkRow) bool {
		return !slices.ContainsFunc(tests, func(t func(networkRow) bool) bool { return !t(r) })
	}, nil
}

// networkInspection is what inspect shows of a network, by Docker's names.
type networkInspection struct {
	Name                          string
	ID                            string `json:"Id"`
	Created, Scope, Driver        string
	EnableIPv4, EnableIPv6        bool
	IPAM                          networkIPAM
	Internal, Attachable, Ingress bool
	Containers                    map[string]networkContainer
	Options                       map[string]string
	Labels                        map[string]string
}

type networkIPAM struct {
	Driver  string
	Options map[string]string
	Config  []networkSubnet
}

type networkSubnet struct{ Subnet, Gateway string }

type networkContainer struct {
	Name, EndpointID, MacAddress, IPv4Address, IPv6Address string
	Aliases                                                []string
}

// inspectNetwork shows a network and who runs in it.
func inspectNetwork(ctx context.Context, s *network.Store, name string) (networkInspection, error) {
	n, err := s.Get(name)
	if err != nil {
		return networkInspection{}, err
	}
	members, err := s.Members(ctx, n)
	if err != nil {
		return networkInspection{}, err
	}
	i := networkInspection{
		Name: n.Name, ID: n.ID, Created: n.Created.Format(time.RFC3339Nano), Scope: "local", Driver: "bridge", EnableIPv4: true,
		IPAM:     networkIPAM{Driver: "default", Config: []networkSubnet{{n.Subnet.String(), n.Subnet.Addr().Next().String()}}},
		Internal: n.Internal, Attachable: true, Containers: map[string]networkContainer{}, Options: map[string]string{}, Labels: n.Labels,
	}
	for _, m := range members {
		i.Containers[m.ID] = networkContainer{Name: m.Name, EndpointID: m.ID, IPv4Address: netip.PrefixFrom(m.Address, n.Subnet.Bits()).String(), Aliases: m.Aliases}
	}
	return i, nil
}

func (a *app) networkInspectCommand() *cobra.Command {
	var format string
	var verbose bool
	cmd := &cobra.Command{
		Use: "inspect [OPTIONS] NETWORK...", Short: "Show everything known about networks", Args: atLeast(1, "at least one network"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.networks()
			if err != nil {
				return err
			}
			all := []networkInspection{}
			for _, name := range args {
				i, err := inspectNetwork(cmd.Context(), s, name)
				if err != nil {
					return a.notAttached(cmd.Context(), err)
				}
				all = append(all, i)
			}
			if format == "" || format == "json" {
				return ux.Object(a.Out, format, all)
			}
			for _, i := range all {
				if err := ux.Object(a.Out, format, i); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&format, "format", "f", "", "Go template, or json")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "accepted: everything is shown always")
	return cmd
}

func (a *app) networkRemoveCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "rm [OPTIONS] NETWORK...", Aliases: []string{"remove"}, Short: "Remove networks in which no container runs", Args: atLeast(1, "at least one network"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.networks()
			if err != nil {
				return err
			}
			var errs []error
			for _, name := range args {
				n, err := s.Remove(cmd.Context(), name, force)
				var used *network.InUseError
				switch {
				case errors.Is(err, network.ErrNotFound) && force:
				case errors.As(err, &used):
					errs = append(errs, &hinted{err, fmt.Sprintf("wherry network disconnect %s %s takes it out", used.Network, used.Containers[0])})
				case err != nil:
					errs = append(errs, err)
				default:
					a.event("network", "destroy", n.ID, n.Name)
					fmt.Fprintln(a.Out, name)
				}
			}
			return errors.Join(errs...)
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "those with containers, too; say nothing of those that are not there")
	return cmd
}
