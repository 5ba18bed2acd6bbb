package pattern

import (
	"reflect"
	"regexp"
	"testing"
)

// TestPattern holds every method against the expression's own.
func TestPattern(t *testing.T) {
	const expr, text = `(a+)(b?)`, "xaab ya"
	p, want := New(expr), regexp.MustCompile(expr)
	twice := func(s string) string { return s + s }
	for name, pair := range map[string][2]any{
		"Match":                 {p.Match([]byte(text)), want.Match([]byte(text))},
		"MatchString":           {p.MatchString("none"), want.MatchString("none")},
		"FindString":            {p.FindString(text), want.FindString(text)},
		"FindStringSubmatch":    {p.FindStringSubmatch(text), want.FindStringSubmatch(text)},
		"FindAllStringSubmatch": {p.FindAllStringSubmatch(text, -1), want.FindAllStringSubmatch(text, -1)},
		"ReplaceAll":            {p.ReplaceAll([]byte(text), []byte("$2")), want.ReplaceAll([]byte(text), []byte("$2"))},
		"ReplaceAllString":      {p.ReplaceAllString(text, "$2"), want.ReplaceAllString(text, "$2")},
		"ReplaceAllStringFunc":  {p.ReplaceAllStringFunc(text, twice), want.ReplaceAllStringFunc(text, twice)},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: %v, want %v", name, pair[0], pair[1])
		}
	}
}

// TestLate checks that nothing is compiled before it is asked.
func TestLate(t *testing.T) {
	p := New("(")
	defer func() {
		if recover() == nil {
			t.Error("an expression that is none was compiled")
		}
	}()
	p.MatchString("")
}
