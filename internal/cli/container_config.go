package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry"
	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/runtime"
)

// runnerOptions are the flags of run that only what runs a container understands:
// they are kept in its config as they are.
type runnerOptions struct {
	Deterministic  bool       `json:",omitempty"`
	NoAcceleration bool       `json:",omitempty"`
	NoSnapshot     bool       `json:",omitempty"`
	Backtrace      bool       `json:",omitempty"`
	UnknownImports string     `json:",omitempty"`
	Models         []string   `json:",omitempty"` // --nn-model
	Backend        string     `json:",omitempty"`
	Library        string     `json:",omitempty"`
	Instances      int        `json:",omitempty"`
	Served         string     `json:",omitempty"` // the name of a model
	Texts          []textFile `json:",omitempty"`
	File           string     `json:",omitempty"` // a module in the container's folder
}

// textFile is a file in a container that is no file of this machine: it is kept with
// what the container was created with.
type textFile struct {
	Target  string
	Content []byte
	Mode    uint32
}

// configOf is what a container is created with: the flags, and what the image adds.
func (a *app) configOf(what string, args []string, image runtime.Image, o runOptions) (state.Config, error) {
	c := state.Config{
		Args: args, WorkingDir: o.workdir, Terminal: o.tty, OpenStdin: o.interactive, StdinOnce: o.interactive && !o.life.detach, ReadOnly: o.readOnly,
		Image: state.Image{Name: what},
	}
	if o.entrypoint != "" {
		c.Entrypoint = []string{o.entrypoint}
	}
	limits, err := o.limits.limits()
	if err != nil {
		return c, err
	}
	c.Limits = state.Limits{
		Memory: limits.Memory, CPUs: limits.CPUs, Processes: limits.Processes, Fuel: limits.Fuel, CPUTime: state.Duration(limits.CPUTime),
		Timeout: state.Duration(limits.Timeout), OpenFiles: limits.OpenFiles, Disk: limits.Disk, Output: limits.Output,
	}
	if err := o.life.fill(&c); err != nil {
		return c, err
	}
	if c.Env, err = a.variables(o); err != nil {
		return c, err
	}
	if wherry.Kind(image) == "" && webKind(image, specOf(args, o), o) == "" {
		c.Ports, err = keptPorts(o.serving.publish)
	} else {
		c.Ports, err = portsOf(o.serving.publish)
	}
	if err != nil {
		return c, err
	}
	if err := o.network.fill(&c); err != nil {
		return c, err
	}
	if o.serving.stopSet {
		d := state.Duration(o.serving.stop)
		c.StopTimeout = &d
	}
	if err := fromImage(&c, image, o); err != nil {
		return c, err
	}
	models, err := absoluteModels(o.models)
	if err != nil {
		return c, err
	}
	raw, err := json.Marshal(runnerOptions{
		Deterministic: o.deterministic, NoAcceleration: o.noAccel, NoSnapshot: o.noSnapshot, Backtrace: o.backtrace,
		UnknownImports: o.unknownImports, Models: models, Backend: o.native.backend, Library: o.native.library, Instances: o.serving.instances,
		Served: o.serving.name, Texts: o.texts,
	})
	c.Options = (*json.RawMessage)(&raw)
	return c, err
}

// fromImage adds what an image says of its containers.
func fromImage(c *state.Config, image runtime.Image, o runOptions) error {
	config := image.Config()
	labels := map[string]string{}
	for k, v := range config.Labels {
		// those say what a model is, not what a container is; and of which stack it is says who made it
		if !strings.HasPrefix(k, oci.LabelModel) && !compose.Reserved(k) {
			labels[k] = v
		}
	}
	for k, v := range c.Labels {
		labels[k] = v
	}
	if c.Labels = labels; len(labels) == 0 {
		c.Labels = nil
	}
	if c.StopSignal == "" {
		c.StopSignal = config.StopSignal
	}
	for p := range config.ExposedPorts {
		c.Exposed = append(c.Exposed, p)
	}
	slices.Sort(c.Exposed)
	spec := runtime.Spec{Entrypoint: c.Entrypoint}
	if len(c.Args) > 0 {
		spec.Args = c.Args
	}
	if c.Args = withProgram(image, spec); len(c.Args) == 0 {
		c.Args = nil
	}
	spec.Args = c.Args
	c.Command = spec.Command(image.Config())
	var err error
	c.Health, err = o.life.health.check(healthOf(image))
	return err
}

// healthOf is the check that an image brings; nil when it has none.
func healthOf(image runtime.Image) *state.HealthCheck {
	var doc *oci.Image
	switch i := image.(type) {
	case *images.Image:
		doc = i.Document()
	case baseImage:
		doc = &i.Image.Config
	}
	if doc == nil || doc.Config.Healthcheck == nil {
		return nil
	}
	h := doc.Config.Healthcheck
	return &state.HealthCheck{
		Test: h.Test, Interval: state.Duration(h.Interval), Timeout: state.Duration(h.Timeout),
		StartPeriod: state.Duration(h.StartPeriod), StartInterval: state.Duration(h.StartInterval), Retries: h.Retries,
	}
}

