package python

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

//go:embed driver.py
var driverSource []byte

// guestMarkers is the environment in which markers are evaluated, PEP 508's
// names. It is what the interpreter of the base says of itself.
var guestMarkers = map[string]string{
	"implementation_name":            "cpython",
	"implementation_version":         "3.15.0",
	"os_name":                        "posix",
	"platform_machine":               "wasm32",
	"platform_release":               "0.0.0",
	"platform_system":                "wasi",
	"platform_version":               "0.0.0",
	"python_full_version":            "3.15.0",
	"platform_python_implementation": "CPython",
	"python_version":                 "3.15",
	"sys_platform":                   "wasi",
}

// driver runs driver.py with the host's Python.
type driver struct {
	host     host
	dir      string // the temporary folder
	base     installed
	env      []string // names of secret files
	progress io.Writer
}

// question is what driver.py is asked.
type question struct {
	Markers      map[string]string `json:"markers"`
	Base         map[string]string `json:"base"`
	Requirements []string          `json:"requirements"`
	Pip          []string          `json:"pip,omitempty"`
	Dest         string            `json:"dest,omitempty"`
	Local        string            `json:"local,omitempty"`
}

// answer is what it says.
type answer struct {
	Pip       string    `json:"pip"`
	Python    string    `json:"python"`
	Checked   []checked `json:"checked"`
	Exit      int       `json:"exit"`
	Natives   []project `json:"natives"`
	GoneBack  []project `json:"gone_back"`
	Unwatched string    `json:"unwatched"`
	Refused   string    `json:"refused"`

	output []byte
}

// project is a package that is not to be had as it was asked for.
type project struct {
	Name    string   `json:"name"`
	Chosen  string   `json:"chosen"`
	Newest  string   `json:"newest"`
	Pure    string   `json:"pure"` // the newest release that the guest can use
	Native  bool     `json:"native"`
	Ancient bool     `json:"ancient"`
	By      []string `json:"by"`
}

// ask runs driver.py once.
func (d *driver) ask(ctx context.Context, q question, progress io.Writer) (*answer, error) {
	q.Markers, q.Base = guestMarkers, d.base.versions()
	text, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode question to pip: %w", err)
	}
	// An empty uv.toml ends uv's search for settings in the folders above.
	for name, data := range map[string][]byte{"driver.py": driverSource, "question.json": text, "uv.toml": nil} {
		if err := os.WriteFile(filepath.Join(d.dir, name), data, 0o600); err != nil {
			return nil, fmt.Errorf("write question to pip: %w", err)
		}
	}
	output, err := d.host.run(ctx, d.dir, d.env, progress, "driver.py", "question.json", "answer.json")
	if err != nil {
		return nil, err
	}
	text, err = os.ReadFile(filepath.Join(d.dir, "answer.json"))
	if err != nil {
		return nil, fmt.Errorf("read answer of pip: %w", err)
	}
	a := &answer{output: output}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("decode answer of pip: %w", err)
	}
	if len(a.Checked) != len(q.Requirements) {
		return nil, errors.New("decode answer of pip: it is incomplete")
	}
	return a, nil
}

// texts are requirements as PEP 508 writes them, for the driver's check.
func texts(asked *asked) []string {
	var out []string
	for _, list := range [][]requirement{asked.requirements, asked.constraints} {
		for _, r := range list {
			text := r.Text
			if r.Wheel != "" {
				text = r.Name
			}
			out = append(out, text)
		}
	}
	return out
}

// plan judges the requirements.
func (d *driver) plan(ctx context.Context, asked *asked, useBase bool) (*plan, error) {
	a, err := d.ask(ctx, question{Requirements: texts(asked)}, nil)
	if err != nil {
		return nil, err
	}
	return newPlan(asked, a.Checked, d.base, useBase), nil
}

