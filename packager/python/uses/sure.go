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
	if w[0] == "class" { // its body is looked at by itself
		return true
	}
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
	name, rest := path0(w)
	return name == first(name) || len(rest) == 0 || !assigns(rest)
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
