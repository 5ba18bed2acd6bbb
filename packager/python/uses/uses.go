package uses

import (
	"path"
	"slices"
	"strings"
)

// Files are those of a program, by their paths below the folder in which it looks for
// its modules.
type Files interface {
	// Read is the text of a file; false when there is none, or it is not to be had.
	Read(name string) (text string, ok bool)
}

// Bounds of a program.
const (
	maxFiles = 2000
	maxNames = 4000
)

// Modules lists the modules that a program imports when its modules are imported, in the
// order in which it does, as far as its text says so: none of those that are among its own
// files. An import in a function is none. The list ends before what the program does to a
// module that it has imported, but for what does not matter to others: from there on it
// has to be the program itself that imports.
func Modules(files Files, modules ...string) []string {
	r := &reader{files: files, own: map[string]string{}, done: map[string]bool{}, listed: map[string]bool{}}
	for _, m := range modules {
		r.module(m)
	}
	return r.out
}

// Named lists the modules that the given files import, and those that a framework's settings
// among them name: NAME.* is one of which the framework looks for parts by names of its own. In
// which order a framework imports the files is not known: where one of them does something
// to a module of others the list is empty.
func Named(files Files, list []string) []string {
	r := &reader{files: files, own: map[string]string{}, done: map[string]bool{}, listed: map[string]bool{}}
	for _, name := range list {
		text, ok := files.Read(name)
		if !ok {
			continue
		}
		r.run(statements(text), strings.ReplaceAll(strings.TrimSuffix(name, ".py"), "/", "."), false)
		if r.dull {
			return nil
		}
	}
	for _, word := range r.named {
		if !strings.Contains(word, ".") || r.file(word) != "" || r.file(first(word)) != "" {
			continue
		}
		r.uses(word + ".*")
		for at := strings.LastIndexByte(word, '.'); at > 0; at = strings.LastIndexByte(word[:at], '.') {
			r.uses(word[:at])
		}
	}
	return r.out
}

// settings are the names of what lists modules, or parts of such, in a framework's settings.
// A list of applications may have another name and be one of several: it ends with _APPS.
var settings = []string{
	"MIDDLEWARE", "AUTHENTICATION_BACKENDS", "TEMPLATES", "DATABASES", "CACHES", "STORAGES", "STATICFILES_FINDERS", "PASSWORD_HASHERS",
	"AUTH_PASSWORD_VALIDATORS", "EMAIL_BACKEND", "SESSION_ENGINE", "MESSAGE_STORAGE", "FILE_UPLOAD_HANDLERS", "FORM_RENDERER", "REST_FRAMEWORK",
}

// names tells of an assignment to one of these.
func names(w []string) bool {
	return len(w) > 2 && (slices.Contains(settings, w[0]) || strings.HasSuffix(w[0], "_APPS")) && (w[1] == "=" || w[1] == "+" && w[2] == "=" || w[1] == ":")
}

// reader reads the files of a program.
type reader struct {
	files  Files
	own    map[string]string // file of a module of its own; "": it is none
	done   map[string]bool   // modules of its own that were read
	listed map[string]bool
	out    []string
	read   int
	named  []string
	dull   bool // nothing more is listed
	unsure int  // whether what is read is imported is not known: it is not listed
	sure   bool // the list ends where something is not known
}

// file is that of a module of the program, or "".
func (r *reader) file(module string) string {
	name, ok := r.own[module]
	if ok {
		return name
	}
	base := strings.ReplaceAll(module, ".", "/")
	for _, f := range []string{base + "/__init__.py", base + ".py"} {
		if _, ok := r.files.Read(f); ok {
			name = f
			break
		}
	}
	r.own[module] = name
	return name
}

func first(module string) string {
	name, _, _ := strings.Cut(module, ".")
	return name
}

// module reads a module that is imported: one of the program, or of others.
func (r *reader) module(name string) {
	if !dotted(name) {
		return
	}
	if r.file(name) == "" {
		if r.file(first(name)) == "" {
			r.uses(name)
		}
		return
	}
	for at := range len(name) {
		if name[at] == '.' {
			r.one(name[:at])
		}
	}
	r.one(name)
}

// one reads a module of the program.
func (r *reader) one(name string) {
	file := r.file(name)
	if r.done[name] || file == "" || r.read >= maxFiles {
		return
	}
	r.done[name] = true
	r.read++
	text, _ := r.files.Read(file)
	r.run(statements(text), packageOf(name, file), true)
}

