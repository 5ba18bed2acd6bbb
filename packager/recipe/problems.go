package recipe

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Problem is one thing in a Wasmfile or Dockerfile that cannot work here.
type Problem struct {
	// Line is the line of the instruction, counted from 1.
	Line int `json:"line"`
	// Text says what cannot work.
	Text string `json:"text"`
	// Advice is what to write instead.
	Advice string `json:"advice"`
}

// ProblemsError is every problem of one file.
type ProblemsError struct {
	File     string
	Problems []Problem
}

func (e *ProblemsError) Error() string {
	var b strings.Builder
	if len(e.Problems) == 1 {
		fmt.Fprintf(&b, "%s: one instruction cannot work in the sandbox", e.File)
	} else {
		fmt.Fprintf(&b, "%s: %d instructions cannot work in the sandbox", e.File, len(e.Problems))
	}
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n%s:%d: %s\n\t%s", e.File, p.Line, p.Text, p.Advice)
	}
	return b.String()
}

// Problems lists, in the order of the lines, all that cannot work. args are the
// values given with --build-arg: names after FROM may depend on them.
func Problems(f *File, args map[string]string) []Problem {
	c := checker{file: f, env: globalArgs(f, args)}
	for i := range f.Stages {
		c.stage(i)
	}
	sort.SliceStable(c.found, func(i, j int) bool { return c.found[i].Line < c.found[j].Line })
	return c.found
}

// ExpandFrom replaces the variables in the name after a FROM.
func (f *File) ExpandFrom(s Stage, args map[string]string) (string, error) {
	return expandWord(f, s.Base, globalArgs(f, args))
}

// GlobalArgs are the values of the ARGs before the first FROM.
func (f *File) GlobalArgs(args map[string]string) map[string]string {
	values := map[string]string{}
	for _, kv := range globalArgs(f, args) {
		name, value, _ := strings.Cut(kv, "=")
		values[name] = value
	}
	return values
}

func expandWord(f *File, word string, env []string) (string, error) {
	out, _, err := shell.NewLex(f.Escape).ProcessWord(word, shell.EnvsFromSlice(env))
	return out, err
}

// globalArgs gives each ARG before the first FROM its value.
func globalArgs(f *File, given map[string]string) []string {
	var env []string
	for _, cmd := range f.Args {
		for _, arg := range cmd.Args {
			value, ok := given[arg.Key]
			if !ok && arg.Value == nil {
				continue
			}
			if !ok {
				var err error
				if value, err = expandWord(f, *arg.Value, env); err != nil {
					value = *arg.Value
				}
			}
			env = append(env, arg.Key+"="+value)
		}
	}
	return env
}

type checker struct {
	file  *File
	env   []string
	found []Problem
}

func (c *checker) add(line int, advice, format string, args ...any) {
	c.found = append(c.found, Problem{Line: line, Text: fmt.Sprintf(format, args...), Advice: advice})
}

func (c *checker) stage(i int) {
	s := c.file.Stages[i]
	name, err := expandWord(c.file, s.Base, c.env)
	if err != nil {
		c.add(s.Line, "check the ${...} in the name", "FROM %s: %v", s.Base, err)
		return
	}
	from, err := ResolveFrom(name, c.file.Stages[:i])
	if bad, ok := err.(*BaseError); ok {
		c.add(s.Line, strings.TrimPrefix(bad.Advice, "write instead: "), "FROM %s: %s", bad.Name, bad.Reason)
	}
	c.platform(s)
	inToolchain := c.isToolchain(from, err, i)
	for _, step := range s.Steps {
		c.step(i, step, inToolchain)
	}
}

// isToolchain follows FROM stage to where it started. A stage whose base is
// wrong, but that names a compiler, is not told about its compilers as well.
func (c *checker) isToolchain(from From, err error, i int) bool {
	for depth := 0; depth < maxStages; depth++ {
		if err != nil {
			bad, ok := err.(*BaseError)
			return ok && strings.Contains(bad.Advice, "FROM toolchain:")
		}
		if from.Kind != FromStage {
			return from.Kind == Toolchain
		}
		i = from.Stage
		name, wrong := expandWord(c.file, c.file.Stages[i].Base, c.env)
		if wrong != nil {
			return false
		}
		from, err = ResolveFrom(name, c.file.Stages[:i])
	}
	return false
}

var platforms = map[string]bool{
	"": true, "wasip1/wasm": true, "wasi/wasm": true, "wasi/wasm32": true,
	"$BUILDPLATFORM": true, "${BUILDPLATFORM}": true, "$TARGETPLATFORM": true, "${TARGETPLATFORM}": true,
}