// absoluteModels are NAME=FILE with the file's whole path: a supervisor works elsewhere.
func absoluteModels(list []string) ([]string, error) {
	var out []string
	for _, text := range list {
		name, file, ok := strings.Cut(text, "=")
		if !ok {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--nn-model %q: write NAME=FILE.onnx", text)}
		}
		abs, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		out = append(out, name+"="+abs)
	}
	return out, nil
}

// portsOf reads -p as a container keeps it.
func portsOf(list []string) ([]state.Port, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if _, err := parsePublish(list); err != nil {
		return nil, err
	}
	var ports []state.Port
	for _, text := range list {
		host, port, inside, _ := splitAddress(text)
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		in, err := strconv.ParseUint(cmp.Or(inside, strconv.Itoa(servedPort)), 10, 16)
		if err != nil {
			return nil, err
		}
		ports = append(ports, state.Port{HostIP: host, HostPort: uint16(n), Container: uint16(in), Protocol: "tcp"})
	}
	return ports, nil
}

var errNotStored = errors.New("the image is not in the store")

// targetOf is the document by which the store finds an image again, and what Docker
// calls its ID.
func targetOf(ctx context.Context, s *store.Store, image runtime.Image) (ispec.Descriptor, string, error) {
	switch i := image.(type) {
	case *images.Image:
		return i.Descriptor(), string(i.ID()), nil
	case baseImage:
		entries, err := s.List(ctx)
		if err != nil {
			return ispec.Descriptor{}, "", err
		}
		for _, e := range entries {
			if e.Descriptor.Digest == i.Image.Digest {
				return e.Descriptor, string(e.Descriptor.Digest), nil
			}
		}
	}
	return ispec.Descriptor{}, "", errNotStored
}

// restored are the flags of run that a container was created with.
func restored(c state.Config) (runOptions, error) {
	var r runnerOptions
	if c.Options != nil {
		if err := json.Unmarshal(*c.Options, &r); err != nil {
			return runOptions{}, fmt.Errorf("read the container's options: %w", err)
		}
	}
	o := runOptions{
		env: c.Env, workdir: c.WorkingDir, pull: string(images.PullNever), interactive: c.OpenStdin, tty: c.Terminal, readOnly: c.ReadOnly,
		backtrace: r.Backtrace, deterministic: r.Deterministic, noAccel: r.NoAcceleration, noSnapshot: r.NoSnapshot,
		unknownImports: r.UnknownImports, models: r.Models, native: backendOptions{backend: r.Backend, library: r.Library},
		limits: limitsOf(c.Limits), network: networkOf(c), supervised: true,
	}
	o.serving.instances, o.serving.name = r.Instances, r.Served
	o.serving.stop = state.DefaultStopTimeout
	if c.StopTimeout != nil {
		o.serving.stop = time.Duration(*c.StopTimeout)
	}
	for _, p := range c.Ports {
		o.serving.publish = append(o.serving.publish, publishedAt(p))
	}
	if o.unknownImports == "" {
		o.unknownImports = "refuse"
	}
	if o.native.backend == "" {
		o.native.backend = backendSandbox
	}
	if len(c.Entrypoint) > 0 {
		o.entrypoint = c.Entrypoint[0]
	}
	for _, m := range c.Mounts {
		o.mounted = append(o.mounted, runtimeMount(m))
	}
	for _, t := range r.Texts {
		o.mounted = append(o.mounted, runtime.Mount{Target: t.Target, Data: append([]byte{}, t.Content...), Mode: t.Mode, ReadOnly: true})
	}
	return o, nil
}

// publishedAt is where a port listens on this machine, as -p has it.
func publishedAt(p state.Port) string {
	host := p.HostIP
	if host == "" {
		host = servedHost
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return fmt.Sprintf("%s:%d:%d", host, p.HostPort, p.Container)
}

// limitsOf are limits as the flags that ask for them.
func limitsOf(l state.Limits) limitOptions {
	o := limitOptions{cpus: l.CPUs, fuel: l.Fuel, timeout: time.Duration(l.Timeout)}
	if l.Memory > 0 {
		o.memory = strconv.FormatUint(l.Memory, 10)
	}
	if l.Output > 0 {
		o.output = strconv.FormatInt(l.Output, 10)
	}
	for name, n := range map[string]int64{
		"nofile": int64(l.OpenFiles), "nproc": int64(l.Processes), "fsize": l.Disk, "cpu": int64(time.Duration(l.CPUTime) / time.Second),
	} {
		if n > 0 {
			o.ulimits = append(o.ulimits, name+"="+strconv.FormatInt(n, 10))
		}
	}
	return o
}
