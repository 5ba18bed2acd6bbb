package network

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/wherry-run/wherry/internal/places"
)

// The names that stand for something else than a network.
const (
	None    = "none"    // no network at all
	Host    = "host"    // the machine's own
	Default = "default" // published ports, and what the rules allow
	bridge  = "bridge"  // Docker's name for the latter
)

// Bounds of what is read of networks.
const (
	maxNetworks = 1024
	maxFile     = 1 << 20
)

// pool is where networks get their addresses from: no machine has one of them
// (RFC 2544), so nothing that is real is hidden by them.
var pool = netip.MustParsePrefix("198.18.0.0/15")

// networkBits is the size of a network that asks for none: 1022 addresses.
const networkBits = 22

var (
	// ErrNotFound is a network that there is not.
	ErrNotFound = errors.New("no such network")
	// ErrNotRunning is a container that takes no connections.
	ErrNotRunning = errors.New("it does not run, or runs without a network")
	// ErrExists is a network that there is already.
	ErrExists = errors.New("there is a network of this name")
)

// An InUseError is a network that has containers.
type InUseError struct {
	// Network is its name, Containers are those in it that run.
	Network    string
	Containers []string
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("network %s is used by %s", e.Network, strings.Join(e.Containers, ", "))
}

// A Network is a group of containers that reach each other.
type Network struct {
	ID       string            `json:"Id"`
	Name     string            `json:"Name"`
	Created  time.Time         `json:"Created"`
	Subnet   netip.Prefix      `json:"Subnet"`
	Internal bool              `json:"Internal"` // its containers reach nothing outside
	Labels   map[string]string `json:"Labels"`
}

// A Store has the networks of this user.
type Store struct {
	dir string // a folder for each network

	mu    sync.Mutex
	local map[string]*Endpoint // of this process, by container
}

// Open opens the networks in dir, which need not be there yet.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open networks: %w", err)
	}
	return &Store{dir: abs, local: map[string]*Endpoint{}}, nil
}

// lock keeps other processes from changing networks until unlock.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock networks: %w", err)
	}
	l := flock.New(filepath.Join(s.dir, "lock"), flock.SetPermissions(0o600))
	if _, err := l.TryLockContext(ctx, 10*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock networks: %w", err)
	}
	return func() { _ = l.Unlock() }, nil
}

// Options are what a network is created with.
type Options struct {
	Name     string
	Subnet   netip.Prefix // zero: one that is free
	Internal bool
	Labels   map[string]string
}

// Create makes a network.
func (s *Store) Create(ctx context.Context, o Options) (Network, error) {
	if err := checkNetworkName(o.Name); err != nil {
		return Network{}, fmt.Errorf("create network: %w", err)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return Network{}, err
	}
	defer unlock()
	all, err := s.List()
	if err != nil {
		return Network{}, err
	}
	if slices.ContainsFunc(all, func(n Network) bool { return n.Name == o.Name }) {
		return Network{}, fmt.Errorf("create network %s: %w", o.Name, ErrExists)
	}
	if len(all) >= maxNetworks {
		return Network{}, fmt.Errorf("create network %s: there are %d networks", o.Name, len(all))
	}
	n := Network{Name: o.Name, Created: time.Now().UTC(), Subnet: o.Subnet, Internal: o.Internal, Labels: o.Labels}
	if n.Labels == nil {
		n.Labels = map[string]string{}
	}
	if n.Subnet, err = chooseSubnet(o.Subnet, all); err != nil {
		return Network{}, fmt.Errorf("create network %s: %w", o.Name, err)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id) // it never fails
	n.ID = hex.EncodeToString(id)
	if err := os.MkdirAll(filepath.Join(s.dir, n.ID, membersDir), 0o700); err != nil {
		return Network{}, fmt.Errorf("create network %s: %w", o.Name, err)
	}
	if err := writeFile(filepath.Join(s.dir, n.ID, networkFile), n); err != nil {
		return Network{}, errors.Join(fmt.Errorf("create network %s: %w", o.Name, err), places.RemoveAll(filepath.Join(s.dir, n.ID)))
	}
	return n, nil
}

// checkNetworkName wants Docker's form, and none of the names with a meaning.
func checkNetworkName(name string) error {
	if name == "" || len(name) > maxLabel {
		return errors.New("a name has 1 to 63 characters")
	}
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || !strings.ContainsRune("_.-", rune(c))) {
			return fmt.Errorf("%q: a name has letters, digits and _.-, and begins with a letter or a digit", name)
		}
	}
	switch name {
	case None, Host, Default, bridge:
		return fmt.Errorf("%s has a meaning of its own", name)
	}
	return nil
}

