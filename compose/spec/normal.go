package spec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/types"
)

// normalise fills in what a stack has without saying it: the default network, a build's
// folder and recipe, what a service depends on by using it, names. env is nil where
// variables stay as they are.
func (l *loader) normalise(tree map[string]any, project string, env types.Mapping) error {
	tree["name"] = project
	joinDefault(tree)
	for _, section := range []string{"services", "jobs"} {
		list, _ := tree[section].(map[string]any)
		for _, name := range sorted(list) {
			if service, ok := list[name].(map[string]any); ok {
				if err := l.normaliseService(service, env); err != nil {
					return &Error{Path: written([]string{section, name}), Text: said(err), Err: err}
				}
			}
		}
	}
	nameByKey(tree, project)
	return nil
}

// joinDefault has who joins no network join the default one, and that be there if it is
// used.
func joinDefault(tree map[string]any) {
	used := false
	for _, section := range []string{"services", "jobs"} {
		list, _ := tree[section].(map[string]any)
		for _, v := range list {
			service, ok := v.(map[string]any)
			if !ok || has(service, "provider") || has(service, "network_mode") {
				continue
			}
			if joined, _ := service["networks"].(map[string]any); len(joined) > 0 {
				used = used || has(joined, "default")
				continue
			}
			service["networks"] = map[string]any{"default": nil}
			used = true
		}
	}
	networks, _ := tree["networks"].(map[string]any)
	if used && !has(networks, "default") {
		if networks == nil {
			networks = map[string]any{}
		}
		networks["default"] = nil
	}
	if len(networks) > 0 {
		tree["networks"] = networks
	}
}

func has(m map[string]any, key string) bool {
	_, ok := m[key]
	return ok
}

func (l *loader) normaliseService(service map[string]any, env types.Mapping) error {
	if service["pull_policy"] == types.PullPolicyIfNotPresent {
		service["pull_policy"] = types.PullPolicyMissing
	}
	if build, ok := service["build"].(map[string]any); ok {
		if build["context"] == nil {
			build["context"] = "."
		}
		if build["dockerfile"] == nil && build["dockerfile_inline"] == nil {
			build["dockerfile"] = "Dockerfile"
		}
		if args, ok := build["args"]; ok && env != nil {
			build["args"] = given(args, env, false)
		}
	}
	if vars, ok := service["environment"]; ok && env != nil {
		service["environment"] = given(vars, env, true)
	}
	volumes, _ := service["volumes"].([]any)
	for _, v := range volumes {
		mount, _ := v.(map[string]any)
		if target, ok := mount["target"].(string); ok {
			mount["target"] = path.Clean(target)
		}
	}
	dependOnUsed(service)
	return l.completeHooks(service)
}

// given has variables without a value take that of what is around; what has none is kept
// or left out.
func given(v any, env types.Mapping, keep bool) any {
	switch v := v.(type) {
	case []any:
		var out []any
		for _, e := range v {
			name, ok := e.(string)
			if !ok || strings.Contains(name, "=") {
				out = append(out, e)
			} else if value, ok := env[name]; ok {
				out = append(out, name+"="+value)
			} else if keep {
				out = append(out, e)
			}
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, e := range v {
			value, ok := env[name]
			switch {
			case e != nil:
				out[name] = e
			case ok:
				out[name] = value
			case keep:
				out[name] = nil
			}
		}
		return out
	}
	return v
}

// dependOnUsed has a service depend on those that it uses by links, by what it shares, and
// by volumes.
func dependOnUsed(service map[string]any) {
	depends, _ := service["depends_on"].(map[string]any)
	need := func(name string, restart bool) {
		if depends == nil {
			depends = map[string]any{}
		}
		if !has(depends, name) {
			depends[name] = map[string]any{"condition": types.ServiceConditionStarted, "restart": restart, "required": true}
		}
	}
	for _, name := range textsOf(service["links"]) {
		if before, after, two := strings.Cut(name, ":"); two && !strings.Contains(after, ":") {
			name = before
		}
		need(name, true)
	}
	for _, space := range []string{"network_mode", "ipc", "pid", "uts", "cgroup"} {
		ref, _ := service[space].(string)
		if name, ok := strings.CutPrefix(ref, types.ServicePrefix); ok {
			need(name, true)
		}
	}
	for _, from := range textsOf(service["volumes_from"]) {
		if !strings.HasPrefix(from, types.ContainerPrefix) {
			name, _, _ := strings.Cut(from, ":")
			need(name, false)
		}
	}
	if len(depends) > 0 {
		service["depends_on"] = depends
	}
}

// completeHooks has containers that run before a service be as the service is, but for
// what they say themselves, and for its volumes.
func (l *loader) completeHooks(service map[string]any) error {
	hooks, _ := service["pre_start"].([]any)
	if len(hooks) == 0 {
		return nil
	}
	base := map[string]any{}
	for key, v := range service {
		if key != "volumes" && slices.Contains(types.ContainerSpecAttributes, key) {
			base[key] = v
		}
	}
	for i, h := range hooks {
		hook, ok := h.(map[string]any)
		if !ok {
			continue
		}
		own, err := l.copied(base)
		if err != nil {
			return fmt.Errorf("pre_start: %w", err)
		}
		under := map[string]any{"services": map[string]any{"hook": own}}
		err = guard(func() error {
			merged, err := override.Merge(under, map[string]any{"services": map[string]any{"hook": hook}})
			if err == nil {
				hooks[i] = merged["services"].(map[string]any)["hook"]
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("pre_start: %w", err)
		}
	}
	return nil
}

// nameByKey names networks and the like: their own name where they are of elsewhere, else
// with that of the project.
func nameByKey(tree map[string]any, project string) {
	for _, section := range []string{"networks", "volumes", "configs", "secrets"} {
		list, _ := tree[section].(map[string]any)
		for key, v := range list {
			object, _ := v.(map[string]any)
			if object == nil {
				object = map[string]any{}
			}
			list[key] = object
			if object["name"] != nil {
				continue
			}
			object["name"] = project + "_" + key
			if external, _ := strconv.ParseBool(fmt.Sprint(object["external"])); external {
				object["name"] = key
			}
		}
	}
}
