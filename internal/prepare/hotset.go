package prepare

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// HotSet lists functions that programs were seen to run. As text it is a file for people to keep, to read and to change:
//
//	# comment
//	module sha256:0f...@0+4711
//	12
//	17-31
//	restored sha256:0f...@0+4711
//	40
//
// A number is the index of a function in the module, two numbers are all from the first to the last. What is listed
// before the first section is of whichever module is meant.
type HotSet []HotSection

// HotSection lists functions of one module.
type HotSection struct {
	// Content names the module as package oci does: digest, offset and length. "" is for any.
	Content string
	// Restored tells that they ran in programs that had been restored from a snapshot.
	Restored bool
	// Functions are indices, ascending.
	Functions []uint32
}

// Bounds of a hot set.
const (
	maxHotText      = 16 << 20
	maxHotFunctions = 1_000_000
	maxHotSections  = 256
	maxHotLine      = 512
)

// ParseHotSet reads the text of a hot set. Its errors name the line.
func ParseHotSet(r io.Reader) (HotSet, error) {
	lines := bufio.NewScanner(io.LimitReader(r, maxHotText+1))
	lines.Buffer(make([]byte, 0, maxHotLine), maxHotLine)
	var set HotSet
	read, functions, n := 0, 0, 0
	for lines.Scan() {
		n++
		if read += len(lines.Bytes()) + 1; read > maxHotText {
			return nil, fmt.Errorf("more than %d bytes of functions", maxHotText)
		}
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		added, err := set.add(words)
		if err == nil {
			if functions += added; functions > maxHotFunctions {
				err = fmt.Errorf("more than %d functions", maxHotFunctions)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return nil, fmt.Errorf("line %d: it is longer than %d bytes", n+1, maxHotLine)
		}
		return nil, err
	}
	for i := range set {
		slices.Sort(set[i].Functions)
		set[i].Functions = slices.Compact(set[i].Functions)
	}
	return set, nil
}

// add takes in one line, and tells how many functions it lists.
func (h *HotSet) add(words []string) (int, error) {
	switch {
	case len(words) == 2 && (words[0] == "module" || words[0] == "restored"):
		if len(*h) == maxHotSections {
			return 0, fmt.Errorf("more than %d modules", maxHotSections)
		}
		*h = append(*h, HotSection{Content: words[1], Restored: words[0] == "restored"})
		return 0, nil
	case len(words) != 1:
		return 0, fmt.Errorf("%.80q is neither a function, such as 12 or 12-17, nor a module", strings.Join(words, " "))
	}
	from, to, isRange := strings.Cut(words[0], "-")
	first, err := strconv.ParseUint(from, 10, 32)
	last := first
	if err == nil && isRange {
		last, err = strconv.ParseUint(to, 10, 32)
	}
	switch {
	case err != nil || last == math.MaxUint32:
		return 0, fmt.Errorf("%.80q is no function: write its index, such as 12, or 12-17", words[0])
	case last < first:
		return 0, fmt.Errorf("%.80q ends before it begins", words[0])
	case last-first >= maxHotFunctions:
		return 0, fmt.Errorf("more than %d functions", maxHotFunctions)
	}
	if len(*h) == 0 {
		*h = HotSet{{}}
	}
	s := &(*h)[len(*h)-1]
	for f := first; f <= last; f++ {
		s.Functions = append(s.Functions, uint32(f))
	}
	return int(last-first) + 1, nil
}

// WriteTo writes the text, without comments.
func (h HotSet) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for _, s := range h {
		switch {
		case s.Content == "":
		case s.Restored:
			fmt.Fprintf(&b, "restored %s\n", s.Content)
		default:
			fmt.Fprintf(&b, "module %s\n", s.Content)
		}
		for at := 0; at < len(s.Functions); {
			end := at + 1
			for end < len(s.Functions) && s.Functions[end] == s.Functions[end-1]+1 {
				end++
			}
			if end-at == 1 {
				fmt.Fprintln(&b, s.Functions[at])
			} else {
				fmt.Fprintf(&b, "%d-%d\n", s.Functions[at], s.Functions[end-1])
			}
			at = end
		}
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// With gives the set with more functions in the section of a module.
func (h HotSet) With(more HotSection) HotSet {
	out := slices.Clone(h)
	at := slices.IndexFunc(out, func(s HotSection) bool { return s.Content == more.Content && s.Restored == more.Restored })
	if at < 0 {
		at = len(out)
		out = append(out, HotSection{Content: more.Content, Restored: more.Restored})
	}
	out[at].Functions = Union(out[at].Functions, more.Functions)
	return out
}

// Union puts two lists of functions together, ascending.
func Union(a, b []uint32) []uint32 {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
