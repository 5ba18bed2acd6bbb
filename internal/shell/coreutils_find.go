package shell

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

func find(c *call) error {
	q, roots, err := parseFind(c)
	if err != nil {
		return err
	}
	for _, r := range roots {
		if err := q.walk(c, r, 0); err != nil {
			return err
		}
	}
	return q.flush(c)
}

// query is a command line of find: tests that must all hold, then an action.
type query struct {
	tests    []func(name string, info fs.FileInfo) bool
	maxDepth int
	minDepth int
	print0   bool
	remove   bool
	exec     []string
	batch    bool
	found    []string
}

func parseFind(c *call) (*query, []string, error) {
	q := &query{maxDepth: maxDepth}
	args := c.Args[1:]
	var roots []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "!" {
		roots, args = append(roots, args[0]), args[1:]
	}
	if len(roots) == 0 {
		roots = []string{"."}
	}
	negate := false
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		value := ""
		switch word {
		case "-name", "-iname", "-path", "-type", "-maxdepth", "-mindepth", "-size", "-newer", "-mtime":
			if len(args) == 0 {
				return nil, nil, usageError("missing argument to '" + word + "'")
			}
			value, args = args[0], args[1:]
		}
		switch word {
		case "!", "-not":
			negate = !negate
			continue
		case "-print", "-a", "-and":
		case "-print0":
			q.print0 = true
		case "-delete":
			q.remove = true
		case "-maxdepth", "-mindepth":
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return nil, nil, usageError("invalid argument '" + value + "' to '" + word + "'")
			}
			if word == "-maxdepth" {
				q.maxDepth = min(n, maxDepth)
			} else {
				q.minDepth = n
			}
		case "-exec":
			end := -1
			for i, a := range args {
				if a == ";" || a == "+" && i > 0 && args[i-1] == "{}" {
					end = i
					break
				}
			}
			if end < 1 {
				return nil, nil, usageError("missing argument to '-exec'")
			}
			q.exec, q.batch, args = args[:end], args[end] == "+", args[end+1:]
		default:
			test, err := findTest(c, word, value)
			if err != nil {
				return nil, nil, err
			}
			if negate {
				positive := test
				test = func(n string, i fs.FileInfo) bool { return !positive(n, i) }
			}
			q.tests = append(q.tests, test)
		}
		negate = false
	}
	return q, roots, nil
}

func findTest(c *call, word, value string) (func(string, fs.FileInfo) bool, error) {
	switch word {
	case "-name", "-iname", "-path":
		if _, err := path.Match(value, ""); err != nil {
			return nil, usageError("bad pattern '" + value + "'")
		}
		return func(name string, _ fs.FileInfo) bool {
			pattern := value
			if word != "-path" {
				name = path.Base(name)
			} else {
				name, pattern = strings.ReplaceAll(name, "/", "\x01"), strings.ReplaceAll(pattern, "/", "\x01")
			}
			if word == "-iname" {
				name, pattern = strings.ToLower(name), strings.ToLower(pattern)
			}
			ok, _ := path.Match(pattern, name)
			return ok
		}, nil
	case "-type":
		return func(_ string, i fs.FileInfo) bool {
			switch value {
			case "d":
				return i.IsDir()
			case "l":
				return i.Mode()&fs.ModeSymlink != 0
			}
			return value == "f" && i.Mode().IsRegular()
		}, nil
	case "-empty":
		return func(name string, i fs.FileInfo) bool {
			if !i.IsDir() {
				return i.Size() == 0
			}
			entries, err := c.w.ReadDir(c.path(name))
			return err == nil && len(entries) == 0
		}, nil
	case "-newer":
		ref, err := c.w.Stat(c.path(value), true)
		if err != nil {
			return nil, err
		}
		return func(_ string, i fs.FileInfo) bool { return i.ModTime().After(ref.ModTime()) }, nil
	case "-size", "-mtime":
		return findNumber(word, value)
	}
	return nil, usageError("unknown predicate '" + word + "'")
}

func findNumber(word, value string) (func(string, fs.FileInfo) bool, error) {
	digits := strings.TrimLeft(value, "+-")
	unit := int64(512)
	if word == "-size" {
		for suffix, n := range map[string]int64{"c": 1, "k": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
			if d, ok := strings.CutSuffix(digits, suffix); ok {
				digits, unit = d, n
			}
		}
	}
	want, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return nil, usageError("invalid argument '" + value + "' to '" + word + "'")
	}
	return func(_ string, i fs.FileInfo) bool {
		have := (i.Size() + unit - 1) / unit
		if word == "-mtime" {
			have = int64(time.Since(i.ModTime()) / (24 * time.Hour))
		}
		switch value[0] {
		case '+':
			return have > want
		case '-':
			return have < want
		}
		return have == want
	}, nil
}

func (q *query) walk(c *call, name string, depth int) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	info, err := c.w.Stat(c.path(name), false)
	if err != nil {
		c.fail(name, err)
		return nil
	}
	match := depth >= q.minDepth
	for _, t := range q.tests {
		match = match && t(name, info)
	}
	if match && !q.remove {
		if err := q.act(c, name); err != nil {
			return err
		}
	}
	if info.IsDir() && depth < q.maxDepth {
		entries, err := c.w.ReadDir(c.path(name))
		if err != nil {
			c.fail(name, err)
		}
		for _, e := range entries {
			if err := q.walk(c, strings.TrimSuffix(name, "/")+"/"+e.Name(), depth+1); err != nil {
				return err
			}
		}
	}
	if match && q.remove && name != "." {
		if err := c.w.Remove(c.path(name)); err != nil {
			c.fail("cannot delete '"+name+"'", err)
		}
	}
	return nil
}

func (q *query) act(c *call, name string) error {
	switch {
	case q.exec != nil && q.batch:
		q.found = append(q.found, name)
		return nil
	case q.exec != nil:
		args := make([]string, len(q.exec))
		for i, a := range q.exec {
			args[i] = strings.ReplaceAll(a, "{}", name)
		}
		_, err := c.exec(args)
		return err
	case q.print0:
		return c.printf("%s\x00", name)
	}
	return c.printf("%s\n", name)
}

func (q *query) flush(c *call) error {
	if len(q.found) == 0 {
		return nil
	}
	status, err := c.exec(append(append([]string{}, q.exec[:len(q.exec)-1]...), q.found...))
	c.status = max(c.status, min(status, 1))
	return err
}
