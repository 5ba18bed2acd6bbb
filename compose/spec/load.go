package spec

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	interp "github.com/compose-spec/compose-go/v2/interpolation"
	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/paths"
	"github.com/compose-spec/compose-go/v2/transform"
	"github.com/compose-spec/compose-go/v2/tree"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/validation"
)

// A loader makes one tree of many files.
type loader struct {
	shape  *shape
	raw    bool
	warn   *warnings
	remote []Remote
	// stranger is shown the services, networks and volumes of what was fetched.
	stranger func(project, section, name string, part map[string]any)
	called   string // the project
	fetched  bool   // something is of elsewhere
	// What may still be read: values, files, and the work of replacing variables.
	budget, files int
	work, visits  int
	// host are the variables that this machine has and nobody named, in capital letters;
	// wants are those of them that go to files that were fetched.
	host, wants map[string]bool

	casts    map[tree.Path]interp.Cast
	seen     []*seen                   // all documents, for the lines of what is wrong
	included map[string]map[string]any // by what is included, and with what around it
	contents contents
}

// A reading is a document, with its variables replaced.
type reading struct {
	document
	tree map[string]any
}

// A seen document was read in a scope.
type seen struct {
	document
	in scope
	// found is what is wrong with it by itself, as soon as somebody asked.
	found  []finding
	looked bool
}

// A scope is what a file is read in.
type scope struct {
	dir string // what paths are relative to
	env types.Mapping
	// own is what files of one's own have for env, where others bring more; nil is env.
	own   types.Mapping
	chain []string // the files that include it, from the outermost
	// relative has paths stay as they are.
	relative bool
	foreign  bool // it was fetched
	bases    map[string]base
}

// model makes the tree of files that are put one over the other.
func (l *loader) model(ctx context.Context, sources []source, in scope) (map[string]any, error) {
	out := map[string]any{}
	in.bases = map[string]base{}
	var last reading
	for _, s := range sources {
		in := in
		in.foreign = s.foreign
		if !s.foreign && in.own != nil {
			in.env = in.own
		}
		in.chain = append(slices.Clone(in.chain), s.name)
		for _, d := range s.documents {
			r, err := l.variables(d, in)
			if err != nil {
				return nil, err
			}
			if out, err = l.add(ctx, out, r, in); err != nil {
				return nil, err
			}
			last = r
		}
	}
	if err := l.finish(out, last, in); err != nil {
		return nil, err
	}
	if !l.raw {
		l.resolve(out, in.env)
	}
	return out, nil
}

// add puts a document over what others say.
func (l *loader) add(ctx context.Context, under map[string]any, r reading, in scope) (map[string]any, error) {
	if in.foreign {
		if err := l.foreign(r); err != nil {
			return nil, err
		}
	}
	if err := l.include(ctx, r, in); err != nil {
		return nil, err
	}
	reset(under, r.resets, tree.NewPath())
	if err := l.extend(ctx, r, in); err != nil {
		return nil, err
	}
	out, err := l.over(under, r)
	if err != nil {
		return nil, err
	}
	if err := l.check(out, r); err != nil {
		return nil, err
	}
	if _, ok := out["version"]; ok {
		l.warn.once(shown(r.file) + ": version: means nothing any more, and can be left out")
		delete(out, "version")
	}
	return l.canonical(out, r)
}

// over merges a document into a tree.
func (l *loader) over(under map[string]any, r reading) (out map[string]any, err error) {
	merge := func(under, over map[string]any) error {
		return guard(func() error {
			if out, err = override.Merge(under, over); err == nil {
				out, err = override.EnforceUnicity(out)
			}
			return err
		})
	}
	each := size(under)
	if err := l.visit(each + size(r.tree)); err != nil {
		return nil, &Error{File: r.file, Text: err.Error(), Err: err}
	}
	before := clone(under).(map[string]any)
	if err := merge(under, clone(r.tree).(map[string]any)); err != nil {
		tried := 0
		return nil, l.blame(r, r.tree, err, func(part map[string]any) error {
			if tried += each; tried > maxTried {
				return nil
			}
			return merge(clone(before).(map[string]any), part)
		})
	}
	return out, nil
}

// canonical has long forms for short ones.
func (l *loader) canonical(in map[string]any, r reading) (out map[string]any, err error) {
	step := func(part map[string]any) error {
		return l.warn.during(func() error {
			return guard(func() error {
				if out, err = transform.Canonical(part, l.raw); err != nil {
					return err
				}
				withoutEmpty(out)
				out, err = override.EnforceUnicity(out) // ranges of ports have become ports
				return err
			})
		})
	}
	if err := l.ranges(in); err != nil {
		return nil, &Error{File: r.file, Text: err.Error(), Err: err}
	}
	before := clone(in).(map[string]any)
	if err := step(in); err != nil {
		return nil, l.blame(r, before, err, step)
	}
	return out, nil
}

