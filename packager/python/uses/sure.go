package uses

import "slices"

// Sure is the beginning of Modules, as far as it is plain that the program does nothing before that
// could matter to one of them: it imports, defines, assigns, calls what is known to be harmless, and
// nothing more. To import these first, in their order, is what the program does itself.
func Sure(files Files, module string) []string {
	r := &reader{files: files, own: map[string]string{}, done: map[string]bool{}, listed: map[string]bool{}, sure: true}
	if r.file(module) == "" {
		return nil
	}
	r.module(module)
	return r.out
}

// surely tells of a statement that does nothing to a module of others: all that it calls is known, and
// it assigns to no part of what might be one.
func surely(s statement, foreign map[string]string) bool {
	w := s.words
	if w[0] == "@" && !known(w, foreign) { // it is called, without a bracket
		return false
	}
	if w[0] == "del" || w[0] == "exec" || slices.Contains(w, "sys") {
		return false
	}
	for at := range w {
		if w[at] == "(" && at > 0 && !known(w[:at], foreign) {
			return false
		}
	}
	return assignsOwn(w, s.indent == 0, foreign)
}

// defines tells of a def or a class that calls nothing that is not known for what it is given or made
// of, and has no name that is known. The body of a class is looked at by itself, but for one behind its name.
func defines(s statement, foreign map[string]string) bool {
	w := s.words
	if w[0] == "async" {
		w = w[1:]
	}
	if len(w) < 3 || s.indent == 0 && taken(w[1], foreign) {
		return false
	}
	depth, at := 0, 2
	for ; at < len(w) && (depth > 0 || w[at] != ":"); at++ {
		if w[at] == "(" && at > 2 && !known(w[:at], foreign) {
			return false
		}
		depth += nests(w[at])
	}
	if w[0] != "class" || at+1 >= len(w) {
		return true
	}
	return surely(statement{words: w[at+1:], indent: s.indent + 1}, foreign)
}

// assignsOwn tells of a statement that assigns to nothing, to names of the program's own, which none of
// what is known is called by, or to a variable of the environment: who looks at one is seen.
func assignsOwn(w []string, global bool, foreign map[string]string) bool {
	depth, end := 0, -1
	for at, word := range w {
		if depth += nests(word); word == "=" && depth == 0 {
			end = at
		}
	}
	if end < 0 {
		return true
	}
	if name, rest := path0(w); len(rest) > 0 && rest[0] == "[" {
		full := foreign[first(name)] + name[len(first(name)):]
		return full == "os.environ" && slices.Index(w, "]") == end-1
	}
	to := w[:end]
	if end > 1 && w[1] == ":" {
		to = w[:1]
	}
	return !slices.ContainsFunc(to, func(word string) bool {
		return word != "," && word != "=" && (!dotted(word) || word != first(word) || global && taken(word, foreign))
	})
}

// nests is by how much a word goes into brackets.
func nests(word string) int {
	switch word {
	case "(", "[", "{":
		return 1
	case ")", "]", "}":
		return -1
	}
	return 0
}

// taken tells of a name that stands for what is known: were it given to something else, that would
// be taken for harmless.
func taken(name string, foreign map[string]string) bool {
	return foreign[name] != "" || slices.Contains(plain, name)
}

// keywords may stand before a bracket that calls nothing, and plain are what everybody has.
var (
	keywords = []string{"and", "as", "assert", "await", "elif", "else", "except", "for", "from", "if", "import", "in", "is", "lambda", "not", "or", "return",
		"while", "with", "yield"}
	plain = []string{"bool", "bytearray", "bytes", "dict", "enumerate", "float", "frozenset", "int", "isinstance", "len", "list", "max", "min", "object",
		"open", "print", "property", "range", "repr", "reversed", "round", "set", "sorted", "str", "sum", "super", "tuple", "type", "zip"}
	// doing are those of harmless that have other modules imported, or found elsewhere.
	doing = []string{"sys", "os.chdir", "django", "celery"}
)

// known tells whether what words end with may be called, or is nothing that is called.
func known(w []string, foreign map[string]string) bool {
	last := w[len(w)-1]
	switch {
	case last == ")" || last == "]":
		return false
	case !dotted(last) || slices.Contains(keywords, last):
		return true
	}
	from := len(w) - 1
	for from >= 2 && w[from-1] == "." && dotted(w[from-2]) {
		from -= 2
	}
	if from > 0 && w[from-1] == "." { // of a string, or of what was called
		return from > 1 && w[from-2] == "''"
	}
	name, _ := path0(w[from:])
	module := foreign[first(name)]
	if module == "" {
		return slices.Contains(plain, name)
	}
	full := module + name[len(first(name)):]
	if among(doing, full) {
		return false
	}
	last = full[lastDot(full)+1:]
	return last[0] >= 'A' && last[0] <= 'Z' || among(harmless, full)
}
