// Package uses finds out which modules a program of Python imports when it begins, from
// its text: it knows statements, and no more of the language. Nothing is run. What it
// finds is a hint, to have these modules in memory before the program is.
package uses

import "strings"

// A statement is a line of a program, with all that goes on in further lines.
type statement struct {
	indent int
	// words are names, dots, and other characters by themselves. A string is "''".
	words []string
	// strings are the strings in it that are plain names with dots.
	strings []string
}

// Bounds of a file.
const (
	maxWords   = 4096 // of a statement; more are left out
	maxStrings = 1024
)

// lexer takes a text apart.
type lexer struct {
	text string
	at   int
	deep int // open brackets
	now  statement
	out  []statement
}

// statements are those of a text. A text that is no Python gives something, too.
func statements(text string) []statement {
	l := &lexer{text: text}
	for l.at < len(l.text) {
		l.line()
	}
	l.end()
	return l.out
}

// end ends a statement.
func (l *lexer) end() {
	if len(l.now.words) > 0 {
		l.out = append(l.out, l.now)
	}
	l.now, l.deep = statement{indent: l.now.indent}, 0
}

// line reads a line, and those in which it goes on.
func (l *lexer) line() {
	l.now.indent = 0
	for ; l.at < len(l.text) && strings.IndexByte(" \t\f", l.text[l.at]) >= 0; l.at++ {
		if l.now.indent++; l.text[l.at] == '\t' {
			l.now.indent = (l.now.indent + 7) &^ 7
		}
	}
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch {
		case c == '\n':
			l.at++
			if l.deep == 0 {
				l.end()
				return
			}
		case c == '#':
			if n := strings.IndexByte(l.text[l.at:], '\n'); n >= 0 {
				l.at += n
			} else {
				l.at = len(l.text)
			}
		case c == '\\':
			if l.at++; strings.HasPrefix(l.text[l.at:], "\r\n") {
				l.at++
			}
			if strings.HasPrefix(l.text[l.at:], "\n") {
				l.at++
			}
		case c == '\'' || c == '"':
			l.quoted("")
		case letter(c):
			l.name()
		case c == ';' && l.deep == 0:
			l.at++
			l.end()
		case strings.IndexByte(" \t\r\f", c) >= 0:
			l.at++
		default:
			if strings.IndexByte("([{", c) >= 0 {
				l.deep++
			} else if strings.IndexByte(")]}", c) >= 0 {
				l.deep = max(l.deep-1, 0)
			}
			l.at++
			l.word(string(c))
		}
	}
}

func letter(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c >= 0x80
}

func (l *lexer) word(w string) {
	if len(l.now.words) < maxWords {
		l.now.words = append(l.now.words, w)
	}
}

// name reads a name, a number, or what stands before a string.
func (l *lexer) name() {
	from := l.at
	for l.at < len(l.text) && letter(l.text[l.at]) {
		l.at++
	}
	w := l.text[from:l.at]
	if l.at < len(l.text) && (l.text[l.at] == '\'' || l.text[l.at] == '"') && len(w) <= 2 && strings.Trim(w, "rRbBuUfFtT") == "" {
		l.quoted(w)
		return
	}
	l.word(w)
}

// quoted reads a string.
func (l *lexer) quoted(prefix string) {
	quote := l.text[l.at : l.at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(l.text[l.at:], triple) {
		quote = triple
	}
	l.at += len(quote)
	from := l.at
	for l.at < len(l.text) && !strings.HasPrefix(l.text[l.at:], quote) {
		if l.text[l.at] == '\n' && len(quote) == 1 {
			break // it is not closed
		}
		if l.text[l.at] == '\\' {
			l.at++
		}
		l.at++
	}
	l.at = min(l.at, len(l.text))
	if s := l.text[from:l.at]; prefix == "" && dotted(s) && len(l.now.strings) < maxStrings {
		l.now.strings = append(l.now.strings, s)
	}
	if strings.HasPrefix(l.text[l.at:], quote) {
		l.at += len(quote)
	}
	l.word("''")
}

// dotted tells whether a text is a list of names with dots between them.
func dotted(s string) bool {
	if len(s) == 0 || len(s) > 200 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || part[0] >= '0' && part[0] <= '9' {
			return false
		}
		for i := range len(part) {
			if !letter(part[i]) {
				return false
			}
		}
	}
	return true
}
