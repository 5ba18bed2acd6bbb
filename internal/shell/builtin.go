package shell

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sort"
	"strings"
	"time"
)

// A Builtin is a program that every container has: the shell itself or one of
// the small programs beside it. It returns the exit status; the error is one
// that ends more than the program, as for [Sh].
type Builtin func(ctx context.Context, w World, p Process) (int, error)

// Lookup finds a program by its bare name.
func Lookup(name string) (Builtin, bool) {
	switch name {
	case "sh", "bash", "dash", "ash":
		return Sh, true
	case "echo", "true", "false", "test", "[", "pwd", "kill":
		return shellBuiltin, true
	}
	if a, ok := applets()[name]; ok {
		return a.run, true
	}
	return nil, false
}

// Names lists the programs that Lookup finds, sorted.
func Names() []string {
	names := []string{"sh", "bash", "dash", "ash", "echo", "true", "false", "test", "[", "pwd", "kill"}
	for n := range applets() {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// shellBuiltin runs a builtin of the shell as a program of its own.
func shellBuiltin(ctx context.Context, w World, p Process) (int, error) {
	p.Args = append([]string{"sh", "-c", path.Base(p.Args[0]) + ` "$@"`, "sh"}, p.Args[1:]...)
	return Sh(ctx, w, p)
}

// applet is one small program, as a function over a call.
type applet func(c *call) error

func applets() map[string]applet {
	return map[string]applet{
		"basename": basename, "base64": base64Text, "cat": cat, "chmod": chmod, "cmp": compareFiles, "comm": comm,
		"cp": cp, "cut": cut, "date": date, "dirname": dirname, "du": du, "env": env, "expr": expr,
		"egrep": grep, "fgrep": grep, "find": find, "grep": grep, "head": head, "hostname": hostname, "id": id,
		"install": install, "ln": ln, "ls": ls, "md5sum": sums, "mkdir": mkdir, "mktemp": mktemp, "mv": mv,
		"nl": nl, "nproc": nproc, "paste": paste, "printenv": printenv, "printf": printf, "readlink": readlink, "realpath": realpath,
		"rev": rev, "rm": rm, "rmdir": rmdir, "sed": sed, "seq": seq, "sha1sum": sums, "sha256sum": sums,
		"sha512sum": sums, "sleep": sleep, "sort": sortLines, "stat": stat, "sync": syncDisks, "tac": tac, "tail": tail,
		"tee": tee, "touch": touch, "tr": tr, "truncate": truncate, "uname": uname, "uniq": uniq, "wc": wc,
		"which": which, "whoami": whoami, "xargs": xargs, "yes": yes,
	}
}

// call is one invocation of an applet.
type call struct {
	Process
	ctx    context.Context
	w      World
	name   string
	status int // exit status when the applet returns nil
	gauge
}

// usageError is a command line that an applet does not understand.
type usageError string

func (e usageError) Error() string { return string(e) }

// fatalError ends more than the applet.
type fatalError struct{ error }

func (a applet) run(ctx context.Context, w World, p Process) (int, error) {
	c := &call{Process: p, ctx: ctx, name: path.Base(p.Args[0])}
	c.resumed = time.Now()
	c.Stdout = &counted{c, p.Stdout}
	c.w = withStreams{w, c.Process}
	err := a(c)
	if serr := c.spend(0); err == nil && serr != nil {
		err = serr
	}
	if over := c.over; over != nil { // whatever the applet made of it
		return 137, over
	}
	var fatal fatalError
	var usage usageError
	switch {
	case err == nil:
		return c.status, ctx.Err()
	case errors.As(err, &fatal):
		return c.status, fatal.error
	case ctx.Err() != nil:
		return 130, ctx.Err()
	case isBroken(err):
		return statusPipe, nil
	case errors.As(err, &usage):
		c.complain(usage)
		if c.name == "grep" || c.name == "cmp" || c.name == "sort" || c.name == "ls" {
			return 2, nil
		}
		return 1, nil
	}
	c.complain(err)
	return max(c.status, 1), nil
}

func (c *call) complain(err error) {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = fmt.Errorf("%s: %w", pe.Path, pe.Err)
	}
	fmt.Fprintf(c.Stderr, "%s: %v\n", c.name, err)
}

// fail notes a failure with one file and goes on with the others.
func (c *call) fail(name string, err error) {
	fmt.Fprintf(c.Stderr, "%s: %s: %v\n", c.name, name, reason(err))
	c.status = 1
}

func (c *call) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(c.Stdout, format, args...)
	return err
}

// path makes a name of the command line absolute.
func (c *call) path(name string) string { return absolute(c.Dir, name) }

// option describes the options of an applet: letters that stand alone, and
// letters or long names that take a value (marked by ":" after them).
type options struct {
	set    map[string]bool
	values map[string][]string
	args   []string
}

func (o options) has(names ...string) bool {
	for _, n := range names {
		if o.set[n] {
			return true
		}
	}
	return false
}

func (o options) value(name, fallback string) string {
	if v := o.values[name]; len(v) > 0 {
		return v[len(v)-1]
	}
	return fallback
}

// parse takes a command line apart by a specification such as "n: r i long:
// other": words of one letter are short options, others long ones; ":" means a
// value follows. alias maps "long=l".
func (c *call) parse(spec string) (options, error) {
	takes, alias := map[string]bool{}, map[string]string{}
	for _, word := range strings.Fields(spec) {
		name, valued := strings.CutSuffix(word, ":")
		if long, short, ok := strings.Cut(name, "="); ok {
			alias[long] = short
			name = long
			takes[short] = valued
		}
		takes[name] = valued
	}
	o := options{set: map[string]bool{}, values: map[string][]string{}}
	rest := c.Args[1:]
	for len(rest) > 0 {
		a := rest[0]
		rest = rest[1:]
		switch {
		case a == "--":
			o.args = append(o.args, rest...)
			return o, nil
		case strings.HasPrefix(a, "--"):
			name, value, hasValue := strings.Cut(a[2:], "=")
			valued, known := takes[name]
			if !known || len(name) == 1 {
				return o, c.unknown(a)
			}
			if valued && !hasValue {
				if len(rest) == 0 {
					return o, usageError("option " + a + " needs a value")
				}
				value, rest = rest[0], rest[1:]
			}
			o.note(orName(alias[name], name), value, valued)
		case len(a) > 1 && a[0] == '-':
			var err error
			if rest, err = c.shortOptions(&o, a[1:], rest, takes); err != nil {
				return o, err
			}
		default:
			o.args = append(o.args, a)
		}
	}
	return o, nil
}

func orName(alias, name string) string {
	if alias != "" {
		return alias
	}
	return name
}

func (o *options) note(name, value string, valued bool) {
	o.set[name] = true
	if valued {
		o.values[name] = append(o.values[name], value)
	}
}

func (c *call) shortOptions(o *options, letters string, rest []string, takes map[string]bool) ([]string, error) {
	for i := range len(letters) {
		name := letters[i : i+1]
		valued, known := takes[name]
		switch {
		case !known:
			return rest, c.unknown("-" + letters)
		case !valued:
			o.note(name, "", false)
		case i+1 < len(letters):
			o.note(name, letters[i+1:], true)
			return rest, nil
		case len(rest) == 0:
			return rest, usageError("option -" + name + " needs a value")
		default:
			o.note(name, rest[0], true)
			return rest[1:], nil
		}
	}
	return rest, nil
}

func (c *call) unknown(option string) error {
	return usageError(fmt.Sprintf("unknown option %s (this is Wherry's own %s; it knows the usual options only)", option, c.name))
}
