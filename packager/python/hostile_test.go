package python

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sourceArchive is a package whose build leaves a file.
func sourceArchive(t *testing.T, proof string) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	text := "open(" + "r'" + proof + "', 'w').close()\nfrom setuptools import setup\nsetup(name='evil', version='1.0')\n"
	if err := w.WriteHeader(&tar.Header{Name: "evil-1.0/setup.py", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	w.Close()
	z.Close()
	name := filepath.Join(t.TempDir(), "evil-1.0.tar.gz")
	if err := os.WriteFile(name, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestNothingIsBuilt: neither a recipe nor a wheel can make pip run code of a
// source archive on this machine.
func TestNothingIsBuilt(t *testing.T) {
	proof := filepath.Join(t.TempDir(), "proof")
	archive := "file://" + filepath.ToSlash(sourceArchive(t, proof))
	wheels := index(t)
	makeWheel(t, wheels, "carrier", "1.0", "py3-none-any", "Requires-Dist: evil @ "+archive+"\n", member{"carrier.py", "", 0})
	makeWheel(t, wheels, "cloner", "1.0", "py3-none-any", "Requires-Dist: evil @ git+"+archive+"\n", member{"cloner.py", "", 0})
	files := map[string]string{"app/r.txt": "evil @ " + archive + "\n", "app/git.txt": "evil @ git+" + archive + "\n"}
	for name, python := range pythons(t) {
		for _, args := range []string{"carrier", "cloner", "-r r.txt", "-r git.txt", archive} {
			if _, err := install(t, python, wheels, stage(t, files, "numpy==2.0"), args); err == nil {
				t.Errorf("%s: pip install %s works", name, args)
			} else {
				t.Logf("%s: %v", args, err)
			}
			if _, err := os.Stat(proof); err == nil {
				t.Fatalf("%s: pip install %s ran the archive's setup.py on this machine", name, args)
			}
		}
	}
}

// TestForeignFolder: what lies where the user stands is not Python's.
func TestForeignFolder(t *testing.T) {
	for name, python := range pythons(t) {
		dir, proof := t.TempDir(), filepath.Join(t.TempDir(), "proof")
		if err := os.Mkdir(filepath.Join(dir, "pip"), 0o755); err != nil {
			t.Fatal(err)
		}
		text := "open(r'" + proof + "', 'w').close()\n"
		if err := os.WriteFile(filepath.Join(dir, "pip", "__init__.py"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Chdir(dir)
		in := &Installer{Temp: t.TempDir(), Look: func(string) (string, error) { return python[0], nil }}
		if _, err := in.findHost(t.Context(), t.TempDir()); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(proof); err == nil {
			t.Errorf("%s ran a module of the current folder", name)
		}
	}
}

func TestStageSettings(t *testing.T) {
	bad := []string{
		"PIP_CACHE_DIR=/home/x", "PIP_CONFIG_FILE=/etc/x", "PIP_CERT=/x", "PIP_FIND_LINKS=file:///home", "PIP_INDEX_URL=file:///home",
		"PIP_EXTRA_INDEX_URL=https://ok /home", "UV_INDEX_URL=https://evil", "UV_PYTHON=/bin/sh", "UV_DEFAULT_INDEX=https://evil", "PYTHONPATH=/x",
	}
	env := hostEnv(bad)
	for _, kv := range bad {
		if slices.Contains(env, kv) {
			t.Errorf("%s reaches the host's pip", kv)
		}
	}
	for _, args := range []string{"-i /simple x", "--index-url=file:///x x", "--extra-index-url ./simple x", "--cert /etc/x x", "--client-cert=/x x"} {
		if _, err := parseArgs(strings.Fields(args)); err == nil {
			t.Errorf("pip install %s is taken", args)
		}
	}
	for _, text := range []string{"a; 'x' != '\n--index-url https://evil\n'", "file:///x/a-1-py3-none-any.whl", "./a\t-1-py3-none-any.whl", "./-r x-1-py3-none-any.whl", "https://host/a.tar.gz"} {
		r := &requirementReader{fs: stage(t, nil), dir: "/", out: &asked{}}
		if _, err := r.requirement(text, "", "/"); err == nil {
			t.Errorf("requirement %q is taken", text)
		}
	}
	r := &requirementReader{fs: stage(t, nil), dir: "/", out: &asked{}}
	if err := r.link("file:///home", "", "/"); err == nil {
		t.Error("--find-links takes a folder of this machine")
	}
}
