package shell

import (
	"cmp"
	"strconv"
	"strings"
)

// expr evaluates what old scripts compute: integers, comparison, and ":".
func expr(c *call) error {
	e := &exprParser{words: c.Args[1:]}
	v, err := e.or()
	if err != nil {
		return err
	}
	if e.at < len(e.words) {
		return usageError("syntax error at '" + e.words[e.at] + "'")
	}
	if v == "" || v == "0" {
		c.status = 1
	}
	return c.printf("%s\n", v)
}

type exprParser struct {
	words []string
	at    int
	depth int
}

func (e *exprParser) accept(ops ...string) string {
	if e.at < len(e.words) {
		for _, op := range ops {
			if e.words[e.at] == op {
				e.at++
				return op
			}
		}
	}
	return ""
}

func (e *exprParser) or() (string, error) {
	a, err := e.and()
	for err == nil && e.accept("|") != "" {
		var b string
		if b, err = e.and(); a == "" || a == "0" {
			a = b
		}
	}
	return a, err
}

func (e *exprParser) and() (string, error) {
	a, err := e.compare()
	for err == nil && e.accept("&") != "" {
		var b string
		if b, err = e.compare(); a == "" || a == "0" || b == "" || b == "0" {
			a = "0"
		}
	}
	return a, err
}

func (e *exprParser) compare() (string, error) {
	a, err := e.sum()
	for err == nil {
		op := e.accept("=", "==", "!=", "<", "<=", ">", ">=")
		if op == "" {
			break
		}
		var b string
		if b, err = e.sum(); err == nil {
			a = truth(op, a, b)
		}
	}
	return a, err
}

func truth(op, a, b string) string {
	order := strings.Compare(a, b)
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	if errA == nil && errB == nil {
		order = cmp.Compare(x, y)
	}
	holds := map[string]bool{"=": order == 0, "==": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}
	if holds[op] {
		return "1"
	}
	return "0"
}

func (e *exprParser) sum() (string, error)     { return e.binary(e.product, "+", "-") }
func (e *exprParser) product() (string, error) { return e.binary(e.match, "*", "/", "%") }

func (e *exprParser) binary(operand func() (string, error), ops ...string) (string, error) {
	a, err := operand()
	for err == nil {
		op := e.accept(ops...)
		if op == "" {
			break
		}
		var b string
		if b, err = operand(); err == nil {
			a, err = arithmetic(op, a, b)
		}
	}
	return a, err
}

func arithmetic(op, a, b string) (string, error) {
	x, errA := strconv.ParseInt(a, 10, 64)
	y, errB := strconv.ParseInt(b, 10, 64)
	if errA != nil || errB != nil {
		return "", usageError("non-integer argument")
	}
	if y == 0 && (op == "/" || op == "%") {
		return "", usageError("division by zero")
	}
	switch op {
	case "+":
		x += y
	case "-":
		x -= y
	case "*":
		x *= y
	case "/":
		x /= y
	case "%":
		x %= y
	}
	return strconv.FormatInt(x, 10), nil
}

func (e *exprParser) match() (string, error) {
	a, err := e.operand()
	for err == nil && e.accept(":") != "" {
		var pattern string
		if pattern, err = e.operand(); err != nil {
			break
		}
		re, compileErr := compile(pattern, "^", false, false)
		if compileErr != nil {
			return "", compileErr
		}
		m := re.FindStringSubmatch(a)
		switch {
		case len(m) > 1:
			a = m[1]
		case m == nil && re.NumSubexp() > 0:
			a = ""
		case m == nil:
			a = "0"
		default:
			a = strconv.Itoa(len([]rune(m[0])))
		}
	}
	return a, err
}

func (e *exprParser) operand() (string, error) {
	if e.at >= len(e.words) {
		return "", usageError("missing operand")
	}
	if e.depth++; e.depth > 1000 {
		return "", usageError("too many operands")
	}
	w := e.words[e.at]
	e.at++
	if w != "(" {
		return w, nil
	}
	v, err := e.or()
	if err == nil && e.accept(")") == "" {
		err = usageError("missing ')'")
	}
	return v, err
}
