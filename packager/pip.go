package packager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/packager/python"
)

// pipInstall hands a pip install to the installer.
func (b *builder) pipInstall(ctx context.Context, s *state, j job, layers []rootfs.Layer, env []string, files []RunFile) (*Changes, error) {
	if b.Pip == nil {
		return nil, errors.New("there is no pip here")
	}
	tree, err := rootfs.New(rootfs.Options{Layers: layers, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("open the stage's files: %w", err)
	}
	defer tree.Close()
	return b.Pip.Install(ctx, PipRequest{
		Args: j.pip, Dir: s.dir(), Env: env, Config: s.config, Layers: layers, Root: tree.FS(), Files: files,
		Store: b.Store, Runner: b.Runner, Base: s.base, Epoch: b.Epoch, Stdout: b.Stdout, Stderr: b.Stderr,
	})
}

// Pip is the PipInstaller over the host's pip.
type Pip struct{ installer python.Installer }

// NewPip finds pip or uv on the host's PATH when it is first needed.
func NewPip() *Pip { return &Pip{} }

// Install resolves and downloads with the host's pip, and imports each new
// module once in the sandbox.
func (p *Pip) Install(ctx context.Context, r PipRequest) (*Changes, error) {
	res, err := p.installer.Install(ctx, python.Request{
		Args: r.Args, FS: r.Root, Dir: r.Dir, Env: r.Env, Secrets: pipSecrets(r.Files), Progress: r.Stderr,
	})
	if err != nil {
		return nil, err
	}
	defer res.Close()
	entries, err := pipEntries(ctx, r, res.Files)
	if err != nil {
		return nil, err
	}
	if r.Runner != nil {
		index := &layer.Index{Entries: entries}
		index.Sort()
		over := append(r.Layers[:len(r.Layers):len(r.Layers)], rootfs.Layer{Index: index, Content: r.Store})
		if err := res.CheckImports(ctx, importRunner(r, over)); err != nil {
			return nil, err
		}
	}
	for _, note := range res.Notes {
		fmt.Fprintln(r.Stderr, note)
	}
	return &Changes{Entries: entries, Open: layer.OpenFrom(r.Store)}, nil
}

// pipSecrets are the files that a RUN mounts for pip. Empty folders, which are
// caches as a rule, mean nothing to it: the host's pip has a cache of its own.
func pipSecrets(files []RunFile) []python.Secret {
	var out []python.Secret
	for _, f := range files {
		if !f.Dir {
			out = append(out, python.Secret{Path: f.Path, Data: f.Data})
		}
	}
	return out
}

// pipEntries stores the installed files, and the folders above them that the
// stage lacks.
func pipEntries(ctx context.Context, r PipRequest, files []python.File) ([]layer.Entry, error) {
	var entries []layer.Entry
	seen := map[string]bool{"": true}
	for _, f := range files {
		for dir := parent(f.Path); !seen[dir]; dir = parent(dir) {
			seen[dir] = true
			if _, err := fs.Stat(r.Root, dir); err != nil {
				entries = append(entries, layer.Entry{Path: dir, Kind: layer.Dir, Mode: 0o755, ModTime: r.Epoch.UnixNano()})
			}
		}
		ref, err := storePipFile(ctx, r, f)
		if err != nil {
			return nil, fmt.Errorf("store /%s: %w", f.Path, err)
		}
		entries = append(entries, layer.Entry{
			Path: f.Path, Kind: layer.File, Mode: f.Mode & 0o777, ModTime: r.Epoch.UnixNano(), Size: ref.Size, Content: ref,
		})
	}
	return entries, nil
}

func storePipFile(ctx context.Context, r PipRequest, f python.File) (layer.Ref, error) {
	in, err := f.Open()
	if err != nil {
		return layer.Ref{}, err
	}
	defer in.Close()
	digest, size, err := r.Store.Put(ctx, in)
	if err != nil || size == 0 {
		return layer.Ref{}, err
	}
	return layer.Ref{Digest: digest, Size: size}, nil
}

// importRunner runs a program over the stage with the new files in place. A
// program that ends with a status has said on its output what is wrong.
func importRunner(r PipRequest, layers []rootfs.Layer) python.Run {
	return func(ctx context.Context, argv []string) (int, []byte, error) {
		var out bytes.Buffer
		k := newKey("import")
		k.list(argv)
		changes, err := r.Runner.Run(ctx, RunSpec{
			Layers: layers, Args: argv, Env: r.Env, Dir: "/", Stdout: &limited{&out, 1 << 20}, Stderr: &limited{&out, 1 << 20},
			Epoch: r.Epoch, Seed: seed(k.sum()), Base: r.Base,
		})
		if err == nil && changes.Close != nil {
			err = changes.Close()
		}
		if code, ok := exitCode(err); ok {
			return code, out.Bytes(), nil
		}
		return 0, out.Bytes(), err
	}
}

// limited writes the first bytes to w and drops the rest.
type limited struct {
	w    io.Writer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// exitCode is the status of a guest that ended by itself.
func exitCode(err error) (int, bool) {
	var coder interface{ ExitCode() int }
	if errors.As(err, &coder) {
		return coder.ExitCode(), true
	}
	return 0, false
}
