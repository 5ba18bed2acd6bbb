package shell

import (
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

func ls(c *call) error {
	o, err := c.parse("a A l 1 h d R r t S F p i n all=a almost-all=A human-readable=h recursive=R reverse=r directory=d color:")
	if err != nil {
		return err
	}
	names := o.args
	if len(names) == 0 {
		names = []string{"."}
	}
	var dirs []string
	var files []listed
	for _, name := range names {
		info, err := c.w.Stat(c.path(name), o.has("l"))
		if err != nil {
			info, err = c.w.Stat(c.path(name), false)
		}
		if err != nil {
			c.fail("cannot access '"+name+"'", err)
			c.status = 2
			continue
		}
		if info.IsDir() && !o.has("d") {
			dirs = append(dirs, name)
		} else {
			files = append(files, listed{name, c.path(name), info})
		}
	}
	if err := list(c, o, files); err != nil {
		return err
	}
	for i, d := range dirs {
		if err := listDir(c, o, d, len(names) > 1 || o.has("R"), i > 0 || len(files) > 0, 0); err != nil {
			return err
		}
	}
	return nil
}

type listed struct {
	name, path string
	info       fs.FileInfo
}

func listDir(c *call, o options, name string, title, gap bool, depth int) error {
	p := c.path(name)
	entries, err := c.w.ReadDir(p)
	if err != nil {
		c.fail("cannot open directory '"+name+"'", err)
		return nil
	}
	if gap {
		c.printf("\n")
	}
	if title {
		c.printf("%s:\n", name)
	}
	var files []listed
	if o.has("a") {
		for _, dot := range []string{".", ".."} {
			if info, err := c.w.Stat(path.Join(p, dot), true); err == nil {
				files = append(files, listed{dot, path.Join(p, dot), info})
			}
		}
	}
	var subs []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && !o.has("a", "A") {
			continue
		}
		info, err := c.w.Stat(path.Join(p, e.Name()), false)
		if err != nil {
			continue // removed meanwhile
		}
		files = append(files, listed{e.Name(), path.Join(p, e.Name()), info})
		if info.IsDir() {
			subs = append(subs, path.Join(name, e.Name()))
		}
	}
	if err := list(c, o, files); err != nil || !o.has("R") || depth >= maxDepth {
		return err
	}
	for _, s := range subs {
		if err := listDir(c, o, s, true, true, depth+1); err != nil {
			return err
		}
	}
	return c.ctx.Err()
}

func list(c *call, o options, files []listed) error {
	sort.SliceStable(files, func(i, j int) bool {
		a, b := files[i], files[j]
		if o.has("r") {
			a, b = b, a
		}
		switch {
		case o.has("t") && !a.info.ModTime().Equal(b.info.ModTime()):
			return a.info.ModTime().After(b.info.ModTime())
		case o.has("S") && a.info.Size() != b.info.Size():
			return a.info.Size() > b.info.Size()
		}
		return a.name < b.name
	})
	for _, f := range files {
		mark := ""
		if o.has("F", "p") && f.info.IsDir() {
			mark = "/"
		} else if o.has("F") && f.info.Mode()&fs.ModeSymlink != 0 {
			mark = "@"
		} else if o.has("F") && f.info.Mode().Perm()&0o111 != 0 {
			mark = "*"
		}
		if !o.has("l") {
			if err := c.printf("%s%s\n", f.name, mark); err != nil {
				return err
			}
			continue
		}
		size := strconv.FormatInt(f.info.Size(), 10)
		if o.has("h") {
			size = units.CustomSize("%.1f%s", float64(f.info.Size()), 1024, []string{"", "K", "M", "G", "T"})
		}
		arrow := ""
		if f.info.Mode()&fs.ModeSymlink != 0 {
			if target, err := c.w.Readlink(f.path); err == nil {
				arrow = " -> " + target
			}
		}
		err := c.printf("%s 1 root root %8s %s %s%s%s\n", modeString(f.info.Mode()), size,
			f.info.ModTime().UTC().Format("Jan _2 15:04 2006"), f.name, mark, arrow)
		if err != nil {
			return err
		}
	}
	return nil
}

func modeString(m fs.FileMode) string {
	kind := "-"
	switch {
	case m.IsDir():
		kind = "d"
	case m&fs.ModeSymlink != 0:
		kind = "l"
	case m&fs.ModeCharDevice != 0:
		kind = "c"
	}
	return kind + m.Perm().String()[1:]
}

func stat(c *call) error {
	o, err := c.parse("c: L format=c: dereference=L")
	if err != nil {
		return err
	}
	for _, name := range o.args {
		info, err := c.w.Stat(c.path(name), o.has("L"))
		if err != nil {
			c.fail("cannot stat '"+name+"'", err)
			continue
		}
		text := "  File: %n\n  Size: %s\tType: %F\nAccess: (%a/%A)\nModify: %y"
		if o.has("c") {
			text = o.value("c", "")
		}
		c.printf("%s\n", statFormat(text, name, info))
	}
	return nil
}

