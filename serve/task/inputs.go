package task

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/wherry-run/wherry/serve/plain"
)

// DefaultMaxBody bounds the body of a request of the protocols that are about texts, in
// bytes, where their options say nothing else.
const DefaultMaxBody = 16 << 20

// MaxTexts is how many texts, or lists of tokens, one request may have.
const MaxTexts = 2048

// A CountError is a list of more than is read.
type CountError struct{ N, Most int }

func (e *CountError) Error() string {
	return fmt.Sprintf("there are %d texts, more than %d", e.N, e.Most)
}

// What is wrong with inputs.
var (
	ErrNoInputs  = errors.New("there are no inputs")
	ErrNotInputs = errors.New("it is neither a text, nor a list of texts or of tokens")
)

// A List is one in a JSON document, whose elements are counted before any is read:
// each takes more room than the three bytes that it may have there.
type List[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (l *List[T]) UnmarshalJSON(text []byte) error {
	if n := count(text); n > MaxTexts {
		return &CountError{n, MaxTexts}
	}
	var list []T
	err := json.Unmarshal(text, &list)
	*l = list
	return err
}

// Inputs reads what is to be embedded: a text, several, the tokens of one, or of
// several. It is not read when it is more than a request may have.
func Inputs(value []byte) (texts []string, tokens [][]int64, err error) {
	kind, inner := kinds(value)
	switch {
	case kind == 0 || string(value) == "null":
		return nil, nil, ErrNoInputs
	case kind == '"':
		texts = make([]string, 1)
		return texts, nil, notInputs(json.Unmarshal(value, &texts[0]))
	case kind != '[':
		return nil, nil, ErrNotInputs
	case inner == '"' || inner == ']':
		var list List[string]
		err = json.Unmarshal(value, &list)
		return list, nil, notInputs(err)
	}
	if err := plain.CheckCells(value, ","); err != nil {
		return nil, nil, err
	}
	if inner == '[' {
		var lists List[[]int64]
		err = json.Unmarshal(value, &lists)
		return nil, lists, notInputs(err)
	}
	tokens = make([][]int64, 1)
	return nil, tokens, notInputs(json.Unmarshal(value, &tokens[0]))
}

// notInputs is what is said of an error of reading inputs.
func notInputs(err error) error {
	if err == nil || errors.As(err, new(*CountError)) {
		return err
	}
	return ErrNotInputs
}

// Sequences reads texts, or pairs of them: a text, a list of one or two, or a list of
// such lists, all of the same length. many tells that it was the last.
func Sequences(value []byte) (texts, pairs []string, many bool, err error) {
	kind, inner := kinds(value)
	lists := List[json.RawMessage]{value}
	switch {
	case kind == 0 || string(value) == "null":
		return nil, nil, false, ErrNoInputs
	case kind == '"':
		texts = make([]string, 1)
		return texts, nil, false, notInputs(json.Unmarshal(value, &texts[0]))
	case kind == '[' && inner == '[':
		many = true
		if err := json.Unmarshal(value, &lists); err != nil {
			return nil, nil, false, notInputs(err)
		}
	}
	for _, l := range lists {
		kind, _ := kinds(l)
		n := count(l)
		var list []string
		mixed := texts != nil && (pairs != nil) != (n == 2)
		if kind != '[' || n < 1 || n > 2 || mixed || json.Unmarshal(l, &list) != nil {
			return nil, nil, false, ErrNotInputs
		}
		if texts = append(texts, list[0]); n == 2 {
			pairs = append(pairs, list[1])
		}
	}
	return texts, pairs, many, nil
}

// kinds are the first bytes of a JSON value, and of what is in it: 0 for nothing.
func kinds(value []byte) (kind, inner byte) {
	for _, c := range value {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
		case kind == 0:
			kind = c
		default:
			return kind, c
		}
	}
	return kind, 0
}

// count is how many elements a list has that is JSON.
func count(list []byte) int {
	if _, inner := kinds(list); inner == ']' || inner == 0 {
		return 0
	}
	n, depth := 1, 0
	for i := 0; i < len(list); i++ {
		switch list[i] {
		case '"':
			for i++; i < len(list) && list[i] != '"'; i++ {
				if list[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 1 {
				n++
			}
		}
	}
	return n
}
