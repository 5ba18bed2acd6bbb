package shell

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// maxDepth bounds recursion into directories.
const maxDepth = 512

func mkdir(c *call) error {
	o, err := c.parse("p m: v parents=p mode=m: verbose=v")
	if err != nil {
		return err
	}
	if len(o.args) == 0 {
		return usageError("missing operand")
	}
	for _, name := range o.args {
		if o.has("p") {
			err = mkdirAll(c.w, c.path(name))
		} else {
			err = c.w.Mkdir(c.path(name), 0o755)
		}
		if err == nil && o.has("m") {
			err = changeMode(c, name, o.value("m", ""))
		}
		if err != nil {
			c.fail("cannot create directory '"+name+"'", err)
		}
	}
	return nil
}

func mkdirAll(w Files, name string) error {
	if info, err := w.Stat(name, true); err == nil {
		if !info.IsDir() {
			return fs.ErrExist
		}
		return nil
	}
	if parent := path.Dir(name); parent != name {
		if err := mkdirAll(w, parent); err != nil {
			return err
		}
	}
	return w.Mkdir(name, 0o755)
}

func rmdir(c *call) error {
	o, err := c.parse("p parents=p")
	if err != nil {
		return err
	}
	for _, name := range o.args {
		p := c.path(name)
		if info, err := c.w.Stat(p, false); err == nil && !info.IsDir() {
			c.fail(name, fmt.Errorf("not a directory"))
			continue
		}
		if err := c.w.Remove(p); err != nil {
			c.fail(name, err)
			continue
		}
		for o.has("p") && path.Dir(p) != "/" && path.Dir(p) != c.Dir {
			p = path.Dir(p)
			if c.w.Remove(p) != nil {
				break
			}
		}
	}
	return nil
}

func rm(c *call) error {
	o, err := c.parse("r R f i v d recursive=r force=f dir=d verbose=v")
	if err != nil {
		return err
	}
	if len(o.args) == 0 && !o.has("f") {
		return usageError("missing operand")
	}
	for _, name := range o.args {
		p := c.path(name)
		if p == "/" {
			c.fail(name, fmt.Errorf("refusing to remove the root directory"))
			continue
		}
		info, err := c.w.Stat(p, false)
		switch {
		case err != nil:
			if !o.has("f") {
				c.fail("cannot remove '"+name+"'", err)
			}
		case info.IsDir() && o.has("r", "R"):
			if err := removeAll(c, p, 0); err != nil {
				c.fail(name, err)
			}
		case info.IsDir() && !o.has("d"):
			c.fail("cannot remove '"+name+"'", fmt.Errorf("is a directory"))
		default:
			if err := c.w.Remove(p); err != nil {
				c.fail("cannot remove '"+name+"'", err)
			}
		}
	}
	return nil
}

func removeAll(c *call, p string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: more than %d directories deep", p, maxDepth)
	}
	if err := c.ctx.Err(); err != nil {
		return err
	}
	entries, err := c.w.ReadDir(p)
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := path.Join(p, e.Name())
		if e.IsDir() {
			err = removeAll(c, child, depth+1)
		} else {
			err = c.w.Remove(child)
		}
		if err != nil {
			return err
		}
	}
	return c.w.Remove(p)
}

func ln(c *call) error {
	o, err := c.parse("s f n v T symbolic=s force=f no-dereference=n")
	if err != nil {
		return err
	}
	args := o.args
	if len(args) == 1 {
		args = append(args, path.Base(args[0]))
	}
	if len(args) < 2 {
		return usageError("missing operand")
	}
	dest := args[len(args)-1]
	for _, name := range args[:len(args)-1] {
		to := c.target(name, dest, o.has("T", "n"))
		if o.has("f") {
			if _, err := c.w.Stat(to, false); err == nil {
				c.w.Remove(to)
			}
		}
		if o.has("s") {
			err = c.w.Symlink(name, to)
		} else {
			err = c.w.Link(c.path(name), to)
		}
		if err != nil {
			c.fail("cannot link '"+name+"'", err)
		}
	}
	return nil
}

func touch(c *call) error {
	o, err := c.parse("c a m d: t: r: no-create=c date=d: reference=r:")
	if err != nil {
		return err
	}
	when := c.w.Now()
	switch {
	case o.has("d"):
		if when, err = parseDate(o.value("d", "")); err != nil {
			return err
		}
	case o.has("r"):
		info, err := c.w.Stat(c.path(o.value("r", "")), true)
		if err != nil {
			return err
		}
		when = info.ModTime()
	}
	for _, name := range o.args {
		if err := touchOne(c, c.path(name), when, o); err != nil {
			c.fail("cannot touch '"+name+"'", err)
		}
	}
	return nil
}

