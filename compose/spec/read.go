package spec

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/types"
)

// Options say which compose file is read, and with what around it. Without files it is
// that of the working directory, or of a folder above it.
type Options struct {
	Files    []string
	Dir      string // of the project; "": that of the first file
	Name     string // of the project; "": of COMPOSE_PROJECT_NAME, the file, or its folder
	EnvFiles []string
	Env      []string // variables, as NAME=VALUE
	Remote   []Remote
	Stdin    io.Reader         // the file "-"
	Raw      bool              // variables stay as they are written
	Relative bool              // paths stay as they are written
	Unfilled bool              // what goes without saying is not filled in
	Warn     func(text string) // hears what is odd, but no error; nil hears nothing
	// Look is shown the tree as it is written, before what goes without saying is
	// filled in. It may not change it.
	Look func(tree map[string]any)
	// Foreign is shown each service, network and volume of files that were fetched, in its
	// long form, with the project's name. It may not change it.
	Foreign func(project, section, name string, part map[string]any)
}

// Remote has compose files of elsewhere on this machine.
type Remote interface {
	// Accept tells names that are its own.
	Accept(name string) bool
	// Load has a file on this machine, and gives its path.
	Load(ctx context.Context, name string) (string, error)
}

// A Model is a compose file as it was read: all its files in one tree of long forms.
type Model struct {
	Tree  map[string]any
	Name  string
	Dir   string
	Env   types.Mapping
	Files []string
	// Wants are the variables of this machine that files of elsewhere take, by name.
	Wants []string
	// Fetched tells that something of it is of elsewhere; Named, that its name is.
	Fetched, Named bool

	loader   *loader
	contents contents
}

// contents are what variables say that secrets and configs are made of, by their names:
// they are of the project, and not to be seen in the tree.
type contents struct{ secrets, configs map[string]string }

// Read reads a compose file.
func Read(ctx context.Context, o Options) (*Model, error) {
	l := newLoader(o)
	p, err := l.find(ctx, o)
	if err != nil {
		return nil, err
	}
	if len(p.files) == 0 {
		return nil, ErrNoFile
	}
	sources, err := l.open(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := p.name(sources, o); err != nil {
		return nil, err
	}
	l.called = p.project
	tree, err := l.model(ctx, sources, scope{dir: p.dir, env: p.env, own: p.own, relative: o.Relative})
	if err != nil {
		return nil, err
	}
	if len(tree) == 0 {
		return nil, &Error{File: p.files[0], Text: "the file is empty"}
	}
	if o.Look != nil {
		o.Look(tree)
	}
	m := &Model{Tree: tree, Name: p.project, Dir: p.dir, Env: p.env, Files: p.named, Wants: sorted(l.wants), Fetched: l.fetched, Named: p.strange, contents: l.contents, loader: l}
	l.seen, l.included = nil, nil
	if o.Unfilled {
		return m, nil
	}
	env := m.Env
	if o.Raw {
		env = nil
	}
	if err := l.normalise(tree, p.project, env); err != nil {
		return nil, err
	}
	return m, nil
}

func newLoader(o Options) *loader {
	return &loader{
		shape: file(), raw: o.Raw, warn: hear(o.Warn), host: map[string]bool{}, wants: map[string]bool{}, remote: o.Remote, stranger: o.Foreign, budget: maxValues, files: maxFiles, included: map[string]map[string]any{},
		contents: contents{map[string]string{}, map[string]string{}},
	}
}

// A source is a file with what is in it.
type source struct {
	name      string
	documents []document
	foreign   bool // it was fetched
}

// open reads the files of a project.
func (l *loader) open(ctx context.Context, p *project) ([]source, error) {
	var out []source
	for i, name := range p.files {
		var data []byte
		var err error
		if name == "-" {
			data, err = limited(p.stdin, maxFile)
		} else {
			data, err = readFile(name)
		}
		if err != nil {
			return nil, fmt.Errorf("read the compose file%s: %w", p.origin[name], err)
		}
		s, err := l.parse(ctx, name, data, p.foreign[i])
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// parse takes a file apart, and counts it.
func (l *loader) parse(ctx context.Context, name string, data []byte, foreign bool) (source, error) {
	if err := ctx.Err(); err != nil {
		return source{}, err
	}
	if l.files--; l.files < 0 {
		return source{}, &Error{File: name, Text: fmt.Sprintf("that is the file after %d: a stack has no more", maxFiles)}
	}
	documents, err := parse(name, data, &l.budget)
	if l.files -= max(0, len(documents)-1); err == nil && l.files < 0 {
		err = &Error{File: name, Text: fmt.Sprintf("it has %d documents: a stack has no more than %d, with its files", len(documents), maxFiles)}
	}
	return source{name, documents, foreign}, err
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if i, err := f.Stat(); err == nil && i.IsDir() {
		return nil, fmt.Errorf("%s is a folder", shown(name))
	}
	return limited(f, maxFile)
}

// limited reads a file, and one byte more than it may have.
func limited(r io.Reader, most int64) ([]byte, error) {
	if r == nil {
		return nil, fmt.Errorf("- is what comes in, and nothing does")
	}
	return io.ReadAll(io.LimitReader(r, most+1))
}

// name finds a project's name: that of the options, of COMPOSE_PROJECT_NAME, the last that a
// file says, or that of the folder.
func (p *project) name(sources []source, o Options) error {
	defer func() {
		p.env[consts.ComposeProjectName], p.own[consts.ComposeProjectName] = p.project, p.project
	}()
	for _, given := range []string{o.Name, p.env[consts.ComposeProjectName]} {
		if given == "" {
			continue
		}
		p.strange = given != o.Name && p.own[consts.ComposeProjectName] != given
		if plainName(given) != given {
			return fmt.Errorf("the project's name %q: it has lower-case letters, digits, - and _, and begins with a letter or a digit", given)
		}
		p.project = given
		return nil
	}
	in := scope{env: p.own}
	for _, s := range sources {
		for _, d := range s.documents {
			if name, _ := d.tree["name"].(string); name != "" {
				p.project, in.foreign = name, s.foreign
			}
		}
	}
	if p.strange = in.foreign; in.foreign {
		in.env = p.env
	}
	if p.project == "" {
		p.project = plainName(p.baseName(p.dir))
	} else {
		said := p.project
		if !o.Raw {
			v, err := p.interpolate(map[string]any{"name": said}, in)
			if err != nil {
				return err
			}
			said, _ = v["name"].(string)
		}
		p.project = plainName(said)
	}
	if p.project == "" {
		return fmt.Errorf("the project has no name: -p NAME, or name: in the compose file")
	}
	return nil
}

// plainName is a name without what a project's name cannot have.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return -1
	}, strings.ToLower(s))
	return strings.TrimLeft(s, "_-")
}

// Clone copies a tree.
func Clone(v any) any { return clone(v) }

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// Clone is a copy of the tree.
func (m *Model) Clone() map[string]any { return clone(m.Tree).(map[string]any) }

// sorted are the keys of a map in order.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
