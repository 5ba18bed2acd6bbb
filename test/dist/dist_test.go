package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/version"
	"github.com/wherry-run/wherry/test/dock"
)

// TestDist makes the release of this machine twice, compares the bytes,
// unpacks the archive, installs the wheel, and runs the program of each.
func TestDist(t *testing.T) {
	root := dock.Root(t)
	here := runtime.GOOS + "/" + runtime.GOARCH
	first, second := t.TempDir(), t.TempDir()
	for _, dir := range []string{first, second} {
		if err := run(t.Context(), root, dir, here, io.Discard); err != nil {
			t.Fatal(err)
		}
	}
	names := sumsOf(t, first)
	if len(names) != 2 {
		t.Fatalf("SHA256SUMS names %v", names)
	}
	for _, name := range append(names, "SHA256SUMS") {
		if !bytes.Equal(read(t, first, name), read(t, second, name)) {
			t.Errorf("%s: two runs differ", name)
		}
	}
	want := "wherry " + version.Release
	for _, name := range names {
		t.Run(filepath.Ext(name), func(t *testing.T) {
			program := ""
			switch {
			case strings.HasSuffix(name, ".tar.gz"):
				program = untar(t, filepath.Join(first, name))
			case strings.HasSuffix(name, ".whl"):
				checkRecord(t, filepath.Join(first, name))
				program = install(t, filepath.Join(first, name))
			default:
				t.Skipf("NOT TESTED: %s is not for a system with tar", name)
			}
			out, err := exec.Command(program, "version").Output()
			if err != nil || !strings.HasPrefix(string(out), want) {
				t.Errorf("%s version: %q, %v", program, out, err)
			}
		})
	}
}

func TestEveryTargetHasAnArchiveAndAWheel(t *testing.T) {
	for _, target := range targets {
		r := release{version: "1.2.3", target: target, program: []byte("program"), companion: []byte("companion"), readme: []byte("# readme\n"), license: []byte("license")}
		for _, make := range []func(release) (string, []byte, error){archive, wheel} {
			name, data, err := make(r)
			if err != nil {
				t.Fatal(err)
			}
			_, again, _ := make(r)
			if !bytes.Equal(data, again) {
				t.Errorf("%s: two runs differ", name)
			}
			if strings.HasSuffix(name, ".tar.gz") {
				continue
			}
			z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for _, f := range z.File {
				program := strings.HasSuffix(f.Name, "/"+target.program()) || strings.HasSuffix(f.Name, "/"+target.companion())
				if mode := f.Mode().Perm(); program != (mode == 0o755) {
					t.Errorf("%s: %s has mode %o", name, f.Name, mode)
				}
				if !f.Modified.UTC().Equal(epoch) {
					t.Errorf("%s: %s is of %s", name, f.Name, f.Modified)
				}
			}
		}
	}
	if _, err := choose("plan9/amd64"); err == nil {
		t.Error("a target that is none was taken")
	}
}

