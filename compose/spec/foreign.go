package spec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/types"

	interp "github.com/compose-spec/compose-go/v2/interpolation"
)

// fromElsewhere begins what a file of elsewhere is told.
const fromElsewhere = "a stack that is fetched reaches nothing of this machine"

// withMine is how people let it.
const withMine = "; a file of your own may, with -f FILE behind it"

// foreign refuses what a document that was fetched wants of this machine: files to be
// mounted, read or watched, and recipes, whose compilers are programs of this machine. It
// notes which variables the document takes. All of it is held against what paths became
// with their variables replaced; that the folder it lies in is ours makes no difference.
func (l *loader) foreign(r reading) error {
	v, err := l.canonical(clone(r.tree).(map[string]any), r)
	if err != nil {
		return err
	}
	f := &stranger{loader: l, reading: r}
	f.places()
	for _, e := range listed(v["include"]) {
		m, _ := e.v.(map[string]any)
		at := []string{"include", e.key}
		for _, name := range slices.Concat(textsOf(e.text()), textsOf(m["path"])) {
			if elsewhere(l.remote, name) == nil {
				f.refuse(at, name)
			}
		}
		f.paths(m, at, "env_file", "project_directory")
	}
	for _, section := range []string{"services", "jobs"} {
		services, _ := v[section].(map[string]any)
		for _, name := range sorted(services) {
			service, _ := services[name].(map[string]any)
			f.container(service, []string{section, name})
			for _, e := range listed(service["pre_start"]) {
				hook, _ := e.v.(map[string]any)
				f.container(hook, []string{section, name, "pre_start", e.key})
			}
			f.variables(service)
			l.show(section, name, service)
		}
	}
	for _, section := range []string{"networks", "volumes"} {
		parts, _ := v[section].(map[string]any)
		for _, name := range sorted(parts) {
			part, _ := parts[name].(map[string]any)
			l.show(section, name, part)
		}
	}
	for _, section := range []string{"secrets", "configs"} {
		objects, _ := v[section].(map[string]any)
		for _, name := range sorted(objects) {
			object, _ := objects[name].(map[string]any)
			f.paths(object, []string{section, name}, "file")
			f.variables(object)
		}
	}
	if f.err != nil {
		return f.err
	}
	return nil
}

// show has who asked for it look at a part of what was fetched.
func (l *loader) show(section, name string, part map[string]any) {
	if l.stranger != nil {
		l.stranger(l.called, section, name, part)
	}
}

// A stranger is a document that was fetched, and the first thing that it may not.
type stranger struct {
	*loader
	reading
	err *Error
}

// An entry is one of a list.
type entry struct {
	key string
	v   any
}

func (e entry) text() any { s, _ := e.v.(string); return any(s) }

func listed(v any) []entry {
	list, _ := v.([]any)
	out := make([]entry, len(list))
	for i, e := range list {
		out[i] = entry{strconv.Itoa(i), e}
	}
	return out
}

func (f *stranger) refuse(at []string, what string) {
	if f.err == nil && what != "" {
		f.err = &Error{File: f.file, Line: f.line(at), Path: written(at), Text: fmt.Sprintf("%s, and this one wants %s%s", fromElsewhere, what, withMine)}
	}
}

// places refuses names of other files with variables in them: the file is asked for before
// anybody is asked, and whoever has it would read them in its name.
func (f *stranger) places() {
	for _, e := range listed(f.document.tree["include"]) {
		f.place([]string{"include", e.key}, e.v)
	}
	for _, section := range []string{"services", "jobs"} {
		services, _ := f.document.tree[section].(map[string]any)
		for _, name := range sorted(services) {
			service, _ := services[name].(map[string]any)
			f.place([]string{section, name, "extends"}, service["extends"])
		}
	}
}

// place looks for variables in a value, wherever there are some.
func (f *stranger) place(at []string, v any) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "$") {
			f.refuse(at, "another file by a variable, "+shown(v)+",")
		}
	case []any:
		for _, e := range v {
			f.place(at, e)
		}
	case map[string]any:
		for _, key := range sorted(v) {
			f.place(at, v[key])
		}
	}
}

// paths refuses attributes that are files.
func (f *stranger) paths(in map[string]any, at []string, attributes ...string) {
	for _, name := range attributes {
		v := in[name]
		if list, ok := v.([]any); v == nil || v == "" || ok && len(list) == 0 {
			continue
		}
		what := strings.Join(textsOf(v), ", ")
		if _, ok := v.([]any); ok {
			what = name
		}
		if what == "" {
			what = name
		}
		f.refuse(append(slices.Clone(at), name), what)
	}
}

// container refuses what a container, or one before it, has of this machine.
func (f *stranger) container(c map[string]any, at []string) {
	f.paths(c, at, "env_file", "label_file")
	for _, key := range []string{"build", "develop"} {
		if c[key] != nil {
			what := map[string]string{"build": "to be built here", "develop": "to watch files"}[key]
			f.refuse(append(slices.Clone(at), key), what)
		}
	}
	for _, key := range []string{"extends", "credential_spec"} {
		m, _ := c[key].(map[string]any)
		if name, _ := m["file"].(string); name != "" && (key != "extends" || elsewhere(f.remote, name) == nil) {
			f.refuse(append(slices.Clone(at), key, "file"), name)
		}
	}
	for _, e := range listed(c["volumes"]) {
		m, ok := e.v.(map[string]any)
		if !ok { // with variables as they are written it may not be what it is to be
			continue
		}
		kind, _ := m["type"].(string)
		if raw := f.raw && strings.Contains(kind, "$"); raw || slices.Contains(mountedFromStores, kind) {
			continue
		}
		source, _ := m["source"].(string)
		if source == "" {
			source = "a mount of " + strconv.Quote(kind)
		}
		f.refuse(append(slices.Clone(at), "volumes", e.key), source)
	}
}

// mountedFromStores are the kinds of mounts that are no files of this machine.
var mountedFromStores = []string{types.VolumeTypeVolume, types.VolumeTypeTmpfs, types.VolumeTypeImage}

// variables notes those without a value, wherever there are some.
func (f *stranger) variables(in any) {
	switch in := in.(type) {
	case map[string]any:
		for key, v := range in {
			if key == "environment" {
				f.valueless(v)
			}
			f.variables(v)
		}
	case []any:
		for _, v := range in {
			f.variables(v)
		}
	}
}

func (f *stranger) valueless(v any) {
	switch v := v.(type) {
	case string:
		f.want(v)
	case []any:
		for _, e := range v {
			if name, _ := e.(string); !strings.Contains(name, "=") {
				f.want(name)
			}
		}
	case map[string]any:
		for name, e := range v {
			if e == nil {
				f.want(name)
			}
		}
	}
}

// want notes that a stack that was fetched takes a variable, if this machine has it.
func (l *loader) want(name string) {
	if key := strings.ToUpper(name); l.host[key] && name != consts.ComposeProjectName {
		l.wants[name] = true
	}
}

// lookup finds variables of a scope, and notes those that go to what was fetched.
func (l *loader) lookup(in scope) interp.LookupValue {
	look := (&types.ConfigDetails{Environment: in.env}).LookupEnv
	if !in.foreign {
		return look
	}
	return func(name string) (string, bool) {
		v, ok := look(name)
		if ok {
			l.want(name)
		}
		return v, ok
	}
}
