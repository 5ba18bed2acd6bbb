package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// Bounds of what is done with what was read.
const (
	// maxWork bounds what variables cost, in files of all kinds: the lengths of a text and
	// of what is put into it, times the variables in it.
	maxWork = 1 << 26
	// maxVisits bounds how many values are looked at by what goes over whole trees, as each
	// document does that is put over others.
	maxVisits = 2 * maxValues
	// maxTried bounds how many values are tried to find what a step fails for.
	maxTried = 2 * maxValues
)

// size is how many values a tree has.
func size(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n += size(e)
		}
	case []any:
		for _, e := range v {
			n += size(e)
		}
	}
	return n
}

// words counts what it costs to split a command into words: the library adds each letter
// to a copy of those before it.
func (l *loader) words(text string) error {
	if l.work += len(text) * len(text) / 64; l.work > maxWork {
		return fmt.Errorf("a command of %d bytes is too long for one text: write a list", len(text))
	}
	return nil
}

// visit counts values that are looked at once more.
func (l *loader) visit(n int) error {
	if l.visits += n; l.visits > maxVisits {
		return fmt.Errorf("there are too many files and documents for what is in them: %d values were looked at", maxVisits)
	}
	return nil
}

// grow counts values that come to those that were read.
func (l *loader) grow(n int) error {
	if l.budget -= n; l.budget < 0 {
		return fmt.Errorf("there are more than %d values here, with those that ranges and extensions stand for", maxValues)
	}
	return nil
}

// copied is a tree once more, which counts.
func (l *loader) copied(v any) (any, error) {
	if err := l.grow(size(v)); err != nil {
		return nil, err
	}
	return clone(v), nil
}

// portValues is how many values one port of a range becomes.
const portValues = 6

// ranges counts the ports that ranges of them become.
func (l *loader) ranges(in map[string]any) error {
	for _, section := range []string{"services", "jobs"} {
		list, _ := in[section].(map[string]any)
		for name, v := range list {
			service, _ := v.(map[string]any)
			ports, _ := service["ports"].([]any)
			for _, p := range ports {
				text, _ := p.(string)
				if n := rangeOf(text); n > 1 {
					if err := l.grow(n * portValues); err != nil {
						return fmt.Errorf("%s.%s.ports: %q: %w", section, name, text, err)
					}
				}
			}
		}
	}
	return nil
}

// rangeOf is how many ports a container has of a published range; 0 is one, or no range.
func rangeOf(text string) int {
	text, _, _ = strings.Cut(text[strings.LastIndex(text, ":")+1:], "/")
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return 0
	}
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || b < a {
		return 0
	}
	return int(b-a) + 1
}
