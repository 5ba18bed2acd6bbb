package compose

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"

	"github.com/wherry-run/wherry/compose/spec"
)

// Source says which file is loaded, and with what around it. The zero one is the
// compose file of the working directory, or of a folder above it.
type Source struct {
	Files      []string // -f
	Dir        string   // --project-directory
	Name       string   // -p
	Profiles   []string // --profile
	EnvFiles   []string // --env-file
	Env        []string // this process's, as NAME=VALUE
	Remote     []Loader
	Stdin      io.Reader         // the file "-"; without it there is none
	Warn       func(text string) // hears what is odd, but no error; nil hears nothing
	NoVariable bool              // variables stay as they are written: the file has a Text, and no Project
	// What is left out of loading: filling in what goes without saying, making paths
	// absolute, checking that parts fit each other, reading env_file.
	NoNormalize, NoPaths, NoConsistency, NoEnvFiles bool
}

// A Loader has compose files of elsewhere on this machine.
type Loader = spec.Remote

// ErrNoFile is the cause when there is no compose file.
var ErrNoFile = spec.ErrNoFile

// A File is a compose file as it was loaded: merged, with its variables replaced, and
// checked against the Compose specification.
type File struct {
	Project *types.Project
	// Findings are the attributes that mean nothing here, by their paths.
	Findings []Problem
	// Wants are the variables of this machine that a stack of a registry takes, by name: what
	// is in them goes to programs of somebody else's.
	Wants []string
	// Reaches is what a stack of a registry reaches outside of itself, a line each.
	Reaches []string
	// Origin is where a stack comes from of which files were fetched: names in registries,
	// without tags, with commas; "" where files of this machine lead to them. Named tells
	// that its name was said there, and not by who runs it.
	Origin string
	Named  bool
	// Fetched tells that something of it is of a registry.
	Fetched bool

	read      *spec.Model
	model     map[string]any
	externals map[string]string // services that live elsewhere, and where
	recipes   map[string]bool   // services that name their recipe
}

// Load reads what a Source names.
func Load(ctx context.Context, s Source) (*File, error) {
	f := &File{externals: map[string]string{}, recipes: map[string]bool{}}
	m, err := spec.Read(ctx, spec.Options{
		Files: s.Files, Dir: s.Dir, Name: s.Name, EnvFiles: s.EnvFiles, Env: s.Env, Remote: s.Remote, Stdin: s.Stdin,
		Raw: s.NoVariable, Relative: s.NoPaths, Unfilled: s.NoNormalize, Warn: s.Warn, Look: f.look, Foreign: f.reaches,
	})
	if err != nil {
		return nil, loadError(err)
	}
	if len(f.Reaches) > mostReaches {
		return nil, loadError(fmt.Errorf("a stack of a registry may reach %d places outside of itself, and this one names more", mostReaches))
	}
	f.read, f.model, f.Wants = m, m.Tree, m.Wants
	f.Origin, f.Named, f.Fetched = origin(m.Files), m.Named, m.Fetched
	if err := f.findExternals(); err != nil {
		return nil, err
	}
	if s.NoVariable { // what is written may not be what it is to be
		return f, nil
	}
	f.Project, err = m.Project(spec.ProjectOptions{
		Profiles: profiles(s, m.Env), Inconsistent: s.NoConsistency, NoEnvFiles: s.NoEnvFiles,
		Elsewhere: func(service types.ServiceConfig) bool { return f.externals[service.Name] != "" },
	})
	return f, loadError(err)
}

// Text is the file as it was merged, in YAML.
func (f *File) Text() ([]byte, error) { return yaml.Marshal(f.model) }

func loadError(err error) error {
	if err == nil || err == ErrNoFile {
		return err
	}
	return fmt.Errorf("load the compose file: %w", err)
}

// profiles are those that are on: of the flags, else of COMPOSE_PROFILES.
func profiles(s Source, env types.Mapping) []string {
	list := s.Profiles
	if len(list) == 0 {
		list = strings.Split(env[consts.ComposeProfiles], ",")
	}
	var out []string
	for _, p := range list {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// findExternals finds the services that live elsewhere.
func (f *File) findExternals() error {
	services, _ := f.model["services"].(map[string]any)
	for name, v := range services {
		service, _ := v.(map[string]any)
		where, ok := service[KeyExternal]
		if !ok {
			continue
		}
		text, ok := where.(string)
		if !ok || text == "" {
			return fmt.Errorf("services.%s.%s: write HOST:PORT or a URL", name, KeyExternal)
		}
		for _, key := range []string{"image", "build"} {
			if service[key] != nil {
				return fmt.Errorf("services.%s: it lives elsewhere (%s), and has its own %s", name, KeyExternal, key)
			}
		}
		f.externals[name] = text
	}
	return nil
}

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
