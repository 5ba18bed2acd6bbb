package shell

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// env returns a variable of the program, or fallback.
func (c *call) env(name, fallback string) string {
	for _, kv := range c.Env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			fallback = v
		}
	}
	return fallback
}

// exec runs another program with this one's streams.
func (c *call) exec(args []string) (int, error) {
	return c.start(args, c.Env)
}

// start runs a program with the streams that this one was given.
func (c *call) start(args, env []string) (int, error) {
	if err := c.spend(0); err != nil {
		return 0, err
	}
	defer c.resume()
	p := c.Process
	p.Args, p.Env = args, env
	if out, ok := p.Stdout.(*counted); ok {
		p.Stdout = out.w
	}
	status, err := c.w.Exec(c.ctx, p)
	if err != nil {
		return status, fatalError{err}
	}
	return status, nil
}

func createNew(w Files, p string) error {
	f, err := w.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func basename(c *call) error {
	o, err := c.parse("a s: z suffix=s: multiple=a")
	if err != nil {
		return err
	}
	args, suffix := o.args, o.value("s", "")
	if !o.has("a", "s") && len(args) == 2 {
		args, suffix = args[:1], args[1]
	}
	if len(args) == 0 {
		return usageError("missing operand")
	}
	for _, a := range args {
		base := path.Base(a)
		if trimmed := strings.TrimSuffix(base, suffix); trimmed != "" {
			base = trimmed
		}
		if err := c.printf("%s\n", base); err != nil {
			return err
		}
	}
	return nil
}

func dirname(c *call) error {
	for _, a := range c.Args[1:] {
		dir := path.Dir(strings.TrimRight(a, "/"))
		if strings.Trim(a, "/") == "" && a != "" {
			dir = "/"
		}
		if err := c.printf("%s\n", dir); err != nil {
			return err
		}
	}
	return nil
}

func env(c *call) error {
	list := append([]string(nil), c.Env...)
	args := c.Args[1:]
	for len(args) > 0 {
		switch {
		case args[0] == "-i" || args[0] == "-" || args[0] == "--ignore-environment":
			list = nil
		case args[0] == "-S":
		case args[0] == "-u" && len(args) > 1:
			list = without(list, args[1])
			args = args[1:]
		case args[0] == "--":
		case strings.Contains(args[0], "=") && !strings.HasPrefix(args[0], "="):
			name, _, _ := strings.Cut(args[0], "=")
			list = append(without(list, name), args[0])
		case strings.HasPrefix(args[0], "-"):
			return c.unknown(args[0])
		default:
			status, err := c.start(args, list)
			if err != nil {
				return err
			}
			c.status = status
			return nil
		}
		args = args[1:]
	}
	for _, kv := range list {
		if err := c.printf("%s\n", kv); err != nil {
			return err
		}
	}
	return nil
}

func without(list []string, name string) []string {
	var out []string
	for _, kv := range list {
		if !strings.HasPrefix(kv, name+"=") {
			out = append(out, kv)
		}
	}
	return out
}

func printenv(c *call) error {
	if len(c.Args) == 1 {
		return env(c)
	}
	for _, name := range c.Args[1:] {
		const absent = "\x00"
		v := c.env(name, absent)
		if v == absent {
			c.status = 1
			continue
		}
		c.printf("%s\n", v)
	}
	return nil
}

func sleep(c *call) error {
	var total time.Duration
	for _, a := range c.Args[1:] {
		unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
		scale, digits := time.Second, a
		if a != "" {
			if u, ok := unit[a[len(a)-1]]; ok {
				scale, digits = u, a[:len(a)-1]
			}
		}
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil || n < 0 || n > 1e9 {
			return usageError("invalid time interval '" + a + "'")
		}
		total += time.Duration(n * float64(scale))
	}
	if err := c.spend(0); err != nil {
		return err
	}
	defer c.resume()
	return c.w.Sleep(c.ctx, total)
}

func date(c *call) error {
	o, err := c.parse("u d: r: I R utc=u date=d: iso-8601=I")
	if err != nil {
		return err
	}
	t := c.w.Now()
	if s := c.env("SOURCE_DATE_EPOCH", ""); s != "" { // a build's clock
		if t, err = parseDate("@" + s); err != nil {
			return err
		}
	}
	if o.has("d") {
		if t, err = parseDate(o.value("d", "")); err != nil {
			return err
		}
	}
	t = t.UTC()
	format := "%a %b %e %H:%M:%S UTC %Y"
	if o.has("I") {
		format = "%Y-%m-%d"
	}
	if o.has("R") {
		format = "%a, %d %b %Y %H:%M:%S +0000"
	}
	if len(o.args) > 0 {
		format = strings.TrimPrefix(o.args[0], "+")
	}
	return c.printf("%s\n", strftime(format, t))
}

func strftime(format string, t time.Time) string {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'e': "_2", 'H': "15", 'I': "03", 'M': "04", 'S': "05",
		'y': "06", 'b': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'p': "PM", 'Z': "MST", 'z': "-0700",
		'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06", 'R': "15:04", 'j': "002", 'N': "000000000"}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		switch layout, ok := layouts[format[i]]; {
		case format[i] == 's':
			b.WriteString(strconv.FormatInt(t.Unix(), 10))
		case format[i] == 'N':
			fmt.Fprintf(&b, "%09d", t.Nanosecond())
		case format[i] == '%':
			b.WriteByte('%')
		case format[i] == 'n':
			b.WriteByte('\n')
		case ok:
			b.WriteString(t.Format(layout))
		default:
			b.WriteString(format[i-1 : i+1])
		}
	}
	return b.String()
}

