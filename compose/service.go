package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/state"
)

// service translates one service.
func (f *File) service(s *Stack, c types.ServiceConfig) (*Service, error) {
	out := &Service{
		Name: c.Name, Pull: cmp.Or(c.PullPolicy, types.PullPolicyMissing), Scale: c.GetScale(), Needs: map[string]Need{},
		External: f.externals[c.Name], Quiet: c.Attach != nil && !*c.Attach,
	}
	for name, d := range c.DependsOn {
		if _, on := f.Project.Services[name]; on {
			out.Needs[name] = Need{Condition: d.Condition, Required: d.Required, Restart: d.Restart}
		}
	}
	for _, link := range c.Links {
		name, _, _ := strings.Cut(link, ":")
		if _, told := out.Needs[name]; !told && f.Project.Services[name].Name != "" {
			out.Needs[name] = Need{Condition: types.ServiceConditionStarted, Required: true}
		}
	}
	if out.External != "" {
		return out, nil
	}
	if c.Develop != nil {
		out.Watch = c.Develop.Watch
	}
	for _, h := range c.PostStart {
		out.Began = append(out.Began, hook(h))
	}
	for _, h := range c.PreStop {
		out.Ending = append(out.Ending, hook(h))
	}
	image := c.Image
	if c.Build != nil {
		image = cmp.Or(image, s.Name+"-"+c.Name)
		out.Build = f.build(c, image)
	}
	out.Container = Container{
		Name: c.ContainerName, Image: image, Args: c.Command, WorkingDir: c.WorkingDir, User: c.User, Hostname: c.Hostname,
		Labels: maps.Clone(c.Labels), Expose: slices.Clone(c.Expose), DNS: c.DNS, ReadOnly: c.ReadOnly, Terminal: c.Tty, OpenStdin: c.StdinOpen,
		StopSignal: c.StopSignal, Platform: c.Platform, Served: c.Name,
	}
	for k, v := range c.Annotations {
		out.Container.Labels = with(map[string]string{k: v}, out.Container.Labels)
	}
	if c.StopGracePeriod != nil {
		d := time.Duration(*c.StopGracePeriod)
		out.Container.StopTimeout = &d
	}
	if len(c.Entrypoint) > 0 {
		out.Container.Entrypoint, out.Container.Args = c.Entrypoint[0], slices.Concat([]string(c.Entrypoint[1:]), []string(c.Command))
	}
	for _, name := range sorted(c.Environment) {
		if v := c.Environment[name]; v != nil {
			out.Container.Env = append(out.Container.Env, name+"="+*v)
		}
	}
	for _, step := range []func(*Stack, *Service, types.ServiceConfig) error{f.limits, f.life, f.mounts, f.files, f.ports, f.networks} {
		if err := step(s, out, c); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func hook(h types.ServiceHook) Hook {
	out := Hook{Args: h.Command, WorkingDir: h.WorkingDir, User: h.User}
	for _, name := range sorted(h.Environment) {
		if v := h.Environment[name]; v != nil {
			out.Env = append(out.Env, name+"="+*v)
		}
	}
	return out
}

// A NamedBuild is the build of a service.
type NamedBuild struct {
	Name  string
	Build Build
}

// Builds are those of all services, whatever their profiles, that are built.
func (f *File) Builds() []NamedBuild {
	var list []NamedBuild
	all := f.Project.AllServices()
	for _, name := range sorted(all) {
		if c := all[name]; c.Build != nil {
			list = append(list, NamedBuild{name, *f.build(c, cmp.Or(c.Image, f.Project.Name+"-"+name))})
		}
	}
	return list
}

// build translates the build of a service.
func (f *File) build(c types.ServiceConfig, image string) *Build {
	b := &Build{
		Folder: c.Build.Context, Inline: c.Build.DockerfileInline, Target: c.Build.Target, NoCache: c.Build.NoCache, Pull: c.Build.Pull,
		Tags: append([]string{image}, c.Build.Tags...), Labels: c.Build.Labels,
	}
	if c.Build.DockerfileInline == "" && c.Build.Dockerfile != "" {
		b.File = recipeOf(c.Build.Context, c.Build.Dockerfile, f.recipes[c.Name])
	}
	for _, name := range sorted(c.Build.Args) {
		if v := c.Build.Args[name]; v != nil {
			name += "=" + *v
		}
		b.Args = append(b.Args, name)
	}
	for _, use := range c.Build.Secrets {
		secret := f.Project.Secrets[use.Source]
		text := "id=" + cmp.Or(use.Target, use.Source)
		if secret.File != "" {
			text += ",src=" + secret.File
		} else {
			text += ",env=" + secret.Environment
		}
		b.Secrets = append(b.Secrets, text)
	}
	return b
}

// recipeOf is the recipe of a build. One that nobody named is the folder's Wasmfile,
// else what the folder is taken for, else its Dockerfile.
func recipeOf(folder, name string, named bool) string {
	full := name
	if !filepath.IsAbs(name) {
		full = filepath.Join(folder, name)
	}
	if named {
		return full
	}
	if _, err := os.Stat(filepath.Join(folder, "Wasmfile")); err == nil {
		return ""
	}
	if _, err := os.Stat(full); err != nil {
		return ""
	}
	return full
}

// limits translates what bounds a service, in the old words and in deploy's. Of two the
// narrower one holds.
func (f *File) limits(_ *Stack, out *Service, c types.ServiceConfig) error {
	k := &out.Container
	k.Memory, k.CPUs, k.Pids = uint64(max(c.MemLimit, 0)), float64(c.CPUS), int(c.PidsLimit)
	if c.Deploy != nil && c.Deploy.Resources.Limits != nil {
		l := c.Deploy.Resources.Limits
		k.Memory, k.CPUs, k.Pids = cmp.Or(uint64(max(l.MemoryBytes, 0)), k.Memory), cmp.Or(float64(l.NanoCPUs), k.CPUs), cmp.Or(int(l.Pids), k.Pids)
	}
	for _, name := range sorted(c.Ulimits) {
		u := c.Ulimits[name]
		text := strconv.Itoa(u.Single)
		if u.Single == 0 {
			text = strconv.Itoa(u.Soft)
			if u.Hard != 0 {
				text += ":" + strconv.Itoa(u.Hard)
			}
		}
		k.Ulimits = append(k.Ulimits, name+"="+text)
	}
	if v, ok := c.Extensions[KeyInstances]; ok {
		n, ok := v.(int)
		if !ok || n < 1 || n > maxInstances {
			return problemError("services."+c.Name+"."+KeyInstances, fmt.Sprintf("that is no number from 1 to %d", maxInstances), KeyInstances+": 4")
		}
		k.Instances = n
	}
	return nil
}

// life translates what a service is started again by, ended by and known to be well by.
func (f *File) life(_ *Stack, out *Service, c types.ServiceConfig) error {
	k := &out.Container
	k.Restart = c.Restart
	if d := c.Deploy; d != nil && d.RestartPolicy != nil && c.Restart == "" {
		switch d.RestartPolicy.Condition {
		case "", "any":
			k.Restart = string(state.RestartAlways)
		case "on-failure":
			k.Restart = string(state.RestartOnFailure)
			if d.RestartPolicy.MaxAttempts != nil {
				k.Restart += ":" + strconv.FormatUint(*d.RestartPolicy.MaxAttempts, 10)
			}
		}
	}
	if h := c.HealthCheck; h != nil {
		k.NoHealth = h.Disable || len(h.Test) > 0 && h.Test[0] == "NONE"
		if !k.NoHealth {
			k.Health = &state.HealthCheck{
				Test: h.Test, Interval: state.Duration(durationOf(h.Interval)), Timeout: state.Duration(durationOf(h.Timeout)),
				StartPeriod: state.Duration(durationOf(h.StartPeriod)), StartInterval: state.Duration(durationOf(h.StartInterval)),
			}
			if h.Retries != nil {
				k.Health.Retries = int(min(*h.Retries, 1<<20))
			}
		}
	}
	if l := c.Logging; l != nil {
		k.LogDriver = l.Driver
		for _, name := range sorted(l.Options) {
			k.LogOptions = append(k.LogOptions, name+"="+l.Options[name])
		}
	}
	return nil
}

// mounts translates volumes and tmpfs.
func (f *File) mounts(s *Stack, out *Service, c types.ServiceConfig) error {
	for _, v := range c.Volumes {
		m := state.Mount{Type: v.Type, Target: v.Target, ReadOnly: v.ReadOnly}
		switch v.Type {
		case types.VolumeTypeVolume:
			if v.Source == "" {
				m.Anonymous = true
				break
			}
			m.Name = s.Volumes[v.Source].Name
			out.Volumes = append(out.Volumes, v.Source)
		case types.VolumeTypeBind:
			m.Source = v.Source
		case types.VolumeTypeTmpfs:
			if v.Tmpfs != nil {
				m.Size = int64(v.Tmpfs.Size)
			}
		}
		out.Container.Mounts = append(out.Container.Mounts, m)
	}
	for _, text := range c.Tmpfs {
		target, options, _ := strings.Cut(text, ":")
		m := state.Mount{Type: types.VolumeTypeTmpfs, Target: target}
		for option := range strings.SplitSeq(options, ",") {
			if size, ok := strings.CutPrefix(option, "size="); ok {
				var n types.UnitBytes
				if err := n.DecodeMapstructure(size); err != nil {
					return problemError("services."+c.Name+".tmpfs", text+": "+err.Error(), "size=64m")
				}
				m.Size = int64(n)
			}
		}
		out.Container.Mounts = append(out.Container.Mounts, m)
	}
	return nil
}

// files translates secrets and configs: what is a file is mounted, what is not is
// written into the container.
func (f *File) files(_ *Stack, out *Service, c types.ServiceConfig) error {
	for _, use := range c.Secrets {
		o := types.FileObjectConfig(f.Project.Secrets[use.Source])
		target := cmp.Or(use.Target, use.Source)
		if !path.IsAbs(target) {
			target = "/run/secrets/" + target
		}
		if err := f.file(out, "secrets."+use.Source, o, target, use.Mode); err != nil {
			return err
		}
	}
	for _, use := range c.Configs {
		o := types.FileObjectConfig(f.Project.Configs[use.Source])
		target := cmp.Or(use.Target, "/"+use.Source)
		if !path.IsAbs(target) {
			target = "/" + target
		}
		if err := f.file(out, "configs."+use.Source, o, target, use.Mode); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) file(out *Service, where string, o types.FileObjectConfig, target string, mode *types.FileMode) error {
	if o.File != "" {
		out.Container.Mounts = append(out.Container.Mounts, state.Mount{Type: types.VolumeTypeBind, Source: o.File, Target: target, ReadOnly: true})
		return nil
	}
	t := Text{Target: target, Content: []byte(o.Content), Mode: 0o444}
	if mode != nil {
		t.Mode = uint32(*mode) & 0o555
	}
	if o.Environment != "" {
		v, ok := f.Project.Environment[o.Environment]
		if !ok {
			t.unset = problemError(where, "the variable "+o.Environment+" is not set", "export "+o.Environment+"=..., or write it into .env")
		}
		t.Content = []byte(v)
	}
	out.Container.Texts = append(out.Container.Texts, t)
	return nil
}

// ports translates what is published and exposed.
func (f *File) ports(_ *Stack, out *Service, c types.ServiceConfig) error {
	for _, p := range c.Ports {
		host := cmp.Or(p.HostIP, "127.0.0.1")
		if strings.Contains(host, ":") {
			host = "[" + host + "]"
		}
		out.Container.Publish = append(out.Container.Publish, fmt.Sprintf("%s:%s:%d", host, cmp.Or(p.Published, "0"), p.Target))
	}
	allow, err := texts(c.Extensions[KeyAllow])
	if err != nil {
		return problemError("services."+c.Name+"."+KeyAllow, err.Error(), KeyAllow+": [\"api.example.org:443\"]")
	}
	out.Container.Allow = allow
	for _, name := range sorted(c.ExtraHosts) {
		for _, at := range c.ExtraHosts[name] {
			out.Container.Hosts = append(out.Container.Hosts, name+":"+at)
		}
	}
	return nil
}

// texts reads a text, or a list of them.
func texts(v any) ([]string, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		return []string{v}, nil
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("%v is no text", e)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%v is neither a text nor a list of them", v)
}

// networks translates the networks of a service: in each it is known by its name.
func (f *File) networks(s *Stack, out *Service, c types.ServiceConfig) error {
	if c.NetworkMode != "" {
		if c.NetworkMode != "bridge" && c.NetworkMode != "default" {
			out.Container.Network = c.NetworkMode
		}
		return nil
	}
	for _, key := range c.NetworksByPriority() {
		n := s.Networks[key]
		join := state.NetworkJoin{Name: n.Options.Name}
		if c.Networks[key].ServiceNameAliasEnabled() {
			join.Aliases = append(join.Aliases, c.Name)
		}
		if c.Networks[key] != nil {
			join.Aliases = append(join.Aliases, c.Networks[key].Aliases...)
		}
		out.Container.Networks = append(out.Container.Networks, join)
		out.Networks = append(out.Networks, key)
	}
	return nil
}

// external is where a service lives: a host, a port, and the port that is meant when
// none is written.
func external(text string) (host, port string, err error) {
	bad := fmt.Errorf("%q is neither HOST:PORT nor a URL", text)
	if strings.Contains(text, "://") {
		u, err := url.Parse(text)
		if err != nil || u.Hostname() == "" {
			return "", "", bad
		}
		known := map[string]string{"http": "80", "https": "443", "postgres": "5432", "postgresql": "5432", "redis": "6379", "mysql": "3306", "mongodb": "27017", "amqp": "5672"}
		port = cmp.Or(u.Port(), known[u.Scheme])
		if port == "" {
			return "", "", fmt.Errorf("%s: which port is that? write it behind the host", text)
		}
		return u.Hostname(), port, nil
	}
	host, port, err = net.SplitHostPort(text)
	if err != nil || host == "" {
		return "", "", bad
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", bad
	}
	return host, port, nil
}

// address is what stands behind a host's name now: what is this machine is
// host-gateway.
func address(ctx context.Context, host string) (string, error) {
	if host == "localhost" || host == "host.wherry.internal" || host == "host.docker.internal" {
		return "host-gateway", nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if a.IsLoopback() {
			return "host-gateway", nil
		}
		return a.String(), nil
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(list) == 0 {
		return "", fmt.Errorf("look up %s: %w", host, err)
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list[0].Unmap().String(), nil
}
