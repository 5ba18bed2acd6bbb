package python

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"testing/fstest"
)

// member is one file of a wheel made for a test.
type member struct {
	name, text string
	mode       os.FileMode
}

// makeWheel writes a wheel with a right RECORD; extra members may be anything.
func makeWheel(t *testing.T, dir, name, version, tags, metadata string, members ...member) string {
	t.Helper()
	stem := strings.ReplaceAll(name, "-", "_") + "-" + version
	info := stem + ".dist-info/"
	members = append(members,
		member{info + "METADATA", "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n" + metadata, 0o644},
		member{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: " + tags + "\n", 0o644})
	var record strings.Builder
	for _, m := range members {
		sum := sha256.Sum256([]byte(m.text))
		fmt.Fprintf(&record, "%s,%s,%d\n", m.name, recordHash(sum[:]), len(m.text))
	}
	record.WriteString(info + "RECORD,,\n")
	members = append(members, member{info + "RECORD", record.String(), 0o644})
	return writeZip(t, filepath.Join(dir, stem+"-"+tags+".whl"), members)
}

// writeZip writes members as they are.
func writeZip(t *testing.T, path string, members []member) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.mode != 0 {
			h.SetMode(m.mode)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// stage is the files of a stage on a base with the given packages, "name==version".
func stage(t *testing.T, files map[string]string, packages ...string) fstest.MapFS {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, p := range packages {
		name, version, _ := strings.Cut(p, "==")
		version, metadata, _ := strings.Cut(version, "\n")
		w, err := z.Create(strings.ReplaceAll(name, "-", "_") + "-" + version + ".dist-info/METADATA")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(w, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n%s\n\nText.\n", name, version, metadata)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	m := fstest.MapFS{libraryZip: {Data: buf.Bytes(), Mode: 0o644}}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return m
}

// paths lists the files of a result.
func paths(r *Result) []string {
	var out []string
	for _, f := range r.Files {
		out = append(out, f.Path)
	}
	sort.Strings(out)
	return out
}
