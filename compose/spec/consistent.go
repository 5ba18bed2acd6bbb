package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/errdefs"
	"github.com/compose-spec/compose-go/v2/graph"
	"github.com/compose-spec/compose-go/v2/types"
)

// consistent checks that the parts of a project fit each other.
func consistent(p *types.Project, elsewhere func(types.ServiceConfig) bool) error {
	for _, name := range sorted(p.Services) {
		s := p.Services[name]
		if s.Image == "" && s.Build == nil && s.Provider == nil && (elsewhere == nil || !elsewhere(s)) {
			return wrong(s, "", "it has neither an image nor a build")
		}
		for _, check := range []func(*types.Project, types.ServiceConfig) error{
			checkBuild, checkNetworks, checkHealth, checkNeeds, checkUses, checkScale, checkLimits, checkWatch, checkTargets,
		} {
			if err := check(p, s); err != nil {
				return err
			}
		}
	}
	if err := checkJobs(p); err != nil {
		return err
	}
	for _, name := range sorted(p.Secrets) {
		if s := p.Secrets[name]; !bool(s.External) && s.File == "" && s.Environment == "" {
			return &Error{Path: "secrets." + name, Text: "file or environment is missing"}
		}
	}
	if err := graph.CheckCycle(p); err != nil {
		return &Error{Text: "depends_on: " + said(err), Err: err}
	}
	return nil
}

func wrong(s types.ServiceConfig, attribute, format string, a ...any) error {
	path := "services." + s.Name
	if attribute != "" {
		path += "." + attribute
	}
	return &Error{Path: path, Text: fmt.Sprintf(format, a...)}
}

func checkBuild(p *types.Project, s types.ServiceConfig) error {
	if s.Build == nil {
		return nil
	}
	if s.Build.Dockerfile != "" && s.Build.DockerfileInline != "" {
		return wrong(s, "build", "dockerfile and dockerfile_inline exclude each other")
	}
	for _, add := range sorted(s.Build.AdditionalContexts) {
		name, ok := strings.CutPrefix(s.Build.AdditionalContexts[add], types.ServicePrefix)
		if !ok {
			continue
		}
		other, ok := p.Services[name]
		if !ok {
			other, ok = p.DisabledServices[name]
		}
		switch {
		case !ok:
			return wrong(s, "build.additional_contexts."+add, "there is no service %s", name)
		case other.Build == nil:
			return wrong(s, "build.additional_contexts."+add, "the service %s is not built", name)
		}
	}
	if len(s.Build.Platforms) > 0 && s.Platform != "" && !slices.Contains(s.Build.Platforms, s.Platform) {
		return wrong(s, "build.platforms", "the service's platform %s is not among them", s.Platform)
	}
	return nil
}

func checkNetworks(p *types.Project, s types.ServiceConfig) error {
	if s.NetworkMode != "" && len(s.Networks) > 0 {
		return wrong(s, "", "network_mode and networks exclude each other")
	}
	for _, name := range sorted(s.Networks) {
		if _, ok := p.Networks[name]; !ok {
			return undefined(s, "networks", name)
		}
	}
	if name, ok := strings.CutPrefix(s.NetworkMode, types.ServicePrefix); ok {
		if _, err := p.GetServices(name); err != nil {
			return wrong(s, "network_mode", "there is no service %s", name)
		}
	}
	return nil
}

func undefined(s types.ServiceConfig, section, name string) error {
	return wrong(s, section, "%s is undefined: the file has no %s.%s", name, section, name)
}

func checkHealth(_ *types.Project, s types.ServiceConfig) error {
	if s.HealthCheck == nil || len(s.HealthCheck.Test) == 0 || slices.Contains([]string{"CMD", "CMD-SHELL", "NONE"}, s.HealthCheck.Test[0]) {
		return nil
	}
	return wrong(s, "healthcheck.test", "the list begins with CMD, CMD-SHELL or NONE, not %q", s.HealthCheck.Test[0])
}

func checkNeeds(p *types.Project, s types.ServiceConfig) error {
	for _, name := range sorted(s.DependsOn) {
		if _, err := p.GetService(name); err == nil || errors.Is(err, errdefs.ErrDisabled) && !s.DependsOn[name].Required {
			continue
		}
		if _, ok := p.Jobs[name]; ok {
			return wrong(s, "depends_on", "%s is a job, and a service depends on services", name)
		}
		if _, ok := p.DisabledServices[name]; ok {
			return wrong(s, "depends_on", "undefined service %s: it is of a profile that is off", name)
		}
		return wrong(s, "depends_on", "undefined service %s", name)
	}
	return nil
}

