package python

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// Bounds on what a build context may make us read.
const (
	maxRequirementFile  = 4 << 20
	maxRequirements     = 20000
	maxRequirementDepth = 16
)

// requirement is one line that asks for a package.
type requirement struct {
	Text   string // as in PEP 508, without hashes
	Where  string // "requirements.txt:3", or "" for the command line
	Hashes []string
	Wheel  string // a wheel in the stage, "" otherwise
	Name   string // set for a wheel or a URL
}

// shown is the requirement as an error names it.
func (r requirement) shown() string {
	if r.Where == "" {
		return r.Text
	}
	return r.Text + " (" + r.Where + ")"
}

// asked is all that one pip install asks for.
type asked struct {
	requirements []requirement
	constraints  []requirement
	pass         []string
	links        []string // folders of the stage or addresses
}

// requirementReader reads requirement files out of a stage.
type requirementReader struct {
	fs  fs.FS
	dir string
	env []string
	out *asked
}

// RequirementError is a line of a requirement file that cannot be followed.
type RequirementError struct {
	Where  string
	Text   string
	Advice string
}

func (e *RequirementError) Error() string {
	where := e.Where
	if where == "" {
		where = "pip install"
	}
	return fmt.Sprintf("%s: %s\n%s", where, e.Text, e.Advice)
}

// read collects the requirements of the command line and of its files.
func (r *requirementReader) read(a *arguments) (*asked, error) {
	fromEnv, err := parseArgs(stageOptions(r.env))
	if err != nil {
		return nil, fmt.Errorf("use the stage's variables PIP_*: %w", err)
	}
	// Of two values the later one holds: a file's, else the command line's.
	r.out = &asked{pass: append(fromEnv.pass, a.pass...)}
	for _, text := range a.requirements {
		req, err := r.requirement(text, "", r.dir)
		if err != nil {
			return nil, err
		}
		r.out.requirements = append(r.out.requirements, req)
	}
	for _, name := range a.files {
		if err := r.file(name, r.dir, false, 0); err != nil {
			return nil, err
		}
	}
	for _, name := range a.constraints {
		if err := r.file(name, r.dir, true, 0); err != nil {
			return nil, err
		}
	}
	for _, link := range append(fromEnv.links, a.links...) {
		if err := r.link(link, "", r.dir); err != nil {
			return nil, err
		}
	}
	if len(r.out.requirements) == 0 {
		return nil, &UsageError{Arg: "", Advice: "nothing to install; name a package, or -r requirements.txt"}
	}
	if a.requireHashes {
		for _, req := range r.out.requirements {
			if len(req.Hashes) == 0 {
				return nil, &RequirementError{Where: req.Where, Text: req.Text,
					Advice: "--require-hashes needs a --hash for every requirement"}
			}
		}
	}
	return r.out, nil
}

// stagePath makes a path of a recipe relative to the stage's root.
func stagePath(name, dir string) string {
	if !strings.HasPrefix(name, "/") {
		name = path.Join("/", dir, name)
	}
	name = strings.TrimPrefix(path.Clean(name), "/")
	if name == "" {
		return "."
	}
	return name
}

// isURL reports whether a name is an address rather than a path.
func isURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/\\ ")
}

// file reads one requirement or constraint file.
func (r *requirementReader) file(name, dir string, constraint bool, depth int) error {
	if depth > maxRequirementDepth {
		return &RequirementError{Where: name, Text: "-r " + name, Advice: "requirement files name each other; break the circle"}
	}
	if isURL(name) {
		return &RequirementError{Text: "-r " + name, Advice: "a file from the net may change; COPY it into the image"}
	}
	at := stagePath(name, dir)
	text, err := readBounded(r.fs, at, maxRequirementFile)
	if errors.Is(err, fs.ErrNotExist) {
		return &RequirementError{Text: "-r " + name,
			Advice: fmt.Sprintf("there is no /%s in the image; write  COPY %s .  before this RUN", at, path.Base(name))}
	}
	if err != nil {
		return fmt.Errorf("read requirements: %w", err)
	}
	inside := path.Join("/", path.Dir(at))
	for _, line := range logicalLines(string(text)) {
		where := fmt.Sprintf("%s:%d", name, line.number)
		expanded := r.expand(line.text)
		if strings.ContainsFunc(expanded, breaksLines) {
			return &RequirementError{Where: where, Text: fmt.Sprintf("%q", line.text), Advice: "control characters have no meaning here"}
		}
		if err := r.line(expanded, where, inside, constraint, depth); err != nil {
			return err
		}
		if len(r.out.requirements)+len(r.out.constraints) > maxRequirements {
			return &RequirementError{Where: where, Text: line.text, Advice: "too many requirements"}
		}
	}
	return nil
}