func seq(c *call) error {
	o, err := c.parse("s: w separator=s:")
	if err != nil {
		return err
	}
	nums := []float64{1, 1, 1}
	var parsed []float64
	for _, a := range o.args {
		n, err := strconv.ParseFloat(a, 64)
		if err != nil {
			return usageError("invalid argument '" + a + "'")
		}
		parsed = append(parsed, n)
	}
	switch len(parsed) {
	case 1:
		nums[2] = parsed[0]
	case 2:
		nums[0], nums[2] = parsed[0], parsed[1]
	case 3:
		copy(nums, parsed)
	default:
		return usageError("expects one to three numbers")
	}
	if nums[1] == 0 {
		return usageError("the increment must not be 0")
	}
	separator := o.value("s", "\n")
	for i := 0; ; i++ {
		n := nums[0] + float64(i)*nums[1]
		if nums[1] > 0 && n > nums[2] || nums[1] < 0 && n < nums[2] {
			break
		}
		if i > 0 {
			c.printf("%s", separator)
		}
		if err := c.printf("%s", strconv.FormatFloat(n, 'f', -1, 64)); err != nil {
			return err
		}
		if i&1023 == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
	return c.printf("\n")
}

func uname(c *call) error {
	o, err := c.parse("a s n r v m p o all=a machine=m kernel-name=s")
	if err != nil {
		return err
	}
	parts := []struct{ flag, text string }{{"s", "Wherry"}, {"n", "wherry"}, {"r", "1.0"}, {"m", "wasm32"}, {"o", "WASI"}}
	var out []string
	for _, p := range parts {
		if o.has("a", p.flag) || len(o.set) == 0 && p.flag == "s" {
			out = append(out, p.text)
		}
	}
	return c.printf("%s\n", strings.Join(out, " "))
}

func id(c *call) error {
	o, err := c.parse("u g n G")
	if err != nil {
		return err
	}
	switch {
	case o.has("n"):
		return c.printf("root\n")
	case o.has("u", "g", "G"):
		return c.printf("0\n")
	}
	return c.printf("uid=0(root) gid=0(root) groups=0(root)\n")
}

func whoami(c *call) error   { return c.printf("root\n") }
func hostname(c *call) error { return c.printf("%s\n", c.env("HOSTNAME", "wherry")) }
func nproc(c *call) error    { return c.printf("1\n") } // a guest has no threads

// syncDisks has nothing to do: a container's files are flushed by fsync.
func syncDisks(*call) error { return nil }

func which(c *call) error {
	for _, name := range c.Args[1:] {
		if strings.HasPrefix(name, "-") {
			continue
		}
		if p, ok := c.lookPath(name); ok {
			c.printf("%s\n", p)
		} else {
			c.status = 1
		}
	}
	return nil
}

func (c *call) lookPath(name string) (string, bool) {
	if strings.Contains(name, "/") {
		info, err := c.w.Stat(c.path(name), true)
		return name, err == nil && !info.IsDir() && info.Mode().Perm()&0o111 != 0
	}
	for _, dir := range strings.Split(c.env("PATH", ""), ":") {
		p := absolute(c.Dir, path.Join(dir, name))
		if info, err := c.w.Stat(p, true); err == nil && !info.IsDir() && info.Mode().Perm()&0o111 != 0 {
			return p, true
		}
	}
	_, ok := Lookup(name)
	return "/bin/" + name, ok
}

func yes(c *call) error {
	text := "y"
	if len(c.Args) > 1 {
		text = strings.Join(c.Args[1:], " ")
	}
	block := bytes.Repeat([]byte(text+"\n"), max(1, 4096/(len(text)+1)))
	for c.ctx.Err() == nil {
		if _, err := c.Stdout.Write(block); err != nil {
			return io.ErrClosedPipe
		}
	}
	return c.ctx.Err()
}
