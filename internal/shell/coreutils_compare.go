package shell

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sort"
)

func compareFiles(c *call) error {
	o, err := c.parse("s l quiet=s silent=s")
	if err != nil {
		return err
	}
	if len(o.args) != 2 {
		return usageError("needs two files")
	}
	var data [2][]byte
	for i, name := range o.args {
		err := c.eachInput([]string{name}, func(_ string, r io.Reader) error {
			var err error
			data[i], err = io.ReadAll(io.LimitReader(r, 1<<30))
			return err
		})
		if err != nil {
			return err
		}
		if c.status != 0 {
			c.status = 2
			return nil
		}
	}
	if bytes.Equal(data[0], data[1]) {
		return nil
	}
	c.status = 1
	if o.has("s") {
		return nil
	}
	line := 1
	for i := range min(len(data[0]), len(data[1])) {
		if data[0][i] != data[1][i] {
			return c.printf("%s %s differ: byte %d, line %d\n", o.args[0], o.args[1], i+1, line)
		}
		if data[0][i] == '\n' {
			line++
		}
	}
	shorter := o.args[0]
	if len(data[1]) < len(data[0]) {
		shorter = o.args[1]
	}
	fmt.Fprintf(c.Stderr, "cmp: EOF on %s\n", shorter)
	return nil
}

func comm(c *call) error {
	o, err := c.parse("1 2 3")
	if err != nil {
		return err
	}
	if len(o.args) != 2 {
		return usageError("needs two files")
	}
	a, err := c.lines(o.args[:1])
	if err != nil {
		return err
	}
	b, err := c.lines(o.args[1:])
	if err != nil {
		return err
	}
	indent := func(column string) string {
		s := ""
		for _, left := range []string{"1", "2"} {
			if left < column && !o.has(left) {
				s += "\t"
			}
		}
		return s
	}
	put := func(column, l string) {
		if !o.has(column) {
			c.printf("%s%s\n", indent(column), l)
		}
	}
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			put("1", a[0])
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			put("2", b[0])
			b = b[1:]
		default:
			put("3", a[0])
			a, b = a[1:], b[1:]
		}
	}
	return nil
}

func sortLines(c *call) error {
	o, err := c.parse("n r u f k: t: o: g s b d V h c reverse=r numeric-sort=n unique=u key=k: field-separator=t: output=o: ignore-case=f")
	if err != nil {
		return err
	}
	all, err := c.lines(o.args)
	if err != nil {
		return err
	}
	less, err := ordering(o)
	if err != nil {
		return err
	}
	if o.has("c") {
		if !sort.SliceIsSorted(all, func(i, j int) bool { return less(all[i], all[j]) }) {
			c.status = 1
		}
		return nil
	}
	sort.SliceStable(all, func(i, j int) bool { return less(all[i], all[j]) })
	if o.has("u") {
		kept := all[:0]
		for i, l := range all {
			if i == 0 || less(kept[len(kept)-1], l) || less(l, kept[len(kept)-1]) {
				kept = append(kept, l)
			}
		}
		all = kept
	}
	if !o.has("o") {
		return c.writeLines(all)
	}
	f, err := c.w.OpenFile(c.path(o.value("o", "")), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	c.Stdout = f
	return c.writeLines(all)
}
