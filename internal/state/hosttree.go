package state

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// PackHost writes a file or a folder of this machine as a tar whose entries begin with
// as; "" leaves the folder itself out. follow takes what a link at the top leads to.
func PackHost(ctx context.Context, w io.Writer, name, as string, follow bool) error {
	if follow {
		real, err := filepath.EvalSymlinks(name)
		if err != nil {
			return err
		}
		name = real
	}
	t := tar.NewWriter(w)
	err := filepath.WalkDir(name, func(p string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(name, p)
		if err != nil {
			return err
		}
		entry := path.Join(as, filepath.ToSlash(rel))
		if entry == "." || entry == "" {
			return nil
		}
		return packOne(t, p, entry, d)
	})
	return errors.Join(err, t.Close())
}

func packOne(t *tar.Writer, name, as string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: as, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		h.Typeflag, h.Name = tar.TypeDir, as+"/"
		return t.WriteHeader(h)
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = os.Readlink(name); err != nil {
			return err
		}
		return t.WriteHeader(h)
	case !info.Mode().IsRegular():
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.CopyN(t, f, h.Size)
	return err
}

// UnpackHost puts the entries of a tar below a folder of this machine, the first part
// of their names replaced by as, unless that is "". Nothing leads out of the folder:
// the names are a container's, and so are the links.
func UnpackHost(ctx context.Context, r io.Reader, dir, as string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	t := tar.NewReader(r)
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.Trim(path.Clean("/"+h.Name), "/")
		if as != "" {
			_, rest, _ := strings.Cut(name, "/")
			name = path.Join(as, rest)
		}
		if name == "" {
			continue
		}
		if err := unpackOne(root, h, t, filepath.FromSlash(name)); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
}

func unpackOne(root *os.Root, h *tar.Header, r io.Reader, name string) error {
	mode := fs.FileMode(h.Mode) & fs.ModePerm
	switch h.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, mode|0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	case tar.TypeSymlink:
		if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return root.Symlink(h.Linkname, name)
	case tar.TypeReg:
	default:
		return nil
	}
	if info, err := root.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if err := root.Remove(name); err != nil {
			return err
		}
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode|0o200)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close(), root.Chtimes(name, h.ModTime, h.ModTime))
}
