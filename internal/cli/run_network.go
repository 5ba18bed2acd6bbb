package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
)

// networkOptions are the flags of run and create about the network.
type networkOptions struct {
	networks, aliases []string
	allow, hosts, dns []string
	expose            []string
	publishAll        bool
	joins             []state.NetworkJoin // of who has no text, and whose names are nobody's to be read

	// Of a container that is kept: what it is called, and its image's ports.
	id, name string
}

func (o *networkOptions) flags(f *pflag.FlagSet) {
	o.reach(f)
	f.StringArrayVar(&o.expose, "expose", nil, "port that is open when the program begins, for others of its networks")
	f.BoolVarP(&o.publishAll, "publish-all", "P", false, "publish all ports that are exposed, where some are free")
}

// reach are the flags about what programs reach, and by whom they are.
func (o *networkOptions) reach(f *pflag.FlagSet) {
	f.StringArrayVar(&o.networks, "network", nil, "none, host, default, or a network to be in, NAME or name=NAME,alias=OTHER")
	f.StringArrayVar(&o.aliases, "network-alias", nil, "another name of the container in its networks")
	f.StringArrayVar(&o.allow, "allow-net", nil, "what the program may connect to, HOST[:PORT[-PORT]][/udp]; HOST is a name, *.NAME, an address, ADDRESS/BITS or all")
	f.StringArrayVar(&o.hosts, "add-host", nil, "name that the program knows besides, NAME:ADDRESS; the address host-gateway is this machine")
	f.StringArrayVar(&o.dns, "dns", nil, "address of a server to ask for names, instead of this machine's")
}

// set tells whether some flag asks for a network.
func (o networkOptions) set() bool {
	return len(o.networks)+len(o.joins)+len(o.allow)+len(o.hosts)+len(o.dns)+len(o.expose) > 0 || o.publishAll
}

// mode reads --network: how a container is in the network, and in which ones it is.
func (o networkOptions) mode() (mode string, in []state.NetworkJoin, err error) {
	for _, text := range o.networks {
		join := state.NetworkJoin{Name: text, Aliases: o.aliases}
		if strings.Contains(text, "=") {
			join.Name = ""
			for part := range strings.SplitSeq(text, ",") {
				switch key, value, _ := strings.Cut(part, "="); key {
				case "name":
					join.Name = value
				case "alias":
					join.Aliases = append(slices.Clone(join.Aliases), value)
				default:
					return "", nil, &ux.UsageError{Text: fmt.Sprintf("--network %s: there are name= and alias=", text)}
				}
			}
		}
		if strings.HasPrefix(join.Name, "container:") {
			return "", nil, &hinted{&ux.UsageError{Text: "--network " + join.Name + ": containers do not share one network"}, "put both into one: wherry network create NAME, and --network NAME"}
		}
		switch join.Name {
		case "":
			return "", nil, &ux.UsageError{Text: fmt.Sprintf("--network %q: no name", text)}
		case network.None, network.Host:
			mode = join.Name
		case network.Default, "bridge":
		default:
			in = append(in, join)
		}
	}
	for _, join := range o.joins {
		switch {
		case join.Name == network.None || join.Name == network.Host || strings.HasPrefix(join.Name, "container:"):
			return "", nil, &hinted{&ux.UsageError{Text: join.Name + " is no network that containers are in"}, "in a compose file, network_mode: " + network.None + " or " + network.Host}
		case join.Name != network.Default && join.Name != "bridge":
			in = append(in, join)
		}
	}
	switch {
	case mode != "" && len(o.networks)+len(o.joins) > 1:
		return "", nil, &ux.UsageError{Text: "--network " + mode + " stands alone"}
	case len(o.aliases) > 0 && len(in) == 0:
		return "", nil, &hinted{&ux.UsageError{Text: "--network-alias is a name in a network, and none is given"}, "add --network NAME; wherry network create NAME makes one"}
	}
	if mode == "" && len(in) > 0 {
		mode = in[0].Name
	}
	return mode, in, nil
}

