package shell

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
)

// sized is the size check: it says how large the expansion can be at most.
func sized(hc interp.HandlerContext, args []string) (uint64, error) {
	s := sizes{env: hc.Env}
	for i, a := range args {
		if a == "--" {
			args, s.params = args[:i], args[i+1:]
			break
		}
	}
	for _, a := range args {
		if err := s.step(a); err != nil {
			return 0, err
		}
	}
	n := s.pop()
	if n > maxText {
		return n, errTooLarge
	}
	return n, nil
}

func (s *sizes) push(n uint64) { s.stack = append(s.stack, min(n, math.MaxInt64)) }

func (s *sizes) pop() uint64 {
	if len(s.stack) == 0 {
		return 0
	}
	n := s.stack[len(s.stack)-1]
	s.stack = s.stack[:len(s.stack)-1]
	return n
}

// times multiplies, and stays at the most there is.
func times(a, b uint64) uint64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

func (s *sizes) step(word string) error {
	op, arg := word[:min(1, len(word))], word[min(1, len(word)):]
	number := func() uint64 {
		n, err := strconv.ParseUint(arg, 10, 62)
		if err != nil {
			return math.MaxInt64
		}
		return n
	}
	switch {
	case word == "all":
		s.push(variables(s.env) + listSize(s.params))
	case word == "ps":
		s.push(listSize(s.params))
	case op == "c":
		s.push(number())
	case op == "v":
		s.push(max(s.set[arg], size(s.variable(arg))))
	case op == "p":
		n := number()
		if n > 0 && n <= uint64(len(s.params)) {
			s.push(uint64(len(s.params[n-1])))
		} else {
			s.push(0)
		}
	case op == "+":
		s.push(s.pop() + s.pop())
	case op == "x":
		s.push(times(s.pop(), number()))
	case op == "=":
		if s.set == nil {
			s.set = map[string]uint64{}
		}
		n := s.pop()
		s.set[arg] = max(s.set[arg], n)
		s.push(n)
	case op == "q":
		if s.pop() > maxPattern {
			return errPattern
		}
	case op == "r":
		return s.replaced(arg)
	default:
		return errNotation
	}
	return nil
}

// replaced is the size of a text with some of it replaced by what is on top.
func (s *sizes) replaced(arg string) error {
	name, what, _ := strings.Cut(arg, ".")
	old, err := hex.DecodeString(what)
	if err != nil {
		return errNotation
	}
	with := s.pop()
	texts := s.texts(name)
	length, count := s.set[name], s.set[name]+1 // nothing is known of what this expansion sets
	for _, t := range texts {
		length += uint64(len(t)) + perElement
		if len(old) > 0 {
			count += uint64(strings.Count(t, string(old)))
		} else {
			count += uint64(utf8.RuneCountInString(t)) + 1
		}
	}
	if length > maxReplaced+perElement*uint64(len(texts)) {
		return errReplaced
	}
	s.push(length + times(count, with))
	return nil
}

// texts are the texts of a variable or parameter.
func (s *sizes) texts(name string) []string {
	if n, err := strconv.Atoi(name); err == nil {
		if n > 0 && n <= len(s.params) {
			return s.params[n-1 : n]
		}
		return nil
	}
	if name == "@" || name == "*" {
		return s.params
	}
	v := s.variable(name)
	texts := append([]string{v.Str}, v.List...)
	for _, t := range v.Map {
		texts = append(texts, t)
	}
	return texts
}

// variable is a variable, or the one that it refers to.
func (s *sizes) variable(name string) expand.Variable {
	v := s.env.Get(name)
	if to, referred := v.Resolve(s.env); to != "" {
		return referred
	}
	return v
}

func listSize(list []string) uint64 {
	n := uint64(perElement * len(list))
	for _, t := range list {
		n += uint64(len(t))
	}
	return n
}

// size is what a variable holds.
func size(v expand.Variable) uint64 {
	n := uint64(len(v.Str)) + listSize(v.List) + uint64(8*len(v.Indexes))
	for k, t := range v.Map {
		n += uint64(len(k)+len(t)) + 4*perElement
	}
	return n
}

// variables is what all variables hold.
func variables(env expand.Environ) uint64 {
	n := uint64(0)
	for name, v := range env.Each {
		n += uint64(len(name)) + 8*perElement + size(v)
	}
	return n
}
