package python

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// Bounds on one wheel.
const (
	maxWheelEntries = 100_000
	maxWheelBytes   = 2 << 30
	maxRecord       = 64 << 20
)

// wheelName is the file name of a wheel, taken apart.
type wheelName struct {
	Name, Version, Build   string
	Python, ABI, Platforms string
}

// parseWheelName reads NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl.
func parseWheelName(file string) (wheelName, error) {
	stem, ok := strings.CutSuffix(file, ".whl")
	ok = ok && !strings.ContainsFunc(file, notInWheelNames) && len(file) <= 255 && file[0] != '-' && file[0] != '.'
	parts := strings.Split(stem, "-")
	if !ok || len(parts) < 5 || len(parts) > 6 {
		return wheelName{}, fmt.Errorf("%s is no name of a wheel: NAME-VERSION-PYTHON-ABI-PLATFORM.whl is wanted", file)
	}
	w := wheelName{Name: canonical(parts[0]), Version: strings.ReplaceAll(parts[1], "_", "-")}
	n := len(parts)
	w.Python, w.ABI, w.Platforms = parts[n-3], parts[n-2], parts[n-1]
	if n == 6 {
		w.Build = parts[2]
	}
	return w, nil
}

// notInWheelNames are letters that could mean something to pip, a shell or a
// file system.
func notInWheelNames(r rune) bool {
	return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune("._+!-", r))
}

// WheelError is a wheel that must not be installed.
type WheelError struct {
	File   string
	Reason string
}

func (e *WheelError) Error() string { return fmt.Sprintf("wheel %s: %s", e.File, e.Reason) }

// wheel is one opened and verified wheel.
type wheel struct {
	wheelName
	file   string // base name
	sha256 string // of the whole file, hex
	size   int64
	zip    *zip.Reader
	closer io.Closer
	info   string // "NAME-VERSION.dist-info/"
	data   string // "NAME-VERSION.data/"
	member map[string]*zip.File
}

// openWheel opens a wheel and verifies its structure and every hash in it.
func openWheel(name string) (*wheel, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open wheel: %w", err)
	}
	w, err := readWheel(filepath.Base(name), f)
	if err != nil {
		f.Close()
		return nil, err
	}
	w.closer = f
	return w, nil
}

// readWheel is openWheel over an open file.
func readWheel(file string, f *os.File) (*wheel, error) {
	parsed, err := parseWheelName(file)
	if err != nil {
		return nil, &WheelError{file, err.Error()}
	}
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, fmt.Errorf("read wheel %s: %w", file, err)
	}
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, &WheelError{file, "no zip archive: " + err.Error()}
	}
	w := &wheel{wheelName: parsed, file: file, sha256: hex.EncodeToString(h.Sum(nil)), size: size, zip: z}
	if err := w.index(); err != nil {
		return nil, &WheelError{file, err.Error()}
	}
	if err := w.verify(); err != nil {
		return nil, &WheelError{file, err.Error()}
	}
	return w, nil
}

// index checks the names and sizes of the members and finds the dist-info.
func (w *wheel) index() error {
	if len(w.zip.File) > maxWheelEntries {
		return fmt.Errorf("more than %d members", maxWheelEntries)
	}
	w.member = make(map[string]*zip.File, len(w.zip.File))
	var total uint64
	for _, f := range w.zip.File {
		if strings.HasSuffix(f.Name, "/") {
			continue
		}
		if !fs.ValidPath(f.Name) || f.Name == "." || strings.ContainsAny(f.Name, "\\\x00") || len(f.Name) > 1024 {
			return fmt.Errorf("bad name of a member: %q", f.Name)
		}
		if f.Mode()&fs.ModeType != 0 {
			return fmt.Errorf("%s is no plain file", f.Name)
		}
		if w.member[f.Name] != nil {
			return fmt.Errorf("%s is there twice", f.Name)
		}
		if total += f.UncompressedSize64; f.UncompressedSize64 > maxWheelBytes || total > maxWheelBytes {
			return fmt.Errorf("more than %d bytes unpacked", int64(maxWheelBytes))
		}
		w.member[f.Name] = f
		if err := w.note(f.Name); err != nil {
			return err
		}
	}
	if w.info == "" {
		return errors.New("no .dist-info folder")
	}
	return nil
}

// note takes the dist-info folder out of a member's name.
func (w *wheel) note(name string) error {
	dir, _, ok := strings.Cut(name, "/")
	stem, isInfo := strings.CutSuffix(dir, ".dist-info")
	if !ok || !isInfo || w.info == dir+"/" {
		return nil
	}
	if w.info != "" {
		return fmt.Errorf("two .dist-info folders: %s and %s/", w.info, dir)
	}
	project, _, _ := strings.Cut(stem, "-")
	if canonical(project) != w.Name {
		return fmt.Errorf("%s belongs to another package", dir)
	}
	w.info, w.data = dir+"/", stem+".data/"
	return nil
}

// verify checks the tags and every member against RECORD.
func (w *wheel) verify() error {
	text, err := w.read(w.info+"WHEEL", maxMetadata)
	if err != nil {
		return err
	}
	for _, h := range metadataHeader(text) {
		if h.key == "Wheel-Version" && !strings.HasPrefix(h.value, "1.") {
			return fmt.Errorf("wheel format %s is not known", h.value)
		}
	}
	if w.ABI != "none" || w.Platforms != "any" {
		return errors.New("native code for another platform; only pure wheels (none-any) work in the guest")
	}
	record, err := w.record()
	if err != nil {
		return err
	}
	for _, name := range w.names() {
		f := w.member[name]
		if name == w.info+"RECORD" || name == w.info+"RECORD.jws" || name == w.info+"RECORD.p7s" {
			continue
		}
		want, ok := record[name]
		if !ok {
			return fmt.Errorf("%s is not in RECORD", name)
		}
		got, err := hashMember(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if got != want {
			return fmt.Errorf("%s is not what RECORD says", name)
		}
	}
	return nil
}

// record reads RECORD: name -> "sha256=...".
func (w *wheel) record() (map[string]string, error) {
	text, err := w.read(w.info+"RECORD", maxRecord)
	if err != nil {
		return nil, err
	}
	r := csv.NewReader(strings.NewReader(string(text)))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("RECORD: %w", err)
	}
	record := make(map[string]string, len(rows))
	for _, row := range rows {
		if len(row) < 2 {
			return nil, errors.New("RECORD: a row has no hash")
		}
		record[strings.TrimPrefix(path.Clean(row[0]), "./")] = strings.TrimRight(row[1], "=")
	}
	return record, nil
}

// hashMember is a member's hash as RECORD writes it; zip checks the CRC, too.
func hashMember(f *zip.File) (string, error) {
	r, err := f.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", err
	}
	return recordHash(h.Sum(nil)), nil
}

// recordHash writes a sha256 as RECORD does.
func recordHash(sum []byte) string {
	return "sha256=" + base64.RawURLEncoding.EncodeToString(sum)
}

// read reads one small member.
func (w *wheel) read(name string, limit int64) ([]byte, error) {
	f := w.member[name]
	if f == nil {
		return nil, fmt.Errorf("no %s", name)
	}
	if f.UncompressedSize64 > uint64(limit) {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, limit)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// names lists the members, sorted.
func (w *wheel) names() []string {
	names := make([]string, 0, len(w.member))
	for name := range w.member {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