func statFormat(text, name string, info fs.FileInfo) string {
	kind := "regular file"
	switch {
	case info.IsDir():
		kind = "directory"
	case info.Mode()&fs.ModeSymlink != 0:
		kind = "symbolic link"
	case info.Mode()&fs.ModeCharDevice != 0:
		kind = "character special file"
	case info.Size() == 0:
		kind = "regular empty file"
	}
	return strings.NewReplacer(
		"%n", name, "%s", strconv.FormatInt(info.Size(), 10), "%F", kind,
		"%a", strconv.FormatUint(uint64(info.Mode().Perm()), 8), "%A", modeString(info.Mode()),
		"%Y", strconv.FormatInt(info.ModTime().Unix(), 10),
		"%y", info.ModTime().UTC().Format("2006-01-02 15:04:05.000000000 -0700"),
		"%u", "0", "%g", "0", "%U", "root", "%G", "root", "%h", "1", "%%", "%", `\n`, "\n", `\t`, "\t",
	).Replace(text)
}

func du(c *call) error {
	o, err := c.parse("s h a k b c m max-depth: summarize=s human-readable=h all=a bytes=b total=c d:")
	if err != nil {
		return err
	}
	names := o.args
	if len(names) == 0 {
		names = []string{"."}
	}
	show := func(n int64, name string) {
		switch {
		case o.has("h"):
			c.printf("%s\t%s\n", units.CustomSize("%.1f%s", float64(n), 1024, []string{"", "K", "M", "G", "T"}), name)
		case o.has("b"):
			c.printf("%d\t%s\n", n, name)
		case o.has("m"):
			c.printf("%d\t%s\n", (n+1<<20-1)>>20, name)
		default:
			c.printf("%d\t%s\n", (n+1023)/1024, name)
		}
	}
	var total int64
	for _, name := range names {
		n, err := usage(c, o, name, 0, show)
		if err != nil {
			c.fail(name, err)
			continue
		}
		total += n
	}
	if o.has("c") {
		show(total, "total")
	}
	return nil
}

func usage(c *call, o options, name string, depth int, show func(int64, string)) (int64, error) {
	if err := c.ctx.Err(); err != nil || depth > maxDepth {
		return 0, err
	}
	info, err := c.w.Stat(c.path(name), false)
	if err != nil {
		return 0, err
	}
	n := info.Size()
	if info.IsDir() {
		n = 0
		entries, err := c.w.ReadDir(c.path(name))
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			sub, err := usage(c, o, strings.TrimSuffix(name, "/")+"/"+e.Name(), depth+1, show)
			if err != nil {
				return 0, err
			}
			n += sub
		}
	}
	if depth == 0 || !o.has("s") && (info.IsDir() || o.has("a")) {
		show(n, name)
	}
	return n, nil
}

func readlink(c *call) error {
	o, err := c.parse("f e m n canonicalize=f no-newline=n")
	if err != nil {
		return err
	}
	for _, name := range o.args {
		var target string
		if o.has("f", "e", "m") {
			target, err = c.resolve(c.path(name), !o.has("e"))
		} else {
			target, err = c.w.Readlink(c.path(name))
		}
		if err != nil {
			c.status = 1
			continue
		}
		end := "\n"
		if o.has("n") {
			end = ""
		}
		c.printf("%s%s", target, end)
	}
	return nil
}

func realpath(c *call) error {
	o, err := c.parse("e m s")
	if err != nil {
		return err
	}
	for _, name := range o.args {
		target, err := c.resolve(c.path(name), o.has("m"))
		if err != nil {
			c.fail(name, err)
			continue
		}
		c.printf("%s\n", target)
	}
	return nil
}

// resolve follows every symbolic link of an absolute path; the last names may
// be missing when missing is set.
func (c *call) resolve(p string, missing bool) (string, error) {
	done, rest := "/", strings.Split(strings.Trim(p, "/"), "/")
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, name)
		info, err := c.w.Stat(next, false)
		if err != nil {
			if missing || len(rest) == 0 {
				return path.Join(next, path.Join(rest...)), nil
			}
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > 40 {
			return "", fmt.Errorf("too many levels of symbolic links")
		}
		target, err := c.w.Readlink(next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(strings.Trim(target, "/"), "/"), rest...)
	}
	return done, nil
}

func mktemp(c *call) error {
	o, err := c.parse("d u q t p: directory=d tmpdir=p: suffix:")
	if err != nil {
		return err
	}
	template := "tmp.XXXXXXXXXX"
	dir := c.env("TMPDIR", "/tmp")
	if len(o.args) > 0 {
		template = o.args[0]
		if !o.has("p", "t") {
			dir = c.Dir
		}
	}
	dir = o.value("p", dir)
	prefix := strings.TrimRight(template, "X")
	width := len(template) - len(prefix)
	if width < 3 {
		return usageError("too few X's in template '" + template + "'")
	}
	for try := range 1000 {
		p := absolute(dir, prefix+uniqueName(width, try)+o.value("suffix", ""))
		if _, err := c.w.Stat(p, false); err == nil {
			continue
		}
		if o.has("d") {
			err = c.w.Mkdir(p, 0o700)
		} else if !o.has("u") {
			err = createNew(c.w, p)
		}
		if err != nil {
			return err
		}
		return c.printf("%s\n", p)
	}
	return fmt.Errorf("no free name for %s", template)
}

// uniqueName counts: a container's names need be new, not secret, and a build
// must give the same names every time.
func uniqueName(width, n int) string {
	return fmt.Sprintf("%0*s", width, strconv.FormatInt(int64(n), 36))
}
