package network

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/local"
)

const (
	maxMembers = 1 << 16
	maxAliases = 64
)

// A Member is a container in a network.
type Member struct {
	// ID is the container's, Name what people call it.
	ID   string `json:"Id"`
	Name string `json:"Name"`
	// Aliases are its other names in this network.
	Aliases []string `json:"Aliases,omitempty"`
	// Address is the container's in this network.
	Address netip.Addr `json:"Address"`
	// Socket is where its process takes connections for it, an address of package local.
	Socket string `json:"Socket"`
}

// answers tells whether a container is meant by a name, which is in lower case.
func (m Member) answers(name string) bool {
	if strings.EqualFold(m.Name, name) || len(name) >= 12 && strings.HasPrefix(m.ID, name) {
		return true
	}
	return slices.ContainsFunc(m.Aliases, func(a string) bool { return strings.EqualFold(a, name) })
}

// decode reads one JSON document, and nothing after it.
func decode(r io.Reader, v any) error {
	data, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxFile {
		return fmt.Errorf("a file of more than %d bytes", maxFile)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// check holds what was read of a member against what is written.
func (m Member) check(n Network, id string) error {
	if m.ID != id || !n.Subnet.Contains(m.Address) || len(m.Aliases) > maxAliases || m.Socket == "" || len(m.Name) > maxName {
		return fmt.Errorf("network %s: the file of member %.12s is damaged", n.Name, id)
	}
	return nil
}

func (s *Store) memberFile(networkID, id string) string {
	return filepath.Join(s.dir, networkID, membersDir, id+".json")
}

// member reads one member.
func (s *Store) member(n Network, id string) (Member, error) {
	var m Member
	if err := readFile(s.memberFile(n.ID, id), &m); err != nil {
		return m, err
	}
	return m, m.check(n, id)
}

// listed gives the members of a network, those as well whose process has died.
func (s *Store) listed(n Network) ([]Member, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, n.ID, membersDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list members of network %s: %w", n.Name, err)
	}
	if len(entries) > maxMembers {
		return nil, fmt.Errorf("list members of network %s: more than %d", n.Name, maxMembers)
	}
	var list []Member
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok || !isID(id) {
			continue
		}
		m, err := s.member(n, id)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// Members gives the containers of a network that run.
func (s *Store) Members(ctx context.Context, n Network) ([]Member, error) {
	list, err := s.listed(n)
	return slices.DeleteFunc(list, func(m Member) bool { return !s.alive(ctx, m) }), err
}

// sweep is Members, and forgets those whose process has died. The store is locked.
func (s *Store) sweep(ctx context.Context, n Network) ([]Member, error) {
	list, err := s.listed(n)
	return slices.DeleteFunc(list, func(m Member) bool {
		if s.alive(ctx, m) {
			return false
		}
		_ = os.Remove(s.memberFile(n.ID, m.ID))
		return true
	}), err
}

// alive tells whether a member's process takes connections.
func (s *Store) alive(ctx context.Context, m Member) bool {
	if s.endpoint(m.ID) != nil {
		return true
	}
	c, err := local.Dial(ctx, m.Socket)
	if err != nil {
		return ctx.Err() != nil // nobody was asked
	}
	_ = c.Close()
	return true
}

// join writes a container, whose Socket is known, into a network. The store is locked.
func (s *Store) join(ctx context.Context, n Network, m Member) (Member, error) {
	list, err := s.sweep(ctx, n)
	if err != nil {
		return m, err
	}
	taken := map[netip.Addr]bool{}
	for _, other := range list {
		if other.ID != m.ID {
			taken[other.Address] = true
		}
	}
	a := n.Subnet.Addr().Next().Next() // the first is the network, the second its host's
	for ; taken[a]; a = a.Next() {
	}
	if !n.Subnet.Contains(a) || !n.Subnet.Contains(a.Next()) {
		return m, fmt.Errorf("network %s has no address left: %d containers run in it", n.Name, len(list))
	}
	m.Address = a
	return m, writeFile(s.memberFile(n.ID, m.ID), m)
}

// checkAliases bounds the names of a container.
func checkAliases(list []string) error {
	if len(list) > maxAliases {
		return fmt.Errorf("a container with %d other names, more than %d", len(list), maxAliases)
	}
	for _, a := range list {
		if err := checkName(strings.ToLower(a)); err != nil {
			return fmt.Errorf("alias %.60q: %w", a, err)
		}
	}
	return nil
}

// Connect puts a container that runs, and was attached as Reachable or with networks,
// into one more. It takes effect with the next connection.
func (s *Store) Connect(ctx context.Context, name string, m Member) (Member, error) {
	if !isID(m.ID) {
		return m, fmt.Errorf("connect to network %s: %.80q is no container's ID", name, m.ID)
	}
	if err := checkAliases(m.Aliases); err != nil {
		return m, fmt.Errorf("connect to network %s: %w", name, err)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return m, err
	}
	defer unlock()
	n, err := s.Get(name)
	if err != nil {
		return m, err
	}
	if _, err := s.member(n, m.ID); err == nil {
		return m, fmt.Errorf("container %s is in network %s already", m.Name, n.Name)
	}
	if m.Socket = s.socketOf(ctx, m.ID); m.Socket == "" {
		return m, fmt.Errorf("connect to network %s: container %s: %w", n.Name, m.Name, ErrNotRunning)
	}
	m, err = s.join(ctx, n, m)
	if err != nil {
		return m, fmt.Errorf("connect to network %s: %w", n.Name, err)
	}
	return m, nil
}

// endpointsDir says of every container that takes connections where it does.
const endpointsDir = "endpoints"

func (s *Store) endpointFile(id string) string {
	return filepath.Join(s.dir, endpointsDir, id+".json")
}

// socketOf is where the process of a container takes connections; "" when it does not.
func (s *Store) socketOf(ctx context.Context, id string) string {
	var m Member
	if err := readFile(s.endpointFile(id), &m); err != nil || m.ID != id || !s.alive(ctx, m) {
		return ""
	}
	return m.Socket
}

// Disconnect takes a container out of a network. Connections that are open go on.
func (s *Store) Disconnect(ctx context.Context, name, id string) error {
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	n, err := s.Get(name)
	if err != nil {
		return err
	}
	if !isID(id) {
		return fmt.Errorf("disconnect from network %s: %.80q is no container's ID", n.Name, id)
	}
	err = os.Remove(s.memberFile(n.ID, id))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("container %.12s is not in network %s", id, n.Name)
	}
	return err
}

// Forget removes what is left of a container whose process was killed. One that takes
// connections is left alone.
func (s *Store) Forget(ctx context.Context, id string) error {
	if !isID(id) {
		return fmt.Errorf("forget container: %.80q is no container's ID", id)
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s.sweepDrafts()
	if s.socketOf(ctx, id) != "" {
		return nil
	}
	var errs []error
	for _, at := range local.Addresses(filepath.Join(s.dir, runDir), id) {
		errs = append(errs, local.Remove(at))
	}
	return errors.Join(append(errs, s.forget(id))...)
}

// forget removes a container's files.
func (s *Store) forget(id string) error {
	all, err := s.List()
	if err != nil {
		return err
	}
	errs := []error{removeFile(s.endpointFile(id))}
	for _, n := range all {
		errs = append(errs, removeFile(s.memberFile(n.ID, id)))
	}
	return errors.Join(errs...)
}

// sweepDrafts removes what a process was writing when it was killed. The store is locked:
// nobody writes now.
func (s *Store) sweepDrafts() {
	drafts, _ := filepath.Glob(filepath.Join(s.dir, endpointsDir, draftPattern))
	members, _ := filepath.Glob(filepath.Join(s.dir, "*", membersDir, draftPattern))
	for _, name := range append(drafts, members...) {
		_ = os.Remove(name)
	}
}

// Running finds a container that takes connections, by its name or the beginning of
// its ID.
func (s *Store) Running(ctx context.Context, name string) (Member, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, endpointsDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Member{}, err
	}
	var found []Member
	for _, e := range entries[:min(len(entries), maxMembers)] {
		id, ok := strings.CutSuffix(e.Name(), ".json")
		var m Member
		if !ok || !isID(id) || readFile(s.endpointFile(id), &m) != nil || m.ID != id {
			continue
		}
		if m.Name == name || id == name || name != "" && strings.HasPrefix(id, name) {
			if s.alive(ctx, m) {
				found = append(found, m)
			}
		}
	}
	return only(found, "container", name, ErrNotRunning)
}

// FindMember finds a container in a network by a name or the beginning of its ID.
func (s *Store) FindMember(ctx context.Context, network, name string) (Member, error) {
	n, err := s.Get(network)
	if err != nil {
		return Member{}, err
	}
	list, err := s.Members(ctx, n)
	if err != nil {
		return Member{}, err
	}
	for _, m := range list {
		if m.Name == name || m.ID == name || len(name) > 0 && strings.HasPrefix(m.ID, name) {
			return m, nil
		}
	}
	return Member{}, fmt.Errorf("container %.80s is not in network %s", name, n.Name)
}