// chooseSubnet finds addresses for a network that no other has.
func chooseSubnet(want netip.Prefix, all []Network) (netip.Prefix, error) {
	used := func(p netip.Prefix) string {
		for _, n := range all {
			if n.Subnet.Overlaps(p) {
				return n.Name
			}
		}
		return ""
	}
	if want.IsValid() {
		want = want.Masked()
		private := want.Addr().Is4() && (want.Addr().IsPrivate() || pool.Contains(want.Addr()))
		if !private || want.Bits() > 29 || want.Bits() < 8 {
			return want, fmt.Errorf("subnet %s: write a private range of IPv4 from /8 to /29", want)
		}
		if other := used(want); other != "" {
			return want, fmt.Errorf("subnet %s: network %s has addresses of it", want, other)
		}
		return want, nil
	}
	for p := netip.PrefixFrom(pool.Addr(), networkBits); pool.Contains(p.Addr()); {
		if used(p) == "" {
			return p, nil
		}
		b := p.Addr().As4()
		n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
		n += 1 << (32 - networkBits)
		p = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), networkBits)
	}
	return netip.Prefix{}, fmt.Errorf("all addresses of %s are given to networks: write --subnet", pool)
}

const (
	networkFile = "network.json"
	membersDir  = "members"
)

// List gives all networks, by name.
func (s *Store) List() ([]Network, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var list []Network
	for _, e := range entries {
		if !e.IsDir() || !isID(e.Name()) {
			continue
		}
		n, err := readNetwork(filepath.Join(s.dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // being made, or being removed
		}
		if err != nil {
			return nil, fmt.Errorf("list networks: %w", err)
		}
		if list = append(list, n); len(list) > maxNetworks {
			return nil, fmt.Errorf("list networks: more than %d", maxNetworks)
		}
	}
	slices.SortFunc(list, func(a, b Network) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func isID(name string) bool { return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == "" }

func readNetwork(dir string) (Network, error) {
	var n Network
	if err := readFile(filepath.Join(dir, networkFile), &n); err != nil {
		return n, err
	}
	return n, n.check(filepath.Base(dir))
}

// check holds what was read of a network against what Create writes.
func (n Network) check(id string) error {
	if n.ID != id || checkNetworkName(n.Name) != nil || !n.Subnet.IsValid() || !n.Subnet.Addr().Is4() || n.Subnet.Bits() > 29 {
		return fmt.Errorf("network %.12s: its file is damaged; wherry network rm -f %.12s removes it", id, id)
	}
	return nil
}

// Get finds a network by its name, its ID, or what an ID begins with.
func (s *Store) Get(name string) (Network, error) {
	all, err := s.List()
	if err != nil {
		return Network{}, err
	}
	var found []Network
	for _, n := range all {
		if n.Name == name || n.ID == name {
			return n, nil
		}
		if name != "" && strings.HasPrefix(n.ID, name) {
			found = append(found, n)
		}
	}
	return only(found, "network", name, ErrNotFound)
}

// only is what a name means of those that it may: several are none.
func only[T any](found []T, kind, name string, none error) (one T, err error) {
	switch len(found) {
	case 0:
		return one, fmt.Errorf("%s %.80s: %w", kind, name, none)
	case 1:
		return found[0], nil
	}
	return one, fmt.Errorf("%s %.80s: %d of them begin so", kind, name, len(found))
}

// Remove removes a network in which no container runs; with force those are left
// without it.
func (s *Store) Remove(ctx context.Context, name string, force bool) (Network, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return Network{}, err
	}
	defer unlock()
	n, err := s.Get(name)
	if err != nil {
		if dir := filepath.Join(s.dir, name); force && isID(name) && !errors.Is(err, ErrNotFound) {
			return Network{ID: name, Name: name}, places.RemoveAll(dir)
		}
		return Network{}, err
	}
	return n, s.remove(ctx, n, force)
}

func (s *Store) remove(ctx context.Context, n Network, force bool) error {
	members, err := s.sweep(ctx, n)
	if err != nil && !force {
		return err
	}
	if len(members) > 0 && !force {
		e := &InUseError{Network: n.Name}
		for _, m := range members {
			e.Containers = append(e.Containers, m.Name)
		}
		return e
	}
	// Without this file it is no network: one that could not be removed whole stays away.
	if err := os.Remove(filepath.Join(s.dir, n.ID, networkFile)); err != nil {
		return fmt.Errorf("remove network %s: %w", n.Name, err)
	}
	if err := places.RemoveAll(filepath.Join(s.dir, n.ID)); err != nil {
		return fmt.Errorf("remove network %s: %w", n.Name, err)
	}
	return nil
}

// Prune removes the networks in which no container runs and that keep accepts.
func (s *Store) Prune(ctx context.Context, wanted func(Network) bool) ([]Network, error) {
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	var removed []Network
	for _, n := range all {
		if wanted != nil && !wanted(n) {
			continue
		}
		err := s.remove(ctx, n, false)
		if used := new(InUseError); errors.As(err, &used) {
			continue
		}
		if err != nil {
			return removed, err
		}
		removed = append(removed, n)
	}
	return removed, nil
}

// draftPattern is how files are called that are being written.
const draftPattern = ".new-*"

// writeFile replaces a file as a whole. The store is locked.
func writeFile(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), draftPattern)
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func readFile(name string, v any) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return decode(f, v)
}
