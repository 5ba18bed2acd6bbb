package compose

import (
	"cmp"
	"net/netip"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/network"
)

// A Stack is what a compose file asks for.
type Stack struct {
	Name     string
	Dir      string
	Files    []string
	Services map[string]*Service
	Networks map[string]*Network
	Volumes  map[string]*Volume
	// Origin is the file's. Its containers, networks and volumes say it.
	Origin string
	// Fetched tells that something of it is of a registry.
	Fetched bool
	// Warnings are what is accepted, and is not what it was meant to be.
	Warnings []Problem
}

// A Service is what its containers are made of.
type Service struct {
	Name      string
	Container Container
	Build     *Build
	Pull      string // always, missing, never or build
	Scale     int
	// Needs are the services that it starts after.
	Needs map[string]Need
	// Model tells a model of the file's models: from a service.
	Model bool
	// External is where a service lives that has no containers of ours.
	External string
	// Quiet services are not shown by up.
	Quiet    bool
	Watch    []types.Trigger
	Began    []Hook // post_start
	Ending   []Hook // pre_stop
	Networks []string
	Volumes  []string

	// bound has hooks run only in containers that were made with them.
	bound bool
}

// Bind has the hooks of a stack that was fetched run only in containers that were made with
// them: what is fetched now may be other than what somebody let run.
func (s *Stack) Bind() {
	for _, service := range s.Services {
		service.bound = s.Fetched
	}
}

// A Need is what has to be of another service before one starts.
type Need struct {
	Condition string
	Required  bool
	Restart   bool
}

// A Hook is a program that runs in a container.
type Hook struct {
	Args       []string
	Env        []string
	WorkingDir string
	User       string
}

// A Network is one of a stack.
type Network struct {
	Key      string // as the file has it
	External bool
	Options  network.Options
}

// A Volume is one of a stack.
type Volume struct {
	Key      string
	Name     string
	External bool
	Labels   map[string]string
}

// ServedPort is where a server of ours answers in its container that is not told where.
const ServedPort = "8080"

// Plan translates a file that Check has nothing against.
func (f *File) Plan() (*Stack, error) {
	p := f.Project
	s := &Stack{
		Name: p.Name, Dir: p.WorkingDir, Files: p.ComposeFiles, Origin: f.Origin, Fetched: f.Fetched,
		Services: map[string]*Service{}, Networks: map[string]*Network{}, Volumes: map[string]*Volume{},
	}
	for _, key := range sorted(p.Networks) {
		n, err := planNetwork(s.Name, key, p.Networks[key])
		if err != nil {
			return nil, err
		}
		n.Options.Labels = with(n.Options.Labels, s.origin())
		s.Networks[key] = n
	}
	for _, key := range sorted(p.Volumes) {
		v := p.Volumes[key]
		s.Volumes[key] = &Volume{Key: key, Name: cmp.Or(v.Name, s.Name+"_"+key), External: bool(v.External), Labels: with(mine(v.Labels, map[string]string{
			LabelProject: s.Name, LabelVolume: key,
		}), s.origin())}
	}
	for _, name := range sorted(p.Services) {
		service, err := f.service(s, p.Services[name])
		if err != nil {
			return nil, err
		}
		s.Services[name] = service
	}
	if err := f.models(s); err != nil {
		return nil, err
	}
	return s, nil
}

func planNetwork(project, key string, n types.NetworkConfig) (*Network, error) {
	out := &Network{Key: key, External: bool(n.External), Options: network.Options{
		Name: cmp.Or(n.Name, project+"_"+key), Internal: n.Internal,
		Labels: mine(n.Labels, map[string]string{LabelProject: project, LabelNetwork: key}),
	}}
	for _, pool := range n.Ipam.Config {
		subnet, err := netip.ParsePrefix(pool.Subnet)
		if err != nil {
			return nil, problemError("networks."+key+".ipam", "subnet "+pool.Subnet+" is none", "write one as 192.168.100.0/24")
		}
		out.Options.Subnet = subnet
	}
	return out, nil
}

// mine are labels with ours.
func mine(theirs types.Labels, ours map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range theirs {
		out[k] = v
	}
	for k, v := range ours {
		out[k] = v
	}
	return out
}

// durationOf is a time of the file's, 0 where there is none.
func durationOf(d *types.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return time.Duration(*d)
}
