package shell

import (
	"io"
	"strconv"
	"strings"
)

// ordering is the order of sort's options: by keys, then by the whole line.
func ordering(o options) (func(a, b string) bool, error) {
	type key struct {
		from, to int // fields, from 1; to 0 is the end of the line
		numeric  bool
		reverse  bool
		fold     bool
	}
	var keys []key
	for _, spec := range o.values["k"] {
		k := key{numeric: o.has("n", "g"), reverse: o.has("r"), fold: o.has("f")}
		flags := strings.TrimLeft(spec, "0123456789.,")
		k.numeric = k.numeric || strings.ContainsAny(spec, "ng")
		k.reverse = k.reverse || strings.Contains(spec, "r")
		k.fold = k.fold || strings.Contains(spec, "f")
		from, to, _ := strings.Cut(strings.TrimRight(spec[:len(spec)-len(flags)], "nrfgbd"), ",")
		from, _, _ = strings.Cut(from, ".")
		to, _, _ = strings.Cut(to, ".")
		n, err := strconv.Atoi(from)
		if err != nil || n < 1 {
			return nil, usageError("invalid key '" + spec + "'")
		}
		k.from = n
		k.to, _ = strconv.Atoi(to)
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		keys = []key{{numeric: o.has("n", "g"), reverse: o.has("r"), fold: o.has("f")}}
	}
	separator := o.value("t", "")
	return func(a, b string) bool {
		for _, k := range keys {
			order := compareKeys(keyText(a, separator, k.from, k.to), keyText(b, separator, k.from, k.to), k.numeric, k.fold)
			if k.reverse {
				order = -order
			}
			if order != 0 {
				return order < 0
			}
		}
		if o.has("s", "u") {
			return false
		}
		if o.has("r") {
			return a > b
		}
		return a < b
	}, nil
}