// resolve lets pip choose and download, and opens the wheels it chose, sorted
// by name.
func (d *driver) resolve(ctx context.Context, fsys fs.FS, args *arguments, asked *asked, p *plan) ([]*wheel, error) {
	if len(p.keep) == 0 {
		return nil, nil
	}
	dest, err := folder(d.dir, "wheels")
	if err != nil {
		return nil, err
	}
	if err := d.prepare(fsys, asked, p); err != nil {
		return nil, err
	}
	q := question{Requirements: texts(asked), Dest: "wheels", Local: "local", Pip: d.pipArgs(asked)}
	a, err := d.ask(ctx, q, d.progress)
	if err != nil {
		return nil, err
	}
	if a.Refused != "" {
		return nil, &ResolveError{Pip: a.Pip, Text: a.Refused}
	}
	if a.Exit != 0 {
		return nil, d.failed(ctx, a)
	}
	if a.Unwatched != "" {
		p.notes = append(p.notes, "pip "+a.Pip+" cannot be watched: a package that went back to an old version would not be noticed")
	}
	back, notes := goneBack(a.GoneBack)
	p.notes = append(p.notes, notes...)
	if rows := append(nativeRows(a.Natives), back...); len(rows) > 0 {
		return nil, &ConflictError{Rows: rows}
	}
	return d.open(dest, p)
}

// pipArgs is the command line of pip download.
func (d *driver) pipArgs(asked *asked) []string {
	args := []string{"download", "--dest", "wheels", "--only-binary", ":all:", "--platform", "any", "--implementation", "py",
		"--python-version", "3.15.0", "--abi", "none", "--progress-bar", "off", "--no-input", "--disable-pip-version-check", "--find-links", "local",
		"--constraint", "constraints.txt", "--requirement", "requirements.txt"}
	for _, link := range asked.links {
		if isURL(link) {
			args = append(args, "--find-links", link)
		}
	}
	return append(args, asked.pass...)
}

// prepare writes what pip reads: requirements, constraints, stand-ins for what
// is there already, and the wheels of the stage.
func (d *driver) prepare(fsys fs.FS, asked *asked, p *plan) error {
	local, err := folder(d.dir, "local")
	if err != nil {
		return err
	}
	if err := d.base.writeStandIns(local); err != nil {
		return err
	}
	for _, link := range asked.links {
		if !isURL(link) {
			if err := copyWheels(fsys, link, local); err != nil {
				return err
			}
		}
	}
	var lines, pins strings.Builder
	for _, r := range p.keep {
		if r.Wheel != "" {
			if err := copyFile(fsys, r.Wheel, filepath.Join(local, path.Base(r.Wheel))); err != nil {
				return fmt.Errorf("read wheel: %w", err)
			}
			r.line = "./local/" + path.Base(r.Wheel)
		}
		fmt.Fprintln(&lines, r.line)
	}
	for _, name := range d.base.names() {
		fmt.Fprintf(&pins, "%s==%s\n", name, d.base[name].Version)
	}
	for _, r := range p.constraints {
		fmt.Fprintln(&pins, r.line)
	}
	for name, text := range map[string]string{"requirements.txt": lines.String(), "constraints.txt": pins.String()} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write requirements: %w", err)
		}
	}
	return nil
}

// copyWheels copies the wheels of a folder of the stage.
func copyWheels(fsys fs.FS, dir, to string) error {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		return fmt.Errorf("read --find-links: %w", err)
	}
	for _, e := range entries {
		if _, err := parseWheelName(e.Name()); err == nil && !e.IsDir() {
			if err := copyFile(fsys, path.Join(dir, e.Name()), filepath.Join(to, e.Name())); err != nil {
				return fmt.Errorf("read --find-links: %w", err)
			}
		}
	}
	return nil
}

// copyFile copies a wheel out of the stage.
func copyFile(fsys fs.FS, from, to string) error {
	if _, err := parseWheelName(filepath.Base(to)); err != nil || filepath.Base(to) != path.Base(from) {
		return fmt.Errorf("bad name of a wheel: %q", path.Base(from))
	}
	in, err := fsys.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(in, maxWheelBytes+1))
	if err == nil && n > maxWheelBytes {
		err = fmt.Errorf("%s: larger than %d bytes", from, int64(maxWheelBytes))
	}
	return errors.Join(err, out.Close())
}

// open opens what pip downloaded; stand-ins are what the stage has already.
func (d *driver) open(dest string, p *plan) ([]*wheel, error) {
	entries, err := os.ReadDir(dest)
	if err != nil {
		return nil, fmt.Errorf("read wheels: %w", err)
	}
	var wheels []*wheel
	fail := func(err error) ([]*wheel, error) {
		for _, w := range wheels {
			w.closer.Close()
		}
		return nil, err
	}
	for _, e := range entries {
		parsed, err := parseWheelName(e.Name())
		if err != nil {
			return fail(err)
		}
		if _, ok := d.base[parsed.Name]; ok {
			p.used = append(p.used, parsed.Name)
			continue
		}
		w, err := openWheel(filepath.Join(dest, e.Name()))
		if err != nil {
			return fail(err)
		}
		wheels = append(wheels, w)
	}
	sort.Slice(wheels, func(i, j int) bool { return wheels[i].Name < wheels[j].Name })
	sort.Strings(p.used)
	return wheels, nil
}

