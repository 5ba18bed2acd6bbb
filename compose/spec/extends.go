package spec

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/compose-spec/compose-go/v2/override"
	"github.com/compose-spec/compose-go/v2/paths"
	"github.com/compose-spec/compose-go/v2/tree"
)

// A base is a file that services of others extend.
type base struct {
	services map[string]any
	resets   []tree.Path
}

// maxExtends bounds extensions of extensions.
const maxExtends = 500

// A bearer is where services are that extend others, or are extended: a section of a file,
// with its services as they are in the end as soon as they were asked for.
type bearer struct {
	file     string
	section  string
	services map[string]any
	resets   []tree.Path
}

// A link is a service of a file, in a chain of extensions.
type link struct{ file, service string }

// extend has services take what they extend.
func (l *loader) extend(ctx context.Context, r reading, in scope) error {
	for _, section := range []string{"services", "jobs"} {
		services, ok := r.tree[section].(map[string]any)
		if !ok {
			continue // which the tables will say
		}
		at := bearer{r.file, section, services, r.resets}
		for _, name := range sorted(services) {
			merged, err := l.extended(ctx, name, at, in, nil)
			if _, told := err.(*Error); err != nil && !told {
				path := []string{section, name, "extends"}
				return &Error{File: r.file, Line: r.line(path), Path: written(path), Text: err.Error(), Err: err}
			}
			if err != nil {
				return err
			}
			services[name] = merged
		}
	}
	return nil
}

// extended is a service with what it extends under it.
func (l *loader) extended(ctx context.Context, name string, at bearer, in scope, chain []link) (any, error) {
	service, ok := at.services[name].(map[string]any)
	if !ok {
		return at.services[name], nil
	}
	v, ok := service["extends"]
	if !ok {
		return service, nil
	}
	this := link{at.file, name}
	if slices.Contains(chain, this) {
		var names []string
		for _, c := range append(slices.Clone(chain[slices.Index(chain, this):]), this) {
			names = append(names, fmt.Sprintf("%s (%s)", c.service, shown(c.file)))
		}
		return nil, fmt.Errorf("a cycle: %s", cycle(names, " extends "))
	}
	if len(chain) > maxExtends {
		return nil, fmt.Errorf("services are extended more than %d deep", maxExtends)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ref, file, err := reference(v)
	if err != nil {
		return nil, err
	}
	from := at
	if file != "" {
		if from, err = l.base(ctx, file, in); err != nil {
			return nil, err
		}
	}
	if _, ok := from.services[ref]; !ok {
		return nil, fmt.Errorf("there is no service %s in %s", ref, shown(from.file))
	}
	under, err := l.extended(ctx, ref, from, in, append(slices.Clone(chain), this))
	if err != nil {
		return nil, err
	}
	if under == nil {
		return service, nil
	}
	again, err := l.copied(under)
	if err != nil {
		return nil, err
	}
	base, ok := again.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s of %s is no mapping", ref, shown(from.file))
	}
	reset(map[string]any{at.section: map[string]any{name: base}}, at.resets, tree.NewPath())
	var merged map[string]any
	err = guard(func() (err error) {
		merged, err = override.ExtendService(base, service)
		return err
	})
	if err != nil {
		return nil, err
	}
	delete(merged, "extends")
	at.services[name] = merged
	return merged, nil
}

// reference is the service that is extended, and its file; "" is the same one.
func reference(v any) (service, file string, err error) {
	switch v := v.(type) {
	case string:
		return v, "", nil
	case map[string]any:
		service, ok := v["service"].(string)
		if !ok {
			return "", "", fmt.Errorf("service is missing")
		}
		file, ok := v["file"].(string)
		if !ok && v["file"] != nil {
			return "", "", fmt.Errorf("file is text, not %v", v["file"])
		}
		return service, file, nil
	}
	return "", "", fmt.Errorf("a service's name is expected, or service: and file:")
}

// base reads a file that is extended. It is not held against the tables: what is made of
// its services will be.
func (l *loader) base(ctx context.Context, name string, in scope) (bearer, error) {
	path, foreign, err := l.local(ctx, name, in)
	if err != nil {
		return bearer{}, err
	}
	b, ok := in.bases[path]
	if !ok {
		in.foreign = foreign
		if b, err = l.readBase(ctx, path, in); err != nil {
			return bearer{}, err
		}
		in.bases[path] = b
	}
	return bearer{path, "services", b.services, b.resets}, nil
}

func (l *loader) readBase(ctx context.Context, path string, in scope) (base, error) {
	data, err := readFile(path)
	if err != nil {
		return base{}, err
	}
	s, err := l.parse(ctx, path, data, in.foreign)
	if err != nil {
		return base{}, err
	}
	out := base{}
	whole := map[string]any{}
	var last reading
	for _, d := range s.documents {
		r, err := l.variables(d, in)
		if err != nil {
			return base{}, err
		}
		if in.foreign {
			if err := l.foreign(r); err != nil {
				return base{}, err
			}
		}
		reset(whole, r.resets, tree.NewPath())
		if whole, err = l.over(whole, r); err != nil {
			return base{}, err
		}
		if whole, err = l.canonical(whole, r); err != nil {
			return base{}, err
		}
		out.resets, last = r.resets, r
	}
	services, ok := whole["services"].(map[string]any)
	if !ok {
		return base{}, fmt.Errorf("%s has no services", shown(path))
	}
	remotes := make([]paths.RemoteResource, len(l.remote))
	for i, e := range l.remote {
		remotes[i] = e.Accept
	}
	absolute := func(part map[string]any) error {
		return l.warn.during(func() error {
			return guard(func() error { return paths.ResolveRelativePaths(part, filepath.Dir(path), remotes) })
		})
	}
	if err := absolute(whole); err != nil {
		return base{}, l.blame(last, whole, err, absolute)
	}
	out.services = services
	return out, nil
}
