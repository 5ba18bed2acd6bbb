package shell

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLine bounds one line of text, in bytes.
const maxLine = 16 << 20

// maxInMemory bounds the text that one program holds in memory, in bytes.
const maxInMemory = 256 << 20

var errInMemory = fmt.Errorf("more than %d bytes to hold at once", maxInMemory)

// holding counts the lines that are held in memory.
type holding int

func (h *holding) add(line string) error {
	if *h += holding(len(line)) + 16; *h > maxInMemory {
		return errInMemory
	}
	return nil
}

func (h *holding) drop(line string) { *h -= holding(len(line)) + 16 }

// eachInput calls use for each file named, or for standard input.
func (c *call) eachInput(names []string, use func(name string, r io.Reader) error) error {
	if len(names) == 0 {
		names = []string{"-"}
	}
	for _, name := range names {
		if name == "-" {
			if err := use(name, cancellable{c, c.Stdin}); err != nil {
				return err
			}
			continue
		}
		f, err := c.w.OpenFile(c.path(name), os.O_RDONLY, 0)
		if err != nil {
			c.fail(name, err)
			continue
		}
		if info, err := f.Stat(); err == nil && info.IsDir() {
			f.Close()
			c.fail(name, fmt.Errorf("is a directory"))
			continue
		}
		err = use(name, cancellable{c, f})
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// eachLine calls use with each line, without its newline.
func eachLine(c *call, r io.Reader, use func(line string) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxLine)
	for s.Scan() {
		if err := use(s.Text()); err != nil {
			return err
		}
	}
	return s.Err()
}

// lines reads all lines of the inputs.
func (c *call) lines(names []string) ([]string, error) {
	var all []string
	var held holding
	err := c.eachInput(names, func(_ string, r io.Reader) error {
		return eachLine(c, r, func(l string) error {
			all = append(all, l)
			return held.add(l)
		})
	})
	return all, err
}

func (c *call) writeLines(lines []string) error {
	w := bufio.NewWriter(c.Stdout)
	for _, l := range lines {
		w.WriteString(l)
		if err := w.WriteByte('\n'); err != nil {
			return err
		}
	}
	return w.Flush()
}

func cat(c *call) error {
	o, err := c.parse("n b u A v e t s")
	if err != nil {
		return err
	}
	number := 0
	return c.eachInput(o.args, func(_ string, r io.Reader) error {
		if !o.has("n", "b") {
			_, err := io.Copy(c.Stdout, r)
			return err
		}
		return eachLine(c, r, func(l string) error {
			if o.has("b") && l == "" {
				return c.printf("\n")
			}
			number++
			return c.printf("%6d\t%s\n", number, l)
		})
	})
}

func nl(c *call) error {
	o, err := c.parse("b: w: s:")
	if err != nil {
		return err
	}
	number := 0
	return c.eachInput(o.args, func(_ string, r io.Reader) error {
		return eachLine(c, r, func(l string) error {
			if l == "" && o.value("b", "t") != "a" {
				return c.printf("       \n")
			}
			number++
			return c.printf("%6d%s%s\n", number, o.value("s", "\t"), l)
		})
	})
}

// countOption reads -n N, -N and their like from head and tail.
func (c *call) countOption() (options, error) {
	args := c.Args
	if len(args) > 1 && len(args[1]) > 1 && args[1][0] == '-' && strings.Trim(args[1][1:], "0123456789") == "" {
		c.Args = append([]string{args[0], "-n", args[1][1:]}, args[2:]...)
	}
	return c.parse("n: c: q v f lines=n: bytes=c: quiet=q")
}

func head(c *call) error {
	o, err := c.countOption()
	if err != nil {
		return err
	}
	unit := "n"
	if o.has("c") {
		unit = "c"
	}
	n, err := parseSize(strings.TrimPrefix(o.value(unit, "10"), "-"))
	if err != nil {
		return err
	}
	fromEnd := strings.HasPrefix(o.value(unit, ""), "-")
	first := true
	return c.eachInput(o.args, func(name string, r io.Reader) error {
		if len(o.args) > 1 && !o.has("q") {
			c.title(name, first)
			first = false
		}
		if unit == "c" && !fromEnd {
			_, err := io.CopyN(c.Stdout, r, n)
			if err == io.EOF {
				err = nil
			}
			return err
		}
		return headLines(c, r, n, fromEnd)
	})
}

func (c *call) title(name string, first bool) {
	if !first {
		c.printf("\n")
	}
	c.printf("==> %s <==\n", name)
}

// errEnough ends the reading of lines early.
var errEnough = fmt.Errorf("enough")

func headLines(c *call, r io.Reader, n int64, fromEnd bool) error {
	var held []string
	var size holding
	count := int64(0)
	err := eachLine(c, r, func(l string) error {
		if fromEnd {
			held = append(held, l)
			if int64(len(held)) <= n {
				return size.add(l)
			}
			size.drop(held[0])
			oldest := held[0]
			held = held[1:]
			if err := c.printf("%s\n", oldest); err != nil {
				return err
			}
			return size.add(l)
		}
		if count++; count > n {
			return errEnough
		}
		if err := c.printf("%s\n", l); err != nil {
			return err
		}
		if count == n {
			return errEnough
		}
		return nil
	})
	if err == errEnough {
		return nil
	}
	return err
}

func tail(c *call) error {
	o, err := c.countOption()
	if err != nil {
		return err
	}
	if o.has("f") {
		return usageError("option -f is not known here: nothing else writes to a container's files")
	}
	unit := "n"
	if o.has("c") {
		unit = "c"
	}
	value := o.value(unit, "10")
	n, err := parseSize(strings.TrimLeft(value, "+-"))
	if err != nil {
		return err
	}
	first := true
	return c.eachInput(o.args, func(name string, r io.Reader) error {
		if len(o.args) > 1 && !o.has("q") {
			c.title(name, first)
			first = false
		}
		if strings.HasPrefix(value, "+") {
			return tailFrom(c, r, unit, n)
		}
		if unit == "c" {
			return tailBytes(c, r, n)
		}
		return tailLines(c, r, n)
	})
}

func tailFrom(c *call, r io.Reader, unit string, n int64) error {
	if unit == "c" {
		if _, err := io.CopyN(io.Discard, r, max(n-1, 0)); err != nil && err != io.EOF {
			return err
		}
		_, err := io.Copy(c.Stdout, r)
		return err
	}
	number := int64(0)
	return eachLine(c, r, func(l string) error {
		if number++; number < n {
			return nil
		}
		return c.printf("%s\n", l)
	})
}

func tailBytes(c *call, r io.Reader, n int64) error {
	var keep []byte
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		keep = append(keep, buf[:k]...)
		if len(keep) > maxInMemory {
			return errInMemory
		}
		if int64(len(keep)) > n {
			keep = append([]byte(nil), keep[int64(len(keep))-n:]...)
		}
		if err == io.EOF {
			_, err = c.Stdout.Write(keep)
			return err
		}
		if err != nil {
			return err
		}
	}
}

