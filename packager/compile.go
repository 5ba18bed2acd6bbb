package packager

import (
	"bytes"
	"context"
	"fmt"
	"strconv"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/packager/recipe"
	"github.com/wherry-run/wherry/packager/toolchain"
)

// compile does a RUN of a toolchain stage with a compiler of the host.
func (b *builder) compile(ctx context.Context, s *state, step recipe.Step, c *instructions.RunCommand) (bool, error) {
	version, err := b.Toolchain.Version(ctx, s.lang, s.pinned)
	if err != nil {
		return false, err
	}
	job := toolchain.Job{
		Lang: s.lang, Pinned: s.pinned, Dir: s.dir(), Env: s.environment(),
		Epoch: b.Epoch, Stdout: b.Stdout, Stderr: b.Stderr,
	}
	if c.PrependShell {
		job.Script, _ = recipe.Script(c)
	} else {
		job.Args = c.CmdLine
	}
	k := newKey("compile")
	k.add(s.digest(), s.lang, version, s.dir(), strconv.FormatInt(b.Epoch.Unix(), 10), job.Script)
	k.list(job.Args)
	k.list(job.Env)
	key := k.sum()
	parts, err := b.recall(ctx, key)
	if err != nil {
		return false, err
	}
	cached := parts != nil
	if !cached {
		if parts, err = b.callCompiler(ctx, s, job, key); err != nil {
			return false, err
		}
	}
	s.pushAll(parts, step.Code, b.Epoch)
	return cached, nil
}

func (b *builder) callCompiler(ctx context.Context, s *state, job toolchain.Job, key string) ([]part, error) {
	files, err := rootfs.New(rootfs.Options{Layers: s.layers(b.Store), ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open the stage's files: %w", err)
	}
	defer files.Close()
	job.Root = files.FS()
	outputs, err := b.Toolchain.Run(ctx, job)
	if err != nil {
		return nil, err
	}
	p := newPlan(b, s)
	for _, out := range outputs {
		if out.Dir {
			if err := p.mkdir(clean(out.Path)); err != nil {
				return nil, err
			}
			continue
		}
		n, err := b.storeFile(ctx, bytes.NewReader(out.Data))
		if err != nil {
			return nil, err
		}
		if n.kind = layer.File; !out.Plain {
			n.mode = 0o755
		}
		if err := p.put(clean(out.Path), n); err != nil {
			return nil, err
		}
	}
	parts, rec := []part{}, stepRecord{Indexes: []string{}}
	if entries := p.entries(); len(entries) > 0 {
		made, err := b.newPart(ctx, entries)
		if err != nil {
			return nil, err
		}
		parts, rec.Indexes = append(parts, made), append(rec.Indexes, made.digest)
	}
	return parts, b.remember(ctx, key, rec)
}
