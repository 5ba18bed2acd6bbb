package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

func (a *app) networkConnectCommand() *cobra.Command {
	var aliases []string
	cmd := &cobra.Command{
		Use: "connect [OPTIONS] NETWORK CONTAINER", Short: "Put a container into a network", Args: exactly(2, "a network and a container"),
		Long: `Put a container into a network. One that runs is reached there by the next
connection; one that does not is in it when it is started.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.connectNetwork(cmd.Context(), args[0], args[1], aliases)
		},
	}
	cmd.Flags().StringArrayVar(&aliases, "alias", nil, "another name of the container in this network")
	return cmd
}

func (a *app) networkDisconnectCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "disconnect [OPTIONS] NETWORK CONTAINER", Short: "Take a container out of a network", Args: exactly(2, "a network and a container"),
		Long: `Take a container out of a network. It takes effect with the next connection;
those that are open go on. A container that does not run is not in it when it is
started.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.disconnectNetwork(cmd.Context(), args[0], args[1])
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "accepted: nothing holds a container in a network")
	return cmd
}

// keptContainer finds a container that is kept; nil is one that is not, as that of a
// run in the foreground.
func (a *app) keptContainer(ctx context.Context, name string) (*state.Store, *state.Container, error) {
	s, err := a.containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	c, err := s.Get(ctx, name)
	if errors.As(err, new(*state.NotFoundError)) {
		return s, nil, nil
	}
	return s, c, err
}

// networkAndContainer finds the two that connect and disconnect are about, and where
// they are kept.
func (a *app) networkAndContainer(ctx context.Context, name, container string) (nets *network.Store, n network.Network, kept *state.Store, c *state.Container, err error) {
	if nets, err = a.networks(); err != nil {
		return
	}
	if n, err = nets.Get(name); err != nil {
		return nil, n, nil, nil, a.notAttached(ctx, err)
	}
	kept, c, err = a.keptContainer(ctx, container)
	return
}

// connectNetwork puts a container into a network, now and whenever it is started.
func (a *app) connectNetwork(ctx context.Context, name, container string, aliases []string) error {
	nets, n, kept, c, err := a.networkAndContainer(ctx, name, container)
	if err != nil {
		return err
	}
	if c != nil {
		if c.Network == network.None || c.Network == network.Host {
			return &hinted{&ux.UsageError{Text: fmt.Sprintf("container %s has --network %s, and that stands alone", c.Name, c.Network)}, "make it anew with --network " + n.Name}
		}
		if err := kept.Update(ctx, c.ID, func(c *state.Config) error { return join(c, n.Name, aliases) }); err != nil {
			return err
		}
	}
	id := container
	if c == nil || c.State.Status.Alive() {
		if c != nil {
			id = c.ID
		}
		m, err := nets.Running(ctx, id)
		if c == nil && errors.Is(err, network.ErrNotRunning) {
			return &state.NotFoundError{Kind: "container", Name: container}
		} else if c == nil && err != nil {
			return err
		}
		if err == nil { // else it ends just now
			m.Aliases, id = aliases, m.ID
			if _, err := nets.Connect(ctx, n.Name, m); err != nil {
				return a.notAttached(ctx, err)
			}
		}
	} else {
		id = c.ID
	}
	a.joinEvent("connect", n.Name, id)
	return nil
}

// join notes a network in what a container is started with.
func join(c *state.Config, name string, aliases []string) error {
	if slices.ContainsFunc(c.Networks, func(n state.NetworkJoin) bool { return n.Name == name }) {
		return fmt.Errorf("container %s is in network %s already", c.Name, name)
	}
	c.Networks = append(c.Networks, state.NetworkJoin{Name: name, Aliases: aliases})
	return nil
}

// disconnectNetwork takes a container out of a network, now and for when it is started.
func (a *app) disconnectNetwork(ctx context.Context, name, container string) error {
	nets, n, kept, c, err := a.networkAndContainer(ctx, name, container)
	if err != nil {
		return err
	}
	id := container
	if c != nil {
		if err := kept.Update(ctx, c.ID, func(c *state.Config) error { return part(c, n.Name) }); err != nil {
			return err
		}
		id = c.ID
	}
	if c == nil || c.State.Status.Alive() {
		m, err := nets.FindMember(ctx, n.Name, id)
		if err == nil {
			id, err = m.ID, nets.Disconnect(ctx, n.Name, m.ID)
		}
		if err != nil && c == nil {
			return a.notAttached(ctx, err)
		}
	}
	a.joinEvent("disconnect", n.Name, id)
	return nil
}

// part takes a network out of what a container is started with.
func part(c *state.Config, name string) error {
	left := slices.DeleteFunc(slices.Clone(c.Networks), func(n state.NetworkJoin) bool { return n.Name == name })
	if len(left) == len(c.Networks) {
		return fmt.Errorf("container %s is not in network %s", c.Name, name)
	}
	if c.Networks = left; c.Network == name {
		c.Network = ""
		if len(left) > 0 {
			c.Network = left[0].Name
		}
	}
	return nil
}