// TestPipChooses asks pip which wheel it takes for a platform by name (where it
// does not know, as a machine does, which older ones serve it too).
func TestPipChooses(t *testing.T) {
	python := dock.Find(t, "python3")
	if exec.Command(python, "-m", "pip", "--version").Run() != nil {
		dock.Missing(t, "pip")
	}
	dir := t.TempDir()
	wheels := map[string]string{}
	for _, target := range targets {
		name, data, err := wheel(release{version: version.Release, target: target, program: []byte(target.String()), readme: []byte("# readme\n"), license: []byte("license")})
		if err != nil {
			t.Fatal(err)
		}
		wheels[target.String()] = name
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for platform, target := range map[string]string{
		"manylinux_2_17_x86_64": "linux/amd64", "manylinux2014_x86_64": "linux/amd64", "musllinux_1_1_x86_64": "linux/amd64",
		"manylinux_2_17_aarch64": "linux/arm64", "macosx_14_0_x86_64": "darwin/amd64", "macosx_12_0_arm64": "darwin/arm64",
		"win_amd64": "windows/amd64", "win_arm64": "windows/arm64", "manylinux_2_17_s390x": "",
	} {
		out := t.TempDir()
		cmd := exec.Command(python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check",
			"--find-links", dir, "--only-binary=:all:", "--platform", platform, "--dest", out, "wherry")
		text, err := cmd.CombinedOutput()
		if _, got := os.Stat(filepath.Join(out, wheels[target])); target != "" && (err != nil || got != nil) {
			t.Errorf("%s: pip does not take %s: %v\n%s", platform, wheels[target], err, text)
		}
		if target == "" && err == nil {
			t.Errorf("%s: pip found a wheel for a machine that we have none for", platform)
		}
	}
}

func TestOldFilesGoAndOthersStay(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"wherry-0.0.1-linux-amd64.tar.gz", "SHA256SUMS", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeOld(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "notes.txt" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sumsOf checks SHA256SUMS and returns the names in it.
func sumsOf(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(string(read(t, dir, "SHA256SUMS"))) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if got := fmt.Sprintf("%x", sha256.Sum256(read(t, dir, name))); !ok || got != sum {
			t.Errorf("%s: %s", line, got)
		}
		names = append(names, name)
	}
	return names
}

// untar unpacks an archive as tar does and returns the program in it.
func untar(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(zr)
	dir, program := t.TempDir(), ""
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return program
		}
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(dir, filepath.Base(h.Name))
		if h.Typeflag != tar.TypeReg {
			continue
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, data, h.FileInfo().Mode().Perm()); err != nil {
			t.Fatal(err)
		}
		switch {
		case h.FileInfo().Mode()&0o111 == 0:
		case strings.HasPrefix(filepath.Base(name), "wherry-native"):
			out, err := exec.Command(name, "-version").Output()
			if want := "wherry-native " + version.Release; err != nil || strings.TrimSpace(string(out)) != want {
				t.Errorf("%s -version: %q, %v", name, out, err)
			}
		default:
			program = name
		}
	}
}

// checkRecord compares RECORD with what the wheel holds.
func checkRecord(t *testing.T, file string) {
	t.Helper()
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	held := map[string]uint64{}
	record := ""
	for _, f := range z.File {
		held[f.Name] = f.UncompressedSize64
		if strings.HasSuffix(f.Name, "/RECORD") {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			record = string(b)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(record)).ReadAll()
	if err != nil || len(rows) != len(held) {
		t.Fatalf("RECORD has %d rows for %d files, %v", len(rows), len(held), err)
	}
	for _, row := range rows {
		size, ok := held[row[0]]
		if own := strings.HasSuffix(row[0], "/RECORD"); !ok || !own && row[2] != fmt.Sprint(size) {
			t.Errorf("RECORD says %v", row)
		}
	}
}

// install puts a wheel into a new virtual environment with pip, which checks
// the tags, and returns the program there.
func install(t *testing.T, file string) string {
	t.Helper()
	python := dock.Find(t, "python3")
	venv := filepath.Join(t.TempDir(), "venv")
	if out, err := exec.Command(python, "-m", "venv", venv).CombinedOutput(); err != nil {
		dock.Missing(t, "python3 with venv ("+strings.TrimSpace(string(out))+")")
	}
	pip := exec.Command(filepath.Join(venv, "bin", "python"), "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", file)
	if out, err := pip.CombinedOutput(); err != nil {
		t.Fatalf("pip install: %v\n%s", err, out)
	}
	check := exec.Command(filepath.Join(venv, "bin", "python"), "-m", "pip", "show", "--files", "wherry")
	if out, err := check.Output(); err != nil || !strings.Contains(string(out), "Version: "+version.Release) {
		t.Errorf("pip show: %s, %v", out, err)
	}
	return filepath.Join(venv, "bin", "wherry")
}