// check refuses what cannot be read.
func (o networkOptions) check() error {
	mode, _, err := o.mode()
	if err != nil {
		return err
	}
	if _, err := network.ParseRules(o.allow); err != nil {
		return &hinted{&ux.UsageError{Text: err.Error()}, "for example --allow-net example.org:443, --allow-net 10.0.0.0/8:5432 or --allow-net all"}
	}
	if mode == network.None && (len(o.allow) > 0 || o.publishAll) {
		return &hinted{&ux.UsageError{Text: "--network none and flags about what is reached are at odds"}, "leave --network none away"}
	}
	for _, d := range o.dns {
		if _, err := netip.ParseAddr(d); err != nil {
			return &ux.UsageError{Text: fmt.Sprintf("--dns %q: that is no address", d)}
		}
	}
	_, err = o.exposed(nil)
	return err
}

// exposed are the ports that flags and image expose.
func (o networkOptions) exposed(image runtime.Image) ([]uint16, error) {
	var list []uint16
	add := func(text string) error {
		port, proto, _ := strings.Cut(text, "/")
		first, last, isRange := strings.Cut(port, "-")
		from, err := strconv.ParseUint(first, 10, 16)
		to := from
		if err == nil && isRange {
			to, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil || from == 0 || to < from || to-from > 1024 {
			return &ux.UsageError{Text: fmt.Sprintf("--expose %s: write PORT or PORT-PORT", text)}
		}
		for p := from; p <= to && (proto == "" || proto == "tcp"); p++ {
			if !slices.Contains(list, uint16(p)) {
				list = append(list, uint16(p))
			}
		}
		return nil
	}
	for _, text := range o.expose {
		if err := add(text); err != nil {
			return nil, err
		}
	}
	if image == nil {
		return list, nil
	}
	var fromImage []string
	for text := range image.Config().ExposedPorts {
		fromImage = append(fromImage, text)
	}
	slices.Sort(fromImage)
	for _, text := range fromImage {
		_ = add(text) // what it says in another way is not for us
	}
	return list, nil
}

// fill puts the flags into the config of a container that is kept.
func (o networkOptions) fill(c *state.Config) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	c.Network, c.Networks, err = o.mode()
	c.Allow, c.Hosts, c.DNS, c.PublishAll = o.allow, o.hosts, o.dns, o.publishAll
	c.Exposed = append(c.Exposed, o.expose...)
	return err
}

// networkOf are the flags that a container was created with.
func networkOf(c state.Config) networkOptions {
	o := networkOptions{allow: c.Allow, hosts: c.Hosts, dns: c.DNS, id: c.ID, name: c.Name, expose: c.Exposed, publishAll: c.PublishAll}
	if o.joins = c.Networks; len(o.joins) == 0 && c.Network != "" {
		o.networks = []string{c.Network}
	}
	return o
}

// publishedPorts reads -p of a program, as Docker does.
func publishedPorts(list []string) ([]network.Port, error) {
	var ports []network.Port
	for _, text := range list {
		p, err := network.ParsePublish(text)
		if err != nil {
			return nil, &hinted{&ux.UsageError{Text: err.Error()}, "write -p 8080:80, -p 80 for any port that is free, or -p 0.0.0.0:8080:80"}
		}
		ports = append(ports, p...)
	}
	return ports, nil
}

// keptPorts are the ports of a program as its container keeps them.
func keptPorts(list []string) ([]state.Port, error) {
	ports, err := publishedPorts(list)
	var kept []state.Port
	for _, p := range ports {
		kept = append(kept, keptPort(p))
	}
	return kept, err
}

func keptPort(p network.Port) state.Port {
	return state.Port{HostIP: p.Host.String(), HostPort: p.HostPort, Container: p.Guest, Protocol: "tcp"}
}

// networks opens the networks of this user.
func (a *app) networks() (*network.Store, error) {
	p, err := locate(a.env)
	if err != nil {
		return nil, err
	}
	return network.Open(filepath.Join(p.Data, "networks"))
}

