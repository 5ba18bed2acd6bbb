package python

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Secret is a file that only this pip install sees.
type Secret struct {
	Path string // absolute, in the stage
	Data []byte
}

// maxSecret bounds one secret.
const maxSecret = 1 << 20

// SecretError is a secret, or a file that the stage names in its place, with
// which a pip install can do nothing.
type SecretError struct {
	Path   string
	Reason string
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("pip install cannot use %s: %s\n"+
		"pip runs on the host and sees no files of the stage; what it can be given is a pip.conf or a netrc:\n"+
		"  RUN --mount=type=secret,id=pip,target=/etc/pip.conf pip install ...\n"+
		"  RUN --mount=type=secret,id=netrc,target=/root/.netrc pip install ...", e.Path, e.Reason)
}

// secretKinds are the variables that name files of secrets, with the names
// that such files have.
var secretKinds = []struct {
	variable, file string
	names          []string
}{
	{"PIP_CONFIG_FILE", "pip.conf", []string{"pip.conf", "pip.ini"}},
	{"NETRC", "netrc", []string{"netrc", ".netrc", "_netrc"}},
}

// sortSecrets says which variable each secret is for. A secret is known by its
// name, or because the stage's variable names it.
func sortSecrets(secrets []Secret, dir string, env []string) (map[string]Secret, error) {
	found := map[string]Secret{}
	for _, s := range secrets {
		variable := ""
		for _, kind := range secretKinds {
			if slices.Contains(kind.names, strings.ToLower(path.Base(s.Path))) || s.Path == named(env, dir, kind.variable) {
				variable = kind.variable
			}
		}
		switch {
		case variable == "":
			return nil, &SecretError{s.Path, "it is neither a pip.conf nor a netrc"}
		case len(s.Data) > maxSecret:
			return nil, &SecretError{s.Path, fmt.Sprintf("it is larger than %d bytes", maxSecret)}
		case found[variable].Path != "":
			return nil, &SecretError{s.Path, "it is a second file of its kind, beside " + found[variable].Path}
		}
		found[variable] = s
	}
	for _, kind := range secretKinds {
		if file := named(env, dir, kind.variable); file != "" && file != found[kind.variable].Path {
			return nil, &SecretError{file, kind.variable + " names it, and no secret is mounted there"}
		}
	}
	return found, nil
}

// named is the file of the stage that a variable names, "" for none.
func named(env []string, dir, variable string) string {
	file := ""
	for _, kv := range env {
		if name, value, _ := strings.Cut(kv, "="); name == variable {
			file = value
		}
	}
	if file == "" || file == "/dev/null" {
		return ""
	}
	return "/" + stagePath(file, dir)
}

// writeSecrets puts secrets into files that only this user reads and returns
// the variables that name them. remove takes them away again.
func writeSecrets(temp string, secrets map[string]Secret) (env []string, remove func() error, err error) {
	dir := filepath.Join(temp, "secrets")
	remove = func() error { return os.RemoveAll(dir) }
	if len(secrets) == 0 {
		return nil, remove, nil
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, remove, fmt.Errorf("make folder for secrets: %w", err)
	}
	for _, kind := range secretKinds {
		s, ok := secrets[kind.variable]
		if !ok {
			continue
		}
		file := filepath.Join(dir, kind.file)
		if err := os.WriteFile(file, s.Data, 0o600); err != nil {
			return nil, remove, fmt.Errorf("write secret for pip: %w", err)
		}
		env = append(env, kind.variable+"="+file)
	}
	return env, remove, nil
}
