package compose

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/state"
)

// models makes a service of each model that is used, and tells those who use it where
// it is.
func (f *File) models(s *Stack) error {
	for _, name := range sorted(s.Services) {
		user := s.Services[name]
		c := f.Project.Services[name]
		for _, key := range sorted(c.Models) {
			m := f.Project.Models[key]
			if s.Services[key] != nil && !s.Services[key].Model {
				return problemError("models."+key, "a service has that name, too", "another name for one of them")
			}
			s.Services[key] = cmp.Or(s.Services[key], modelService(key, m))
			reach(s.Services[key], user)
			user.Needs[key] = Need{Condition: types.ServiceConditionStarted, Required: true}
			endpoint, variable := modelVariables(key, c.Models[key])
			user.Container.Env = slices.Concat(user.Container.Env, []string{endpoint + "=http://" + key + ":" + ServedPort, variable + "=" + key})
		}
	}
	return nil
}

// modelVariables are the variables by which a service is told of a model.
func modelVariables(key string, c *types.ServiceModelConfig) (endpoint, name string) {
	prefix := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(key))
	endpoint, name = prefix+"_URL", prefix+"_MODEL"
	if c != nil {
		endpoint, name = cmp.Or(c.EndpointVariable, endpoint), cmp.Or(c.ModelVariable, name)
	}
	return endpoint, name
}

func modelService(key string, m types.ModelConfig) *Service {
	return &Service{
		Name: key, Model: true, Pull: types.PullPolicyMissing, Scale: 1, Needs: map[string]Need{},
		Container: Container{Image: m.Model, Served: key},
	}
}

// reach puts a model into the networks of who uses it.
func reach(model, user *Service) {
	for i, join := range user.Container.Networks {
		if slices.ContainsFunc(model.Container.Networks, func(j state.NetworkJoin) bool { return j.Name == join.Name }) {
			continue
		}
		model.Container.Networks = append(model.Container.Networks, state.NetworkJoin{Name: join.Name, Aliases: []string{model.Name}})
		model.Networks = append(model.Networks, user.Networks[i])
	}
}

// Resolve looks up where the services that live elsewhere are, and lets those who need
// them reach them by their names: those that depend on them, and nobody else.
func (s *Stack) Resolve(ctx context.Context) error {
	for _, name := range sorted(s.Services) {
		e := s.Services[name]
		if e.External == "" {
			continue
		}
		host, port, err := external(e.External)
		if err != nil {
			return problemError("services."+name+"."+KeyExternal, err.Error(), KeyExternal+": db.example.org:5432")
		}
		at, err := address(ctx, host)
		if err != nil {
			return fmt.Errorf("service %s lives at %s: %w", name, e.External, err)
		}
		for _, user := range s.Services {
			if _, needs := user.Needs[name]; !needs || user.External != "" {
				continue
			}
			user.Container.Hosts = append(user.Container.Hosts, name+":"+at)
			user.Container.Allow = append(user.Container.Allow, name+":"+port)
		}
	}
	return nil
}