func compareKeys(a, b string, numeric, fold bool) int {
	if numeric {
		x, y := leadingNumber(a), leadingNumber(b)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	if fold {
		a, b = strings.ToUpper(a), strings.ToUpper(b)
	}
	return strings.Compare(a, b)
}

func leadingNumber(s string) float64 {
	s = strings.TrimLeft(s, " \t")
	end := 0
	for end < len(s) && strings.IndexByte("+-.0123456789eE", s[end]) >= 0 {
		end++
	}
	for ; end > 0; end-- {
		if n, err := strconv.ParseFloat(s[:end], 64); err == nil {
			return n
		}
	}
	return 0
}

func keyText(line, separator string, from, to int) string {
	if from == 0 {
		return line
	}
	var fields []string
	if separator == "" {
		fields = strings.Fields(line)
		separator = " "
	} else {
		fields = strings.Split(line, separator)
	}
	if from > len(fields) {
		return ""
	}
	if to == 0 || to > len(fields) {
		to = len(fields)
	}
	if to < from {
		return ""
	}
	return strings.Join(fields[from-1:to], separator)
}

func uniq(c *call) error {
	o, err := c.parse("c d u i count=c repeated=d unique=u ignore-case=i")
	if err != nil {
		return err
	}
	all, err := c.lines(o.args[:min(1, len(o.args))])
	if err != nil {
		return err
	}
	same := func(a, b string) bool { return a == b || o.has("i") && strings.EqualFold(a, b) }
	for i := 0; i < len(all); {
		j := i + 1
		for j < len(all) && same(all[i], all[j]) {
			j++
		}
		n := j - i
		switch {
		case o.has("d") && n == 1, o.has("u") && n > 1:
		case o.has("c"):
			c.printf("%7d %s\n", n, all[i])
		default:
			c.printf("%s\n", all[i])
		}
		i = j
	}
	return nil
}

// span is a range of positions, from 1; to 0 is the end.
type span struct{ from, to int }

func parseSpans(list string) ([]span, error) {
	var spans []span
	for _, part := range strings.Split(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		s := span{from: 1}
		var err error
		if from != "" {
			s.from, err = strconv.Atoi(from)
		}
		switch {
		case err == nil && !isRange:
			s.to = s.from
		case err == nil && to != "":
			s.to, err = strconv.Atoi(to)
		}
		if err != nil || s.from < 1 || isRange && from == "" && to == "" || s.to != 0 && s.to < s.from {
			return nil, usageError("invalid list '" + list + "'")
		}
		spans = append(spans, s)
	}
	return spans, nil
}

func selected(spans []span, i int) bool {
	for _, s := range spans {
		if i >= s.from && (s.to == 0 || i <= s.to) {
			return true
		}
	}
	return false
}

func cut(c *call) error {
	o, err := c.parse("d: f: c: b: s delimiter=d: fields=f: characters=c: bytes=b: only-delimited=s output-delimiter: complement")
	if err != nil {
		return err
	}
	list := o.value("f", o.value("c", o.value("b", "")))
	if list == "" {
		return usageError("you must name fields (-f) or characters (-c)")
	}
	spans, err := parseSpans(list)
	if err != nil {
		return err
	}
	delimiter := o.value("d", "\t")
	keep := func(i int) bool { return selected(spans, i) != o.has("complement") }
	return c.eachInput(o.args, func(_ string, r io.Reader) error {
		return eachLine(c, r, func(l string) error {
			if !o.has("f") {
				var b strings.Builder
				for i, ch := range []rune(l) {
					if keep(i + 1) {
						b.WriteRune(ch)
					}
				}
				return c.printf("%s\n", b.String())
			}
			fields := strings.Split(l, delimiter)
			if len(fields) == 1 {
				if o.has("s") {
					return nil
				}
				return c.printf("%s\n", l)
			}
			var out []string
			for i, f := range fields {
				if keep(i + 1) {
					out = append(out, f)
				}
			}
			return c.printf("%s\n", strings.Join(out, o.value("output-delimiter", delimiter)))
		})
	})
}

func paste(c *call) error {
	o, err := c.parse("d: s delimiters=d: serial=s")
	if err != nil {
		return err
	}
	delimiter := strings.NewReplacer(`\t`, "\t", `\n`, "\n", `\0`, "").Replace(o.value("d", "\t"))
	names := o.args
	if len(names) == 0 {
		names = []string{"-"}
	}
	var columns [][]string
	longest := 0
	for _, name := range names {
		lines, err := c.lines([]string{name})
		if err != nil {
			return err
		}
		if o.has("s") {
			if err := c.printf("%s\n", strings.Join(lines, delimiter)); err != nil {
				return err
			}
			continue
		}
		columns = append(columns, lines)
		longest = max(longest, len(lines))
	}
	for i := range longest {
		row := make([]string, len(columns))
		for k, col := range columns {
			if i < len(col) {
				row[k] = col[i]
			}
		}
		if err := c.printf("%s\n", strings.Join(row, delimiter)); err != nil {
			return err
		}
	}
	return nil
}

func tr(c *call) error {
	o, err := c.parse("d s c C delete=d squeeze-repeats=s complement=c")
	if err != nil {
		return err
	}
	if len(o.args) == 0 || len(o.args) == 1 && !o.has("d", "s") {
		return usageError("missing operand")
	}
	from, err := trSet(o.args[0])
	if err != nil {
		return err
	}
	var to []rune
	if len(o.args) > 1 {
		if to, err = trSet(o.args[1]); err != nil {
			return err
		}
		if len(to) == 0 {
			return usageError("the second set is empty")
		}
	}
	t := translation{from: map[rune]int{}, to: to, complement: o.has("c", "C"), delete: o.has("d"), squeeze: o.has("s")}
	for i, r := range from {
		if _, ok := t.from[r]; !ok {
			t.from[r] = i
		}
	}
	return t.run(c)
}

type translation struct {
	from                        map[rune]int
	to                          []rune
	complement, delete, squeeze bool
}

func (t translation) run(c *call) error {
	squeezeSet := map[rune]bool{}
	for _, r := range t.to {
		squeezeSet[r] = true
	}
	last, haveLast := rune(0), false
	return eachChunk(c, c.Stdin, func(text string) error {
		var b strings.Builder
		for _, r := range text {
			i, in := t.from[r]
			if in != t.complement {
				switch {
				case t.delete:
					continue
				case t.to != nil && t.complement:
					r = t.to[len(t.to)-1]
				case t.to != nil:
					r = t.to[min(i, len(t.to)-1)]
				}
			}
			if t.squeeze && haveLast && r == last {
				if t.to == nil && in != t.complement || squeezeSet[r] {
					continue
				}
			}
			last, haveLast = r, true
			b.WriteRune(r)
		}
		_, err := io.WriteString(c.Stdout, b.String())
		return err
	})
}

// eachChunk reads text in pieces that end at a newline or at the end.
func eachChunk(c *call, r io.Reader, use func(string) error) error {
	br := newLineReader(cancellable{c, r})
	for {
		l, err := br.ReadString('\n')
		if l != "" {
			if err := use(l); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

var trClasses = map[string]string{
	"lower": "a-z", "upper": "A-Z", "digit": "0-9", "alpha": "A-Za-z", "alnum": "0-9A-Za-z",
	"space": "\t\n\v\f\r ", "blank": " \t", "punct": "!-/:-@[-`{-~", "xdigit": "0-9A-Fa-f",
}

// trSet expands ranges, classes and escapes of tr.
func trSet(s string) ([]rune, error) {
	for name, members := range trClasses {
		s = strings.ReplaceAll(s, "[:"+name+":]", members)
	}
	in := []rune(s)
	var out []rune
	for i := 0; i < len(in); i++ {
		r := in[i]
		if r == '\\' && i+1 < len(in) {
			i++
			r = in[i]
			if e, ok := map[rune]rune{'n': '\n', 't': '\t', 'r': '\r', '0': 0, 'a': 7, 'v': 11, 'f': 12}[r]; ok {
				r = e
			}
			out = append(out, r)
			continue
		}
		if i+2 < len(in) && in[i+1] == '-' && in[i+2] >= r {
			if in[i+2]-r > 0xffff {
				return nil, usageError("range too wide")
			}
			for ; r <= in[i+2]; r++ {
				out = append(out, r)
			}
			i += 2
			continue
		}
		out = append(out, r)
	}
	return out, nil
}
