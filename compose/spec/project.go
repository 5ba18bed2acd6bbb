package spec

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/go-viper/mapstructure/v2"
)

// ProjectOptions say what is made of a model.
type ProjectOptions struct {
	Profiles []string
	// Elsewhere tells services that have no image of their own; nil tells none.
	Elsewhere    func(types.ServiceConfig) bool
	Inconsistent bool // parts may not fit each other
	NoEnvFiles   bool // variables of services are not read from files
}

// Project makes a project of the tree, checks that its parts fit each other, and reads the
// env files and label files of its services.
func (m *Model) Project(o ProjectOptions) (*types.Project, error) {
	in := m.Clone()
	delete(in, "name")
	for section, values := range map[string]map[string]string{"secrets": m.contents.secrets, "configs": m.contents.configs} {
		key := map[string]string{"secrets": types.SecretConfigXValue, "configs": "content"}[section]
		list, _ := in[section].(map[string]any)
		for name, value := range values {
			if object, ok := list[name].(map[string]any); ok {
				object[key] = value
			}
		}
	}
	gather(in, tree.NewPath())
	p := &types.Project{Name: m.Name, WorkingDir: m.Dir, Environment: m.Env}
	if err := m.loader.warn.during(func() error { return guard(func() error { return m.decode(in, p) }) }); err != nil {
		return nil, decodeError(err)
	}
	p.ComposeFiles = slices.Clone(m.Files)
	p, err := p.WithProfiles(o.Profiles)
	if err != nil {
		return nil, err
	}
	if !o.Inconsistent {
		if err := consistent(p, o.Elsewhere); err != nil {
			return nil, err
		}
	}
	if !o.NoEnvFiles {
		if err := m.Variables(p, false); err != nil {
			return nil, err
		}
	}
	return p, everyContainer(p, m.labels)
}

// decodeError is the decoder's error, of which it has many in one.
func decodeError(err error) error {
	text, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "decoding failed due to the following error(s):\n\n"), "\n")
	return fmt.Errorf("%s", text)
}

// chosen are the mappings whose keys people choose: x- begins a name there.
var chosen = []tree.Path{"services", "services.*.depends_on", "volumes", "networks", "secrets", "configs"}

// gather puts extensions of a mapping into one key.
func gather(m map[string]any, at tree.Path) {
	extra := map[string]any{}
	free := slices.ContainsFunc(chosen, at.Matches)
	for key, v := range m {
		if !free && strings.HasPrefix(key, "x-") {
			extra[key] = v
			delete(m, key)
			continue
		}
		switch v := v.(type) {
		case map[string]any:
			gather(v, at.Next(key))
		case []any:
			for i, e := range v {
				if e, ok := e.(map[string]any); ok {
					gather(e, at.Next(key).Next(strconv.Itoa(i)))
				}
			}
		}
	}
	if len(extra) > 0 {
		m[consts.Extensions] = extra
	}
}

// decode makes a value of the library's types.
func (m *Model) decode(from any, to any) error {
	d, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		DecodeHook: mapstructure.ComposeDecodeHookFunc(nameHook, m.ownHook, m.castHook, secretHook),
		Result:     to, TagName: "yaml", Squash: true,
	})
	if err != nil {
		return err
	}
	return d.Decode(from)
}

// nameHook has services and jobs know their names.
func nameHook(from, to reflect.Value) (any, error) {
	if t := to.Type(); t == reflect.TypeFor[types.Services]() || t == reflect.TypeFor[types.Jobs]() {
		if list, ok := from.Interface().(map[string]any); ok {
			for name, v := range list {
				if service, ok := v.(map[string]any); ok {
					service["name"] = name
				}
			}
		}
	}
	return from.Interface(), nil
}

// ownHook has types decode themselves that can.
func (m *Model) ownHook(from, to reflect.Value) (any, error) {
	type decoder interface{ DecodeMapstructure(any) error }
	d, ok := to.Interface().(decoder)
	if !ok && to.CanAddr() {
		d, ok = to.Addr().Interface().(decoder)
	}
	if !ok {
		return from.Interface(), nil
	}
	if _, words := d.(*types.ShellCommand); words && from.Kind() == reflect.String {
		if err := m.loader.words(from.String()); err != nil {
			return nil, err
		}
	}
	if to.Kind() == reflect.Pointer && to.IsNil() {
		to.Set(reflect.New(to.Type().Elem()))
		d = to.Interface().(decoder)
	}
	err := d.DecodeMapstructure(from.Interface())
	return to.Interface(), err
}

// castHook has text be what a variable stood for.
func (m *Model) castHook(from, to reflect.Value) (any, error) {
	switch from.Kind() {
	case reflect.String:
		switch to.Kind() {
		case reflect.Bool:
			return m.loader.warn.toBoolean(from.String())
		case reflect.Int:
			return toInt(from.String())
		case reflect.Int64:
			return toInt64(from.String())
		case reflect.Float32:
			return toFloat32(from.String())
		case reflect.Float64:
			return toFloat64(from.String())
		}
	case reflect.Int:
		if to.Kind() == reflect.String {
			return strconv.FormatInt(from.Int(), 10), nil
		}
	}
	return from.Interface(), nil
}

// secretHook has a secret's content, which has no attribute, be where its type has it.
func secretHook(_, to reflect.Type, data any) (any, error) {
	secret, ok := data.(map[string]any)
	if to != reflect.TypeFor[types.SecretConfig]() || !ok {
		return data, nil
	}
	extra, _ := secret[consts.Extensions].(map[string]any)
	if content, ok := extra[types.SecretConfigXValue].(string); ok {
		secret["Content"] = content
		delete(extra, types.SecretConfigXValue)
		if len(extra) == 0 {
			delete(secret, consts.Extensions)
		}
	}
	return data, nil
}
