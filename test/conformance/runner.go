package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/runtime"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// runner runs tests on one engine.
type runner struct {
	options options
	engine  *engine.Engine
	runtime *runtime.Runtime
	prepare prepare.Options
}

func newRunner(ctx context.Context, o options) (*runner, error) {
	switch o.files {
	case "layers", "mount", "container":
	default:
		return nil, fmt.Errorf("-files %q: want layers, mount or container, or several with commas", o.files)
	}
	e, err := engine.New(ctx, engine.Config{CacheDir: o.cache})
	if err != nil {
		return nil, err
	}
	rt, err := runtime.New(ctx, runtime.WithCacheDir(o.cache))
	if err != nil {
		return nil, errors.Join(err, e.Close(ctx))
	}
	return &runner{options: o, engine: e, runtime: rt, prepare: prepare.Options{EngineFixes: e.NeedsFixes(), Fuel: true}}, nil
}

func (r *runner) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	_ = r.engine.Close(ctx)
	_ = r.runtime.Close(ctx)
}

// run runs one test; an error says why it did not pass.
func (r *runner) run(ctx context.Context, t test) error {
	bin, err := os.ReadFile(t.module)
	if err != nil {
		return err
	}
	if r.options.files == "container" {
		return r.contain(ctx, t, bin)
	}
	module, err := r.load(ctx, bin)
	if err != nil {
		return err
	}
	defer module.Close(ctx)
	tree, preopens, err := r.files(ctx, t)
	if err != nil {
		return err
	}
	defer tree.Close()

	var stdout, stderr bytes.Buffer
	silent, release := io.Pipe() // an open input that says nothing
	defer release.Close()
	host, err := preview1.New(preview1.Config{
		Args:  append([]string{filepath.Base(t.module)}, t.spec.Args...),
		Env:   t.spec.environment(),
		Stdin: wasi.NewInput(silent), Stdout: wasi.NewOutput(&stdout), Stderr: wasi.NewOutput(&stderr),
		Tree: tree, Preopens: preopens,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.options.timeout)
	defer cancel()
	code, err := r.start(ctx, module, host.Module())
	err = errors.Join(err, host.Close())
	return verdict(t.spec, code, stdout.String(), stderr.String(), err)
}

// load prepares and compiles a module.
func (r *runner) load(ctx context.Context, bin []byte) (*engine.Module, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%x\n%v %s\n%s\n", sha256.Sum256(bin), r.options.prepared, r.prepare.Key(), r.engine.Identity())
	return r.engine.Load(ctx, hex.EncodeToString(hash.Sum(nil)), func(ctx context.Context) (engine.Artifact, error) {
		if !r.options.prepared {
			return engine.Artifact{Wasm: bin}, nil
		}
		p, err := prepare.Prepare(ctx, bin, r.prepare)
		if err != nil {
			return engine.Artifact{}, err
		}
		return engine.Artifact{Wasm: p.Wasm, Names: p.Names}, nil
	}, nil)
}

// start runs a command to its end and returns its exit code.
func (r *runner) start(ctx context.Context, m *engine.Module, host wasi.HostModule) (uint32, error) {
	instance, err := r.engine.Instantiate(ctx, m, engine.InstanceConfig{Imports: []wasi.HostModule{host}, MemoryLimit: 1 << 30})
	if err != nil {
		return 0, err
	}
	defer instance.Close(ctx)
	_, err = instance.Call(ctx, "_start")
	var exit *engine.ExitError
	if errors.As(err, &exit) {
		return exit.Code, nil
	}
	return 0, err
}

// contain runs a test as a container: the suite's folder is its file system, with what every container has besides.
func (r *runner) contain(ctx context.Context, t test, bin []byte) error {
	image := testImage{runtime.Program(programName, bin), nil}
	if t.root != "" {
		l, err := layerOf(ctx, t.root)
		if err != nil {
			return err
		}
		image.root = []layer.Layer{l}
	}
	c, err := r.runtime.Create(ctx, image, runtime.Spec{})
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	var stdout, stderr bytes.Buffer
	silent, release := io.Pipe()
	defer release.Close()
	ctx, cancel := context.WithTimeout(ctx, r.options.timeout)
	defer cancel()
	err = c.Exec(ctx, runtime.Process{
		Args: append([]string{"/" + programName}, t.spec.Args...), Env: append([]string{}, t.spec.environment()...),
		Streams: true, Stdin: silent, Stdout: &stdout, Stderr: &stderr,
	})
	var exit *runtime.ExitError
	if errors.As(err, &exit) {
		return verdict(t.spec, exit.Code, stdout.String(), stderr.String(), nil)
	}
	return verdict(t.spec, 0, stdout.String(), stderr.String(), err)
}

const programName = ".test.wasm"

// testImage is a program with the suite's folder below it.
type testImage struct {
	runtime.Image
	root []layer.Layer
}

func (i testImage) Layers() []layer.Layer { return append(i.root, i.Image.Layers()...) }

// verdict compares what a test did with what the suite wants.
func verdict(want spec, code uint32, stdout, stderr string, err error) error {
	var problems []error
	if err != nil {
		problems = append(problems, err)
	}
	if code != want.ExitCode {
		problems = append(problems, fmt.Errorf("exit code %d, want %d", code, want.ExitCode))
	}
	if want.Stdout != nil && stdout != *want.Stdout {
		problems = append(problems, fmt.Errorf("stdout %q, want %q", stdout, *want.Stdout))
	}
	if want.Stderr != nil && stderr != *want.Stderr {
		problems = append(problems, fmt.Errorf("stderr %q, want %q", stderr, *want.Stderr))
	}
	if len(problems) > 0 && stderr != "" {
		problems = append(problems, errors.New("stderr: "+strings.TrimSpace(stderr)))
	}
	return errors.Join(problems...)
}

// files is the tree of a test. The suite's folder itself is never written to:
// it is the layer of an image, or a copy of it is mounted.
func (r *runner) files(ctx context.Context, t test) (*rootfs.Tree, []preview1.Preopen, error) {
	if t.root == "" {
		tree, err := rootfs.New(rootfs.Options{})
		return tree, nil, err
	}
	if r.options.files == "mount" {
		return mountCopy(t.root)
	}
	l, err := layerOf(ctx, t.root)
	if err != nil {
		return nil, nil, err
	}
	tree, err := rootfs.New(rootfs.Options{Layers: []rootfs.Layer{l}})
	if err != nil {
		return nil, nil, err
	}
	return tree, []preview1.Preopen{{GuestPath: "/", Node: tree.Root()}}, nil
}

// layerOf is a folder as the layer of an image.
func layerOf(ctx context.Context, root string) (rootfs.Layer, error) {
	content, index := &layer.Memory{}, &layer.Index{}
	dir := os.DirFS(root)
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		entry := layer.Entry{Path: name, Kind: layer.Dir, Mode: 0o755, ModTime: info.ModTime().UnixNano()}
		if !d.IsDir() {
			data, err := fs.ReadFile(dir, name)
			if err != nil {
				return err
			}
			entry.Kind, entry.Mode, entry.Size = layer.File, 0o644, int64(len(data))
			entry.Content = layer.Ref{Digest: content.PutBytes(data), Size: entry.Size}
		}
		index.Entries = append(index.Entries, entry)
		return ctx.Err()
	})
	index.Sort()
	return rootfs.Layer{Index: index, Content: content}, err
}

// mountCopy is a tree with a copy of a folder mounted in it, which is the
// guest's root and goes with the tree.
func mountCopy(root string) (*rootfs.Tree, []preview1.Preopen, error) {
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		return nil, nil, err
	}
	const target = "/mounted"
	tree, preopens, err := func() (*rootfs.Tree, []preview1.Preopen, error) {
		if err := os.CopyFS(dir, os.DirFS(root)); err != nil {
			return nil, nil, err
		}
		tree, err := rootfs.New(rootfs.Options{Mounts: []rootfs.Mount{{Target: target, Host: dir}}})
		if err != nil {
			return nil, nil, err
		}
		node, err := tree.Lookup(tree.Root(), strings.TrimPrefix(target, "/"), true)
		if err != nil {
			return nil, nil, errors.Join(err, tree.Close())
		}
		return tree, []preview1.Preopen{{GuestPath: path.Clean("/"), Node: node}}, nil
	}()
	if err != nil {
		return nil, nil, errors.Join(err, os.RemoveAll(dir))
	}
	return tree, preopens, nil
}
