package python

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sort"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// placed is a file of the image under construction, with the package it is of.
type placed struct {
	File
	owner string
	hash  string // as RECORD writes it
}

// unpack turns wheels into the files of the layer.
func (r *Result) unpack(fsys fs.FS, wheels []*wheel, base installed, p *plan) error {
	byPath := map[string]placed{}
	for _, w := range wheels {
		r.closers = append(r.closers, w.closer)
		files, err := w.place(p.direct[w.Name])
		if err != nil {
			return err
		}
		for _, f := range files {
			if old, ok := byPath[f.Path]; ok && old.hash != f.hash {
				r.Notes = append(r.Notes, fmt.Sprintf("/%s is in %s and %s; %s's is kept", f.Path, old.owner, f.owner, f.owner))
			}
			byPath[f.Path] = f
		}
		r.Modules = append(r.Modules, w.modules()...)
	}
	lock, err := writeLock(fsys, wheels, base, p)
	if err != nil {
		return err
	}
	r.Lock = lock
	byPath[LockPath] = placed{File: textFile(LockPath, 0o644, lock)}
	for _, f := range byPath {
		r.Files = append(r.Files, f.File)
	}
	sort.Slice(r.Files, func(i, j int) bool { return r.Files[i].Path < r.Files[j].Path })
	sort.Strings(r.Modules)
	return nil
}

// textFile is a file made here.
func textFile(name string, mode uint32, text []byte) File {
	return File{Path: name, Mode: mode, Size: int64(len(text)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }}
}

// place says where each member of a wheel goes, and adds what an installer adds.
func (w *wheel) place(direct bool) ([]placed, error) {
	var out []placed
	for _, name := range w.names() {
		if name == w.info+"RECORD" || name == w.info+"RECORD.jws" || name == w.info+"RECORD.p7s" || compiled(name) {
			continue
		}
		f, err := w.placeMember(name)
		if err != nil {
			return nil, &WheelError{w.file, err.Error()}
		}
		out = append(out, f)
	}
	scripts, err := w.entryPoints()
	if err != nil {
		return nil, &WheelError{w.file, err.Error()}
	}
	out = append(out, scripts...)
	out = append(out, w.made(SitePackages+"/"+w.info+"INSTALLER", 0o644, []byte("wherry\n")))
	if direct {
		out = append(out, w.made(SitePackages+"/"+w.info+"REQUESTED", 0o644, nil))
	}
	return append(out, w.newRecord(out)), nil
}

// compiled reports whether a member is bytecode, which depends on who made it.
func compiled(name string) bool {
	return strings.HasSuffix(name, ".pyc") || strings.Contains("/"+name, "/__pycache__/")
}

// made is a file of the wheel's installation that is not in the wheel.
func (w *wheel) made(name string, mode uint32, text []byte) placed {
	sum := sha256.Sum256(text)
	return placed{File: textFile(name, mode, text), owner: w.Name, hash: recordHash(sum[:])}
}

// placeMember says where one member goes.
func (w *wheel) placeMember(name string) (placed, error) {
	member := w.member[name]
	target := SitePackages + "/" + name
	mode := uint32(0o644)
	if member.Mode()&0o111 != 0 {
		mode = 0o755
	}
	if rest, ok := strings.CutPrefix(name, w.data); ok {
		scheme, rel, _ := strings.Cut(rest, "/")
		switch scheme {
		case "purelib", "platlib":
			target = SitePackages + "/" + rel
		case "data":
			target = prefix + "/" + rel
		case "headers":
			target = headers + "/" + w.Name + "/" + rel
		case "scripts":
			return w.script(name, rel)
		default:
			return placed{}, fmt.Errorf("%s: unknown kind of data", name)
		}
	}
	if !fs.ValidPath(target) {
		return placed{}, fmt.Errorf("bad name of a member: %q", name)
	}
	if native(target) {
		return placed{}, fmt.Errorf("%s is native code in a wheel that says it is pure", name)
	}
	hash, err := hashMember(member)
	if err != nil {
		return placed{}, fmt.Errorf("%s: %w", name, err)
	}
	f := File{Path: target, Mode: mode, Size: int64(member.UncompressedSize64),
		Open: func() (io.ReadCloser, error) { return member.Open() }}
	return placed{File: f, owner: w.Name, hash: hash}, nil
}

