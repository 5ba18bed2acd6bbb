package python

import (
	"archive/zip"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/wherry-run/wherry/internal/pattern"
)

// maxMetadata bounds one METADATA file, maxLibrary the library archive.
const (
	maxMetadata = 4 << 20
	maxLibrary  = 1 << 30
)

// distribution is a package that the stage has already.
type distribution struct {
	Name    string // canonical
	Version string
	Extras  []string // Provides-Extra
	Needs   []string // Requires-Dist of the extras
	InBase  bool
}

// installed is what a stage has, by canonical name.
type installed map[string]distribution

// versions is name -> version, as the driver wants it.
func (in installed) versions() map[string]string {
	m := make(map[string]string, len(in))
	for name, d := range in {
		m[name] = d.Version
	}
	return m
}

// names lists the packages, sorted.
func (in installed) names() []string {
	names := make([]string, 0, len(in))
	for name := range in {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// NotPythonError says that a stage has no Python base.
type NotPythonError struct{ Err error }

func (e *NotPythonError) Error() string {
	return fmt.Sprintf("this stage has no Python: /%s: %v\nwrite  FROM python  to use pip install", libraryZip, e.Err)
}

// Unwrap gives the reason.
func (e *NotPythonError) Unwrap() error { return e.Err }

// readInstalled lists what is compiled into the base and what earlier
// instructions installed.
func readInstalled(fsys fs.FS) (installed, error) {
	in := installed{}
	if err := in.readLibrary(fsys); err != nil {
		return nil, err
	}
	if err := in.readFolder(fsys, ownModules, true); err != nil {
		return nil, err
	}
	if err := in.readFolder(fsys, SitePackages, false); err != nil {
		return nil, err
	}
	return in, nil
}

// readLibrary reads the METADATA files inside the base's library archive.
func (in installed) readLibrary(fsys fs.FS) error {
	f, err := fsys.Open(libraryZip)
	if err != nil {
		return &NotPythonError{Err: err}
	}
	defer f.Close()
	at, size, err := readerAt(f)
	if err != nil {
		return &NotPythonError{Err: err}
	}
	z, err := zip.NewReader(at, size)
	if err != nil {
		return &NotPythonError{Err: err}
	}
	for _, entry := range z.File {
		if !isMetadata(entry.Name) {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return fmt.Errorf("read %s of the base: %w", entry.Name, err)
		}
		text, err := io.ReadAll(io.LimitReader(r, maxMetadata))
		r.Close()
		if err != nil {
			return fmt.Errorf("read %s of the base: %w", entry.Name, err)
		}
		in.add(text, true)
	}
	return nil
}

// ownModules has the packages that come with the base's launcher: modules that do
// here what a package of native code does elsewhere.
const ownModules = "usr/local/lib/wherry/modules"

// readFolder reads the METADATA files of a folder of packages.
func (in installed) readFolder(fsys fs.FS, folder string, inBase bool) error {
	entries, err := fs.ReadDir(fsys, folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", folder, err)
	}
	for _, e := range entries {
		name := e.Name() + "/METADATA"
		if !isMetadata(name) {
			continue
		}
		text, err := readBounded(fsys, path.Join(folder, name), maxMetadata)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", folder, err)
		}
		in.add(text, inBase)
	}
	return nil
}

// isMetadata reports whether a path is X.dist-info/METADATA.
func isMetadata(name string) bool {
	dir, file := path.Split(name)
	return file == "METADATA" && strings.HasSuffix(dir, ".dist-info/") && strings.Count(dir, "/") == 1
}

// add takes one METADATA file; a broken one counts as absent.
func (in installed) add(text []byte, inBase bool) {
	d := distribution{InBase: inBase}
	for _, h := range metadataHeader(text) {
		switch h.key {
		case "Name":
			d.Name = canonical(h.value)
		case "Version":
			d.Version = h.value
		case "Provides-Extra":
			d.Extras = append(d.Extras, h.value)
		case "Requires-Dist":
			if extraMarker.MatchString(h.value) {
				d.Needs = append(d.Needs, h.value)
			}
		}
	}
	if projectName.MatchString(d.Name) && versionText.MatchString(d.Version) {
		in[d.Name] = d
	}
}

var (
	extraMarker = pattern.New(`;.*\bextra\s*==`)
	projectName = pattern.New(`^[a-z0-9]([a-z0-9-]{0,200}[a-z0-9])?$`)
	versionText = pattern.New(`^[A-Za-z0-9][A-Za-z0-9.!+_]{0,100}$`)
	separators  = pattern.New(`[-_.]+`)
)

// canonical is a project's name as indexes compare it.
func canonical(name string) string {
	return strings.ToLower(separators.ReplaceAllString(strings.TrimSpace(name), "-"))
}

// header is one line of a METADATA file's head.
type header struct{ key, value string }

// metadataHeader reads the head of a METADATA file, in its order.
func metadataHeader(text []byte) []header {
	var out []header
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, maxMetadata)
	for scan.Scan() {
		line := strings.TrimRight(scan.Text(), "\r")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if ok {
			out = append(out, header{textproto.CanonicalMIMEHeaderKey(key), strings.TrimSpace(value)})
		}
	}
	return out
}

// readerAt gives random access to a file of the stage.
func readerAt(f fs.File) (io.ReaderAt, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Size() > maxLibrary {
		return nil, 0, fmt.Errorf("larger than %d bytes", int64(maxLibrary))
	}
	if at, ok := f.(io.ReaderAt); ok {
		return at, info.Size(), nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxLibrary))
	if err != nil {
		return nil, 0, err
	}
	return bytes.NewReader(data), int64(len(data)), nil
}

// standInBuild is the build tag of stand-ins: it makes pip prefer them to a
// wheel of the same version from an index, and lets us know them again.
const standInBuild = "999999wherry"

// writeStandIns makes a wheel without content for each package that is there
// already, so that the resolver sees it and its extras.
func (in installed) writeStandIns(dir string) error {
	for _, name := range in.names() {
		d := in[name]
		file := strings.ReplaceAll(d.Name, "-", "_")
		info := file + "-" + d.Version + ".dist-info/"
		out := filepath.Join(dir, file+"-"+d.Version+"-"+standInBuild+"-py3-none-any.whl")
		if err := os.WriteFile(out, d.standIn(info), 0o600); err != nil {
			return fmt.Errorf("write stand-in of %s: %w", d.Name, err)
		}
	}
	return nil
}

// standIn is the wheel that stands for an installed package.
func (d distribution) standIn(info string) []byte {
	var meta strings.Builder
	fmt.Fprintf(&meta, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n", d.Name, d.Version)
	for _, extra := range d.Extras {
		fmt.Fprintf(&meta, "Provides-Extra: %s\n", extra)
	}
	for _, need := range d.Needs {
		fmt.Fprintf(&meta, "Requires-Dist: %s\n", need)
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, f := range []struct{ name, text string }{
		{"METADATA", meta.String()},
		{"WHEEL", "Wheel-Version: 1.0\nGenerator: wherry\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{"RECORD", info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(info + f.name)
		if err == nil {
			_, err = io.WriteString(w, f.text)
		}
		if err != nil {
			panic(err) // a bytes.Buffer takes everything
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}
