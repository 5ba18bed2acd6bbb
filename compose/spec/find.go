package spec

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/consts"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/compose-spec/compose-go/v2/utils"
)

// The names that a compose file has when nobody says which, the first first.
var (
	fileNames     = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	overrideNames = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// A project is which files are read, and what is around them.
type project struct {
	named   []string // files as they were asked for, absolute
	files   []string // files of this machine
	foreign []bool   // of each file, whether it was fetched
	dir     string
	env     types.Mapping
	own     types.Mapping // env without what a fetched stack brings along: for files of one's own
	project string
	strange bool // a fetched file says the name
	stdin   io.Reader
	origin  map[string]string // of a file that nobody named: why it is read
	*loader
}

// find says which files a project has, in the order that Docker Compose looks: an env file
// may name the compose file, and the compose file's folder may have another env file.
func (l *loader) find(ctx context.Context, o Options) (*project, error) {
	p := &project{env: types.Mapping{}, stdin: o.Stdin, origin: map[string]string{}, loader: l}
	for k, v := range utils.GetAsEqualsMap(o.Env) {
		p.env[k] = v
		l.host[strings.ToUpper(k)] = true
	}
	if o.Dir != "" {
		var err error
		if p.dir, err = filepath.Abs(o.Dir); err != nil {
			return nil, err
		}
	}
	names := o.Files
	envFiles, err := p.variables(o, names, nil)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		if names, err = p.fromVariable(o.Remote); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		if names, err = p.around(o, names); err != nil {
			return nil, err
		}
	}
	if _, err := p.variables(o, names, envFiles); err != nil {
		return nil, err
	}
	if err := p.local(ctx, o, names); err != nil {
		return nil, err
	}
	if p.dir, err = p.folder(o.Remote, names); err != nil {
		return nil, err
	}
	p.own = p.env.Clone()
	return p, p.broughtVariables()
}

// folder is the project's: what was given, else that of the first file, else the working
// directory.
func (p *project) folder(remote []Remote, names []string) (string, error) {
	if p.dir != "" {
		return p.dir, nil
	}
	for _, name := range names {
		if name == "-" {
			continue
		}
		if elsewhere(remote, name) != nil {
			break
		}
		abs, err := filepath.Abs(name)
		return filepath.Dir(abs), err
	}
	return os.Getwd()
}

// elsewhere is who has a file that is not of this machine.
func elsewhere(remote []Remote, name string) Remote {
	for _, r := range remote {
		if r.Accept(name) {
			return r
		}
	}
	return nil
}

// variables reads the env files: those that are named, else .env of the project's folder.
// What is set already stays. It gives the files, which are read again when the project's
// folder has none.
func (p *project) variables(o Options, names, before []string) ([]string, error) {
	list := before
	if len(o.EnvFiles) > 0 {
		list = o.EnvFiles
	} else if name, err := p.dotEnv(o, names); err != nil {
		return nil, err
	} else if name != "" {
		list = []string{name}
	}
	vars, err := p.variablesOf(list, p.env.Resolve, len(o.EnvFiles) > 0)
	if err != nil {
		return nil, err
	}
	for name := range vars { // what a person names is meant to be taken
		p.host[strings.ToUpper(name)] = len(o.EnvFiles) == 0
	}
	p.env.Merge(vars)
	return list, nil
}

// dotEnv is the folder's .env, if there is one, and if it is wanted.
func (p *project) dotEnv(o Options, names []string) (string, error) {
	if off, err := p.noDotEnv(); err != nil || off {
		return "", err
	}
	dir, err := p.folder(o.Remote, names)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, ".env")
	switch i, err := os.Stat(name); {
	case os.IsNotExist(err):
		return "", nil
	case os.IsPermission(err):
		p.warn.say("%s is left out, because it cannot be read: %v", shown(name), err)
		return "", nil
	case err != nil:
		return "", err
	case i.IsDir():
		return "", nil
	}
	return name, nil
}

