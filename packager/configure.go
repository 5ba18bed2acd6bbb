package packager

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/pattern"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
)

// configure does an instruction that changes the config alone.
func (s *state) configure(step recipe.Step, cmd any, epoch time.Time) error {
	c := &s.config.Config
	switch cmd := cmd.(type) {
	case *instructions.EnvCommand:
		for _, kv := range cmd.Env {
			c.Env = setEnv(c.Env, kv.Key, kv.Value)
		}
	case *instructions.LabelCommand:
		for _, kv := range cmd.Labels {
			s.label(kv.Key, kv.Value)
		}
	case *instructions.MaintainerCommand:
		s.config.Author = cmd.Maintainer
	case *instructions.EntrypointCommand:
		c.Entrypoint = s.commandLine(cmd.ShellDependantCmdLine)
		if !s.ownCmd {
			c.Cmd = nil
		}
	case *instructions.CmdCommand:
		c.Cmd = s.commandLine(cmd.ShellDependantCmdLine)
		s.ownCmd = true
	case *instructions.ExposeCommand:
		if err := s.expose(cmd.Ports); err != nil {
			return err
		}
	case *instructions.VolumeCommand:
		if c.Volumes == nil {
			c.Volumes = map[string]struct{}{}
		}
		for _, v := range cmd.Volumes {
			c.Volumes[s.absolute(v)] = struct{}{}
		}
	case *instructions.UserCommand:
		if !recipe.IsNumericUser(cmd.User) {
			return fmt.Errorf("there are no user names in the sandbox, %q\nwrite a number, or leave USER out", cmd.User)
		}
		c.User = cmd.User
	case *instructions.HealthCheckCommand:
		h := cmd.Health
		c.Healthcheck = &oci.Healthcheck{
			Test: h.Test, Interval: h.Interval, Timeout: h.Timeout,
			StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
		}
	case *instructions.StopSignalCommand:
		if !signalName.MatchString(cmd.Signal) {
			return fmt.Errorf("no such signal: %q", cmd.Signal)
		}
		c.StopSignal = cmd.Signal
	case *instructions.ShellCommand:
		s.shell = cmd.Shell
		c.Shell = cmd.Shell
	default:
		return fmt.Errorf("%s is not an instruction of this version", step.Keyword())
	}
	s.history(step.Code, epoch, true)
	return nil
}

var signalName = pattern.New(`^(SIG)?[A-Z][A-Z0-9+-]{1,15}$|^[0-9]{1,2}$`)

func (s *state) label(key, value string) {
	if s.config.Config.Labels == nil {
		s.config.Config.Labels = map[string]string{}
	}
	s.config.Config.Labels[key] = value
}

// commandLine puts the shell before the shell form.
func (s *state) commandLine(line instructions.ShellDependantCmdLine) []string {
	if !line.PrependShell {
		return line.CmdLine
	}
	return append(append([]string{}, s.shell...), strings.Join(line.CmdLine, " "))
}

// setEnv sets a variable where it stands already, or at the end.
func setEnv(env []string, name, value string) []string {
	for i, kv := range env {
		if have, _, _ := strings.Cut(kv, "="); have == name {
			env[i] = name + "=" + value
			return env
		}
	}
	return append(env, name+"="+value)
}

// expose notes ports: 80, 80/udp, 8000-8010.
func (s *state) expose(words []string) error {
	env := s.environment()
	for _, word := range words {
		word, err := expand(word, env)
		if err != nil {
			return err
		}
		ports, proto, given := strings.Cut(word, "/")
		if !given {
			proto = "tcp"
		}
		proto = strings.ToLower(proto)
		if proto != "tcp" && proto != "udp" {
			return fmt.Errorf("port %q: the protocol is tcp or udp", word)
		}
		first, last, isRange := strings.Cut(ports, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.ParseUint(first, 10, 16)
		to, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || from == 0 || from > to || to-from > 1000 {
			return fmt.Errorf("port %q: expected a number up to 65535, or a range such as 8000-8010", word)
		}
		if s.config.Config.ExposedPorts == nil {
			s.config.Config.ExposedPorts = map[string]struct{}{}
		}
		for p := from; p <= to; p++ {
			s.config.Config.ExposedPorts[fmt.Sprintf("%d/%s", p, proto)] = struct{}{}
		}
	}
	return nil
}

// workdir sets the working directory, and makes it when it is missing.
func (b *builder) workdir(ctx context.Context, s *state, step recipe.Step, c *instructions.WorkdirCommand) (bool, error) {
	if c.Path == "" {
		return false, fmt.Errorf("the working directory is empty")
	}
	dir := s.absolute(c.Path)
	s.config.Config.WorkingDir = dir
	t := s.tree(b.Store)
	at, err := follow(t, dir, true)
	if err != nil {
		return false, err
	}
	if n, ok, err := t.lookup(at); err != nil || ok {
		if err == nil && n.kind != layer.Dir {
			err = fmt.Errorf("%s is a file", dir)
		}
		s.history(step.Code, b.Epoch, true)
		return true, err
	}
	plan := newPlan(b, s)
	if err := plan.mkdir(at); err != nil {
		return false, err
	}
	return b.commit(ctx, s, plan.entries(), step.Code)
}