func touchOne(c *call, p string, when time.Time, o options) error {
	if _, err := c.w.Stat(p, true); err != nil {
		if o.has("c") {
			return nil
		}
		f, err := c.w.OpenFile(p, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if !o.has("d", "r") {
			return nil // made now, by the container's own clock
		}
	}
	return c.w.Chtimes(p, when, when)
}

func parseDate(s string) (time.Time, error) {
	if n, ok := strings.CutPrefix(s, "@"); ok {
		sec, err := strconv.ParseInt(n, 10, 64)
		if err == nil {
			return time.Unix(sec, 0), nil
		}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError("cannot read the date '" + s + "'")
}

func chmod(c *call) error {
	o, err := c.parseModes()
	if err != nil {
		return err
	}
	if len(o.args) < 2 {
		return usageError("missing operand")
	}
	for _, name := range o.args[1:] {
		err := changeMode(c, name, o.args[0])
		if err == nil && o.has("R") {
			err = chmodTree(c, c.path(name), o.args[0], 0)
		}
		if err != nil {
			c.fail(name, err)
		}
	}
	return nil
}

// parseModes keeps an operand such as -x, which looks like an option.
func (c *call) parseModes() (options, error) {
	o := options{set: map[string]bool{}}
	for _, a := range c.Args[1:] {
		switch a {
		case "-R", "--recursive":
			o.set["R"] = true
		case "-v", "-f", "-c":
		default:
			o.args = append(o.args, a)
		}
	}
	return o, nil
}

func chmodTree(c *call, p, mode string, depth int) error {
	info, err := c.w.Stat(p, false)
	if err != nil || !info.IsDir() || depth > maxDepth {
		return err
	}
	entries, err := c.w.ReadDir(p)
	if err != nil {
		return err
	}
	for _, e := range entries {
		child := path.Join(p, e.Name())
		if e.Type()&fs.ModeSymlink != 0 {
			continue
		}
		if err := changeMode(c, child, mode); err != nil {
			return err
		}
		if err := chmodTree(c, child, mode, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func changeMode(c *call, name, mode string) error {
	p := c.path(name)
	info, err := c.w.Stat(p, true)
	if err != nil {
		return err
	}
	perm, err := applyMode(info.Mode(), mode)
	if err != nil {
		return err
	}
	return c.w.Chmod(p, perm)
}

// applyMode computes a mode such as 755, +x or u=rw,go-w.
func applyMode(old fs.FileMode, mode string) (fs.FileMode, error) {
	if n, err := strconv.ParseUint(mode, 8, 12); err == nil {
		return fs.FileMode(n) & fs.ModePerm, nil
	}
	perm := old.Perm()
	for _, clause := range strings.Split(mode, ",") {
		i := strings.IndexAny(clause, "+-=")
		if i < 0 {
			return 0, usageError("invalid mode: '" + mode + "'")
		}
		who, op, what := clause[:i], clause[i], clause[i+1:]
		if who == "" || strings.Contains(who, "a") {
			who = "ugo"
		}
		var bits fs.FileMode
		for _, ch := range what {
			switch {
			case ch == 'r':
				bits |= 4
			case ch == 'w':
				bits |= 2
			case ch == 'x', ch == 'X' && (old.IsDir() || perm&0o111 != 0):
				bits |= 1
			case ch == 'X', ch == 's', ch == 't':
			default:
				return 0, usageError("invalid mode: '" + mode + "'")
			}
		}
		for _, class := range who {
			shift := map[rune]uint{'u': 6, 'g': 3, 'o': 0}[class]
			switch op {
			case '+':
				perm |= bits << shift
			case '-':
				perm &^= bits << shift
			case '=':
				perm = perm&^(7<<shift) | bits<<shift
			}
		}
	}
	return perm, nil
}

func install(c *call) error {
	o, err := c.parse("d D m: t: v p o: g: directory=d mode=m: target-directory=t:")
	if err != nil {
		return err
	}
	mode := o.value("m", "755")
	if o.has("d") {
		for _, name := range o.args {
			if err := mkdirAll(c.w, c.path(name)); err != nil {
				c.fail(name, err)
				continue
			}
			if err := changeMode(c, name, mode); err != nil {
				c.fail(name, err)
			}
		}
		return nil
	}
	src, dest, err := c.sources(o)
	if err != nil {
		return err
	}
	for _, name := range src {
		if o.has("D") {
			if err := mkdirAll(c.w, path.Dir(c.path(dest))); err != nil {
				return err
			}
		}
		to := c.target(name, dest, false)
		if err := copyFile(c, c.path(name), to, 0o755); err != nil {
			c.fail(name, err)
			continue
		}
		if err := changeMode(c, to, mode); err != nil {
			c.fail(name, err)
		}
	}
	return nil
}

func truncate(c *call) error {
	o, err := c.parse("s: c size=s: no-create=c")
	if err != nil {
		return err
	}
	size, err := parseSize(o.value("s", ""))
	if err != nil {
		return err
	}
	for _, name := range o.args {
		f, err := c.w.OpenFile(c.path(name), os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			c.fail(name, err)
			continue
		}
		t, ok := f.(interface{ Truncate(int64) error })
		if !ok {
			err = fmt.Errorf("cannot change its size")
		} else {
			err = t.Truncate(size)
		}
		f.Close()
		if err != nil {
			c.fail(name, err)
		}
	}
	return nil
}

// parseSize reads a number of bytes with an optional suffix of 1024 powers.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, usageError("missing size")
	}
	shift := map[byte]uint{'K': 10, 'k': 10, 'M': 20, 'G': 30}[s[len(s)-1]]
	digits := s
	if shift > 0 {
		digits = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > (1<<62)>>shift {
		return 0, usageError("cannot read the size '" + s + "'")
	}
	return n << shift, nil
}