// noDotEnv tells that no .env is wanted.
func (p *project) noDotEnv() (bool, error) {
	v, ok := p.env[consts.ComposeDisableDefaultEnvFile]
	if !ok {
		return false, nil
	}
	off, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%s is true or false, not %q", consts.ComposeDisableDefaultEnvFile, v)
	}
	return off, nil
}

// broughtVariables are those that a fetched stack brings along. What is set already stays.
func (p *project) broughtVariables() error {
	for i, foreign := range p.foreign {
		name := filepath.Join(filepath.Dir(p.files[i]), ".env")
		if _, err := os.Stat(name); !foreign || err != nil {
			continue
		}
		if off, err := p.noDotEnv(); err != nil || off {
			return err
		}
		vars, err := p.variablesOf([]string{name}, p.loader.lookup(scope{env: p.env, foreign: true}), false)
		if err != nil {
			return err
		}
		p.env.Merge(vars)
	}
	return nil
}

// fromVariable are the files that COMPOSE_FILE names.
func (p *project) fromVariable(remote []Remote) ([]string, error) {
	value, ok := p.env[consts.ComposeFilePath]
	if !ok {
		return nil, nil
	}
	separator := p.env[consts.ComposePathSeparator]
	if separator == "" {
		separator = string(os.PathListSeparator)
	}
	var out []string
	for _, name := range strings.Split(value, separator) {
		if name != "-" && elsewhere(remote, name) == nil {
			abs, err := filepath.Abs(name)
			if err != nil {
				return nil, err
			}
			i, err := os.Stat(abs)
			if err != nil {
				return nil, fmt.Errorf("%s names %q: %w", consts.ComposeFilePath, name, err)
			}
			if !i.Mode().IsRegular() {
				return nil, fmt.Errorf("%s names %q, which is no file", consts.ComposeFilePath, name)
			}
			name = abs
			p.origin[name] = " that " + consts.ComposeFilePath + " names"
		}
		out = append(out, name)
	}
	return out, nil
}

// around looks for files in the project's folder, and in those above it.
func (p *project) around(o Options, names []string) ([]string, error) {
	dir, err := p.folder(o.Remote, names)
	if err != nil {
		return nil, err
	}
	for {
		if list := present(fileNames, dir); len(list) > 0 {
			out := []string{p.first(list)}
			if list := present(overrideNames, dir); len(list) > 0 {
				out = append(out, p.first(list))
			}
			return out, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return nil, nil
		}
		dir = above
	}
}

// present are those of the names that a folder has.
func present(names []string, dir string) []string {
	var out []string
	for _, name := range names {
		name = filepath.Join(dir, name)
		if _, err := os.Stat(name); err == nil {
			out = append(out, name)
		}
	}
	return out
}

// first is the file that is taken of several.
func (p *project) first(list []string) string {
	if len(list) > 1 {
		p.warn.say("there are several compose files, %s: %s is read", strings.Join(list, ", "), list[0])
	}
	return list[0]
}

// local has the files on this machine.
func (p *project) local(ctx context.Context, o Options, names []string) error {
	for _, name := range names {
		if name == "-" {
			p.files, p.named, p.foreign = append(p.files, name), append(p.named, name), append(p.foreign, false)
			continue
		}
		path, asked := name, name
		r := elsewhere(o.Remote, name)
		if r != nil {
			var err error
			if path, err = r.Load(ctx, name); err != nil {
				return err
			}
			p.fetched = true
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if path == name {
			asked = abs
		}
		p.files, p.named, p.foreign = append(p.files, abs), append(p.named, asked), append(p.foreign, r != nil)
	}
	return nil
}

// baseName is a folder's own name, and a warning where a link gives it another.
func (p *project) baseName(dir string) string {
	name := filepath.Base(dir)
	if real, err := filepath.EvalSymlinks(dir); err == nil && filepath.Base(real) != name {
		p.warn.say("the project is read through a link, and has its name, %q; name: in the compose file gives it one", name)
	}
	return name
}