// packageOf is where relative imports of a module begin.
func packageOf(module, file string) string {
	if path.Base(file) == "__init__.py" {
		return module
	}
	at := strings.LastIndexByte(module, '.')
	return module[:max(at, 0)]
}

// uses lists a module. What is put together of the words of a line need not be the name of one.
func (r *reader) uses(name string) {
	if dotted(strings.TrimSuffix(name, ".*")) && !r.dull && r.unsure == 0 && !r.listed[name] && len(r.out) < maxNames {
		r.listed[name] = true
		r.out = append(r.out, name)
	}
}

// run goes through the statements that run when a module is imported.
func (r *reader) run(list []statement, pkg string, deep bool) {
	foreign := map[string]string{} // names that stand for modules, or parts of such, of others
	skip := -1                     // what is indented more does not run
	var may []int                  // what is indented more may run, or not
	for _, s := range list {
		if skip >= 0 && s.indent > skip {
			continue
		}
		skip = -1
		if r.dull {
			return
		}
		for len(may) > 0 && s.indent <= may[len(may)-1] {
			may = may[:len(may)-1]
		}
		if len(may) > 0 {
			r.unsure++
		}
		if r.sure && !plainly(s, len(may) > 0, foreign) {
			r.dull = true
			return
		}
		switch w := s.words; {
		case r.sure && w[0] == "class":
		case slices.Contains([]string{"def", "class", "async"}, w[0]), w[0] == "if" && guards(w):
			skip = s.indent
		case w[0] == "import":
			r.imports(w[1:], foreign, deep)
		case w[0] == "from":
			r.from(w[1:], pkg, foreign, deep)
		default:
			r.dull = meddles(s, foreign)
			if len(may) == 0 && names(w) {
				r.named = append(r.named, s.strings...)
			}
		}
		if len(may) > 0 {
			r.unsure--
		}
		if slices.Contains([]string{"if", "elif", "else", "except", "while", "for", "match", "case"}, s.words[0]) && skip < 0 {
			may = append(may, s.indent)
		}
	}
}

// plainly tells of a statement with which a list of what is sure goes on.
func plainly(s statement, may bool, foreign map[string]string) bool {
	switch s.words[0] {
	case "import", "from":
		return !may
	case "def", "async", "class":
		return !may && defines(s, foreign)
	case "if":
		return guards(s.words)
	}
	return !may && surely(s, foreign)
}

// guards tells of an if whose block does not run when a module is imported.
func guards(w []string) bool {
	line := strings.Join(w, "")
	return strings.HasPrefix(line, "if__name__==") || strings.HasPrefix(line, "ifTYPE_CHECKING:") || strings.HasPrefix(line, "iftyping.TYPE_CHECKING:")
}

// imports is import A.B as C, D.
func (r *reader) imports(w []string, foreign map[string]string, deep bool) {
	for _, part := range commas(w) {
		name, rest := path0(part)
		if name == "" {
			continue
		}
		bound := first(name)
		if len(rest) == 2 && rest[0] == "as" {
			bound = rest[1]
		}
		r.seen(name, bound, foreign, deep)
	}
}

// seen follows an import, and remembers what it is called.
func (r *reader) seen(name, bound string, foreign map[string]string, deep bool) {
	if r.file(first(name)) == "" {
		if r.sure && r.file(name) != "" { // of a folder that is no package
			r.dull = true
		}
		foreign[bound] = name
		r.uses(name)
	} else if deep {
		r.module(name)
		r.dull = r.dull || r.sure && bound != "" && taken(bound, foreign)
	}
}

// from is from A.B import C as D, E.
func (r *reader) from(w []string, pkg string, foreign map[string]string, deep bool) {
	up := 0
	for len(w) > 0 && w[0] == "." {
		up++
		w = w[1:]
	}
	base, rest := path0(w)
	if up > 0 {
		above := pkg
		for range up - 1 {
			above = above[:max(strings.LastIndexByte(above, '.'), 0)]
		}
		base = strings.Trim(above+"."+base, ".")
	}
	if len(rest) == 0 || rest[0] != "import" || base == "" && up == 0 {
		return
	}
	if base != "" {
		r.seen(base, "", foreign, deep)
	}
	for _, part := range commas(slices.DeleteFunc(slices.Clone(rest[1:]), func(w string) bool { return w == "(" || w == ")" })) {
		if len(part) == 0 || !dotted(part[0]) {
			r.dull = r.dull || r.sure && base != "" && r.file(first(base)) != "" // * may be any
			continue
		}
		name := strings.Trim(base+"."+part[0], ".")
		if r.file(first(name)) != "" {
			if deep && r.file(name) != "" {
				r.module(name)
			}
			r.dull = r.dull || r.sure && taken(part[len(part)-1], foreign)
			continue
		}
		if r.sure && r.file(name) != "" {
			r.dull = true
		}
		foreign[part[len(part)-1]] = name
		if lower := strings.ToLower(part[0]); lower == part[0] { // a class is no module
			r.uses(name)
		}
	}
}