// line takes one line of a requirement file.
func (r *requirementReader) line(text, where, dir string, constraint bool, depth int) error {
	if strings.HasPrefix(text, "-") {
		return r.optionLine(text, where, dir, depth)
	}
	req, err := r.requirement(text, where, dir)
	if err != nil {
		return err
	}
	if constraint {
		r.out.constraints = append(r.out.constraints, req)
	} else {
		r.out.requirements = append(r.out.requirements, req)
	}
	return nil
}

// optionLine takes a line that begins with an option.
func (r *requirementReader) optionLine(text, where, dir string, depth int) error {
	name, rest, _ := strings.Cut(text, " ")
	if head, value, ok := strings.Cut(name, "="); ok {
		name, rest = head, value+" "+rest
	}
	rest = strings.Trim(strings.TrimSpace(rest), `"'`)
	switch name {
	case "-r", "--requirement":
		return r.file(rest, dir, false, depth+1)
	case "-c", "--constraint":
		return r.file(rest, dir, true, depth+1)
	case "-f", "--find-links":
		return r.link(rest, where, dir)
	case "--require-hashes":
		return nil
	}
	a, err := parseArgs(strings.Fields(text))
	if err != nil {
		var usage *UsageError
		if errors.As(err, &usage) {
			return &RequirementError{Where: where, Text: text, Advice: usage.Advice}
		}
		return err
	}
	r.out.pass = append(r.out.pass, a.pass...)
	return nil
}

// link takes a value of --find-links: an address, or a folder of the stage.
func (r *requirementReader) link(name, where, dir string) error {
	switch {
	case !isURL(name):
		name = stagePath(name, dir)
	case !onTheNet(name):
		return &RequirementError{Where: where, Text: "--find-links " + name,
			Advice: "this names a folder of the machine; COPY the wheels, and name their folder in the image"}
	}
	r.out.links = append(r.out.links, name)
	return nil
}

