package spec

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/tree"
)

// maxChain bounds includes of includes.
const maxChain = 50

// sections are what a file has of an included one.
var sections = []string{"services", "jobs", "volumes", "networks", "secrets", "configs", "models"}

// An inclusion is an entry of include.
type inclusion struct {
	paths, envFiles []string
	dir             string
}

// include has a document's includes in its tree.
func (l *loader) include(ctx context.Context, r reading, in scope) error {
	v, ok := r.tree["include"]
	if !ok {
		return nil
	}
	var found []finding
	(&shape{kinds: list | null, item: include()}).check(v, []string{"include"}, &found)
	if len(found) > 0 {
		return l.locate(found[0], r)
	}
	list, _ := v.([]any)
	for i, v := range list {
		err := l.includeOne(ctx, r, inclusionOf(v), in)
		if _, told := err.(*Error); err != nil && !told {
			path := []string{"include", strconv.Itoa(i)}
			return &Error{File: r.file, Line: r.line(path), Path: written(path), Text: err.Error(), Err: err}
		}
		if err != nil {
			return err
		}
	}
	delete(r.tree, "include")
	return nil
}

func inclusionOf(v any) inclusion {
	m, ok := v.(map[string]any)
	if !ok {
		return inclusion{paths: textsOf(v)}
	}
	dir, _ := m["project_directory"].(string)
	return inclusion{textsOf(m["path"]), textsOf(m["env_file"]), dir}
}

// textsOf is text, or a list of it, as a list.
func textsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, fmt.Sprint(e))
		}
		return out
	}
	return nil
}

// includeOne reads the files of one entry as a project of their own, and has what it says
// under what the document says.
func (l *loader) includeOne(ctx context.Context, r reading, e inclusion, in scope) error {
	if len(e.paths) == 0 {
		return fmt.Errorf("path is missing")
	}
	inner := scope{chain: in.chain}
	foreign := make([]bool, len(e.paths))
	for i, name := range e.paths {
		path, fetched, err := l.local(ctx, name, in)
		if err != nil {
			return err
		}
		if slices.Contains(in.chain, path) {
			return fmt.Errorf("a cycle: %s", cycle(append(slices.Clone(in.chain), path), " includes "))
		}
		e.paths[i], foreign[i] = path, fetched
	}
	if len(in.chain) > maxChain {
		return fmt.Errorf("files are included more than %d deep", maxChain)
	}
	inner.dir = filepath.Dir(e.paths[0])
	if e.dir != "" {
		inner.dir = in.absolute(e.dir)
	}
	inner.foreign = foreign[0] && e.dir == ""
	if err := l.includedVariables(&inner, e.envFiles, in); err != nil {
		return err
	}
	imported, err := l.includedModel(ctx, e.paths, foreign, inner)
	if err != nil {
		return err
	}
	return l.take(imported, r)
}

// cycle shows files, or services, one after the other.
func cycle(list []string, word string) string {
	for i, name := range list {
		list[i] = shown(name)
	}
	return strings.Join(list, word)
}

// includedVariables are those around, and over them those of the env files. A stack that was
// fetched may bring its own.
func (l *loader) includedVariables(s *scope, files []string, in scope) error {
	own := scope{env: in.env}
	var list []string
	for _, name := range files {
		if name == os.DevNull || name == "/dev/null" {
			continue
		}
		list = append(list, in.absolute(name))
	}
	if len(files) == 0 {
		name := filepath.Join(s.dir, ".env")
		if i, err := os.Stat(name); err == nil && !i.IsDir() {
			list, own.foreign = []string{name}, s.foreign
		}
	}
	vars, err := l.variablesOf(list, l.lookup(own), false)
	if err != nil {
		return err
	}
	if s.env = in.env.Clone().Merge(vars); own.foreign {
		s.own = in.env
	}
	return nil
}

// includedModel reads files once for each of what is around them.
func (l *loader) includedModel(ctx context.Context, names []string, foreign []bool, in scope) (map[string]any, error) {
	b, err := json.Marshal([]any{names, in.dir, in.env, in.own})
	if err != nil {
		return nil, err
	}
	key := string(b)
	if l.work += len(key); l.work > maxWork {
		return nil, fmt.Errorf("too many files are included")
	}
	if m, ok := l.included[key]; ok {
		if err := l.visit(size(m)); err != nil {
			return nil, err
		}
		return clone(m).(map[string]any), nil
	}
	var sources []source
	for i, name := range names {
		data, err := readFile(name)
		if err != nil {
			return nil, err
		}
		s, err := l.parse(ctx, name, data, foreign[i])
		if err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	m, err := l.model(ctx, sources, in)
	if err != nil {
		return nil, err
	}
	l.included[key] = clone(m).(map[string]any)
	return m, nil
}

// take has what is imported in a document; what it says itself wins.
func (l *loader) take(imported map[string]any, r reading) error {
	for _, section := range sections {
		from, ok := imported[section].(map[string]any)
		if !ok {
			continue
		}
		to, ok := r.tree[section].(map[string]any)
		if !ok {
			if v, there := r.tree[section]; there {
				path := []string{section}
				return &Error{File: r.file, Line: r.line(path), Path: section, Text: fmt.Sprintf("a mapping is expected, and %s is there", show(v, kindOf(v)))}
			}
			to = map[string]any{}
			r.tree[section] = to
		}
		for _, name := range sorted(from) {
			own, there := to[name]
			if !there {
				to[name] = from[name]
			}
			if !there || reflect.DeepEqual(from[name], own) { // it was reached by another way
				continue
			}
			reset(map[string]any{section: map[string]any{name: from[name]}}, r.resets, tree.NewPath())
			err := guard(func() (err error) {
				to[name], err = override.MergeYaml(from[name], own, tree.NewPath(section, name))
				return err
			})
			if err != nil {
				path := []string{section, name}
				return &Error{File: r.file, Line: r.line(path), Path: written(path), Text: said(err), Err: err}
			}
		}
	}
	return nil
}