// path0 takes a name with dots from the beginning.
func path0(w []string) (string, []string) {
	name := ""
	for len(w) > 0 && (w[0] == "." || dotted(w[0]) && !strings.HasSuffix(name, " ")) {
		if w[0] != "." && name != "" && !strings.HasSuffix(name, ".") || w[0] == "import" {
			break
		}
		name += w[0]
		w = w[1:]
	}
	return strings.Trim(name, "."), w
}

func commas(w []string) [][]string {
	var out [][]string
	for {
		at := slices.Index(w, ",")
		if at < 0 {
			return append(out, w)
		}
		out, w = append(out, w[:at]), w[at+1:]
	}
}

// harmless are modules, and functions of theirs, that may be called, and no other module is
// imported differently for it: or it is seen when it was.
var harmless = []string{
	"os.environ", "os.getenv", "os.path", "os.makedirs", "os.mkdir", "os.chdir", "os.getcwd", "os.listdir", "sys.path", "sys.stdout", "sys.stderr",
	"time", "datetime", "zoneinfo", "pathlib", "json", "re", "functools", "itertools", "collections", "contextlib", "contextvars", "typing", "typing_extensions",
	"dataclasses", "enum", "string", "math", "random", "secrets", "uuid", "hashlib", "base64", "urllib.parse", "operator", "textwrap", "io", "platform",
	"tempfile", "logging.basicConfig", "logging.getLogger", "logging.debug", "logging.info", "logging.warning", "logging.error", "structlog.get_logger",
	"dotenv", "decouple", "environ", "dj_database_url", "django", "flask", "werkzeug", "jinja2", "starlette", "fastapi", "pydantic", "sqlalchemy", "celery",
}

// assigned are what may be assigned to.
var assigned = []string{"os.environ", "sys.path", "sys.stdout", "sys.stderr"}

func among(list []string, name string) bool {
	return slices.ContainsFunc(list, func(h string) bool { return name == h || strings.HasPrefix(name, h+".") })
}

// meddles tells of a statement that does something to a module of others, which may be
// imported differently then, or have another one imported so: it assigns to a part of it,
// or calls a function of it. To make an object of a class is none of that.
func meddles(s statement, foreign map[string]string) bool {
	w := s.words
	if w[0] == "@" { // what it is put before is changed
		return false
	}
	for at := range w {
		if !dotted(w[at]) || at > 0 && w[at-1] == "." {
			continue
		}
		if (w[at] == "setattr" || w[at] == "delattr") && at+2 < len(w) && foreign[w[at+2]] != "" {
			return true
		}
		name, rest := path0(w[at:])
		module := foreign[first(name)]
		if module == "" {
			continue
		}
		full := module + strings.TrimPrefix(name, first(name))
		switch last := full[lastDot(full)+1:]; {
		case len(rest) == 0:
		case rest[0] == "(":
			if last[0] >= 'A' && last[0] <= 'Z' || among(harmless, full) || ignores(full, s) {
				continue
			}
			return true
		case at == 0 && (rest[0] == "[" || strings.Contains(name, ".") && assigns(rest)), at == 1 && w[0] == "del":
			if !among(assigned, full) {
				return true
			}
		}
	}
	return false
}

func lastDot(name string) int { return strings.LastIndexByte(name, '.') }

// assigns tells of what follows a name that is assigned to: =, += and the like.
func assigns(w []string) bool {
	at := slices.Index(w, "=")
	return at == 0 && (len(w) < 2 || w[1] != "=") || at > 0 && at <= 2 && !slices.ContainsFunc(w[:at], dotted) || w[0] == ":" && at > 0
}

// ignores tells of warnings that are not to be shown: one that is an error may have an
// import fail.
func ignores(name string, s statement) bool {
	return (name == "warnings.simplefilter" || name == "warnings.filterwarnings") && len(s.strings) > 0 && s.strings[0] == "ignore" && !slices.Contains(s.strings, "error")
}
