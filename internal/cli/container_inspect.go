package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// containerInspection is what inspect shows of a container, in Docker's shape.
type containerInspection struct {
	ID              string `json:"Id"`
	Created         string
	Path            string
	Args            []string
	State           inspectedState
	Image           string
	LogPath         string
	Name            string
	RestartCount    int
	Platform        string
	SizeRw          *int64 `json:",omitempty"`
	HostConfig      inspectedHost
	Mounts          []inspectedMount
	Config          inspectedConfig
	NetworkSettings inspectedNetwork
	// Usage is what it uses, or had used at its end.
	Usage *state.Usage `json:",omitempty"`
}

type inspectedState struct {
	Status     string
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  string
	FinishedAt string
	Health     *inspectedHealth `json:",omitempty"`
}

type inspectedHealth struct {
	Status        string
	FailingStreak int
	Log           []state.HealthResult
}

type inspectedHost struct {
	Binds          []string
	LogConfig      inspectedLog
	NetworkMode    string
	PortBindings   map[string][]inspectedPort
	RestartPolicy  inspectedRestart
	AutoRemove     bool
	ReadonlyRootfs bool
	Memory         uint64
	NanoCpus       int64
	PidsLimit      int
	ExtraHosts     []string `json:",omitempty"`
	// Of ours.
	Fuel      uint64         `json:",omitempty"`
	Timeout   state.Duration `json:",omitempty"`
	OpenFiles int            `json:",omitempty"`
	DiskLimit int64          `json:",omitempty"`
	AllowNet  []string       `json:",omitempty"`
}

type inspectedLog struct {
	Type   string
	Config map[string]string
}

type inspectedRestart struct {
	Name              string
	MaximumRetryCount int
}

type inspectedPort struct {
	HostIP   string `json:"HostIp"`
	HostPort string
}

type inspectedMount struct {
	Type        string
	Name        string `json:",omitempty"`
	Source      string
	Destination string
	Driver      string `json:",omitempty"`
	Mode        string
	RW          bool
	Propagation string
}

type inspectedConfig struct {
	Hostname     string
	User         string
	Tty          bool
	OpenStdin    bool
	Env          []string
	Cmd          []string
	Entrypoint   []string
	Image        string
	Volumes      map[string]struct{} `json:",omitempty"`
	WorkingDir   string
	Labels       map[string]string
	ExposedPorts map[string]struct{} `json:",omitempty"`
	StopSignal   string              `json:",omitempty"`
	StopTimeout  *int                `json:",omitempty"`
	Healthcheck  *state.HealthCheck  `json:",omitempty"`
}

type inspectedNetwork struct {
	Ports    map[string][]inspectedPort
	Networks map[string]inspectedEndpoint
}

type inspectedEndpoint struct {
	Aliases              []string
	NetworkID, IPAddress string
}

// endpoints say where a container is in its networks; the addresses are of one that runs.
func (a *app) endpoints(ctx context.Context, c *state.Container) map[string]inspectedEndpoint {
	list := map[string]inspectedEndpoint{}
	s, err := a.networks()
	for _, n := range c.Networks {
		e := inspectedEndpoint{Aliases: n.Aliases}
		if err == nil {
			if network, err := s.Get(n.Name); err == nil {
				e.NetworkID = network.ID
			}
			if m, err := s.FindMember(ctx, n.Name, c.ID); err == nil {
				e.IPAddress = m.Address.String()
			}
		}
		list[n.Name] = e
	}
	return list
}

// inspectionOf is a container in Docker's shape.
func inspectionOf(ctx context.Context, s *state.Store, c *state.Container, size bool) containerInspection {
	st := c.State
	i := containerInspection{
		ID: c.ID, Created: c.Created.UTC().Format(time.RFC3339Nano), Image: c.Image.ID, Name: "/" + c.Name, RestartCount: st.Restarts,
		Platform: "wasi/wasm", LogPath: filepath.Join(filepath.Dir(s.Upper(c.ID)), "logs"), Args: []string{},
		State: inspectedState{
			Status: string(st.Status), Running: st.Status.Alive(), Paused: st.Status == state.Paused, Restarting: st.Status == state.Restarting,
			OOMKilled: st.OOMKilled, Dead: st.Status == state.Dead, Pid: st.Pid, ExitCode: st.ExitCode, Error: st.Error,
			StartedAt: st.Started.UTC().Format(time.RFC3339Nano), FinishedAt: st.Finished.UTC().Format(time.RFC3339Nano),
		},
		HostConfig: hostConfigOf(c), Mounts: []inspectedMount{}, Config: configShown(c),
		NetworkSettings: inspectedNetwork{Ports: portMap(st.Ports)},
	}
	if len(c.Command) > 0 {
		i.Path, i.Args = c.Command[0], append(i.Args, c.Command[1:]...)
	}
	if st.Health != nil {
		i.State.Health = &inspectedHealth{st.Health.Status, st.Health.FailingStreak, st.Health.Log}
	}
	for _, m := range c.Mounts {
		x := inspectedMount{Type: m.Type, Name: m.Name, Source: m.Source, Destination: m.Target, RW: !m.ReadOnly}
		if m.Type == mountVolume {
			x.Driver = "local"
		}
		if m.ReadOnly {
			x.Mode = "ro"
		}
		i.Mounts = append(i.Mounts, x)
	}
	if u, err := s.Usage(ctx, c); err == nil && (st.Status.Alive() || st.Usage != nil) {
		i.Usage = &u
	}
	if size {
		n := diskOf(s.Upper(c.ID))
		i.SizeRw = &n
	}
	return i
}

