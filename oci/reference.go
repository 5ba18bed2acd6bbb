package oci

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/internal/pattern"
)

// Docker's defaults for what a reference leaves out.
const (
	DefaultRegistry = "docker.io"
	DefaultTag      = "latest"
	officialPrefix  = "library/"
	maxRepository   = 255
)

// Reference names an image: registry, repository, and a tag or a digest or
// both. The zero Reference names nothing; ParseReference makes valid ones.
type Reference struct {
	Registry   string        // host[:port], "docker.io" when left out
	Repository string        // "library/iris" for a bare "iris" of docker.io
	Tag        string        // "latest" when neither tag nor digest is given
	Digest     digest.Digest // "" when not given
}

var (
	hostForm = pattern.New(`^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]{1,5})?$`)
	pathForm = pattern.New(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	idForm   = pattern.New(`^[a-f0-9]+$`)
	tagForm  = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
)

// Lengths are counted outside of the expressions: there they cost more than all
// else in them.

func isID(s string) bool  { return len(s) == 64 && idForm.MatchString(s) }
func isTag(s string) bool { return len(s) <= 128 && tagForm.MatchString(s) }

// IsTag reports whether s can be a tag.
func IsTag(s string) bool { return isTag(s) }

// IsRepository reports whether s can be the path of a repository in a registry.
func IsRepository(s string) bool { return len(s) <= maxRepository && pathForm.MatchString(s) }

// ParseReference reads a reference by Docker's rules: "iris", "iris:1",
// "user/iris", "localhost:5000/iris:1", "ghcr.io/o/iris@sha256:...".
func ParseReference(s string) (Reference, error) {
	if len(s) > 1024 {
		return Reference{}, fmt.Errorf("read image name %s: it is longer than 1024 bytes", quote(s))
	}
	if _, err := ParseDigest(s); err == nil {
		return Reference{}, fmt.Errorf("read image name %s: a digest alone is an image ID, not a name", quote(s))
	}
	var r Reference
	rest := s
	if name, dig, ok := strings.Cut(rest, "@"); ok {
		d, err := ParseDigest(dig)
		if err != nil {
			return Reference{}, fmt.Errorf("read image name %s: %w", quote(s), err)
		}
		r.Digest, rest = d, name
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.Contains(rest[i:], "/") {
		r.Tag, rest = rest[i+1:], rest[:i]
		if !isTag(r.Tag) {
			return Reference{}, fmt.Errorf("read image name %s: %s is not a tag; letters, digits, '.', '_' and '-' make one", quote(s), quote(r.Tag))
		}
	}
	r.Registry, r.Repository = splitHost(rest)
	if err := r.checkNames(s); err != nil {
		return Reference{}, err
	}
	if r.Tag == "" && r.Digest == "" {
		r.Tag = DefaultTag
	}
	return r, nil
}

// splitHost applies Docker's rule for the first component: it is a registry
// when it has a dot, a port, an upper-case letter, or is "localhost".
func splitHost(name string) (host, path string) {
	first, rest, ok := strings.Cut(name, "/")
	if !ok || !(strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first) {
		host, path = DefaultRegistry, name
	} else {
		host, path = first, rest
	}
	if host == "index.docker.io" || host == "registry-1.docker.io" {
		host = DefaultRegistry
	}
	if host == DefaultRegistry && !strings.Contains(path, "/") {
		path = officialPrefix + path
	}
	return host, path
}

func (r Reference) checkNames(s string) error {
	switch {
	case !hostForm.MatchString(r.Registry):
		return fmt.Errorf("read image name %s: %s is not the name of a registry", quote(s), quote(r.Registry))
	case strings.ToLower(r.Repository) != r.Repository:
		return fmt.Errorf("read image name %s: the repository must be lower-case: %s", quote(s), quote(strings.ToLower(r.Repository)))
	case !pathForm.MatchString(r.Repository):
		return fmt.Errorf("read image name %s: %s is not a repository", quote(s), quote(strings.TrimPrefix(r.Repository, officialPrefix)))
	case isID(strings.TrimPrefix(r.Repository, officialPrefix)):
		return fmt.Errorf("read image name %s: 64 hexadecimal digits are an image ID, not a name", quote(s))
	case len(r.Registry)+1+len(r.Repository) > maxRepository:
		return fmt.Errorf("read image name %s: registry and repository are longer than %d bytes", quote(s), maxRepository)
	}
	return nil
}

// String returns the full, unambiguous form: "docker.io/library/iris:1".
func (r Reference) String() string { return r.Name() + r.suffix() }

// Name returns registry and repository without tag and digest.
func (r Reference) Name() string { return r.Registry + "/" + r.Repository }

func (r Reference) suffix() string {
	var s string
	if r.Tag != "" {
		s = ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + string(r.Digest)
	}
	return s
}

// Familiar returns the form people type: "iris:1" for "docker.io/library/iris:1".
func (r Reference) Familiar() string { return r.FamiliarName() + r.suffix() }

// FamiliarName is Familiar without tag and digest: the REPOSITORY column.
func (r Reference) FamiliarName() string {
	if r.Registry != DefaultRegistry {
		return r.Name()
	}
	short := r.Repository
	if s, ok := strings.CutPrefix(short, officialPrefix); ok && !strings.Contains(s, "/") {
		short = s
	}
	// "docker.io/a.b/c" must keep its registry, or it would read as another name.
	if host, path := splitHost(short); host != r.Registry || path != r.Repository {
		return r.Name()
	}
	return short
}

// WithTag returns the same repository under another tag, without a digest.
func (r Reference) WithTag(tag string) (Reference, error) {
	if !isTag(tag) {
		return Reference{}, fmt.Errorf("%s is not a tag", quote(tag))
	}
	r.Tag, r.Digest = tag, ""
	return r, nil
}

// IsZero reports whether r names nothing.
func (r Reference) IsZero() bool { return r == Reference{} }
