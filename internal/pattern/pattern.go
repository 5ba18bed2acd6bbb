// Package pattern holds regular expressions that are compiled when they are first
// asked. A start of the program asks few of those that it has, and compiling all of
// them took a tenth of the time that a small program runs for.
package pattern

import (
	"regexp"
	"sync"
)

// A Pattern is a regular expression. Its methods are those of regexp.Regexp; they
// may be called from any goroutine.
type Pattern struct {
	compiled func() *regexp.Regexp
}

// New makes a Pattern of an expression, which must be valid: its first use panics
// else.
func New(expr string) *Pattern {
	return &Pattern{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })}
}

// Match says whether b holds a match.
func (p *Pattern) Match(b []byte) bool { return p.compiled().Match(b) }

// MatchString says whether s holds a match.
func (p *Pattern) MatchString(s string) bool { return p.compiled().MatchString(s) }

// FindString is the first match in s.
func (p *Pattern) FindString(s string) string { return p.compiled().FindString(s) }

// FindStringSubmatch is the first match in s, and its groups.
func (p *Pattern) FindStringSubmatch(s string) []string { return p.compiled().FindStringSubmatch(s) }

// FindAllStringSubmatch are the first n matches in s, all with -1, and their groups.
func (p *Pattern) FindAllStringSubmatch(s string, n int) [][]string {
	return p.compiled().FindAllStringSubmatch(s, n)
}

// ReplaceAll puts repl in the place of every match.
func (p *Pattern) ReplaceAll(b, repl []byte) []byte { return p.compiled().ReplaceAll(b, repl) }

// ReplaceAllString puts repl in the place of every match.
func (p *Pattern) ReplaceAllString(s, repl string) string {
	return p.compiled().ReplaceAllString(s, repl)
}

// ReplaceAllStringFunc puts what repl makes of it in the place of every match.
func (p *Pattern) ReplaceAllStringFunc(s string, repl func(string) string) string {
	return p.compiled().ReplaceAllStringFunc(s, repl)
}
