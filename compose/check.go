package compose

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/go-units"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// A ProblemsError is a compose file in which something cannot work.
type ProblemsError struct{ Problems []Problem }

func (e *ProblemsError) Error() string {
	var b strings.Builder
	if len(e.Problems) == 1 {
		fmt.Fprintf(&b, "one thing in the compose file cannot work here:")
	} else {
		fmt.Fprintf(&b, "%d things in the compose file cannot work here:", len(e.Problems))
	}
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  %s: %s", p.Path, p.Text)
		if p.Advice != "" {
			fmt.Fprintf(&b, "\n    instead: %s", p.Advice)
		}
	}
	return b.String()
}

func problemError(path, text, advice string) error {
	return &ProblemsError{[]Problem{{path, text, advice}}}
}

// Check lists everything in a file that cannot work here: of the services that are on,
// or of all of them.
func (f *File) Check(all bool) []Problem {
	c := &checks{file: f}
	services := f.Project.Services
	if all {
		services = f.Project.AllServices()
	}
	for _, p := range f.Findings {
		parts := strings.Split(p.Path, ".")
		if _, on := services[parts[min(1, len(parts)-1)]]; on || parts[0] != "services" {
			c.list = append(c.list, p)
		}
	}
	many := 0
	for _, name := range sorted(services) {
		c.service(services[name])
		s := services[name]
		many = min(many+min(max(s.GetScale(), 0), maxContainers+1), maxContainers+1)
	}
	if many > maxContainers {
		c.add("services", fmt.Sprintf("a stack has at most %d containers", maxContainers), "less of scale and deploy.replicas")
	}
	c.sections()
	slices.SortStableFunc(c.list, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return slices.Compact(c.list)
}

// maxContainers bounds the containers of a stack that its file asks for, and maxInstances
// how many requests a server of one answers at once.
const (
	maxContainers = 1000
	maxInstances  = 1000
)

// checks gathers problems.
type checks struct {
	file *File
	list []Problem
}

func (c *checks) add(path, text, advice string) {
	c.list = append(c.list, Problem{path, text, advice})
}

func (c *checks) service(s types.ServiceConfig) {
	at := "services." + s.Name + "."
	for key := range s.Extensions {
		if strings.HasPrefix(key, keyOurs) && !slices.Contains([]string{KeyExternal, KeyAllow, KeyInstances}, key) {
			c.add(at+key, "there is no such key of ours", "there are "+KeyExternal+", "+KeyAllow+" and "+KeyInstances)
		}
	}
	if where, ok := c.file.externals[s.Name]; ok {
		if _, _, err := external(where); err != nil {
			c.add(at+KeyExternal, err.Error(), KeyExternal+": db.example.org:5432")
		}
		return
	}
	if s.Build == nil {
		if text, advice := foreign(s.Image); text != "" {
			c.add(at+"image", s.Image+": "+text, advice)
		}
	} else {
		c.build(at+"build", s)
	}
	c.network(at, s)
	c.limits(at, s)
	for i, v := range s.Volumes {
		c.volume(fmt.Sprintf("%svolumes[%d]", at, i), v)
	}
	for _, p := range s.Ports {
		c.port(at+"ports", p)
	}
	c.life(at, s)
	if list, err := texts(s.Extensions[KeyAllow]); err != nil {
		c.add(at+KeyAllow, err.Error(), KeyAllow+": [\"api.example.org:443\"]")
	} else if _, err := network.ParseRules(list); err != nil {
		c.add(at+KeyAllow, err.Error(), KeyAllow+": [\"api.example.org:443\"]")
	}
	for _, link := range s.ExternalLinks {
		c.add(at+"external_links", link+": a container outside of the stack is reached by a network that both are in", "networks: {NAME: {external: true}}")
	}
}

// build checks a build.
func (c *checks) build(at string, s types.ServiceConfig) {
	b := s.Build
	if strings.Contains(b.Context, "://") || strings.HasPrefix(b.Context, "git@") {
		c.add(at+".context", b.Context+" is not a folder of this machine", "clone it first, and write the folder")
	} else if info, err := os.Stat(b.Context); err != nil || !info.IsDir() {
		c.add(at+".context", "there is no folder "+b.Context, "write a folder beside the compose file, such as ./"+s.Name)
	}
	for _, p := range b.Platforms {
		c.platform(at+".platforms", p)
	}
	for _, use := range b.Secrets {
		if secret := c.file.Project.Secrets[use.Source]; secret.File == "" && secret.Environment == "" {
			c.add(at+".secrets", use.Source+": a build's secret is a file or a variable", "secrets: {"+use.Source+": {file: PATH}}")
		}
	}
}

func (c *checks) platform(at, p string) {
	if !slices.Contains([]string{"", "wasi/wasm", "wasip1/wasm", "wasm", "wasi/wasm32"}, p) {
		c.add(at, p+": images here are for wasi/wasm, on every machine", "leave it out")
	}
}

// network checks what a service is reached by.
func (c *checks) network(at string, s types.ServiceConfig) {
	switch mode := s.NetworkMode; {
	case strings.HasPrefix(mode, types.ServicePrefix):
		other := strings.TrimPrefix(mode, types.ServicePrefix)
		c.add(at+"network_mode", mode+": containers do not share one network", "leave it out, and connect to "+other+" by its name instead of localhost")
	case strings.HasPrefix(mode, types.ContainerPrefix):
		c.add(at+"network_mode", mode+": containers do not share one network", "put both into one: networks: {NAME: {external: true}}")
	case !slices.Contains([]string{"", network.None, network.Host, network.Default, "bridge"}, mode):
		c.add(at+"network_mode", mode+": there is no such mode", "none, host, or leave it out")
	}
	if s.NetworkMode == network.None && len(s.Ports) > 0 {
		c.add(at+"ports", "with network_mode: none nobody reaches it", "leave one of them out")
	}
}

// limits checks what bounds a service.
func (c *checks) limits(at string, s types.ServiceConfig) {
	known := []string{"nofile", "nproc", "fsize", "cpu", "as"}
	for _, name := range sorted(s.Ulimits) {
		if !slices.Contains(known, name) {
			c.add(at+"ulimits."+name, "there is nothing of that kind in a sandbox", "leave it out; there are "+strings.Join(known, ", "))
		}
	}
	if d := s.Deploy; d != nil {
		switch d.Mode {
		case "", "replicated":
		default:
			c.add(at+"deploy.mode", d.Mode+": there is one machine", "replicas: N")
		}
	}
	if s.MemSwapLimit > 0 && s.MemLimit > 0 && s.MemSwapLimit < s.MemLimit {
		c.add(at+"memswap_limit", "it is below mem_limit", "leave it out")
	}
	c.platform(at+"platform", s.Platform)
}

// volume checks one mount.
func (c *checks) volume(at string, v types.ServiceVolumeConfig) {
	if path.Clean(v.Target) == "/" {
		c.add(at, "the root of the container is the image's", "mount what the program needs, at /data for example")
	}
	switch v.Type {
	case types.VolumeTypeVolume, types.VolumeTypeTmpfs:
	case types.VolumeTypeBind:
		c.bind(at, v)
	case types.VolumeTypeNamedPipe, types.VolumeTypeCluster, types.VolumeTypeImage:
		c.add(at, "there are no mounts of type "+v.Type, "a folder, or a volume")
	default:
		c.add(at, v.Type+": there is no such type of mount", "bind, volume or tmpfs")
	}
	if v.Bind != nil && v.Bind.Propagation != "" && !strings.HasSuffix(v.Bind.Propagation, "private") {
		c.add(at+".bind.propagation", v.Bind.Propagation+": mounts of this machine do not come after", "leave it out")
	}
}

// bind checks a mount of this machine's.
func (c *checks) bind(at string, v types.ServiceVolumeConfig) {
	base := path.Base(filepath.ToSlash(v.Source))
	if base == "docker.sock" || base == "podman.sock" || base == "containerd.sock" {
		c.add(at, v.Source+": there is no daemon here, and no socket of one", "leave it out; wherry dashboard shows the containers of this machine")
		return
	}
	for _, kernel := range []string{"/dev", "/proc", "/sys", "/lib/modules", "/etc/localtime"} {
		if v.Source == kernel || strings.HasPrefix(v.Source, kernel+"/") {
			advice := "leave it out"
			if kernel == "/etc/localtime" {
				advice = "environment: {TZ: Europe/Berlin}"
			}
			c.add(at, v.Source+": a sandbox has nothing of this machine's kernel", advice)
			return
		}
	}
	info, err := os.Stat(v.Source)
	switch {
	case err == nil && info.Mode()&(os.ModeSocket|os.ModeDevice|os.ModeNamedPipe) != 0:
		c.add(at, v.Source+" is no file and no folder, but a socket, a pipe or a device", "reach what listens there by TCP: "+KeyAllow+": [\"host.wherry.internal:PORT\"]")
	case err != nil && v.Bind != nil && !bool(v.Bind.CreateHostPath):
		c.add(at, v.Source+" is not there", "make it first, or leave create_host_path out")
	}
}

func (c *checks) port(at string, p types.ServicePortConfig) {
	if p.Protocol != "" && p.Protocol != "tcp" {
		c.add(at, fmt.Sprintf("%s/%s: ports are published for TCP", p.Published, p.Protocol), "leave it out")
		return
	}
	if strings.Contains(p.Published, "-") {
		c.add(at, p.Published+": which of them is it to be? a range is for as many ports of the container", fmt.Sprintf("%d for any port that is free, or one number", p.Target))
		return
	}
	if _, err := network.ParsePublish(publishWord(p)); err != nil {
		c.add(at, err.Error(), "\"8080:80\"")
	}
}

// publishWord is a port as -p has it.
func publishWord(p types.ServicePortConfig) string {
	host, published := p.HostIP, p.Published
	if host == "" {
		host = network.DefaultHost
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if published == "" {
		published = "0"
	}
	return fmt.Sprintf("%s:%s:%d", host, published, p.Target)
}

// life checks how a service is begun, watched and ended.
func (c *checks) life(at string, s types.ServiceConfig) {
	switch word, _, _ := strings.Cut(s.Restart, ":"); state.RestartPolicy(word) {
	case "", state.RestartNo, state.RestartAlways, state.RestartUnlessStopped, state.RestartOnFailure:
	default:
		c.add(at+"restart", s.Restart+": there is no such policy", "no, on-failure[:N], always or unless-stopped")
	}
	if s.StopSignal != "" {
		if _, err := state.ParseSignal(s.StopSignal); err != nil {
			c.add(at+"stop_signal", err.Error(), "SIGTERM")
		}
	}
	if l := s.Logging; l != nil {
		var options []string
		for k, v := range l.Options {
			options = append(options, k+"="+v)
		}
		slices.Sort(options)
		if _, err := state.ParseLogOptions(l.Driver, options); err != nil {
			c.add(at+"logging", err.Error(), "driver: local, with max-size and max-file")
		}
	}
	if s.Command != nil && len(s.Command) == 0 && len(s.Entrypoint) == 0 {
		c.add(at+"command", "an empty command does not take the image's away", "write what is to run")
	}
	if s.Entrypoint != nil && len(s.Entrypoint) == 0 {
		c.add(at+"entrypoint", "an empty entrypoint does not take the image's away", "write the program as entrypoint")
	}
	for _, trigger := range watches(s) {
		switch trigger.Action {
		case types.WatchActionSync, types.WatchActionRebuild, types.WatchActionRestart, types.WatchActionSyncRestart, types.WatchActionSyncExec:
		default:
			c.add(at+"develop.watch", string(trigger.Action)+": there is no such action", "sync, rebuild, restart, sync+restart or sync+exec")
		}
		if trigger.Target == "" && strings.HasPrefix(string(trigger.Action), "sync") {
			c.add(at+"develop.watch", trigger.Path+": "+string(trigger.Action)+" needs a target", "target: /app")
		}
		if trigger.Action == types.WatchActionRebuild && s.Build == nil {
			c.add(at+"develop.watch", "rebuild is for a service with build", "action: sync")
		}
	}
}

func watches(s types.ServiceConfig) []types.Trigger {
	if s.Develop == nil {
		return nil
	}
	return s.Develop.Watch
}

// sections checks what is outside of services.
func (c *checks) sections() {
	p := c.file.Project
	for _, name := range sorted(p.Networks) {
		if d := p.Networks[name].Driver; !slices.Contains([]string{"", "bridge", "default"}, d) {
			c.add("networks."+name+".driver", d+": networks are inside this machine", "leave it out")
		}
		if len(p.Networks[name].Ipam.Config) > 1 {
			c.add("networks."+name+".ipam.config", "addresses of a network are from one subnet", "one subnet")
		}
		if d := p.Networks[name].Ipam.Driver; d != "" && d != "default" {
			c.add("networks."+name+".ipam.driver", d+": addresses are given by the network", "leave it out")
		}
	}
	for _, name := range sorted(p.Volumes) {
		if d := p.Volumes[name].Driver; d != "" && d != "local" {
			c.add("volumes."+name+".driver", d+": volumes are folders of this machine", "leave it out")
		}
	}
	for _, name := range sorted(p.Models) {
		if text, advice := foreign(p.Models[name].Model); text != "" {
			c.add("models."+name+".model", p.Models[name].Model+": "+text, advice)
		}
		if p.Models[name].ContextSize != 0 {
			c.add("models."+name+".context_size", "a model's context is what its image says", "leave it out")
		}
	}
	for _, group := range []struct {
		name string
		list map[string]types.FileObjectConfig
	}{{"secrets", objects(map[string]types.SecretConfig(p.Secrets))}, {"configs", objects(map[string]types.ConfigObjConfig(p.Configs))}} {
		for _, name := range sorted(group.list) {
			o := group.list[name]
			if o.File == "" {
				continue
			}
			if info, err := os.Stat(o.File); err != nil {
				c.add(group.name+"."+name+".file", "there is no file "+o.File, "")
			} else if info.Size() > maxText {
				c.add(group.name+"."+name+".file", o.File+" has more than "+units.BytesSize(maxText), "mount it: volumes")
			}
		}
	}
}

// maxText bounds a secret or a config.
const maxText = 1 << 20

// objects are secrets or configs as what both are.
func objects[T types.SecretConfig | types.ConfigObjConfig](list map[string]T) map[string]types.FileObjectConfig {
	out := map[string]types.FileObjectConfig{}
	for name, o := range list {
		out[name] = types.FileObjectConfig(o)
	}
	return out
}
