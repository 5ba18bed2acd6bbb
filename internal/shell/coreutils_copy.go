package shell

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// target is where SRC goes when it is copied, moved or linked to DEST.
func (c *call) target(src, dest string, noDir bool) string {
	d := c.path(dest)
	if noDir {
		return d
	}
	if info, err := c.w.Stat(d, true); err == nil && info.IsDir() {
		return path.Join(d, path.Base(c.path(src)))
	}
	return d
}

// sources splits operands into what is taken and where it goes.
func (c *call) sources(o options) ([]string, string, error) {
	if t := o.value("t", ""); t != "" {
		return o.args, t, nil
	}
	if len(o.args) < 2 {
		return nil, "", usageError("missing operand")
	}
	last := len(o.args) - 1
	src, dest := o.args[:last], o.args[last]
	if len(src) > 1 {
		if info, err := c.w.Stat(c.path(dest), true); err != nil || !info.IsDir() {
			return nil, "", usageError("target '" + dest + "' is not a directory")
		}
	}
	return src, dest, nil
}

func cp(c *call) error {
	o, err := c.parse("r R a p d f n u v L P T t: recursive=r archive=a force=f no-clobber=n verbose=v no-target-directory=T target-directory=t: preserve: parents")
	if err != nil {
		return err
	}
	src, dest, err := c.sources(o)
	if err != nil {
		return err
	}
	k := copier{c: c, deep: o.has("r", "R", "a"), keep: o.has("p", "a", "preserve"), follow: !o.has("r", "R", "a", "d", "P") || o.has("L"), keepOld: o.has("n"), newer: o.has("u")}
	for _, name := range src {
		if err := k.copy(c.path(name), c.target(name, dest, o.has("T")), 0); err != nil {
			c.fail(name, err)
		}
	}
	return nil
}

// copier copies files and trees of the container.
type copier struct {
	c                                  *call
	deep, keep, follow, keepOld, newer bool
}

func (k copier) copy(from, to string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d directories deep", maxDepth)
	}
	if err := k.c.ctx.Err(); err != nil {
		return err
	}
	info, err := k.c.w.Stat(from, k.follow)
	if err != nil {
		return err
	}
	if old, err := k.c.w.Stat(to, true); err == nil && (k.keepOld || k.newer && !info.ModTime().After(old.ModTime())) && !info.IsDir() {
		return nil
	}
	switch {
	case info.IsDir() && !k.deep:
		return fmt.Errorf("is a directory (use -r)")
	case info.IsDir():
		if to == from || strings.HasPrefix(to, from+"/") {
			return fmt.Errorf("cannot copy a directory into itself")
		}
		err = k.copyDir(from, to, info, depth)
	case info.Mode()&fs.ModeSymlink != 0:
		err = copyLink(k.c.w, from, to)
	default:
		err = copyFile(k.c, from, to, info.Mode().Perm())
	}
	if err == nil && k.keep && info.Mode()&fs.ModeSymlink == 0 {
		err = k.c.w.Chtimes(to, info.ModTime(), info.ModTime())
	}
	return err
}

func (k copier) copyDir(from, to string, info fs.FileInfo, depth int) error {
	if err := mkdirAll(k.c.w, to); err != nil {
		return err
	}
	entries, err := k.c.w.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := k.copy(path.Join(from, e.Name()), path.Join(to, e.Name()), depth+1); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), reason(err))
		}
	}
	return k.c.w.Chmod(to, info.Mode().Perm())
}

func copyLink(w Files, from, to string) error {
	target, err := w.Readlink(from)
	if err != nil {
		return err
	}
	if _, err := w.Stat(to, false); err == nil {
		if err := w.Remove(to); err != nil {
			return err
		}
	}
	return w.Symlink(target, to)
}

func copyFile(c *call, from, to string, perm fs.FileMode) error {
	if from == to {
		return fmt.Errorf("source and target are the same file")
	}
	in, err := c.w.OpenFile(from, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.w.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, cancellable{c, in}); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// cancellable is a reader that ends with the context of its call.
type cancellable struct {
	c *call
	r io.Reader
}

func (r cancellable) Read(p []byte) (int, error) {
	if err := r.c.ctx.Err(); err != nil {
		return 0, err
	}
	if err := r.c.spend(0); err != nil {
		return 0, err
	}
	n, err := r.r.Read(p)
	r.c.resumed = time.Now()
	if serr := r.c.spend(n); serr != nil {
		err = serr
	}
	return n, err
}

func mv(c *call) error {
	o, err := c.parse("f n v T t: force=f no-clobber=n verbose=v no-target-directory=T target-directory=t:")
	if err != nil {
		return err
	}
	src, dest, err := c.sources(o)
	if err != nil {
		return err
	}
	for _, name := range src {
		from, to := c.path(name), c.target(name, dest, o.has("T"))
		if _, err := c.w.Stat(to, false); err == nil && o.has("n") {
			continue
		}
		if err := move(c, from, to); err != nil {
			c.fail("cannot move '"+name+"'", err)
		}
	}
	return nil
}

// move renames, or copies and removes between mounts.
func move(c *call, from, to string) error {
	err := c.w.Rename(from, to)
	if err == nil || !isCrossDevice(err) {
		return err
	}
	k := copier{c: c, deep: true, keep: true}
	if err := k.copy(from, to, 0); err != nil {
		return err
	}
	return removeTree(c, from)
}

func removeTree(c *call, p string) error {
	info, err := c.w.Stat(p, false)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return removeAll(c, p, 0)
	}
	return c.w.Remove(p)
}

func isCrossDevice(err error) bool {
	return strings.Contains(err.Error(), "cross-device") || strings.Contains(err.Error(), "EXDEV")
}
