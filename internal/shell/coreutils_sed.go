package shell

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// sed knows the commands that recipes use: s, d, p, q, y, a, i, c, =, n, with
// addresses, ranges and blocks; not hold space or branches.
func sed(c *call) error {
	o, err := c.parse("n e: f: i E r s z quiet=n silent=n expression=e: file=f: in-place=i regexp-extended=E")
	if err != nil {
		return err
	}
	scripts, files := o.values["e"], o.args
	if name := o.value("f", ""); name != "" {
		lines, err := c.lines([]string{name})
		if err != nil {
			return err
		}
		scripts = append(scripts, strings.Join(lines, "\n"))
	}
	if len(scripts) == 0 {
		if len(files) == 0 {
			return usageError("missing script")
		}
		scripts, files = files[:1], files[1:]
	}
	p := sedParser{text: strings.Join(scripts, "\n"), extended: o.has("E", "r")}
	program, err := p.block(0)
	if err != nil {
		return err
	}
	if o.has("i") {
		return sedInPlace(c, program, files, o.has("n"))
	}
	var inputs []string
	err = c.eachInput(files, func(_ string, r io.Reader) error {
		return eachLine(c, r, func(l string) error { inputs = append(inputs, l); return nil })
	})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(c.Stdout)
	if err := (&sedRun{c: c, lines: inputs, quiet: o.has("n"), out: out}).run(program); err != nil {
		return err
	}
	return out.Flush()
}

func sedInPlace(c *call, program []*sedCommand, files []string, quiet bool) error {
	for _, name := range files {
		lines, err := c.lines([]string{name})
		if err != nil || c.status != 0 {
			return err
		}
		p := c.path(name)
		f, err := c.w.OpenFile(p, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			return err
		}
		out := bufio.NewWriter(f)
		for _, cmd := range program {
			cmd.reset()
		}
		err = (&sedRun{c: c, lines: lines, quiet: quiet, out: out}).run(program)
		if flushErr := out.Flush(); err == nil {
			err = flushErr
		}
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// address selects lines: by number, "$", or a pattern.
type address struct {
	line int
	last bool
	re   *regexp.Regexp
	step int // N~STEP
	plus int // second address "+N"
}

func (a *address) matches(number int, last bool, text string) bool {
	switch {
	case a.re != nil:
		return a.re.MatchString(text)
	case a.last:
		return last
	case a.step > 0:
		return number >= a.line && (number-a.line)%a.step == 0
	}
	return number == a.line
}

type sedCommand struct {
	from, to *address
	negate   bool
	active   bool // inside a range
	until    int  // last line of a "+N" range
	name     byte
	block    []*sedCommand
	re       *regexp.Regexp
	text     string // replacement, or text of a, i and c
	global   bool
	print    bool
	nth      int
	mapping  map[rune]rune
}

func (s *sedCommand) reset() {
	s.active = false
	for _, b := range s.block {
		b.reset()
	}
}

func (s *sedCommand) applies(number int, last bool, text string) bool {
	return s.inRange(number, last, text) != s.negate
}

func (s *sedCommand) inRange(number int, last bool, text string) bool {
	switch {
	case s.from == nil:
		return true
	case s.to == nil:
		return s.from.matches(number, last, text)
	case s.active:
		done := s.to.matches(number, last, text)
		if s.to.plus > 0 {
			done = number >= s.until
		} else if s.to.re == nil && !s.to.last {
			done = number >= s.to.line
		}
		s.active = !done
		return true
	case s.from.matches(number, last, text):
		s.until = number + s.to.plus
		s.active = s.to.re != nil || s.to.last && !last || s.to.plus > 0 || s.to.line > number
		return true
	}
	return false
}

type sedRun struct {
	c     *call
	lines []string
	at    int
	quiet bool
	out   *bufio.Writer
	err   error // ends the run
}

func (r *sedRun) run(program []*sedCommand) error {
	for r.at = 0; r.at < len(r.lines); r.at++ {
		if r.at&255 == 0 && r.c.ctx.Err() != nil {
			return r.c.ctx.Err()
		}
		text, after := r.lines[r.at], ""
		drop, quit := r.apply(program, &text, &after)
		if r.err != nil {
			return r.err
		}
		if !drop && !r.quiet {
			fmt.Fprintln(r.out, text)
		}
		if _, err := r.out.WriteString(after); err != nil {
			return err
		}
		if quit {
			return nil
		}
	}
	return nil
}

// apply runs the commands on one line: drop leaves it out, quit ends the run.
func (r *sedRun) apply(program []*sedCommand, text, after *string) (drop, quit bool) {
	for _, s := range program {
		if !s.applies(r.at+1, r.at == len(r.lines)-1, *text) {
			continue
		}
		switch s.name {
		case '{':
			if drop, quit = r.apply(s.block, text, after); drop || quit {
				return drop, quit
			}
		case 's':
			if r.err = s.substitute(text, r.out); r.err != nil {
				return true, true
			}
		case 'y':
			*text = strings.Map(func(c rune) rune {
				if to, ok := s.mapping[c]; ok {
					return to
				}
				return c
			}, *text)
		case 'd':
			return true, false
		case 'p':
			fmt.Fprintln(r.out, *text)
		case 'q':
			return false, true
		case '=':
			fmt.Fprintln(r.out, r.at+1)
		case 'a':
			*after += s.text + "\n"
		case 'i':
			fmt.Fprintln(r.out, s.text)
		case 'c':
			if s.to == nil || !s.active {
				fmt.Fprintln(r.out, s.text)
			}
			return true, false
		case 'n':
			if !r.quiet {
				fmt.Fprintln(r.out, *text)
			}
			if r.at+1 >= len(r.lines) {
				return true, true
			}
			r.at++
			*text = r.lines[r.at]
		}
	}
	return false, false
}

// substitute does s/RE/TEXT/, which may not make a line endless.
func (s *sedCommand) substitute(text *string, out io.Writer) error {
	var b strings.Builder
	end, count, changed := 0, 0, false
	for _, m := range s.re.FindAllStringSubmatchIndex(*text, -1) {
		count++
		if count < s.nth {
			continue
		}
		b.WriteString((*text)[end:m[0]])
		b.WriteString(s.expand(*text, m))
		if b.Len() > 2*maxLine {
			return fmt.Errorf("a line grows beyond %d bytes", 2*maxLine)
		}
		end, changed = m[1], true
		if !s.global {
			break
		}
	}
	if !changed {
		return nil
	}
	b.WriteString((*text)[end:])
	*text = b.String()
	if s.print {
		fmt.Fprintln(out, *text)
	}
	return nil
}

// expand fills & and \1 to \9 of a replacement.
func (s *sedCommand) expand(text string, m []int) string {
	var b strings.Builder
	for i := 0; i < len(s.text) && b.Len() <= 2*maxLine; i++ {
		switch ch := s.text[i]; {
		case ch == '&':
			b.WriteString(text[m[0]:m[1]])
		case ch == '\\' && i+1 < len(s.text):
			i++
			switch d := s.text[i]; {
			case d >= '0' && d <= '9':
				if k := 2 * int(d-'0'); k+1 < len(m) && m[k] >= 0 {
					b.WriteString(text[m[k]:m[k+1]])
				}
			case d == 'n':
				b.WriteByte('\n')
			case d == 't':
				b.WriteByte('\t')
			default:
				b.WriteByte(d)
			}
		default:
			b.WriteByte(ch)
		}
	}
	return b.String()
}
