package shell

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strconv"
	"strings"
)

func newLineReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 64<<10) }

// compile turns a POSIX pattern (basic, or extended) into a Go one.
func compile(pattern, anchor string, extended, fold bool) (*regexp.Regexp, error) {
	p := pattern
	if !extended {
		p = basicToExtended(p)
	}
	p = bracketBackslashes(p)
	flags := ""
	if fold {
		flags = "(?i)"
	}
	re, err := regexp.Compile(flags + anchor + "(?:" + p + ")")
	if err != nil {
		return nil, usageError(fmt.Sprintf("cannot use the pattern %q: %v", pattern, err))
	}
	return re, nil
}

// basicToExtended swaps which of ( ) { } + ? | need a backslash.
func basicToExtended(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch ch := p[i]; {
		case ch == '[':
			end := bracketEnd(p, i)
			b.WriteString(p[i:end])
			i = end - 1
		case ch == '\\' && i+1 < len(p):
			i++
			if strings.IndexByte("(){}+?|", p[i]) >= 0 {
				b.WriteByte(p[i])
			} else {
				b.WriteByte('\\')
				b.WriteByte(p[i])
			}
		case strings.IndexByte("(){}+?|", ch) >= 0:
			b.WriteByte('\\')
			b.WriteByte(ch)
		case ch == '*' && (b.Len() == 0 || b.String() == "^"):
			b.WriteString(`\*`)
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}

// bracketEnd is the index after the bracket expression that starts at i.
func bracketEnd(p string, i int) int {
	j := i + 1
	if j < len(p) && p[j] == '^' {
		j++
	}
	if j < len(p) && p[j] == ']' {
		j++
	}
	for j < len(p) && p[j] != ']' {
		if p[j] == '[' && j+1 < len(p) && p[j+1] == ':' {
			if k := strings.Index(p[j:], ":]"); k > 0 {
				j += k + 1
			}
		}
		j++
	}
	return min(j+1, len(p))
}

// bracketBackslashes doubles backslashes inside brackets, where POSIX takes
// them as they are, and translates \< and \> outside.
func bracketBackslashes(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '[':
			end := bracketEnd(p, i)
			body := strings.ReplaceAll(p[i:end], `\`, `\\`)
			if strings.HasPrefix(body, "[]") {
				body = `[\]` + body[2:]
			} else if strings.HasPrefix(body, "[^]") {
				body = `[^\]` + body[3:]
			}
			b.WriteString(body)
			i = end - 1
		case p[i] == '\\' && i+1 < len(p):
			i++
			if p[i] == '<' || p[i] == '>' {
				b.WriteString(`\b`)
			} else {
				b.WriteByte('\\')
				b.WriteByte(p[i])
			}
		default:
			b.WriteByte(p[i])
		}
	}
	return b.String()
}

func grep(c *call) error {
	o, err := c.parse("E F G P i v n c l L q o w x r R s h H e: f: m: a A: B: C: extended-regexp=E fixed-strings=F ignore-case=i invert-match=v line-number=n count=c files-with-matches=l quiet=q silent=q only-matching=o word-regexp=w line-regexp=x recursive=r no-messages=s no-filename=h with-filename=H regexp=e: max-count=m: color: include: exclude: after-context=A: before-context=B: context=C:")
	if err != nil {
		return err
	}
	if o.has("A", "B", "C") {
		return usageError("options -A, -B and -C are not known here")
	}
	patterns := o.values["e"]
	args := o.args
	if len(patterns) == 0 {
		if len(args) == 0 {
			return usageError("missing pattern")
		}
		patterns, args = args[:1], args[1:]
	}
	g := &grepper{c: c, o: o}
	for _, p := range patterns {
		for _, line := range strings.Split(p, "\n") {
			if err := g.add(line); err != nil {
				return err
			}
		}
	}
	if g.limit, err = strconv.Atoi(o.value("m", "0")); err != nil {
		return usageError("invalid max count")
	}
	if o.has("r", "R") {
		if len(args) == 0 {
			args = []string{"."}
		}
		if args, err = g.expand(args); err != nil {
			return err
		}
		g.names = true
	}
	g.names = (g.names || len(args) > 1 || o.has("H")) && !o.has("h")
	if err := c.eachInput(args, g.file); err != nil && err != errEnough {
		return err
	}
	switch {
	case c.status != 0:
		c.status = 2
	case !g.matched:
		c.status = 1
	}
	return nil
}

type grepper struct {
	c       *call
	o       options
	res     []*regexp.Regexp
	names   bool
	limit   int
	matched bool
}

func (g *grepper) add(pattern string) error {
	extended := g.o.has("E", "P") || g.c.name == "egrep"
	if g.o.has("F") || g.c.name == "fgrep" {
		pattern, extended = regexp.QuoteMeta(pattern), true
	} else if !extended {
		pattern = basicToExtended(pattern)
	}
	switch {
	case g.o.has("x"):
		pattern = "^(?:" + pattern + ")$"
	case g.o.has("w"):
		pattern = `\b(?:` + pattern + `)\b`
	}
	re, err := compile(pattern, "", true, g.o.has("i"))
	if err == nil {
		g.res = append(g.res, re)
	}
	return err
}

// expand lists the files below directories.
func (g *grepper) expand(names []string) ([]string, error) {
	var files []string
	var walk func(name string, depth int) error
	walk = func(name string, depth int) error {
		info, err := g.c.w.Stat(g.c.path(name), depth == 0)
		if err != nil || info.Mode()&fs.ModeSymlink != 0 {
			if err != nil {
				g.c.fail(name, err)
			}
			return g.c.ctx.Err()
		}
		if !info.IsDir() || depth > maxDepth {
			base := path.Base(name)
			if ok, _ := path.Match(g.o.value("include", "*"), base); !ok {
				return nil
			}
			if ok, _ := path.Match(g.o.value("exclude", ""), base); ok {
				return nil
			}
			files = append(files, name)
			return nil
		}
		entries, err := g.c.w.ReadDir(g.c.path(name))
		if err != nil {
			g.c.fail(name, err)
			return nil
		}
		for _, e := range entries {
			if err := walk(path.Join(name, e.Name()), depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range names {
		if err := walk(n, 0); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func (g *grepper) match(line string) bool {
	for _, re := range g.res {
		if re.MatchString(line) {
			return true
		}
	}
	return false
}

func (g *grepper) file(name string, r io.Reader) error {
	if name == "-" {
		name = "(standard input)"
	}
	count, number := 0, 0
	prefix := ""
	if g.names {
		prefix = name + ":"
	}
	err := eachLine(g.c, r, func(line string) error {
		number++
		if g.match(line) == g.o.has("v") {
			return nil
		}
		count++
		g.matched = true
		switch {
		case g.o.has("q"):
			return errEnough
		case g.o.has("l", "L"):
			return errEnough
		case !g.o.has("c"):
			if err := g.show(prefix, number, line); err != nil {
				return err
			}
		}
		if g.limit > 0 && count >= g.limit {
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough {
		return err
	}
	switch {
	case g.o.has("q"):
		if count > 0 {
			return errEnough
		}
	case g.o.has("l") && count > 0, g.o.has("L") && count == 0:
		return g.c.printf("%s\n", name)
	case g.o.has("c"):
		return g.c.printf("%s%d\n", prefix, count)
	}
	return nil
}

func (g *grepper) show(prefix string, number int, line string) error {
	if g.o.has("n") {
		prefix += strconv.Itoa(number) + ":"
	}
	if !g.o.has("o") {
		return g.c.printf("%s%s\n", prefix, line)
	}
	for _, re := range g.res {
		for _, m := range re.FindAllString(line, -1) {
			if m == "" {
				continue
			}
			if err := g.c.printf("%s%s\n", prefix, m); err != nil {
				return err
			}
		}
	}
	return nil
}
