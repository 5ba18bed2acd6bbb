// Package compose holds the loader of compose files against that of the Compose project:
// what one reads, the other does, to the same project, and what one refuses, so does the
// other. It is a module of its own because the library's loader has every program that
// links it begin later, which is why there is another (docs/rationale.md).
package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/sirupsen/logrus"

	"github.com/wherry-run/wherry/compose/spec"
)

// A question is what both loaders are asked.
type question struct {
	files, env, envFiles, profiles []string
	dir, name                      string
	loose                          bool // parts may not fit each other
}

// theirs asks the library.
func theirs(q question) (p *types.Project, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicError{r}
		}
	}()
	o, err := cli.NewProjectOptions(q.files, cli.WithWorkingDirectory(q.dir), cli.WithEnv(q.env),
		cli.WithEnvFiles(q.envFiles...), cli.WithDotEnv, cli.WithConfigFileEnv, cli.WithDefaultConfigPath,
		cli.WithEnvFiles(q.envFiles...), cli.WithDotEnv, cli.WithDefaultProfiles(q.profiles...), cli.WithName(q.name), cli.WithConsistency(!q.loose))
	if err != nil {
		return nil, err
	}
	return o.LoadProject(context.Background())
}

// A panicError is the library's.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// ours asks the loader that is tested.
func ours(q question) (*types.Project, error) {
	m, err := spec.Read(context.Background(), spec.Options{Files: q.files, Dir: q.dir, Name: q.name, EnvFiles: q.envFiles, Env: q.env})
	if err != nil {
		return nil, err
	}
	profiles := q.profiles
	if len(profiles) == 0 {
		profiles = strings.Split(strings.ReplaceAll(m.Env["COMPOSE_PROFILES"], " ", ""), ",")
	}
	return m.Project(spec.ProjectOptions{Profiles: profiles, Inconsistent: q.loose})
}

// differ says how the answers differ; "" is that they do not.
func differ(q question) (diff string, err error) {
	want, theirErr := theirs(q)
	got, err := ours(q)
	var panicked *panicError
	switch {
	case errors.As(theirErr, &panicked): // which is no answer
		return "", err
	case err != nil && theirErr != nil:
		return "", err
	case theirErr != nil:
		return fmt.Sprintf("is taken, and the library says %v", theirErr), nil
	case err != nil:
		return fmt.Sprintf("is taken by the library, and here: %v", err), err
	}
	if reflect.DeepEqual(want, got) {
		return "", nil
	}
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Exporter(func(reflect.Type) bool { return true })), nil
}

func TestMain(m *testing.M) {
	logrus.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// TestFiles asks about the files of testdata: stacks that are read, one part of the
// specification each. A file's first lines are comments; "env:", "file:", "env-file:",
// "profile:", "name:" and "dir:" of them are the question, and "error:" is what is said
// here where both refuse.
func TestFiles(t *testing.T) {
	list, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
	for _, name := range list {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range parts(archive) {
				c.run(t)
			}
		})
	}
}

// A part of an archive is the files up to the next "-- part NAME --".
type part struct {
	name  string
	about string
	files []txtar.File
}

// parts are an archive's: a file "part NAME" begins one, and has its question.
func parts(a *txtar.Archive) []part {
	out := []part{{name: "all", about: string(a.Comment)}}
	for _, f := range a.Files {
		if name, ok := strings.CutPrefix(f.Name, "part "); ok {
			out = append(out, part{name: name, about: string(f.Data)})
			continue
		}
		out[len(out)-1].files = append(out[len(out)-1].files, f)
	}
	return slices.DeleteFunc(out, func(p part) bool { return len(p.files) == 0 })
}

var asked = regexp.MustCompile(`(?m)^(env|file|env-file|profile|name|dir|error): (.*)$`)

func (c part) run(t *testing.T) {
	t.Run(c.name, func(t *testing.T) {
		root, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(root, "stack")
		for _, f := range c.files {
			name := filepath.Join(dir, filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, f.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		t.Chdir(dir)
		q := question{}
		want := ""
		for _, m := range asked.FindAllStringSubmatch(c.about, -1) {
			switch value := m[2]; m[1] {
			case "env":
				q.env = append(q.env, value)
				k, v, _ := strings.Cut(value, "=")
				t.Setenv(k, v) // which the library looks at, too
			case "file":
				q.files = append(q.files, value)
			case "env-file":
				q.envFiles = append(q.envFiles, value)
			case "profile":
				q.profiles = append(q.profiles, value)
			case "name":
				q.name = value
			case "dir":
				q.dir = value
			case "error":
				want = value
			}
		}
		diff, err := differ(q)
		switch {
		case diff != "":
			t.Errorf("it differs:\n%s", diff)
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("refused: %v; want %q", err, want)
		case err == nil && want != "":
			t.Errorf("it is taken; want %q", want)
		}
	})
}

// TestLibrary asks about the files that the library comes with, for its own tests: every
// one, where it stands.
func TestLibrary(t *testing.T) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/compose-spec/compose-go/v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	count, taken := 0, 0
	err = filepath.WalkDir(strings.TrimSpace(string(root)), func(name string, d fs.DirEntry, err error) error {
		if ext := filepath.Ext(name); err != nil || d.IsDir() || ext != ".yaml" && ext != ".yml" {
			return err
		}
		for _, loose := range []bool{false, true} {
			diff, err := differ(question{files: []string{name}, name: "x", env: []string{"HOME=/home/x", "USER=x"}, loose: loose})
			if diff != "" {
				t.Errorf("%s: it differs:\n%s", name, diff)
			}
			count++
			if err == nil {
				taken++
			}
		}
		return nil
	})
	if err != nil || count < 50 {
		t.Fatal(count, err)
	}
	t.Logf("%d files, %d of them taken", count, taken)
}