// native reports whether a file would be loaded as machine code by a module of
// the package itself.
func native(name string) bool {
	base := path.Base(name)
	return strings.HasSuffix(base, ".so") && strings.Contains(base, ".cpython-") || strings.HasSuffix(base, ".pyd")
}

// script is a file of .data/scripts, its #! line pointing to the guest's Python.
func (w *wheel) script(name, rel string) (placed, error) {
	text, err := w.read(name, 64<<20)
	if err != nil {
		return placed{}, err
	}
	if rest, ok := bytes.CutPrefix(text, []byte("#!python")); ok {
		rest = bytes.TrimPrefix(rest, []byte("w"))
		text = append([]byte("#!"+interpreter), rest...)
	}
	target := Scripts + "/" + rel
	if !fs.ValidPath(target) {
		return placed{}, fmt.Errorf("bad name of a script: %q", rel)
	}
	return w.made(target, 0o755, text), nil
}

var (
	entryName   = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
	entryTarget = pattern.New(`^([A-Za-z_][\w.]*)\s*:\s*([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)\s*(\[.*\])?$`)
)

// entryPoints makes the programs that entry_points.txt names.
func (w *wheel) entryPoints() ([]placed, error) {
	if w.member[w.info+"entry_points.txt"] == nil {
		return nil, nil
	}
	text, err := w.read(w.info+"entry_points.txt", maxMetadata)
	if err != nil {
		return nil, err
	}
	var out []placed
	section := ""
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, maxMetadata)
	for scan.Scan() {
		line := strings.TrimSpace(scan.Text())
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[] ")
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || line[0] == '#' || line[0] == ';' || section != "console_scripts" && section != "gui_scripts" {
			continue
		}
		name = strings.TrimSpace(name)
		m := entryTarget.FindStringSubmatch(strings.TrimSpace(value))
		if m == nil || !entryName.MatchString(name) {
			return nil, fmt.Errorf("entry_points.txt: cannot read %q", line)
		}
		out = append(out, w.made(Scripts+"/"+name, 0o755, []byte(entryScript(m[1], m[2], m[2]+m[3]))))
	}
	return out, nil
}

// entryScript is the program of one entry point.
func entryScript(module, root, call string) string {
	return "#!" + interpreter + "\nimport sys\n\nfrom " + module + " import " + root +
		"\n\nif __name__ == \"__main__\":\n    sys.exit(" + call + "())\n"
}

// newRecord is the RECORD of the installation.
func (w *wheel) newRecord(files []placed) placed {
	rows := make([]string, 0, len(files)+1)
	for _, f := range files {
		rows = append(rows, recordRow(relativeToSite(f.Path), f.hash, fmt.Sprint(f.Size)))
	}
	rows = append(rows, recordRow(w.info+"RECORD", "", ""))
	sort.Strings(rows)
	return w.made(SitePackages+"/"+w.info+"RECORD", 0o644, []byte(strings.Join(rows, "\n")+"\n"))
}

// recordRow is one line of RECORD.
func recordRow(name, hash, size string) string {
	if strings.ContainsAny(name, "\",\n") {
		name = `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return name + "," + hash + "," + size
}

// relativeToSite is a path of the image as RECORD writes it.
func relativeToSite(name string) string {
	if rel, ok := strings.CutPrefix(name, SitePackages+"/"); ok {
		return rel
	}
	return "../../../" + strings.TrimPrefix(name, prefix+"/")
}

var moduleName = pattern.New(`^[A-Za-z][A-Za-z0-9_]*$`)

// modules lists the top-level modules that the wheel brings.
func (w *wheel) modules() []string {
	found := map[string]bool{}
	for _, name := range w.names() {
		rel := name
		if rest, ok := strings.CutPrefix(name, w.data); ok {
			scheme, inside, _ := strings.Cut(rest, "/")
			if scheme != "purelib" && scheme != "platlib" {
				continue
			}
			rel = inside
		}
		module, ok := strings.CutSuffix(rel, "/__init__.py")
		if !ok {
			module, ok = strings.CutSuffix(rel, ".py")
		}
		if ok && moduleName.MatchString(module) && !notImported[module] {
			found[module] = true
		}
	}
	out := make([]string, 0, len(found))
	for name := range found {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// notImported are modules that packages leave in site-packages by mistake.
var notImported = set("test", "tests", "testing", "docs", "doc", "examples", "example", "benchmarks", "scripts", "setup", "conftest")