func hostConfigOf(c *state.Container) inspectedHost {
	h := inspectedHost{
		NetworkMode: c.Network, PortBindings: portMap(c.Ports), AutoRemove: c.AutoRemove, ReadonlyRootfs: c.ReadOnly,
		RestartPolicy: inspectedRestart{string(c.Restart.Policy), c.Restart.Retries}, Memory: c.Limits.Memory,
		NanoCpus: int64(c.Limits.CPUs * 1e9), PidsLimit: c.Limits.Processes, ExtraHosts: c.Hosts, Fuel: c.Limits.Fuel,
		Timeout: c.Limits.Timeout, OpenFiles: c.Limits.OpenFiles, DiskLimit: c.Limits.Disk, AllowNet: c.Allow,
		LogConfig: inspectedLog{Type: "json-file", Config: map[string]string{}},
	}
	if h.NetworkMode == "" {
		h.NetworkMode = "default"
	}
	if h.RestartPolicy.Name == "" {
		h.RestartPolicy.Name = string(state.RestartNo)
	}
	if c.Log.Off {
		h.LogConfig.Type = "none"
	}
	if c.Log.MaxSize > 0 {
		h.LogConfig.Config["max-size"] = fmt.Sprint(c.Log.MaxSize)
	}
	if c.Log.MaxFiles > 0 {
		h.LogConfig.Config["max-file"] = fmt.Sprint(c.Log.MaxFiles)
	}
	for _, m := range c.Mounts {
		if m.Type == mountTmpfs || m.Anonymous {
			continue
		}
		from := m.Source
		if m.Name != "" {
			from = m.Name
		}
		bind := from + ":" + m.Target
		if m.ReadOnly {
			bind += ":ro"
		}
		h.Binds = append(h.Binds, bind)
	}
	sort.Strings(h.Binds)
	return h
}

func configShown(c *state.Container) inspectedConfig {
	x := inspectedConfig{
		Hostname: c.Hostname, User: c.User, Tty: c.Terminal, OpenStdin: c.OpenStdin, Env: c.Env, Cmd: c.Args, Entrypoint: c.Entrypoint,
		Image: c.Image.Name, WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal, Healthcheck: c.Health,
		ExposedPorts: map[string]struct{}{}, Volumes: map[string]struct{}{},
	}
	if x.Hostname == "" {
		x.Hostname = state.Short(c.ID)
	}
	if x.Labels == nil {
		x.Labels = map[string]string{}
	}
	if c.StopTimeout != nil {
		seconds := int(time.Duration(*c.StopTimeout).Seconds())
		x.StopTimeout = &seconds
	}
	for _, p := range c.Exposed {
		x.ExposedPorts[p] = struct{}{}
	}
	for _, p := range c.Ports {
		x.ExposedPorts[fmt.Sprintf("%d/%s", p.Container, p.Protocol)] = struct{}{}
	}
	for _, m := range c.Mounts {
		if m.Type == mountVolume {
			x.Volumes[m.Target] = struct{}{}
		}
	}
	return x
}

func portMap(list []state.Port) map[string][]inspectedPort {
	m := map[string][]inspectedPort{}
	for _, p := range list {
		inside := fmt.Sprintf("%d/%s", p.Container, p.Protocol)
		m[inside] = append(m[inside], inspectedPort{p.HostIP, fmt.Sprint(p.HostPort)})
	}
	return m
}

// diskOf is how many bytes the files below a folder have.
func diskOf(dir string) int64 {
	var n int64
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if info, ierr := d.Info(); ierr == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// inspectContainer is a container in Docker's shape.
func (a *app) inspectContainer(ctx context.Context, name string, size bool) (any, error) {
	s, c, err := a.container(ctx, name)
	if err != nil {
		return nil, err
	}
	i := inspectionOf(ctx, s, c, size)
	i.NetworkSettings.Networks = a.endpoints(ctx, c)
	return i, nil
}

// volumeInspection is what inspect shows of a volume.
type volumeInspection struct {
	CreatedAt  string
	Driver     string
	Labels     map[string]string
	Mountpoint string
	Name       string
	Options    map[string]string
	Scope      string
}

func (a *app) inspectVolume(name string) (any, error) {
	s, err := a.openContainers()
	if err != nil {
		return nil, err
	}
	v, err := s.Volume(name)
	return volumeInspection{v.Created.UTC().Format(time.RFC3339), "local", v.Labels, v.Path, v.Name, nil, "local"}, err
}
