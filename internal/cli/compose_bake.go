package cli

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/compose"
)

// bakeFile is what docker buildx bake reads.
type bakeFile struct {
	Group  map[string]bakeGroup  `json:"group"`
	Target map[string]bakeTarget `json:"target"`
}

type bakeGroup struct {
	Targets []string `json:"targets"`
}

type bakeTarget struct {
	Context    string            `json:"context"`
	Dockerfile string            `json:"dockerfile,omitempty"`
	Inline     string            `json:"dockerfile-inline,omitempty"`
	Args       map[string]string `json:"args,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Tags       []string          `json:"tags,omitempty"`
	Target     string            `json:"target,omitempty"`
	Secrets    []string          `json:"secret,omitempty"`
	NoCache    bool              `json:"no-cache,omitempty"`
	Pull       bool              `json:"pull,omitempty"`
}

// printBuild prints what compose build would build, with what its flags change.
func (o *composeOptions) printBuild(ctx context.Context, t transferOptions, change func(*compose.Build)) error {
	file := bakeFile{map[string]bakeGroup{}, map[string]bakeTarget{}}
	all := bakeGroup{Targets: []string{}}
	err := o.transfer(ctx, t, func(_ context.Context, _ *compose.Engine, s *compose.Service) error {
		if s.Build == nil {
			return nil
		}
		b := *s.Build
		change(&b)
		all.Targets = append(all.Targets, s.Name)
		file.Target[s.Name] = o.bakeTarget(b)
		return nil
	})
	if err != nil {
		return err
	}
	file.Group["default"] = all
	e := json.NewEncoder(o.app.Out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(file)
}

func (o *composeOptions) bakeTarget(b compose.Build) bakeTarget {
	t := bakeTarget{
		Context: b.Folder, Inline: b.Inline, Labels: map[string]string{}, Args: map[string]string{},
		Tags: b.Tags, Target: b.Target, Secrets: b.Secrets, NoCache: b.NoCache, Pull: b.Pull,
	}
	if t.Dockerfile = b.File; b.File == "" && b.Inline == "" {
		t.Dockerfile = "Wasmfile"
	} else if rel, err := filepath.Rel(b.Folder, b.File); err == nil && filepath.IsLocal(rel) {
		t.Dockerfile = filepath.ToSlash(rel)
	}
	for name, value := range b.Labels {
		t.Labels[literal(name)] = literal(value)
	}
	for _, a := range b.Args {
		name, value, given := strings.Cut(a, "=")
		if !given {
			value = o.app.env(name)
		}
		t.Args[literal(name)] = literal(value)
	}
	for _, text := range []*string{&t.Context, &t.Dockerfile, &t.Inline, &t.Target} {
		*text = literal(*text)
	}
	for _, list := range []*[]string{&t.Tags, &t.Secrets} {
		*list = slices.Clone(*list)
		for i, text := range *list {
			(*list)[i] = literal(text)
		}
	}
	return t
}

// literal is text that bake reads as it is: ${ and %{ begin what it works out.
func literal(text string) string { return strings.NewReplacer("${", "$${", "%{", "%%{").Replace(text) }
