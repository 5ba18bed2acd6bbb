package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/packager/recipe"
)

// defaultPath is where programs are looked for when the image has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// run does RUN: a compiler in a toolchain stage, pip install, or a program in
// the sandbox.
func (b *builder) run(ctx context.Context, s *state, step recipe.Step, c *instructions.RunCommand) (bool, error) {
	m, err := b.mounts(ctx, s, c)
	if err != nil {
		return false, err
	}
	if s.lang != "" {
		return b.compile(ctx, s, step, c)
	}
	jobs, err := s.jobs(step, c)
	if err != nil {
		return false, err
	}
	all := true
	for _, j := range jobs {
		cached, err := b.runJob(ctx, s, j, m)
		if err != nil {
			return false, err
		}
		all = all && cached
	}
	return all, nil
}

// job is one program or one pip install of a RUN.
type job struct {
	args      []string
	pip       []string // not nil for pip install
	env       []string
	script    *RunFile
	createdBy string
}

// jobs takes a RUN apart.
func (s *state) jobs(step recipe.Step, c *instructions.RunCommand) ([]job, error) {
	if !c.PrependShell {
		if pip, ok := recipe.PipArgs(c.CmdLine); ok {
			return []job{{pip: pip, createdBy: step.Code}}, nil
		}
		return []job{{args: c.CmdLine, createdBy: step.Code}}, nil
	}
	script, interpreted := recipe.Script(c)
	if interpreted {
		file := &RunFile{Path: "/dev/pipes/" + path.Base(c.Files[0].Name), Mode: 0o755, Data: []byte(script)}
		return []job{{args: []string{file.Path}, script: file, createdBy: step.Code}}, nil
	}
	parts, ok := recipe.SplitPip(script)
	if !ok {
		return nil, errors.New("pip install stands in a loop, a condition, a pipe, or after cd or export\nwrite it as a RUN of its own: RUN pip install -r requirements.txt")
	}
	var jobs []job
	for _, p := range parts {
		j := job{createdBy: step.Code}
		if len(parts) > 1 {
			j.createdBy = "RUN " + p.Shell
		}
		if p.Pip == nil {
			j.args = append(slices.Clone(s.shell), p.Shell)
			jobs = append(jobs, j)
			continue
		}
		var err error
		if j.pip, j.env, err = s.expandPip(p); err != nil {
			return nil, err
		}
		if len(parts) > 1 {
			j.createdBy = "RUN pip install " + strings.Join(p.Pip, " ")
		}
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// expandPip replaces the variables in the words of a pip install.
func (s *state) expandPip(p recipe.Part) (words, env []string, err error) {
	environment := s.environment()
	words = []string{}
	for _, word := range p.Pip {
		w, err := expand(word, environment)
		if err != nil {
			return nil, nil, err
		}
		words = append(words, w)
	}
	for _, word := range p.Env {
		w, err := expand(word, environment)
		if err != nil {
			return nil, nil, err
		}
		env = append(env, w)
	}
	return words, env, nil
}

func expand(word string, env []string) (string, error) {
	out, _, err := shell.NewLex('\\').ProcessWord(word, shell.EnvsFromSlice(env))
	return out, err
}

// mounted is what RUN --mount brings into one RUN.
type mounted struct {
	files []RunFile
	env   []string
	// layers hold the files of bind mounts; targets are their paths, whose
	// changes are dropped.
	layers  []rootfs.Layer
	inputs  []string
	targets []string
	secrets [][]byte
}

func (b *builder) mounts(ctx context.Context, s *state, c *instructions.RunCommand) (*mounted, error) {
	m := &mounted{}
	for _, mount := range instructions.GetMounts(c) {
		var err error
		switch mount.Type {
		case instructions.MountTypeSecret:
			err = b.mountSecret(m, s, mount)
		case instructions.MountTypeCache, instructions.MountTypeTmpfs:
			if mount.Target == "" {
				err = fmt.Errorf("--mount=type=%s needs a target", mount.Type)
			}
			m.files = append(m.files, RunFile{Path: s.absolute(mount.Target), Mode: 0o755, Dir: true})
			m.inputs = append(m.inputs, "empty", s.absolute(mount.Target))
		case instructions.MountTypeBind:
			err = b.mountBind(ctx, m, s, mount)
		default:
			err = fmt.Errorf("--mount=type=%s: not in the sandbox", mount.Type)
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

// mountSecret shows a secret to the one RUN that names it. Its value is no part
// of any cache key: a new token does not change what is built.
func (b *builder) mountSecret(m *mounted, s *state, mount *instructions.Mount) error {
	id := mount.CacheID
	if id == "" {
		id = mount.Source
	}
	if id == "" {
		id = path.Base(mount.Target)
	}
	load, ok := b.Secrets[id]
	if !ok {
		if mount.Required {
			return fmt.Errorf("secret %q is not given\npass it with --secret id=%s,src=FILE or --secret id=%s,env=NAME", id, id, id)
		}
		return nil
	}
	value, err := load()
	if err != nil {
		return fmt.Errorf("read secret %q: %w", id, err)
	}
	m.secrets = append(m.secrets, value)
	s.secret = true
	m.inputs = append(m.inputs, "secret", id)
	if mount.Env != nil {
		name := *mount.Env
		if name == "" {
			name = id
		}
		m.env = append(m.env, name+"="+string(value))
		if mount.Target == "" {
			return nil
		}
	}
	target := mount.Target
	if target == "" {
		target = "/run/secrets/" + path.Base(id)
	}
	mode := uint32(0o400)
	if mount.Mode != nil {
		mode = uint32(*mount.Mode) & 0o777
	}
	m.files = append(m.files, RunFile{Path: s.absolute(target), Mode: mode, Data: value})
	return nil
}

// mountBind puts files of the context, a stage or an image over the rootfs of
// one RUN: a layer on top whose changes nobody keeps.
func (b *builder) mountBind(ctx context.Context, m *mounted, s *state, mount *instructions.Mount) error {
	if mount.Target == "" {
		return errors.New("--mount=type=bind needs a target")
	}
	src, err := b.source(ctx, s, mount.From)
	if err != nil {
		return err
	}
	cp := &copier{plan: newPlan(b, s), src: src}
	target := clean(s.absolute(mount.Target))
	from, err := follow(src, mount.Source, true)
	if err != nil {
		return err
	}
	if _, ok, err := src.lookup(from); err != nil || !ok {
		return errors.Join(err, cp.missing(mount.Source))
	}
	if err := cp.copyTree(ctx, from, target); err != nil {
		return err
	}
	p, err := b.newPart(ctx, cp.entries())
	if err != nil {
		return err
	}
	m.layers = append(m.layers, rootfs.Layer{Index: p.index, Content: b.Store})
	m.inputs = append(m.inputs, "bind", p.digest)
	m.targets = append(m.targets, target)
	return nil
}

// runJob runs one program or pip install, or remembers what it did.
func (b *builder) runJob(ctx context.Context, s *state, j job, m *mounted) (bool, error) {
	env := s.runEnvironment(b.Epoch.Unix())
	for _, kv := range j.env {
		name, value, _ := strings.Cut(kv, "=")
		env = setEnv(env, name, value)
	}
	k := newKey("run")
	k.add(s.digest(), s.dir(), s.config.Config.User, strconv.FormatInt(b.Epoch.Unix(), 10), fmt.Sprint(j.pip != nil))
	k.list(j.args)
	k.list(j.pip)
	k.list(env)
	k.list(m.inputs)
	if j.script != nil {
		k.add(string(j.script.Data))
	}
	key := k.sum()
	parts, err := b.recall(ctx, key)
	if err != nil {
		return false, err
	}
	cached := parts != nil
	if !cached {
		if parts, err = b.execute(ctx, s, j, m, env, key); err != nil {
			return false, err
		}
	}
	s.pushAll(parts, j.createdBy, b.Epoch)
	return cached, nil
}

// dir is the working directory of programs.
func (s *state) dir() string {
	if s.config.Config.WorkingDir == "" {
		return "/"
	}
	return s.config.Config.WorkingDir
}

// runEnvironment is what programs of a build see: ENV, ARGs in scope, and the
// variables without which most programs do not start.
func (s *state) runEnvironment(epoch int64) []string {
	env := s.environment()
	have := map[string]bool{}
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		have[name] = true
	}
	for _, kv := range []string{"PATH=" + defaultPath, "HOME=/root", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch)} {
		if name, _, _ := strings.Cut(kv, "="); !have[name] {
			env = append(env, kv)
		}
	}
	return env
}

// execute runs a job and stores what it changed. An empty list that is not nil
// means that it changed nothing.
func (b *builder) execute(ctx context.Context, s *state, j job, m *mounted, env []string, key string) ([]part, error) {
	var (
		changes *Changes
		err     error
	)
	files := slices.Clone(m.files)
	if j.script != nil {
		files = append(files, *j.script)
	}
	layers := append(s.layers(b.Store), m.layers...)
	env = append(slices.Clone(env), m.env...)
	if j.pip != nil {
		changes, err = b.pipInstall(ctx, s, j, layers, env, files)
	} else {
		if b.Runner == nil {
			return nil, errors.New("there is no sandbox to run it in")
		}
		changes, err = b.Runner.Run(ctx, RunSpec{
			Layers: layers, Args: j.args, Env: env, Dir: s.dir(), User: s.config.Config.User, Files: files,
			Stdout: b.Stdout, Stderr: b.Stderr, Epoch: b.Epoch, Seed: seed(key), Base: s.base,
		})
	}
	if err != nil {
		return nil, err
	}
	if changes.Close != nil {
		defer changes.Close()
	}
	entries, err := b.keep(ctx, changes, m)
	if err != nil {
		return nil, err
	}
	parts, rec := []part{}, stepRecord{Indexes: []string{}}
	if len(entries) > 0 {
		p, err := b.newPart(ctx, entries)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
		rec.Indexes = append(rec.Indexes, p.digest)
	}
	return parts, b.remember(ctx, key, rec)
}

// keep stores the contents of changed files and makes the entries those of a
// layer: one time for all, no secrets, nothing under a mount.
func (b *builder) keep(ctx context.Context, c *Changes, m *mounted) ([]layer.Entry, error) {
	var out []layer.Entry
	for _, e := range c.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if m.covers(e.Path) {
			continue
		}
		e.ModTime = b.Epoch.UnixNano()
		if e.Kind == layer.File && e.Link == "" && e.Size > 0 && c.Open != nil {
			ref, err := b.keepFile(ctx, c, e, m.secrets)
			if err != nil {
				return nil, err
			}
			e.Content = ref
		}
		out = append(out, e)
	}
	return out, nil
}

// covers reports whether a path belongs to a mount.
func (m *mounted) covers(name string) bool {
	for _, t := range m.targets {
		if name == t || strings.HasPrefix(name, t+"/") {
			return true
		}
	}
	for _, f := range m.files {
		if t := clean(f.Path); name == t || strings.HasPrefix(name, t+"/") {
			return true
		}
	}
	return false
}

func (b *builder) keepFile(ctx context.Context, c *Changes, e layer.Entry, secrets [][]byte) (layer.Ref, error) {
	r, err := c.Open(e.Content)
	if err != nil {
		return layer.Ref{}, fmt.Errorf("keep /%s: %w", e.Path, err)
	}
	defer r.Close()
	watch := &secretWatch{r: r, secrets: secrets}
	digest, size, err := b.Store.Put(ctx, watch)
	if err == nil && size != e.Size {
		err = fmt.Errorf("has %d bytes, expected %d", size, e.Size)
	}
	if err != nil {
		return layer.Ref{}, fmt.Errorf("keep /%s: %w", e.Path, err)
	}
	return layer.Ref{Digest: digest, Size: size}, nil
}

// minSecret is the length from which a secret is looked for in layers; shorter
// values are found by chance.
const minSecret = 8

// secretWatch fails when a secret passes through.
type secretWatch struct {
	r       io.Reader
	secrets [][]byte
	tail    []byte
}

func (w *secretWatch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n == 0 || len(w.secrets) == 0 {
		return n, err
	}
	window := append(w.tail, p[:n]...)
	longest := 0
	for _, secret := range w.secrets {
		if len(secret) < minSecret {
			continue
		}
		longest = max(longest, len(secret))
		if containsSecret(window, secret) {
			return n, errors.New("it holds a secret of this build; the program must not write it to a file")
		}
	}
	w.tail = slices.Clone(window[max(0, len(window)-max(longest-1, 0)):])
	return n, err
}
