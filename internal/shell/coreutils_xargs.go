package shell

import (
	"io"
	"strconv"
	"strings"
)

func xargs(c *call) error {
	args := c.Args[1:]
	perCall, replace, null, skipEmpty := 5000, "", false, false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		a := args[0]
		args = args[1:]
		switch {
		case a == "-0" || a == "--null":
			null = true
		case a == "-r" || a == "--no-run-if-empty":
			skipEmpty = true
		case a == "-t" || a == "-x":
		case (a == "-n" || a == "-I" || a == "-P" || a == "-L" || a == "-d") && len(args) > 0:
			value := args[0]
			args = args[1:]
			n, err := strconv.Atoi(value)
			switch {
			case a == "-I":
				replace = value
			case a == "-d":
				return c.unknown(a)
			case err != nil || n < 0 || n == 0 && a != "-P":
				return usageError("invalid number '" + value + "' for " + a)
			case a != "-P":
				perCall = n
			}
		case strings.HasPrefix(a, "-I"):
			replace = a[2:]
		case strings.HasPrefix(a, "-n") || strings.HasPrefix(a, "-P"):
			n, err := strconv.Atoi(a[2:])
			if err != nil || n < 0 {
				return usageError("invalid number in " + a)
			}
			if a[1] == 'n' {
				perCall = max(n, 1)
			}
		default:
			return c.unknown(a)
		}
	}
	if len(args) == 0 {
		args = []string{"echo"}
	}
	items, err := xargsItems(c, null, replace != "")
	if err != nil {
		return err
	}
	if len(items) == 0 && (skipEmpty || replace != "") {
		return nil
	}
	return xargsRun(c, args, items, perCall, replace)
}

func xargsItems(c *call, null, lines bool) ([]string, error) {
	data, err := io.ReadAll(io.LimitReader(cancellable{c, c.Stdin}, maxInMemory+1))
	if err == nil && len(data) > maxInMemory {
		err = errInMemory
	}
	if err != nil {
		return nil, err
	}
	switch {
	case null:
		return strings.FieldsFunc(string(data), func(r rune) bool { return r == 0 }), nil
	case lines:
		var items []string
		for _, l := range strings.Split(string(data), "\n") {
			if l = strings.TrimLeft(l, " \t"); l != "" {
				items = append(items, l)
			}
		}
		return items, nil
	}
	return splitQuoted(string(data))
}

// splitQuoted splits at white space, heeding quotes and backslashes.
func splitQuoted(s string) ([]string, error) {
	var items []string
	var b strings.Builder
	inWord, quote := false, rune(0)
	escaped := false
	for _, r := range s {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			b.WriteRune(r)
		case r == '\\':
			escaped, inWord = true, true
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				items = append(items, b.String())
				b.Reset()
				inWord = false
			}
		default:
			inWord = true
			b.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, usageError("unmatched quote")
	}
	if inWord {
		items = append(items, b.String())
	}
	return items, nil
}

func xargsRun(c *call, args, items []string, perCall int, replace string) error {
	note := func(status int) {
		if status != 0 {
			c.status = 123
		}
	}
	if replace != "" {
		for _, item := range items {
			one := make([]string, len(args))
			for i, a := range args {
				one[i] = strings.ReplaceAll(a, replace, item)
			}
			status, err := c.exec(one)
			if err != nil {
				return err
			}
			note(status)
		}
		return nil
	}
	for first := true; first || len(items) > 0; first = false {
		n := min(perCall, len(items))
		status, err := c.exec(append(append([]string{}, args...), items[:n]...))
		if err != nil {
			return err
		}
		note(status)
		items = items[n:]
	}
	return nil
}