// attach gives a container its network. It publishes ports unless served tells that
// a server of ours has them.
func (a *app) attach(ctx context.Context, o networkOptions, image runtime.Image, publish []string, served bool) (*network.Endpoint, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s, err := a.networks()
	if err != nil {
		return nil, err
	}
	mode, in, err := o.mode()
	if err != nil {
		return nil, err
	}
	c := network.Config{
		ID: o.id, Name: o.name, Mode: mode, Hosts: o.hosts, Reachable: o.id != "",
		Log: slog.New(&refusals{a}),
	}
	if c.ID == "" {
		id := make([]byte, 32)
		_, _ = rand.Read(id) // it never fails
		c.ID = hex.EncodeToString(id)
	}
	c.Name = cmp.Or(c.Name, c.ID[:12])
	for _, n := range in {
		c.Networks = append(c.Networks, network.Joining{Network: n.Name, Aliases: n.Aliases})
	}
	if c.Allow, err = network.ParseRules(o.allow); err != nil {
		return nil, err
	}
	if len(o.dns) > 0 {
		c.Resolver = askedOf(o.dns)
	}
	if !served {
		if c.Publish, err = publishedPorts(publish); err != nil {
			return nil, err
		}
		if c.Expose, err = o.exposed(image); err != nil {
			return nil, err
		}
		if o.publishAll {
			for _, p := range c.Expose {
				c.Publish = append(c.Publish, network.Port{Host: netip.MustParseAddr(network.DefaultHost), Guest: p})
			}
		}
		if mode == network.None || mode != network.Host && len(c.Publish) == 0 && len(in) == 0 {
			c.Expose = nil // nobody reaches them
		}
	}
	e, err := s.Attach(ctx, c)
	return e, a.notAttached(ctx, err)
}

// notAttached says what to type where a network could not be had.
func (a *app) notAttached(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	var port *network.PortError
	switch {
	case errors.As(err, &port):
		said := notListening(ctx, port.Port.Address(), port.Err)
		var h *hinted
		if errors.As(said, &h) && inUse(port.Err) {
			host := port.Port.Host.String()
			if next := nextFree(ctx, host, strconv.Itoa(int(port.Port.HostPort))); next != "" {
				h.hint = fmt.Sprintf("this one is free: -p %s:%d", publishWord(host, next), port.Port.Guest)
			}
		}
		return said
	case errors.Is(err, network.ErrNotFound):
		return &hinted{err, "wherry network create NAME makes one, wherry network ls lists them"}
	}
	return err
}

// askedOf is a resolver that asks servers by their addresses, one after the other.
func askedOf(servers []string) *net.Resolver {
	next := make(chan int, 1)
	next <- 0
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, proto, _ string) (net.Conn, error) {
		at := <-next
		next <- (at + 1) % len(servers)
		return (&net.Dialer{}).DialContext(ctx, proto, net.JoinHostPort(servers[at], "53"))
	}}
}

// connect gives a program's container its network: what its sockets connect and
// listen by, and the ports that are open when it begins.
func connect(e *network.Endpoint, spec *runtime.Spec) {
	spec.Dial, spec.Listen = e, e.Listen
	for _, port := range e.Preopened() {
		spec.Listeners = append(spec.Listeners, runtime.Listener{
			Name: strconv.Itoa(int(port)),
			Open: func(ctx context.Context) (wasi.Listener, error) { return e.Preopen(ctx, port) },
		})
	}
}

// refusals tells of connections that were refused, a line each.
type refusals struct{ app *app }

// Enabled implements slog.Handler.
func (*refusals) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (r *refusals) Handle(_ context.Context, record slog.Record) error {
	ux.Line(r.app.Err, "wherry: "+record.Message)
	return nil
}

// WithAttrs and WithGroup implement slog.Handler: a line is for people.
func (r *refusals) WithAttrs([]slog.Attr) slog.Handler { return r }

// WithGroup implements slog.Handler.
func (r *refusals) WithGroup(string) slog.Handler { return r }

// connected gives a program its network, until leave.
func (a *app) connected(ctx context.Context, o runOptions, image runtime.Image, spec *runtime.Spec) (leave func(), err error) {
	if o.deterministic && (o.network.set() || len(o.serving.publish) > 0) {
		return nil, &ux.UsageError{Text: "--deterministic and flags about the network are at odds: what comes from there comes as it likes"}
	}
	e, err := a.attach(ctx, o.network, image, o.serving.publish, false)
	if err != nil {
		return nil, err
	}
	connect(e, spec)
	a.kept.attached(e)
	for _, p := range e.Ports() {
		if !o.supervised {
			a.say("port %d is at %s", p.Guest, p.Address())
		}
	}
	return func() { _ = e.Close() }, nil
}