// checkUses: what a service uses is there.
func checkUses(p *types.Project, s types.ServiceConfig) error {
	for _, v := range s.Volumes {
		if _, ok := p.Volumes[v.Source]; v.Type == types.VolumeTypeVolume && v.Source != "" && !ok {
			return undefined(s, "volumes", v.Source)
		}
	}
	if s.Build != nil {
		for _, use := range s.Build.Secrets {
			if _, ok := p.Secrets[use.Source]; !ok {
				return wrong(s, "build.secrets", "%s is undefined: the file has no secrets.%s", use.Source, use.Source)
			}
		}
	}
	for _, use := range s.Configs {
		if _, ok := p.Configs[use.Source]; !ok {
			return undefined(s, "configs", use.Source)
		}
	}
	for _, name := range sorted(s.Models) {
		if _, ok := p.Models[name]; !ok {
			return undefined(s, "models", name)
		}
	}
	for _, use := range s.Secrets {
		if _, ok := p.Secrets[use.Source]; !ok {
			return undefined(s, "secrets", use.Source)
		}
	}
	return nil
}

func checkScale(_ *types.Project, s types.ServiceConfig) error {
	if s.Scale != nil && s.Deploy != nil {
		if s.Deploy.Replicas != nil && *s.Scale != *s.Deploy.Replicas {
			return wrong(s, "scale", "it is %d, and deploy.replicas is %d", *s.Scale, *s.Deploy.Replicas)
		}
		s.Deploy.Replicas = s.Scale
	}
	attribute := "scale"
	if s.Scale == nil {
		attribute = "deploy.replicas"
	}
	if n := s.GetScale(); n < 0 {
		return wrong(s, attribute, "it is %d, and must be 0 or more", n)
	} else if n > 1 && s.ContainerName != "" {
		return wrong(s, "container_name", "%d containers cannot have one name (%s)", n, attribute)
	}
	return nil
}

// checkLimits: a limit that is said in two places is one.
func checkLimits(_ *types.Project, s types.ServiceConfig) error {
	if s.Deploy == nil {
		return nil
	}
	differs := func(attribute, other string) error {
		return wrong(s, attribute, "deploy.resources.%s is another", other)
	}
	if l := s.Deploy.Resources.Limits; l != nil {
		switch {
		case s.CPUS != 0 && l.NanoCPUs.Value() != s.CPUS:
			return differs("cpus", "limits.cpus")
		case s.MemLimit != 0 && l.MemoryBytes != s.MemLimit:
			return differs("mem_limit", "limits.memory")
		case s.PidsLimit != 0 && l.Pids != s.PidsLimit:
			return differs("pids_limit", "limits.pids")
		}
	}
	if r := s.Deploy.Resources.Reservations; r != nil && s.MemReservation != 0 && r.MemoryBytes != s.MemReservation {
		return differs("mem_reservation", "reservations.memory")
	}
	return nil
}

func checkWatch(_ *types.Project, s types.ServiceConfig) error {
	if s.Develop == nil {
		return nil
	}
	for i, w := range s.Develop.Watch {
		if w.Target == "" && w.Action != types.WatchActionRebuild && w.Action != types.WatchActionRestart {
			return wrong(s, fmt.Sprintf("develop.watch[%d]", i), "target is missing, which %s needs", w.Action)
		}
	}
	return nil
}

// checkTargets: nothing is mounted where something else is.
func checkTargets(_ *types.Project, s types.ServiceConfig) error {
	mounts := map[string]string{}
	put := func(target, at string) error {
		if other, ok := mounts[target]; ok {
			return wrong(s, at, "%s has %s there already", target, other)
		}
		mounts[target] = at
		return nil
	}
	for i, t := range s.Tmpfs {
		target, _, _ := strings.Cut(t, ":")
		if err := put(target, fmt.Sprintf("tmpfs[%d]", i)); err != nil {
			return err
		}
	}
	for i, v := range s.Volumes {
		if err := put(v.Target, fmt.Sprintf("volumes[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func checkJobs(p *types.Project) error {
	for _, name := range sorted(p.AllJobs()) {
		_, on := p.Services[name]
		_, off := p.DisabledServices[name]
		if on || off {
			return &Error{Path: "jobs." + name, Text: "a service has this name, too"}
		}
	}
	for _, name := range sorted(p.Jobs) {
		for _, need := range sorted(p.Jobs[name].DependsOn) {
			_, job := p.Jobs[need]
			_, err := p.GetService(need)
			if job || err == nil || errors.Is(err, errdefs.ErrDisabled) && !p.Jobs[name].DependsOn[need].Required {
				continue
			}
			return &Error{Path: "jobs." + name + ".depends_on", Text: fmt.Sprintf("there is no service or job %s", need)}
		}
	}
	return nil
}
