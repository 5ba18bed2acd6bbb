package network

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wherry-run/wherry/internal/local"
	"github.com/wherry-run/wherry/wasi"
)

// Bounds of an endpoint.
const (
	// backlog is how many connections wait for a listener to take them.
	backlog = 128
	// maxListeners bounds the ports that a container listens on.
	maxListeners = 4096
	// handshakes bounds the connections of other processes that are being taken.
	handshakes = 256
	// firstEphemeral is where ports begin that nobody chose.
	firstEphemeral = 49152
	// maxNoted bounds the refusals that are told apart.
	maxNoted = 256
)

// A Resolver looks names up. A net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A Joining is a network that a container is in, and its other names there.
type Joining struct {
	Network string
	Aliases []string
}

// Config is what a container has of the network.
type Config struct {
	// ID is the container's, 64 hexadecimal digits; Name is what people call it.
	ID, Name string
	// Mode is Host or None; anything else is a container of Networks.
	Mode string
	// Networks are those it is in.
	Networks []Joining
	// Reachable has it take connections of others even if it is in no network, so that
	// it can be put into one later.
	Reachable bool
	// Publish are the ports that are taken on the host.
	Publish []Port
	// Expose are ports that are listened on before the program asks for them, as
	// those in Publish are.
	Expose []uint16
	// Allow is what it may reach outside of its networks.
	Allow Rules
	// Hosts are names that it knows besides, as "NAME:ADDRESS"; the ADDRESS
	// "host-gateway" is this machine.
	Hosts []string
	// Log hears of every refused connection; nil hears nothing.
	Log *slog.Logger
	// Resolver looks up names of the world outside; nil is the host's.
	Resolver Resolver
	// Dialer makes connections to it, of addresses in numbers; nil is the host's.
	Dialer wasi.Dialer
}

// An Endpoint is what one container has of the network. It is safe for concurrent
// use. Close it when the container has ended.
type Endpoint struct {
	store    *Store
	config   Config
	policy   *policy
	hosts    map[string]netip.Addr
	resolver Resolver
	dialer   wasi.Dialer

	socket    net.Listener // other processes' connections; nil: in no network
	published []net.Listener
	ports     []Port
	serving   sync.WaitGroup
	taking    chan struct{}
	life      context.Context // ends with Close
	stop      context.CancelFunc
	closed    <-chan struct{}
	received  atomic.Int64
	sent      atomic.Int64

	mu        sync.Mutex
	ended     bool
	listeners map[uint16]*listener
	known     *lookups
	noted     map[string]bool
}

// Attach gives a container its network: its ports on the host are open, and other
// containers of its networks find it. ctx bounds the making only.
func (s *Store) Attach(ctx context.Context, c Config) (*Endpoint, error) {
	if !isID(c.ID) {
		return nil, fmt.Errorf("attach to the network: %.80q is no container's ID", c.ID)
	}
	e := &Endpoint{
		store: s, config: c, resolver: c.Resolver, dialer: c.Dialer,
		policy:    &policy{rules: c.Allow, specials: specials(), own: ownAddresses},
		hosts:     map[string]netip.Addr{},
		taking:    make(chan struct{}, handshakes),
		listeners: map[uint16]*listener{}, known: newLookups(), noted: map[string]bool{},
	}
	e.life, e.stop = context.WithCancel(context.WithoutCancel(ctx))
	e.closed = e.life.Done()
	if e.resolver == nil {
		e.resolver = net.DefaultResolver
	}
	if e.dialer == nil {
		e.dialer = &net.Dialer{Timeout: dialTimeout}
	}
	if err := e.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("attach to the network: %w", err), e.Close())
	}
	return e, nil
}

func (e *Endpoint) begin(ctx context.Context) error {
	if err := e.addHosts(); err != nil {
		return err
	}
	if e.config.Mode == None && (len(e.config.Publish) > 0 || len(e.config.Networks) > 0 || len(e.config.Allow) > 0) {
		return errors.New("a container without a network neither publishes ports nor reaches anything: leave --network none away")
	}
	for _, p := range e.Preopened() {
		if _, err := e.listen(p, anyAddress, true); err != nil {
			return err
		}
	}
	if err := e.joinAll(ctx); err != nil {
		return err
	}
	return e.publish(ctx)
}

// addHosts reads the names of --add-host.
func (e *Endpoint) addHosts() error {
	for _, text := range e.config.Hosts {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			name, value, ok = strings.Cut(text, "=")
		}
		name = strings.ToLower(name)
		if err := checkName(name); !ok || err != nil {
			return fmt.Errorf("--add-host %.80s: write NAME:ADDRESS", text)
		}
		value = strings.TrimSuffix(strings.TrimPrefix(value, "["), "]")
		if value == "host-gateway" {
			e.hosts[name] = localhost
			continue
		}
		h, err := parseHost(value)
		if err != nil || !h.addr.IsValid() {
			return fmt.Errorf("--add-host %.80s: %.60q is no address", text, value)
		}
		e.hosts[name] = h.addr
	}
	return nil
}

