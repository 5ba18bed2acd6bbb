package spec

import (
	"errors"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"

	"github.com/wherry-run/wherry/internal/pattern"
)

// maxTries bounds how often a step is tried to find what it fails for.
const maxTries = 500

// blame finds what a step of the library's failed for, whose errors mostly do not say: the
// smallest part of the tree for which it fails alone.
func (l *loader) blame(r reading, whole map[string]any, err error, step func(part map[string]any) error) error {
	var path []string
	tries, tried := 0, 0
	var current any = whole
	for {
		name, child, why := failing(current, path, step, &tries, &tried)
		if why == nil {
			break
		}
		path, current, err = append(path, name), child, why
	}
	if e := l.better(r, path); e != nil {
		return e
	}
	return &Error{File: r.file, Line: r.line(path), Path: written(path), Text: said(err), Err: err}
}

// better is what the tables say of the part that a step failed for, which is in better
// words, if they say something.
func (l *loader) better(r reading, path []string) *Error {
	var found []finding
	l.shape.check(r.tree, nil, &found)
	for _, f := range found {
		n := min(len(f.path), len(path))
		if n > 0 && same(f.path[:n], path[:n], true) && !strings.HasSuffix(f.text, missing) {
			return l.locate(f, r)
		}
	}
	return nil
}

// failing is the first of a value's parts for which a step fails.
func failing(v any, path []string, step func(part map[string]any) error, tries, tried *int) (name string, child any, err error) {
	try := func(key string, e any) bool {
		if *tries++; *tries > maxTries || *tried > maxTried {
			return false
		}
		*tried += size(e)
		name, child, err = key, e, step(wrap(path, key, clone(e), v))
		return err != nil
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range sorted(v) {
			if try(key, v[key]) {
				return name, child, err
			}
		}
	case []any:
		for i, e := range v {
			if try(strconv.Itoa(i), e) {
				return name, child, err
			}
		}
	}
	return "", nil, nil
}

// wrap is a tree with nothing but one part of parent, which is at path.
func wrap(path []string, key string, v, parent any) map[string]any {
	if _, ok := parent.([]any); ok {
		v = []any{v}
	} else {
		v = map[string]any{key: v}
	}
	for i := len(path) - 1; i >= 0; i-- {
		if _, err := strconv.Atoi(path[i]); err == nil && i > 0 {
			v = []any{v}
			continue
		}
		v = map[string]any{path[i]: v}
	}
	return v.(map[string]any)
}

// whereSaid is how the library begins an error with where it is.
var whereSaid = pattern.New(`^(error while interpolating )?(services|jobs|networks|volumes|secrets|configs|models)\.[^ ]*: `)

// said is what the library says, without what it says of where.
func said(err error) string {
	var missing *template.MissingRequiredError
	var invalid *template.InvalidTemplateError
	switch {
	case errors.As(err, &missing):
		if missing.Reason != "" {
			return "the variable " + missing.Variable + " is missing: " + missing.Reason
		}
		return "the variable " + missing.Variable + " is missing"
	case errors.As(err, &invalid):
		return strconv.Quote(invalid.Template) + " has no variable after its $; a $ that is to stay is written $$"
	}
	text := strings.TrimSuffix(err.Error(), ": invalid compose project")
	text = whereSaid.ReplaceAllString(text, "")
	return strings.TrimPrefix(text, "failed to cast to expected type: ")
}