func tailLines(c *call, r io.Reader, n int64) error {
	var keep []string
	var size holding
	err := eachLine(c, r, func(l string) error {
		keep = append(keep, l)
		if int64(len(keep)) > n {
			size.drop(keep[0])
			keep = keep[1:]
		}
		return size.add(l)
	})
	if err != nil {
		return err
	}
	return c.writeLines(keep)
}

func wc(c *call) error {
	o, err := c.parse("l w c m L lines=l words=w bytes=c chars=m max-line-length=L")
	if err != nil {
		return err
	}
	var total counts
	show := func(n counts, name string) error {
		var fields []string
		all := len(o.set) == 0
		for _, f := range []struct {
			on bool
			n  int64
		}{{all || o.has("l"), n.lines}, {all || o.has("w"), n.words}, {o.has("m"), n.chars}, {all || o.has("c"), n.bytes}, {o.has("L"), n.longest}} {
			if f.on {
				fields = append(fields, strconv.FormatInt(f.n, 10))
			}
		}
		if name != "-" {
			fields = append(fields, name)
		}
		return c.printf("%s\n", strings.Join(fields, " "))
	}
	err = c.eachInput(o.args, func(name string, r io.Reader) error {
		n, err := count(r)
		if err != nil {
			return err
		}
		total.add(n)
		return show(n, name)
	})
	if err == nil && len(o.args) > 1 {
		err = show(total, "total")
	}
	return err
}

type counts struct{ lines, words, chars, bytes, longest int64 }

func (n *counts) add(m counts) {
	n.lines += m.lines
	n.words += m.words
	n.chars += m.chars
	n.bytes += m.bytes
	n.longest = max(n.longest, m.longest)
}

func count(r io.Reader) (counts, error) {
	var n counts
	inWord, width := false, int64(0)
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		ch, size, err := br.ReadRune()
		if err == io.EOF {
			n.longest = max(n.longest, width)
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n.bytes += int64(size)
		if ch != utf8.RuneError || size > 1 {
			n.chars++
		}
		space := ch == ' ' || ch >= '\t' && ch <= '\r'
		if !space && !inWord {
			n.words++
		}
		inWord = !space
		if width++; ch == '\n' {
			n.lines++
			n.longest = max(n.longest, width-1)
			width = 0
		}
	}
}

func tac(c *call) error {
	all, err := c.lines(c.Args[1:])
	if err != nil {
		return err
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	return c.writeLines(all)
}

func rev(c *call) error {
	all, err := c.lines(c.Args[1:])
	if err != nil {
		return err
	}
	for k, l := range all {
		r := []rune(l)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		all[k] = string(r)
	}
	return c.writeLines(all)
}

func tee(c *call) error {
	o, err := c.parse("a i append=a")
	if err != nil {
		return err
	}
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if o.has("a") {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	outs := []io.Writer{c.Stdout}
	for _, name := range o.args {
		f, err := c.w.OpenFile(c.path(name), flag, 0o644)
		if err != nil {
			c.fail(name, err)
			continue
		}
		defer f.Close()
		outs = append(outs, f)
	}
	_, err = io.Copy(io.MultiWriter(outs...), cancellable{c, c.Stdin})
	return err
}