// Preopened are the ports that are listened on before the program asks: those that
// are published or exposed, each once.
func (e *Endpoint) Preopened() []uint16 {
	var list []uint16
	for _, p := range e.config.Publish {
		if !slices.Contains(list, p.Guest) {
			list = append(list, p.Guest)
		}
	}
	for _, p := range e.config.Expose {
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	return list
}

// runDir is the folder for sockets.
const runDir = "run"

// joinAll puts the container into its networks.
func (e *Endpoint) joinAll(ctx context.Context) error {
	s := e.store
	if e.config.Mode == Host || e.config.Mode == None || len(e.config.Networks) == 0 && !e.config.Reachable {
		return nil
	}
	l, socket, err := local.Listen(ctx, local.Addresses(filepath.Join(s.dir, runDir), e.config.ID))
	if err != nil {
		return fmt.Errorf("take connections of other containers: %w", err)
	}
	e.socket = l
	e.serving.Go(func() { e.serve(l) })
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := os.MkdirAll(filepath.Join(s.dir, endpointsDir), 0o700); err != nil {
		return err
	}
	if err := writeFile(s.endpointFile(e.config.ID), Member{ID: e.config.ID, Name: e.config.Name, Socket: socket}); err != nil {
		return err
	}
	internal := len(e.config.Networks) > 0
	for _, j := range e.config.Networks {
		if err := checkAliases(j.Aliases); err != nil {
			return err
		}
		n, err := s.Get(j.Network)
		if err != nil {
			return err
		}
		if _, err := s.join(ctx, n, Member{ID: e.config.ID, Name: e.config.Name, Aliases: j.Aliases, Socket: socket}); err != nil {
			return err
		}
		internal = internal && n.Internal
	}
	if internal {
		e.policy.rules = nil
	}
	s.register(e)
	return nil
}

// publish opens the ports on the host.
func (e *Endpoint) publish(ctx context.Context) error {
	for _, p := range e.config.Publish {
		if e.config.Mode == Host {
			continue // they are the machine's
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.Address())
		if err != nil {
			return &PortError{Port: p, Err: err}
		}
		p.HostPort = hostPort(l.Addr())
		e.published, e.ports = append(e.published, l), append(e.ports, p)
		e.serving.Go(func() { e.forward(l, p) })
	}
	return nil
}

// A PortError is a port of the host that could not be had.
type PortError struct {
	Port Port
	Err  error
}

func (e *PortError) Error() string {
	return fmt.Sprintf("publish port %s: %v", e.Port.Address(), e.Err)
}

// Unwrap gives the host's error.
func (e *PortError) Unwrap() error { return e.Err }

// Ports are those that are published, with the numbers they have.
func (e *Endpoint) Ports() []Port { return slices.Clone(e.ports) }

// Traffic counts the bytes that the container received and sent.
func (e *Endpoint) Traffic() (received, sent int64) { return e.received.Load(), e.sent.Load() }

// forward hands what comes to a published port to the container.
func (e *Endpoint) forward(l net.Listener, p Port) {
	for {
		c, err := l.Accept()
		if err != nil {
			select {
			case <-e.closed:
				return
			case <-time.After(acceptPause): // no descriptors left, perhaps
			}
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		to := e.find(p.Guest, netip.Addr{})
		if to == nil || !e.hand(to, e.own(c, e.address(), p.Guest)) {
			_ = c.Close()
		}
	}
}

// acceptPause is how long an endpoint waits after an accept that failed.
const acceptPause = 10 * time.Millisecond

// hand gives a connection to a listener, waiting for room.
func (e *Endpoint) hand(to *listener, c net.Conn) bool {
	select {
	case to.queue <- c:
		return true
	case <-to.done:
	case <-e.closed:
	}
	return false
}

// Members are the networks that the container is in now, with its address in each.
func (e *Endpoint) memberships() []membership {
	all, err := e.store.List()
	if err != nil {
		return nil
	}
	var list []membership
	for _, n := range all {
		if m, err := e.store.member(n, e.config.ID); err == nil {
			list = append(list, membership{n, m})
		}
	}
	return list
}

type membership struct {
	network Network
	self    Member
}

// address is one that the container has.
func (e *Endpoint) address() netip.Addr {
	if e.socket == nil {
		return lonely
	}
	for _, m := range e.memberships() {
		return m.self.Address
	}
	return lonely
}

// Close ends what the container has of the network. Connections that its programs
// hold are theirs.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.ended {
		e.mu.Unlock()
		return nil
	}
	e.ended = true
	listeners := e.listeners
	e.listeners = nil
	e.mu.Unlock()
	e.stop()
	for _, l := range listeners {
		l.end()
	}
	var errs []error
	if e.socket != nil {
		e.store.unregister(e)
		errs = append(errs, e.store.forget(e.config.ID), e.socket.Close())
	}
	for _, l := range e.published {
		errs = append(errs, l.Close())
	}
	e.serving.Wait()
	return errors.Join(errs...)
}

// register makes an endpoint known to the others of its process.
func (s *Store) register(e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.local[e.config.ID] = e
}

func (s *Store) unregister(e *Endpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.local[e.config.ID] == e {
		delete(s.local, e.config.ID)
	}
}

func (s *Store) endpoint(id string) *Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.local[id]
}

// refuse tells of a connection that was refused, each that is alike once.
func (e *Endpoint) refuse(ctx context.Context, r *RefusedError) error {
	if e.config.Log == nil {
		return r
	}
	text := r.Error()
	e.mu.Lock()
	told := e.noted[text] || len(e.noted) > maxNoted
	last := len(e.noted) == maxNoted
	if !told {
		e.noted[text] = true
	}
	e.mu.Unlock()
	switch {
	case told:
	case last:
		e.config.Log.LogAttrs(ctx, slog.LevelWarn, "more connections are refused than are told of")
	default:
		e.config.Log.LogAttrs(ctx, slog.LevelWarn, "refused: "+text, slog.String("container", e.config.ID), slog.String("address", r.Address), slog.String("flag", r.Flag))
	}
	return r
}

// Names are those by which other containers know this one: its own and its aliases,
// with and without its networks, and its addresses.
func (e *Endpoint) Names() []string {
	list := []string{e.config.Name}
	for _, m := range e.memberships() {
		list = append(list, m.self.Address.String())
		for _, name := range append([]string{e.config.Name}, m.self.Aliases...) {
			list = append(list, name, name+"."+m.network.Name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