// nativeRows says what to do instead of packages that the guest cannot use.
func nativeRows(list []project) []Row {
	var rows []Row
	for _, n := range list {
		do := "wheels of the form none-any are all that can be installed: leave it out, or find a pure release"
		if !n.Native {
			do = fmt.Sprintf("build it first: pip wheel --no-deps -w wheels %s, COPY wheels, and install ./wheels/….whl", n.Name)
		}
		if n.Pure != "" && major(n.Pure) == major(n.Newest) {
			do = fmt.Sprintf("%s is the newest pure release: write %s==%s if it will do", n.Pure, n.Name, n.Pure)
		}
		if advice, ok := nativeAdvice(n.Name); ok {
			do = advice
		}
		asked := n.Name
		if len(n.By) > 0 {
			asked += " (by " + strings.Join(n.By, ", ") + ")"
		}
		rows = append(rows, Row{asked, strings.TrimSpace(n.Newest + " " + form(n.Native)), do})
	}
	return rows
}

// major is the first number of a version.
func major(version string) string {
	first, _, _ := strings.Cut(version, ".")
	return first
}

// goneBack judges packages that were taken in an older version than they might
// be: a step back is worth a note, an ancient version must be asked for.
func goneBack(list []project) (rows []Row, notes []string) {
	for _, g := range list {
		if !g.Ancient {
			notes = append(notes, fmt.Sprintf("%s %s is taken: the newest, %s, does not go with the base", g.Name, g.Chosen, g.Newest))
			continue
		}
		rows = append(rows, Row{g.Name, fmt.Sprintf("%s, which does not go with the base", g.Newest),
			fmt.Sprintf("only the old %s does: write %s==%s if it will do", g.Chosen, g.Name, g.Chosen)})
	}
	return rows, notes
}

// form is in what form a package that the guest cannot use is offered.
func form(native bool) string {
	if native {
		return "as native code"
	}
	return "as source"
}

// ResolveError is a failure of pip that is no conflict with the base.
type ResolveError struct {
	Pip  string
	Text string
}

func (e *ResolveError) Error() string { return "pip " + e.Pip + ": " + e.Text }

var (
	dependsOn = pattern.New(`(?m)^\s+(\S+) (\S+) depends on (.+?)\s*$`)
	errorLine = pattern.New(`(?m)^ERROR: (.*)$`)
)

// failed turns a failure of pip into rows of the table, where it is one.
func (d *driver) failed(ctx context.Context, a *answer) error {
	rows := nativeRows(a.Natives)
	more, err := d.dependencyRows(ctx, a)
	if err != nil {
		return err
	}
	if rows = append(rows, more...); len(rows) > 0 {
		return &ConflictError{Rows: rows}
	}
	var text []string
	for _, m := range errorLine.FindAllStringSubmatch(string(a.output), -1) {
		text = append(text, m[1])
	}
	if len(text) == 0 {
		text = []string{lastLines(a.output, 3)}
	}
	return &ResolveError{Pip: a.Pip, Text: strings.Join(text, "\n")}
}

// dependencyRows finds packages that want another version of what the base
// has, in what pip says about a conflict.
func (d *driver) dependencyRows(ctx context.Context, a *answer) ([]Row, error) {
	matches := dependsOn.FindAllStringSubmatch(string(a.output), -1)
	if len(matches) == 0 {
		return nil, nil
	}
	wants := make([]string, len(matches))
	for i, m := range matches {
		wants[i] = m[3]
	}
	again, err := d.ask(ctx, question{Requirements: wants}, nil)
	if err != nil {
		return nil, err
	}
	var rows []Row
	seen := map[Row]bool{}
	for i, c := range again.Checked {
		has, ok := d.base[c.Name]
		if c.Error != "" || !ok || c.Fits {
			continue
		}
		where := "in the base"
		if !has.InBase {
			where = "installed before"
		}
		row := Row{fmt.Sprintf("%s (by %s %s)", wants[i], matches[i][1], matches[i][2]), has.Version + " " + where,
			fmt.Sprintf("ask for a %s that takes %s %s", matches[i][1], has.Name, has.Version)}
		if !seen[row] {
			seen[row] = true
			rows = append(rows, row)
		}
	}
	return rows, nil
}
