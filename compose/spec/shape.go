package spec

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"github.com/wherry-run/wherry/internal/spelling"
)

// kinds is a set of the types that YAML has.
type kinds uint8

const (
	null kinds = 1 << iota
	boolean
	integer // a number without a fraction
	fraction
	text
	list
	mapping

	number = integer | fraction
)

var kindNames = [...]struct {
	kind kinds
	name string
}{{mapping, "a mapping"}, {list, "a list"}, {number, "a number"}, {integer, "a whole number"}, {boolean, "true or false"}, {text, "text"}, {null, "nothing"}}

// String is as in "a mapping, or text".
func (k kinds) String() string {
	if k == boolean|text { // which is true in quotation marks
		k = boolean
	}
	var names []string
	for _, n := range kindNames {
		if k&n.kind == n.kind {
			names = append(names, n.name)
			k &^= n.kind
		}
	}
	return strings.Join(names, ", or ")
}

// A shape is what a value of a compose file may be. Its parts hold for the kinds that
// they are about, so that one shape says "text, or a list of text".
type shape struct {
	kinds kinds
	// Of text.
	words  []string
	format func(string) bool
	says   string // what the format is
	// Of a number.
	low, high float64
	bounded   bool
	// Of a list.
	item   *shape
	unique bool
	// Of a mapping: known keys, those that people choose, which must be there, and
	// whether others may be.
	keys  map[string]*shape
	each  *shape
	named func(string) bool
	need  []string
	some  []string // one of them must be
	open  bool
}

// A finding is a value that is not of its shape.
type finding struct {
	path []string
	text string
}

// maxFindings bounds what is found at once.
const maxFindings = 100

// check finds what in a tree is not as the shape says, in the order of paths.
func (s *shape) check(v any, path []string, found *[]finding) {
	if len(*found) >= maxFindings {
		return
	}
	add := func(format string, a ...any) {
		*found = append(*found, finding{slices.Clone(path), fmt.Sprintf(format, a...)})
	}
	v = plain(v)
	k := kindOf(v)
	if k == 0 {
		add("%v is no number", v)
		return
	}
	if s.kinds&k == 0 {
		add("%s is expected, and %s is there", s.kinds, show(v, k))
		return
	}
	switch k {
	case text:
		s.checkText(v, add)
	case integer, fraction:
		if f, _ := numberOf(v); s.bounded && (f < s.low || f > s.high) {
			add("%v is not between %v and %v", v, bound(s.low), bound(s.high))
		}
	case list:
		s.checkList(v.([]any), path, found, add)
	case mapping:
		s.checkMapping(v.(map[string]any), path, found, add)
	}
}

func (s *shape) checkText(v any, add func(string, ...any)) {
	t := fmt.Sprint(v)
	if s.words != nil && !slices.Contains(s.words, t) {
		add("%q is none of %s", t, strings.Join(s.words, ", "))
	}
	if s.format != nil && !s.format(t) {
		add("%q is not %s", t, s.says)
	}
}

func (s *shape) checkList(v []any, path []string, found *[]finding, add func(string, ...any)) {
	seen := map[string]int{}
	item := s.item
	if item == nil {
		item = anything
	}
	for i, e := range v {
		item.check(e, append(path, strconv.Itoa(i)), found)
		if !s.unique {
			continue
		}
		b, err := json.Marshal(e) // what is no JSON has been found above
		if err != nil {
			continue
		}
		if j, twice := seen[string(b)]; twice {
			add("items %d and %d are the same", j+1, i+1)
			return
		}
		seen[string(b)] = i
	}
}

func (s *shape) checkMapping(v map[string]any, path []string, found *[]finding, add func(string, ...any)) {
	for _, key := range sorted(v) {
		of := s.keys[key]
		switch {
		case of != nil:
		case s.each != nil && (s.named == nil || s.named(key)):
			of = s.each
		case s.open:
			of = anything
		default:
			*found = append(*found, finding{append(slices.Clone(path), key), s.unknown(key)})
			continue
		}
		of.check(v[key], append(path, key), found)
	}
	for _, key := range s.need {
		if !has(v, key) {
			add("%s"+missing, key)
		}
	}
	if len(s.some) > 0 && !slices.ContainsFunc(s.some, func(key string) bool { return has(v, key) }) {
		add("%s"+missing, strings.Join(s.some, " or "))
	}
}

// missing ends what is said of a key that is not there.
const missing = " is missing"

// unknown says that there is no such key, and which is meant.
func (s *shape) unknown(key string) string {
	if s.keys == nil {
		return "names have letters, digits, ., _ and -"
	}
	if best := spelling.Nearest(key, sorted(s.keys)); best != "" {
		return "there is no such key; " + best + " is one"
	}
	return "there is no such key"
}

// anything is the shape of what is not looked at. Numbers that are none are found in it,
// too: nothing can be made of them.
var anything = &shape{kinds: null | boolean | number | text | list | mapping, open: true}

// plain is a value without the types of the library's, which long forms have here and
// there.
func plain(v any) any {
	switch v.(type) {
	case nil, bool, string, int, []any, map[string]any, []byte, time.Time:
		return v
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Bool:
		return r.Bool()
	case reflect.String:
		return r.String()
	case reflect.Map, reflect.Slice, reflect.Struct, reflect.Pointer:
		var out any
		if b, err := json.Marshal(v); err == nil && json.Unmarshal(b, &out) == nil {
			return out
		}
	}
	return v
}

// kindOf is a value's kind; 0 of a number that is none.
func kindOf(v any) kinds {
	switch v := v.(type) {
	case nil:
		return null
	case bool, types.OptOut: // which a short volume is made of
		return boolean
	case string, []byte, time.Time:
		return text
	case []any:
		return list
	case map[string]any:
		return mapping
	default:
		f, ok := numberOf(v)
		switch {
		case !ok || math.IsNaN(f) || math.IsInf(f, 0):
			return 0
		case f == math.Trunc(f):
			return integer
		}
		return fraction
	}
}

func numberOf(v any) (float64, bool) {
	switch n := reflect.ValueOf(v); {
	case n.CanInt():
		return float64(n.Int()), true
	case n.CanUint():
		return float64(n.Uint()), true
	case n.CanFloat():
		return n.Float(), true
	}
	return 0, false
}

// show is a value in a sentence.
func show(v any, k kinds) string {
	if k&(number|text|boolean) == 0 {
		return k.String()
	}
	s := fmt.Sprint(v)
	if len(s) > 40 {
		s = s[:40] + "..."
	}
	if k == text {
		return strconv.Quote(s)
	}
	return s
}

func bound(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