// finish fills in what goes without saying, and has paths begin at the root.
func (l *loader) finish(out map[string]any, r reading, in scope) error {
	remotes := make([]paths.RemoteResource, len(l.remote))
	for i, e := range l.remote {
		remotes[i] = e.Accept
	}
	for _, step := range []func(part map[string]any) error{
		func(part map[string]any) error { _, err := transform.SetDefaultValues(part); return err },
		validation.Validate,
		func(part map[string]any) error {
			if in.relative {
				return nil
			}
			return paths.ResolveRelativePaths(part, in.dir, remotes)
		},
	} {
		guarded := func(part map[string]any) error {
			return l.warn.during(func() error { return guard(func() error { return step(part) }) })
		}
		if err := guarded(out); err != nil {
			return l.blame(r, out, err, guarded)
		}
	}
	return nil
}

// withoutEmpty leaves out servers of names that are none.
func withoutEmpty(out map[string]any) {
	for _, section := range []string{"services", "jobs"} {
		list, _ := out[section].(map[string]any)
		for _, v := range list {
			service, _ := v.(map[string]any)
			if dns, ok := service["dns"].([]any); ok {
				service["dns"] = slices.DeleteFunc(dns, func(v any) bool { return v == nil || v == "" })
			}
		}
	}
}

// reset leaves out of a tree what a document says is to be begun anew.
func reset(v any, resets []tree.Path, at tree.Path) {
	m, _ := v.(map[string]any)
	for key, e := range m {
		next := at.Next(key)
		if slices.ContainsFunc(resets, next.Matches) {
			delete(m, key)
			continue
		}
		reset(e, resets, next)
	}
}

// check holds a tree against the tables of attributes.
func (l *loader) check(out map[string]any, r reading) error {
	var found []finding
	l.shape.check(out, nil, &found)
	if len(found) == 0 {
		return nil
	}
	errs := make([]*Error, len(found))
	for i, f := range found {
		errs[i] = l.locate(f, r)
	}
	slices.SortStableFunc(errs, func(a, b *Error) int { // as they stand in the file
		if a.File != b.File {
			return 0
		}
		return a.Line - b.Line
	})
	errs[0].More = len(errs) - 1
	return errs[0]
}

// locate finds where something is written: it may have come from a file that is included
// or extended, and lists that were merged have other places for their items.
func (l *loader) locate(f finding, r reading) *Error {
	l.warn.quiet = true // what is done again is told once
	for _, whole := range []bool{true, false} {
		for i := len(l.seen) - 1; i >= 0; i-- {
			for _, o := range l.alone(l.seen[i]) {
				if o.text == f.text && same(o.path, f.path, whole) {
					return &Error{File: l.seen[i].file, Line: l.seen[i].line(o.path), Path: written(o.path), Text: f.text}
				}
			}
		}
	}
	return &Error{File: r.file, Line: r.line(f.path), Path: written(f.path), Text: f.text}
}

// alone is what is wrong with a document by itself. It is looked at once more, with its
// variables, however much is to be located.
func (l *loader) alone(s *seen) []finding {
	if !s.looked {
		s.looked = true
		if again, err := l.replaced(s.document, s.in); err == nil {
			l.shape.check(again.tree, nil, &s.found)
		}
	}
	return s.found
}

// same tells paths that are one but for places in lists, and for the service that they
// are of unless they are to be whole.
func same(a, b []string, whole bool) bool {
	return slices.EqualFunc(a, b, func(x, y string) bool {
		_, err1 := strconv.Atoi(x)
		_, err2 := strconv.Atoi(y)
		return x == y || err1 == nil && err2 == nil
	}) || !whole && len(a) > 2 && len(b) > 2 && a[0] == b[0] && same(a[2:], b[2:], true)
}

// written is a path as people write it.
func written(path []string) string {
	out := ""
	for _, p := range path {
		_, err := strconv.Atoi(p)
		switch {
		case err == nil && out != "":
			out += "[" + p + "]"
		case out == "":
			out = p
		default:
			out += "." + p
		}
	}
	return out
}

// resolve has variables in lists that are named without a value take that of what is
// around, and keeps what secrets and configs are made of.
func (l *loader) resolve(out map[string]any, env types.Mapping) {
	for _, section := range []string{"services", "jobs"} {
		list, _ := out[section].(map[string]any)
		for _, v := range list {
			service, _ := v.(map[string]any)
			vars, ok := service["environment"].([]any)
			if !ok {
				continue
			}
			resolved := make([]any, 0, len(vars))
			for _, v := range vars {
				if name, ok := v.(string); ok {
					if value, ok := env[name]; ok {
						v = name + "=" + value
					}
					resolved = append(resolved, v)
				}
			}
			service["environment"] = resolved
		}
	}
	maps.Copy(l.contents.secrets, contentsOf(out["secrets"], env))
	maps.Copy(l.contents.configs, contentsOf(out["configs"], env))
}

func contentsOf(section any, env types.Mapping) map[string]string {
	out := map[string]string{}
	list, _ := section.(map[string]any)
	for name, v := range list {
		object, _ := v.(map[string]any)
		if variable, ok := object["environment"].(string); ok {
			if value, ok := env[variable]; ok {
				out[name] = value
			}
		}
	}
	return out
}

// absolute is a path of a scope.
func (in scope) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(in.dir, name)
}

// local has a file on this machine.
func (l *loader) local(ctx context.Context, name string, in scope) (path string, fetched bool, err error) {
	if r := elsewhere(l.remote, name); r != nil {
		l.fetched = true
		path, err = r.Load(ctx, name)
		return path, true, err
	}
	return in.absolute(name), false, nil
}
