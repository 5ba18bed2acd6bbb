// Package python knows how a Python stage of a recipe gets its packages: the
// host's pip chooses and downloads them for the guest's environment, what is
// compiled into the base counts as installed, and the wheels become files of
// one deterministic layer.
package python

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Where things lie in an image of the Python base, without a leading slash.
const (
	SitePackages = "usr/local/lib/python3.15/site-packages"
	Scripts      = "usr/local/bin"
	LockPath     = "usr/local/lib/python3.15/wherry-lock.txt"
	libraryZip   = "usr/local/lib/python315.zip"
	headers      = "usr/local/include/python3.15"
	prefix       = "usr/local"
	interpreter  = "/usr/bin/python"
)

// Installer carries out pip install for stages on the Python base. Its zero
// value finds pip or uv on the host's PATH.
type Installer struct {
	// Python is the host's Python to use, with its arguments; empty: python3,
	// python or py with pip, else uv.
	Python []string
	// Look finds a program of the host; nil is exec.LookPath.
	Look func(file string) (string, error)
	// Temp is where wheels lie until the layer is written; empty is the
	// system's folder for temporary files.
	Temp string
}

// Request is one pip install of a recipe.
type Request struct {
	Args     []string  // what follows "pip install"
	FS       fs.FS     // the files of the stage
	Dir      string    // the working directory in the stage, absolute
	Env      []string  // the stage's variables; none of them becomes one of the host's
	Secrets  []Secret  // files that this RUN mounts: a pip.conf, a netrc
	Progress io.Writer // what pip prints; nil discards it
}

// File is one file that the installation adds to the image.
type File struct {
	Path string // without a leading slash
	Mode uint32
	Size int64
	Open func() (io.ReadCloser, error)
}

// Result is what an installation adds. Its wheels lie in a temporary folder
// until Close.
type Result struct {
	Files   []File   // sorted by path
	Lock    []byte   // requirements with hashes, also among Files
	Notes   []string // what was left out or is worth knowing
	Modules []string // the top-level modules installed

	allowImportErrors bool
	temp              string
	closers           []io.Closer
}

// Close removes the wheels.
func (r *Result) Close() error {
	var first error
	for _, c := range r.closers {
		if err := c.Close(); err != nil && first == nil {
			first = err
		}
	}
	r.closers = nil
	if r.temp != "" {
		if err := os.RemoveAll(r.temp); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// Install resolves, downloads and unpacks what the request asks for.
func (in *Installer) Install(ctx context.Context, req Request) (*Result, error) {
	if req.Progress == nil {
		req.Progress = io.Discard
	}
	args, err := parseArgs(req.Args)
	if err != nil {
		return nil, err
	}
	reader := &requirementReader{fs: req.FS, dir: req.Dir, env: req.Env}
	asked, err := reader.read(args)
	if err != nil {
		return nil, err
	}
	secrets, err := sortSecrets(req.Secrets, req.Dir, req.Env)
	if err != nil {
		return nil, err
	}
	base, err := readInstalled(req.FS)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(in.Temp, "wherry-pip-")
	if err != nil {
		return nil, fmt.Errorf("make folder for wheels: %w", err)
	}
	res := &Result{temp: temp, allowImportErrors: args.allowImportErrors}
	err = in.withSecrets(secrets, temp, func(env []string) error {
		return in.install(ctx, req, args, asked, base, env, res)
	})
	if err != nil {
		res.Close()
		return nil, err
	}
	return res, nil
}

// withSecrets calls do while the secrets lie in files.
func (in *Installer) withSecrets(secrets map[string]Secret, temp string, do func(env []string) error) error {
	env, remove, err := writeSecrets(temp, secrets)
	if err == nil {
		err = do(env)
	}
	return errors.Join(err, remove())
}

// install is Install once everything is read.
func (in *Installer) install(ctx context.Context, req Request, args *arguments, asked *asked, base installed, env []string, res *Result) error {
	quiet, err := folder(res.temp, "empty")
	if err != nil {
		return err
	}
	host, err := in.findHost(ctx, quiet)
	if err != nil {
		return err
	}
	d := &driver{host: host, dir: res.temp, base: base, env: env, progress: req.Progress}
	plan, err := d.plan(ctx, asked, args.useBaseVersions)
	if err != nil {
		return err
	}
	if len(plan.rows) > 0 {
		return &ConflictError{Rows: plan.rows}
	}
	wheels, err := d.resolve(ctx, req.FS, args, asked, plan)
	if err != nil {
		return err
	}
	if err := verifyHashes(wheels, plan.keep); err != nil {
		return err
	}
	res.Notes = append(res.Notes, plan.notes...)
	return res.unpack(req.FS, wheels, base, plan)
}

// look finds a program of the host.
func (in *Installer) look(file string) (string, error) {
	if in.Look != nil {
		return in.Look(file)
	}
	return exec.LookPath(file)
}

// folder makes a folder in the temporary one.
func folder(temp, name string) (string, error) {
	dir := filepath.Join(temp, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder for wheels: %w", err)
	}
	return dir, nil
}
