package toolchain

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// workshop is the temporary copy of a stage that compilers work on.
type workshop struct {
	host *Host
	job  Job
	// dir holds everything; stage is the rootfs below it, tmp for compilers.
	dir, stage, tmp string
	root            *os.Root
	outputs         []Output
}

func newWorkshop(ctx context.Context, h *Host, job Job) (*workshop, error) {
	dir, err := os.MkdirTemp("", "wherry-toolchain-*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the compiler: %w", err)
	}
	// Compilers report paths with links resolved; prefix maps need them so.
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	w := &workshop{host: h, job: job, dir: dir, stage: filepath.Join(dir, "stage"), tmp: filepath.Join(dir, "tmp")}
	if err = errors.Join(os.Mkdir(w.stage, 0o700), os.Mkdir(w.tmp, 0o700)); err == nil {
		if w.root, err = os.OpenRoot(w.stage); err == nil {
			err = w.fill(ctx)
		}
	}
	if err == nil && job.Dir != "" {
		err = w.root.MkdirAll(local(job.Dir), 0o700)
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("copy the stage for the compiler: %w", err)
	}
	return w, nil
}

func (w *workshop) close() {
	if w.root != nil {
		w.root.Close()
	}
	_ = os.RemoveAll(w.dir)
}

// fill copies the stage's files. Links are followed, inside the stage, so that
// no compiler can follow one out of it.
func (w *workshop) fill(ctx context.Context) error {
	if w.job.Root == nil {
		return nil
	}
	return fs.WalkDir(w.job.Root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return fmt.Errorf("%s: the name is not possible on this system", name)
		}
		if d.IsDir() {
			return w.root.Mkdir(name, 0o700)
		}
		return w.copyFile(name)
	})
}

func (w *workshop) copyFile(name string) error {
	in, err := w.job.Root.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: a link to a folder cannot be used in a toolchain stage", name)
	}
	out, err := w.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return w.root.Chtimes(name, w.job.Epoch, w.job.Epoch)
}

// local is an absolute path of the stage as os.Root wants it.
func local(name string) string {
	if rel := strings.TrimPrefix(path.Clean("/"+name), "/"); rel != "" {
		return rel
	}
	return "."
}

// path is where a file of the stage lies on the host.
func (w *workshop) path(name string) string {
	return filepath.Join(w.stage, filepath.FromSlash(local(name)))
}

// relative is the path in the stage of a file of it; false for any other.
func (w *workshop) relative(name string) (string, bool) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	rel, err := filepath.Rel(w.stage, name)
	if err != nil || !filepath.IsLocal(rel) {
		return "", false
	}
	return path.Join("/", filepath.ToSlash(rel)), true
}

// output takes a finished file from the host path at into the stage as name, for
// the commands that follow and for the caller.
func (w *workshop) output(name, at string) error {
	info, err := os.Stat(at)
	if err != nil {
		return fmt.Errorf("the compiler made no %s: %w", name, errors.Unwrap(err))
	}
	if info.Size() > maxOutput {
		return fmt.Errorf("%s: larger than %d bytes", name, maxOutput)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		return err
	}
	rel := local(name)
	if err := w.root.MkdirAll(path.Dir(rel), 0o700); err != nil {
		return err
	}
	if err := w.root.WriteFile(rel, data, 0o600); err != nil {
		return err
	}
	w.outputs = append(w.outputs, Output{Path: rel, Data: data})
	return nil
}

// scratch makes a fresh folder outside the stage.
func (w *workshop) scratch() (string, error) { return os.MkdirTemp(w.tmp, "out-*") }

// isDir reports whether a path of the stage is a folder.
func (w *workshop) isDir(name string) bool {
	info, err := w.root.Stat(local(name))
	return err == nil && info.IsDir()
}

// prefixMaps hide the temporary folder from what compilers write down.
func (w *workshop) prefixMaps(flag string) []string {
	maps := []string{flag + w.stage + "=", flag + w.tmp + "=/tmp"}
	if runtime.GOOS == "windows" {
		maps = append(maps, flag+filepath.ToSlash(w.stage)+"=")
	}
	return maps
}
