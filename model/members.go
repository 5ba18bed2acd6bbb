package model

import (
	"bytes"
	"encoding/json"
	"iter"
	"unicode/utf8"
)

// Members are the keys and values of a JSON object, in their order and uncopied; none of
// what is no object. The text must be JSON, as json.Valid has it. A document of many
// small members costs nothing before they are looked at.
func Members(text []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		rest, ok := opened(text, '{')
		for ok && rest[0] != '}' {
			n := skipString(rest)
			key := keyOf(rest[:n])
			rest = space(rest[n:])
			rest = space(rest[1:]) // the colon
			n = skipValue(rest)
			if !yield(key, rest[:n]) {
				return
			}
			if rest = space(rest[n:]); rest[0] == ',' {
				rest = space(rest[1:])
			}
		}
	}
}

// elements are those of a JSON list, as Members has those of an object.
func elements(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rest, ok := opened(text, '[')
		for ok && rest[0] != ']' {
			n := skipValue(rest)
			if !yield(rest[:n]) {
				return
			}
			if rest = space(rest[n:]); rest[0] == ',' {
				rest = space(rest[1:])
			}
		}
	}
}

// opened is what is in a list or an object.
func opened(text []byte, bracket byte) ([]byte, bool) {
	text = space(text)
	if len(text) == 0 || text[0] != bracket {
		return nil, false
	}
	return space(text[1:]), true
}

func space(text []byte) []byte {
	for i, c := range text {
		if c > ' ' || c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return text[i:]
		}
	}
	return text[len(text):]
}

// keyOf is a key without its quotes.
func keyOf(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 && utf8.Valid(quoted) {
		return string(quoted[1 : len(quoted)-1])
	}
	var key string
	_ = json.Unmarshal(quoted, &key) // it is a string
	return key
}

// skipString is the length of the string that a text begins with.
func skipString(text []byte) int {
	for i := 1; ; i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// skipValue is the length of the value that a text begins with.
func skipValue(text []byte) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += skipString(text[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
			if depth < 0 { // of what the value is in
				return i
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(text)
}