var (
	hashOption  = pattern.New(`\s--hash[= ]\s*([a-z0-9]+:[0-9a-f]+)`)
	otherOption = pattern.New(`\s--(global-option|config-settings?|install-option)[= ]\s*("[^"]*"|\S+)`)
	looksLocal  = pattern.New(`^(\.{1,2}([/\\]|$)|/|[A-Za-z]:[\\/]|[^@;\[ ]*[/\\])`)
	// directReference is NAME[EXTRAS] @ ADDRESS, up to a marker.
	directReference = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?\s*@\s*(\S*)`)
	vcsPrefix       = pattern.New(`(^|@\s*)(git|hg|svn|bzr)\+`)
)

// requirement takes one requirement apart.
func (r *requirementReader) requirement(text, where, dir string) (requirement, error) {
	req := requirement{Where: where}
	if strings.ContainsFunc(text, breaksLines) {
		return req, &RequirementError{Where: where, Text: fmt.Sprintf("%q", text), Advice: "one requirement stands on one line"}
	}
	if v := variable.FindString(text); v != "" {
		return req, &RequirementError{Where: where, Text: text, Advice: v + " is not set in this stage; write ARG or ENV before this RUN"}
	}
	for _, m := range hashOption.FindAllStringSubmatch(" "+text, -1) {
		req.Hashes = append(req.Hashes, m[1])
	}
	text = hashOption.ReplaceAllString(" "+text, "")
	req.Text = strings.TrimSpace(otherOption.ReplaceAllString(text, ""))
	plain := strings.TrimPrefix(req.Text, "file:")
	direct := directReference.FindStringSubmatch(req.Text)
	switch {
	case vcsPrefix.MatchString(req.Text):
		return req, &RequirementError{Where: where, Text: req.Text,
			Advice: "a repository must be built first: pip wheel --no-deps -w wheels 'NAME @ git+…', COPY wheels, and install ./wheels/NAME-….whl"}
	case direct != nil && !isWheelURL(direct[1]):
		return req, &RequirementError{Where: where, Text: req.Text, Advice: onlyWheels}
	case direct != nil:
		return req, nil
	case isURL(req.Text):
		return req.fromURL()
	case strings.HasSuffix(plain, ".whl") && !strings.Contains(plain, " @ "):
		req.Wheel = stagePath(plain, dir)
		return req.named(path.Base(req.Wheel))
	case looksLocal.MatchString(plain):
		return req, &RequirementError{Where: where, Text: req.Text,
			Advice: "a folder or source archive must be built first: pip wheel --no-deps -w wheels FOLDER, COPY wheels, and install ./wheels/NAME-….whl; or just COPY the package's folder"}
	}
	if head, _, _ := strings.Cut(req.Text, ";"); strings.ContainsAny(head, `@\:/$`) {
		return req, &RequirementError{Where: where, Text: req.Text, Advice: "this is no requirement; the form is NAME==VERSION"}
	}
	return req, nil
}

// onlyWheels is what to do with an address of anything else.
const onlyWheels = "only wheels (.whl) at an address of the web can be installed; a source archive must be built first: pip wheel --no-deps -w wheels ADDRESS, COPY wheels, and install ./wheels/NAME-….whl"

// isWheelURL reports whether an address is one of a wheel on the net. pip would
// build anything else, which runs code of strangers on this machine.
func isWheelURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && oneAddress(address) && strings.HasSuffix(u.Path, ".whl") && !strings.ContainsAny(address, `\$`)
}

// fromURL names a requirement that is a bare address.
func (q requirement) fromURL() (requirement, error) {
	address, _, _ := strings.Cut(q.Text, "#")
	if !isWheelURL(q.Text) {
		return q, &RequirementError{Where: q.Where, Text: q.Text, Advice: onlyWheels}
	}
	named, err := q.named(path.Base(address))
	if err != nil {
		return q, err
	}
	named.Text = named.Name + " @ " + q.Text
	return named, nil
}

// named reads the project's name out of a wheel's file name.
func (q requirement) named(file string) (requirement, error) {
	w, err := parseWheelName(file)
	if err != nil {
		return q, &RequirementError{Where: q.Where, Text: q.Text, Advice: err.Error()}
	}
	q.Name = w.Name
	return q, nil
}

// expand replaces ${NAME} by the stage's variables, as pip does.
func (r *requirementReader) expand(text string) string {
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		name := v[2 : len(v)-1]
		for i := len(r.env) - 1; i >= 0; i-- {
			if value, ok := strings.CutPrefix(r.env[i], name+"="); ok && value != "" {
				return value
			}
		}
		return v
	})
}

var variable = pattern.New(`\$\{[A-Z0-9_]+\}`)

// numbered is a logical line with the number of its first physical one.
type numbered struct {
	number int
	text   string
}

// logicalLines joins continued lines and drops comments and empty lines.
func logicalLines(text string) []numbered {
	var lines []numbered
	var whole strings.Builder
	start, n := 0, 0
	scan := bufio.NewScanner(strings.NewReader(strings.TrimPrefix(text, "\ufeff")))
	scan.Buffer(nil, maxRequirementFile+1)
	flush := func() {
		if t := strings.TrimSpace(whole.String()); t != "" {
			lines = append(lines, numbered{start, t})
		}
		whole.Reset()
		start = 0
	}
	for scan.Scan() {
		n++
		line := strings.TrimRight(scan.Text(), "\r")
		comment := strings.HasPrefix(strings.TrimSpace(line), "#")
		line = stripComment(line)
		if start == 0 {
			start = n
		}
		if !comment && strings.HasSuffix(line, `\`) {
			whole.WriteString(strings.TrimSuffix(line, `\`) + " ")
			continue
		}
		whole.WriteString(line)
		flush()
	}
	flush()
	return lines
}

// stripComment cuts a comment: a # at the start or behind a space.
func stripComment(line string) string {
	for i := range len(line) {
		if line[i] == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t') {
			return strings.TrimRight(line[:i], " \t")
		}
	}
	return strings.TrimRight(line, " \t")
}

// readBounded reads a whole file of at most limit bytes.
func readBounded(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read /%s: %w", name, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read /%s: larger than %d bytes", name, limit)
	}
	return data, nil
}
