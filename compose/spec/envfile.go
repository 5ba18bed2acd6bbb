package spec

import (
	"bytes"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
)

// maxEnvFile bounds a file of variables, or of labels.
const maxEnvFile = 1 << 20

// variablesOf reads files of variables, the first first; what is around wins. piped are
// those that a person names, who may have another program write them.
func (l *loader) variablesOf(files []string, around func(string) (string, bool), piped bool) (types.Mapping, error) {
	out := types.Mapping{}
	for _, name := range files {
		if err := l.envFile(name, "", out, around, piped); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// envFile adds a file's variables to out. A value may have others in it, and is no longer
// than what variables may cost.
func (l *loader) envFile(name, format string, out types.Mapping, around func(string) (string, bool), piped bool) error {
	data, err := readEnvFile(name, piped)
	if err != nil {
		return err
	}
	n, work := costOf(data)
	costly := fmt.Errorf("%s: there are too many variables in it", shown(name))
	if l.work += work; l.work > maxWork || nested(string(data)) > maxNested {
		return costly
	}
	over := false
	look := func(variable string) (string, bool) {
		v, ok := around(variable)
		if !ok {
			v, ok = out[variable]
		}
		if l.work += n * len(v); over || l.work > maxWork {
			over = true
			return "", true
		}
		return v, ok
	}
	err = l.warn.during(func() error { return dotenv.ParseWithFormat(bytes.NewReader(data), shown(name), out, look, format) })
	if over {
		return costly
	}
	return err
}

// costOf is the most variables that a value of the file can have, and what replacing all
// of them costs: of each line by itself, unless a value may have several.
func costOf(data []byte) (most, work int) {
	whole := false
	for line := range bytes.Lines(data) {
		n := bytes.Count(line, []byte("$"))
		most, work = max(most, n), work+len(line)+n*len(line)
		quotes := bytes.Count(line, []byte(`"`))
		whole = whole || quotes > 0 && (quotes != 2 || bytes.ContainsAny(line, `'\`))
	}
	if whole {
		most = bytes.Count(data, []byte("$"))
		work = len(data) + most*len(data)
	}
	return max(most, 1), work
}

// readEnvFile reads a file of variables, which is a file, and of bounded length.
func readEnvFile(name string, piped bool) ([]byte, error) {
	if name == os.DevNull {
		return nil, nil
	}
	i, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("read variables: %w", err)
	}
	if i.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a file of variables", shown(name))
	}
	if !i.Mode().IsRegular() && !(piped && i.Mode()&os.ModeNamedPipe != 0) {
		return nil, fmt.Errorf("%s is no file of variables", shown(name))
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read variables: %w", err)
	}
	defer f.Close()
	data, err := limited(f, maxEnvFile)
	if err == nil && len(data) > maxEnvFile {
		err = fmt.Errorf("%s: a file of variables may have %d bytes, and has more", shown(name), maxEnvFile)
	}
	return data, err
}

// Variables has a project's services take the variables of their env files, which are
// forgotten then if they are to be.
func (m *Model) Variables(p *types.Project, forget bool) error {
	return everyContainer(p, func(c *types.ContainerSpec) error { return m.variables(c, p.Environment, forget) })
}

// variables are those that a container names, over those of its files.
func (m *Model) variables(c *types.ContainerSpec, around types.Mapping, forget bool) error {
	if len(c.Environment) == 0 && len(c.EnvFiles) == 0 {
		return nil
	}
	c.Environment = c.Environment.Resolve(around.Resolve)
	vars := c.Environment.ToMapping()
	for _, f := range c.EnvFiles {
		err := m.envFile(f, vars, func(name string) (string, bool) {
			if v, ok := around[name]; ok {
				return v, true
			}
			if v := c.Environment[name]; v != nil {
				return *v, true
			}
			return "", false
		})
		if err != nil {
			return err
		}
	}
	c.Environment = vars.ToMappingWithEquals().OverrideBy(c.Environment)
	if forget {
		c.EnvFiles = nil
	}
	return nil
}

// EnvFiles are the variables of files, and of nothing else: what they take of variables
// that are around is an error.
func (m *Model) EnvFiles(files []types.EnvFile) (types.Mapping, error) {
	vars := types.Mapping{}
	for _, f := range files {
		taken := ""
		err := m.envFile(f, vars, func(name string) (string, bool) {
			if _, own := vars[name]; !own && taken == "" {
				taken = name
			}
			return "", false
		})
		if err != nil {
			return nil, err
		}
		if taken != "" {
			return nil, fmt.Errorf("%s takes the variable %s of this machine: write its value there, or the variable into environment", shown(f.Path), shown(taken))
		}
	}
	return vars, nil
}

// envFile adds the variables of a file to vars. One that need not be there adds none where it
// is not.
func (m *Model) envFile(f types.EnvFile, vars types.Mapping, around func(name string) (string, bool)) error {
	if _, err := os.Stat(f.Path); os.IsNotExist(err) && !bool(f.Required) {
		return nil
	}
	return m.loader.envFile(f.Path, f.Format, vars, around, false)
}

// labels are those that a container has itself, over those of its files.
func (m *Model) labels(c *types.ContainerSpec) error {
	if len(c.LabelFiles) == 0 {
		return nil
	}
	all := types.Mapping{}
	for _, name := range c.LabelFiles {
		of := types.Mapping{}
		if err := m.loader.envFile(name, "", of, all.Resolve, false); err != nil {
			return err
		}
		for k, v := range of {
			all[k] = v
		}
	}
	if labels := all.ToMappingWithEquals().OverrideBy(c.Labels.ToMappingWithEquals()); len(labels) > 0 {
		c.Labels = types.NewLabelsFromMappingWithEquals(labels)
	}
	return nil
}

// everyContainer is of the services, and what runs before they do.
func everyContainer(p *types.Project, do func(*types.ContainerSpec) error) error {
	for _, name := range sorted(p.Services) {
		s := p.Services[name]
		if err := do(&s.ContainerSpec); err != nil {
			return &Error{Path: "services." + name, Text: err.Error(), Err: err}
		}
		for i := range s.PreStart {
			if err := do(&s.PreStart[i].ContainerSpec); err != nil {
				return &Error{Path: "services." + name + ".pre_start", Text: err.Error(), Err: err}
			}
		}
		p.Services[name] = s
	}
	return nil
}
