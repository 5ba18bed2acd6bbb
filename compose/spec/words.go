package spec

import (
	"slices"
	"strings"
)

// The words that the tables of attributes are written in.

// keys are the attributes of a mapping.
type keys map[string]*shape

// noExtensions is among the needs of a mapping that takes no extensions.
const noExtensions = "-"

func of(k kinds) *shape { return &shape{kinds: k} }

// word is text out of a list.
func word(words ...string) *shape { return &shape{kinds: text, words: words} }

// between is a number of bounds; other kinds have none.
func between(k kinds, low, high float64) *shape {
	return &shape{kinds: k, low: low, high: high, bounded: true}
}

// listOf is a list, setOf one whose items differ.
func listOf(item *shape) *shape { return &shape{kinds: list, item: item} }
func setOf(item *shape) *shape  { return &shape{kinds: list, item: item, unique: true} }

// object is a mapping of these keys, of which some must be there, and of extensions.
func object(k keys, need ...string) *shape {
	s := &shape{kinds: mapping, keys: k, need: need}
	if i := slices.Index(need, noExtensions); i >= 0 {
		s.need = slices.Delete(slices.Clone(need), i, i+1)
		return s
	}
	s.each, s.named = anything, extension
	return s
}

// named is a mapping of names to something; dictionary one of any keys.
func named(of *shape) *shape      { return &shape{kinds: mapping, each: of, named: isName} }
func dictionary(of *shape) *shape { return &shape{kinds: mapping, each: of, named: notEmpty} }

// or has a shape be of other kinds, too.
func (s *shape) or(k kinds) *shape {
	c := *s
	c.kinds |= k
	return &c
}

// loose has a shape take other keys, too.
func (s *shape) loose() *shape {
	c := *s
	c.open = true
	return &c
}

// with is both a list and a mapping.
func (s *shape) with(m *shape) *shape {
	c := *m
	c.kinds |= s.kinds
	c.item, c.unique = s.item, s.unique
	return &c
}

func extension(key string) bool { return strings.HasPrefix(key, "x-") }

func notEmpty(key string) bool { return key != "" }

func isName(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	})
}

// isLimit is the name of a ulimit.
func isLimit(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool { return r < 'a' || r > 'z' })
}

// isPullPolicy tells policies, of which one has periods in it: every_1w2d.
func isPullPolicy(s string) bool {
	if slices.Contains([]string{"always", "never", "build", "if_not_present", "missing", "refresh", "daily", "weekly"}, s) {
		return true
	}
	rest, ok := strings.CutPrefix(s, "every_")
	for ok && rest != "" {
		unit := strings.TrimLeft(rest, "0123456789")
		if unit == rest || unit == "" || !strings.ContainsRune("wdhms", rune(unit[0])) {
			return false
		}
		rest = unit[1:]
		if rest == "" {
			return true
		}
	}
	return false
}

// isContainerName: it has two characters of a name in it, side by side.
func isContainerName(s string) bool {
	for i := range len(s) - 1 {
		first, second := s[i], s[i+1]
		if isName(string(first)) && !strings.ContainsRune("_.-", rune(first)) && isName(string(second)) {
			return true
		}
	}
	return false
}
