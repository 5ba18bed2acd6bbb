package runtime

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
)

// Archive writes a file, or a folder with all that is in it, as a tar whose entries
// begin with the last part of its name; those of the root begin with nothing. Mounts
// are part of it, devices are not. Programs may run meanwhile.
func (c *Container) Archive(ctx context.Context, w io.Writer, name string) error {
	name = relative(path.Clean("/" + name))
	t := tar.NewWriter(w)
	base := path.Base(name)
	if name == "" || name == "." {
		name, base = ".", ""
	}
	if err := c.archive(ctx, t, name, base); err != nil {
		return fmt.Errorf("archive /%s: %w", strings.TrimPrefix(name, "."), err)
	}
	return t.Close()
}

// ArchiveImage is Archive for what an image has, without a container of it.
func ArchiveImage(ctx context.Context, w io.Writer, image Image, name string) error {
	tree, err := rootfs.New(rootfs.Options{Layers: image.Layers(), ReadOnly: true})
	if err != nil {
		return err
	}
	defer tree.Close()
	return (&Container{tree: tree}).Archive(ctx, w, name)
}

func (c *Container) archive(ctx context.Context, t *tar.Writer, name, as string) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	st, err := c.tree.Stat(c.tree.Root(), name, false)
	if err != nil {
		return err
	}
	info := st.Info(path.Base(name))
	h := &tar.Header{Name: as, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime(), Format: tar.FormatPAX}
	switch {
	case info.IsDir():
		return c.archiveDir(ctx, t, h, name, as)
	case info.Mode()&fs.ModeSymlink != 0:
		h.Typeflag = tar.TypeSymlink
		if h.Linkname, err = c.tree.Readlink(c.tree.Root(), name); err != nil {
			return err
		}
		return t.WriteHeader(h)
	case !info.Mode().IsRegular():
		return nil
	}
	f, err := c.tree.Open(c.tree.Root(), name, rootfs.How{Read: true})
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	// A program may cut or grow it now: the archive has what the header says.
	n, err := io.Copy(t, io.NewSectionReader(f, 0, h.Size))
	if err == nil && n < h.Size {
		_, err = io.CopyN(t, zeros{}, h.Size-n)
	}
	return err
}

func (c *Container) archiveDir(ctx context.Context, t *tar.Writer, h *tar.Header, name, as string) error {
	if as != "" {
		h.Typeflag, h.Name = tar.TypeDir, as+"/"
		if err := t.WriteHeader(h); err != nil {
			return err
		}
	}
	list, err := fs.ReadDir(c.tree.FS(), name)
	if err != nil {
		return err
	}
	for _, e := range list {
		err := c.archive(ctx, t, path.Join(name, e.Name()), path.Join(as, e.Name()))
		if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// zeros reads as zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// maxArchived bounds the entries that Extract takes.
const maxArchived = 1 << 20

// Extract puts the files of a tar below a folder of the container, in place of those
// that are there. Only folders, files and links of names are taken; none leads out of
// the container, for there is no way out of its file system.
func (c *Container) Extract(ctx context.Context, r io.Reader, dir string) error {
	if c.spec.ReadOnly {
		return fmt.Errorf("extract to %s: the container's files are read-only", dir)
	}
	t := tar.NewReader(r)
	for n := 0; ; n++ {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && n >= maxArchived {
			err = fmt.Errorf("more than %d entries", maxArchived)
		}
		if err == nil {
			err = c.extract(h, t, dir)
		}
		if err != nil {
			return fmt.Errorf("extract to %s: %w", dir, err)
		}
	}
}

func (c *Container) extract(h *tar.Header, r io.Reader, dir string) error {
	root := c.tree.Root()
	name := relative(path.Join("/", dir, path.Clean("/"+h.Name)))
	mode := uint32(h.Mode) & 0o777
	if name == "" || name == "." {
		return nil
	}
	st, err := c.tree.Stat(root, name, false)
	there := err == nil
	isDir := there && st.Kind == rootfs.KindDir
	if h.Typeflag == tar.TypeDir {
		if isDir {
			return nil
		}
		return c.tree.Mkdir(root, name, mode)
	}
	if isDir {
		return fmt.Errorf("%s is a folder", name)
	}
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		if there {
			if err := c.tree.Unlink(root, name); err != nil {
				return err
			}
		}
		return c.tree.Symlink(h.Linkname, root, name)
	default:
		return nil
	}
	if there && st.Kind == rootfs.KindSymlink {
		if err := c.tree.Unlink(root, name); err != nil {
			return err
		}
	}
	f, err := c.tree.Open(root, name, rootfs.How{Write: true, Create: true, Trunc: true, Mode: mode})
	if err != nil {
		return err
	}
	_, err = io.Copy(&openFile{File: f, name: name}, r)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = c.tree.Chmod(root, name, mode)
	}
	if err == nil && !h.ModTime.IsZero() {
		at := h.ModTime
		if at.Before(time.Unix(0, 0)) {
			at = time.Unix(0, 0)
		}
		err = c.tree.SetTimes(root, name, true, rootfs.Times{Atime: &at, Mtime: &at})
	}
	return err
}

// WriteLayer writes what the container changed of its image as the tar of a layer:
// whiteouts take away what it removed. Mounts are not part of it.
func (c *Container) WriteLayer(ctx context.Context, w io.Writer) error {
	index, content, err := c.Changes(ctx)
	if err == nil {
		err = layer.Write(ctx, w, index.Entries, layer.OpenFrom(content), layer.WriteOptions{KeepOwner: true})
	}
	if err != nil {
		return fmt.Errorf("write the container's changes: %w", err)
	}
	return nil
}

// A Change is a difference between a container and its image.
type Change struct {
	Kind byte // 'A' added, 'C' changed, 'D' deleted
	Path string
}

// Diff lists what the container changed of its image's files. Mounts are not part of
// it.
func (c *Container) Diff(ctx context.Context) ([]Change, error) {
	index, _, err := c.Changes(ctx)
	if err != nil {
		return nil, err
	}
	var list []Change
	for _, e := range index.Entries {
		switch {
		case e.Path == "" || e.Kind == layer.Opaque:
		case e.Kind == layer.Whiteout:
			list = append(list, Change{'D', "/" + e.Path})
		case c.inImage(e.Path):
			list = append(list, Change{'C', "/" + e.Path})
		default:
			list = append(list, Change{'A', "/" + e.Path})
		}
	}
	return list, nil
}

// inImage tells whether the image's layers have a file of that name.
func (c *Container) inImage(name string) bool {
	for i := len(c.layers) - 1; i >= 0; i-- {
		if e := c.layers[i].Index.Lookup(name); e != nil {
			return e.Kind != layer.Whiteout
		}
	}
	return false
}

// Stat describes a file of the container; the error is fs.ErrNotExist when there is
// none.
func (c *Container) Stat(name string) (fs.FileInfo, error) {
	name = relative(path.Clean("/" + name))
	st, err := c.tree.Stat(c.tree.Root(), name, true)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: "/" + name, Err: err}
	}
	return st.Info(path.Base(name)), nil
}
