package shell

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxWidth bounds the field width that a format may ask for.
const maxWidth = 4096

func printf(c *call) error {
	text, err := formatted(c, c.Args[1:])
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.Stdout, text)
	return err
}

// formatted is what printf prints.
func formatted(c *call, args []string) (string, error) {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return "", usageError("usage: printf FORMAT [ARGUMENT...]")
	}
	f := &formatter{c: c, format: args[0], args: args[1:]}
	for {
		used, err := f.once()
		if err != nil {
			return "", err
		}
		if f.stop || len(f.args) == 0 || !used {
			return f.out.String(), nil
		}
	}
}

// formatter is one run of printf: its format is used again until the
// arguments are used up.
type formatter struct {
	c      *call
	format string
	args   []string
	out    strings.Builder
	stop   bool // \c was met
}

func (f *formatter) next() string {
	if len(f.args) == 0 {
		return ""
	}
	a := f.args[0]
	f.args = f.args[1:]
	return a
}

// once formats one round and reports whether it used an argument.
func (f *formatter) once() (used bool, err error) {
	for i := 0; i < len(f.format) && !f.stop; {
		if f.out.Len() > maxText {
			return used, errTooLarge
		}
		switch ch := f.format[i]; {
		case ch == '\\':
			i += f.escape(f.format[i:], false)
		case ch != '%':
			f.out.WriteByte(ch)
			i++
		case i+1 < len(f.format) && f.format[i+1] == '%':
			f.out.WriteByte('%')
			i += 2
		default:
			n, err := f.conversion(f.format[i:])
			if err != nil {
				return used, err
			}
			used = true
			i += n
		}
	}
	return used, nil
}

// escape writes the escape at the start of s and returns its length; octal
// wants a zero in front in %b.
func (f *formatter) escape(s string, percentB bool) int {
	if len(s) < 2 {
		f.out.WriteByte('\\')
		return 1
	}
	if i := strings.IndexByte(`abfnrtv\"'e`, s[1]); i >= 0 {
		f.out.WriteByte("\a\b\f\n\r\t\v\\\"'\x1b"[i])
		return 2
	}
	switch {
	case s[1] == 'c':
		f.stop = true
		return len(s)
	case s[1] == 'x':
		end := 2
		for end < len(s) && end < 4 && strings.IndexByte("0123456789abcdefABCDEF", s[end]) >= 0 {
			end++
		}
		if n, err := strconv.ParseUint(s[2:end], 16, 8); err == nil {
			f.out.WriteByte(byte(n))
			return end
		}
	case s[1] >= '0' && s[1] <= '7':
		limit := 4
		if percentB && s[1] == '0' {
			limit = 5
		}
		end := 1
		for end < len(s) && end < limit && s[end] >= '0' && s[end] <= '7' {
			end++
		}
		n, _ := strconv.ParseUint(s[1:end], 8, 16)
		f.out.WriteByte(byte(n))
		return end
	}
	f.out.WriteByte('\\')
	return 1
}

// conversion writes the conversion at the start of s and returns its length.
func (f *formatter) conversion(s string) (int, error) {
	i := 1
	for i < len(s) && strings.IndexByte("-+ #0", s[i]) >= 0 {
		i++
	}
	spec := s[:i]
	for part := 0; part < 2; part++ {
		if part == 1 {
			if i >= len(s) || s[i] != '.' {
				break
			}
			spec += "."
			i++
		}
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		number := s[start:i]
		if i < len(s) && s[i] == '*' && start == i {
			number = f.next()
			i++
		}
		if n, err := strconv.Atoi(number); number != "" && (err != nil || n > maxWidth || n < -maxWidth) {
			return 0, usageError("invalid width '" + number + "'")
		}
		spec += number
	}
	if i >= len(s) {
		return 0, usageError("'" + s + "': missing conversion")
	}
	return i + 1, f.convert(spec, s[i])
}

func (f *formatter) convert(spec string, verb byte) error {
	switch verb {
	case 's':
		fmt.Fprintf(&f.out, spec+"s", f.next())
	case 'c':
		a := f.next()
		fmt.Fprintf(&f.out, spec+"s", a[:min(1, len(a))])
	case 'b':
		a := f.next()
		for a != "" && !f.stop {
			if a[0] == '\\' {
				a = a[f.escape(a, true):]
				continue
			}
			f.out.WriteByte(a[0])
			a = a[1:]
		}
	case 'q':
		f.out.WriteString("'" + strings.ReplaceAll(f.next(), "'", `'\''`) + "'")
	case 'd', 'i':
		fmt.Fprintf(&f.out, spec+"d", f.integer())
	case 'u', 'x', 'X', 'o':
		v := verb
		if v == 'u' {
			v = 'd'
		}
		fmt.Fprintf(&f.out, spec+string(v), uint64(f.integer()))
	case 'f', 'F', 'e', 'E', 'g', 'G':
		a := f.next()
		n, err := strconv.ParseFloat(a, 64)
		if err != nil && a != "" {
			f.bad(a)
		}
		fmt.Fprintf(&f.out, spec+string(verb), n)
	default:
		return usageError(fmt.Sprintf("%%%c: unknown conversion", verb))
	}
	return nil
}

func (f *formatter) integer() int64 {
	a := f.next()
	if a == "" {
		return 0
	}
	if a[0] == '\'' || a[0] == '"' { // the code of a character
		for _, r := range a[1:] {
			return int64(r)
		}
		return 0
	}
	n, err := strconv.ParseInt(a, 0, 64)
	if err != nil {
		if u, uerr := strconv.ParseUint(a, 0, 64); uerr == nil {
			return int64(u)
		}
		f.bad(a)
	}
	return n
}

func (f *formatter) bad(arg string) {
	fmt.Fprintf(f.c.Stderr, "printf: %s: expected a number\n", arg)
	f.c.status = 1
}
