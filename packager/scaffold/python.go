package scaffold

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// quoted is a text as Python and JSON write it.
func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return `""`
	}
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\u007f", `\u007f`)
}

// literal is a value of JSON as Python writes it.
func literal(value any) string {
	switch v := value.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return quoted(v)
	case json.Number:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case int:
		return strconv.Itoa(v)
	}
	return "None"
}

// literals writes a list.
func literals[T any](list []T) string {
	words := make([]string, len(list))
	for i, v := range list {
		words[i] = literal(any(v))
	}
	return strings.Join(words, ", ")
}

// comment is a text that can stand behind a "#" or in a docstring.
func comment(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '"' || r == '\\' {
			return '\''
		}
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	return short(strings.Join(strings.Fields(text), " "), 300)
}

func short(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// names makes Python parameters of the names of columns, each of its own.
type names struct{ taken map[string]bool }

func newNames() *names {
	n := &names{map[string]bool{}}
	for _, word := range strings.Fields(reserved) {
		n.taken[word] = true
	}
	return n
}

// reserved are Python's keywords, and names that generated files use themselves.
const reserved = `False None True and as assert async await break class continue def del elif else except finally for from global
if import in is lambda nonlocal not or pass raise return try while with yield
model models session tokenizer predict prepare frame row rows os np pd joblib pickle json FEATURES CLASSES LABELS HERE Answer Literal TypedDict Annotated
list dict float int str bool len zip self bytes object type print range`

func (n *names) make(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)), r >= 0xc0 && r < 0x250 && unicode.IsLetter(r), r >= 0x400 && r < 0x500 && unicode.IsLetter(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	name := strings.Trim(b.String(), "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "x" + name
	}
	name = short(name, 60)
	name = strings.TrimSuffix(name, "...")
	for base, i := name, 2; n.taken[name]; i++ {
		if i == 2 && !n.taken[base+"_"] {
			name = base + "_"
			break
		}
		name = fmt.Sprintf("%s_%d", base, i)
	}
	n.taken[name] = true
	return name
}