func (c *checker) platform(s Stage) {
	if platforms[s.Platform] {
		return
	}
	if p, err := expandWord(c.file, s.Platform, c.env); err == nil && platforms[p] {
		return
	}
	c.add(s.Line, "leave --platform out: an image runs on every OS and CPU",
		"FROM --platform=%s: images are for wasip1/wasm alone", s.Platform)
}

func (c *checker) step(stage int, step Step, inToolchain bool) {
	switch cmd := step.Command.(type) {
	case *instructions.RunCommand:
		c.run(step, cmd, inToolchain)
	case *instructions.AddCommand:
		c.sourceAdd(step, cmd)
		c.chown(step, cmd.Chown)
	case *instructions.CopyCommand:
		c.chown(step, cmd.Chown)
		c.copyFrom(stage, step, cmd.From)
	case *Model:
		c.copyFrom(stage, step, cmd.From)
	case *instructions.UserCommand:
		if !IsNumericUser(cmd.User) {
			c.add(step.Line, "write a number, or leave the line out: a guest has no rights on the host", "USER %s: there are no user names in the sandbox", cmd.User)
		}
	case *instructions.HealthCheckCommand:
		c.healthcheck(step, cmd.Health.Test)
	case *instructions.OnbuildCommand:
		c.add(step.Line, "write the instruction in the Wasmfile that builds on this image", "ONBUILD: instructions that run in another build are refused")
	case *instructions.ShellCommand:
		if !isShell(cmd.Shell) {
			c.add(step.Line, `use SHELL ["/bin/sh", "-c"], or leave the line out`, "SHELL %s: the shell of the sandbox is /bin/sh", strings.Join(cmd.Shell, " "))
		}
	}
}

func (c *checker) chown(step Step, owner string) {
	if !IsNumericUser(owner) {
		c.add(step.Line, "write numbers, or leave --chown out: a guest has no rights on the host", "--chown=%s: there are no user names in the sandbox", owner)
	}
}

// copyFrom refuses a --from that names a later stage, the stage itself or a
// native image.
func (c *checker) copyFrom(stage int, step Step, from string) {
	if from == "" {
		return
	}
	if at, ok := findStage(c.file.Stages, from); ok {
		if at >= stage {
			c.add(step.Line, "move that stage up", "--from=%s: stage %q does not stand before this one", from, from)
		}
		return
	}
	if _, err := ResolveFrom(from, c.file.Stages[:stage]); err != nil {
		if bad, ok := err.(*BaseError); ok {
			c.add(step.Line, strings.Replace(bad.Advice, "write instead: FROM ", "use instead: --from=", 1), "--from=%s: %s", bad.Name, bad.Reason)
		}
	}
}

func (c *checker) sourceAdd(step Step, cmd *instructions.AddCommand) {
	for _, src := range cmd.SourcePaths {
		switch {
		case IsGit(src):
			c.add(step.Line, "use an archive with --checksum=sha256:..., or clone beside the Wasmfile and COPY", "ADD %s: a repository has no checksum", src)
		case IsRemote(src) && cmd.Checksum == "":
			c.add(step.Line, "add --checksum=sha256:<64 hex digits>, so that the build is the same tomorrow", "ADD %s: fetched files need a checksum", src)
		}
	}
}

// gitURL, and numericUser below, are compiled when a recipe needs them, for every
// command would wait for it else.
var gitURL = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(git@|git://|ssh://)|^https?://[^?#]*\.git([?#]|$)|^(github\.com|gitlab\.com)/`)
})

// IsGit reports whether an ADD source is a git repository.
func IsGit(src string) bool { return gitURL().MatchString(src) }

// IsRemote reports whether an ADD source is fetched: a URL or a package URL.
func IsRemote(src string) bool {
	return strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://") || strings.HasPrefix(src, "pkg:")
}

var numericUser = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(root|\d{1,10}|\$.*)?(:(root|\d{1,10}|\$.*))?$`)
})

// IsNumericUser reports whether s is a USER or --chown value that needs no
// user names: numbers, root (which is 0), or a variable.
func IsNumericUser(s string) bool { return numericUser().MatchString(s) }

func isShell(argv []string) bool {
	if len(argv) < 2 || argv[len(argv)-1] != "-c" {
		return false
	}
	switch argv[0] {
	case "/bin/sh", "sh", "/bin/bash", "bash":
	default:
		return false
	}
	for _, flag := range argv[1 : len(argv)-1] {
		switch flag {
		case "-e", "-u", "-x", "-o", "pipefail", "-eu", "-ex", "-eux", "-eo", "-euo", "-exo", "-euxo":
		default:
			return false
		}
	}
	return true
}
