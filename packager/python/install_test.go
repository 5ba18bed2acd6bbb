package python

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// pythons are the host Pythons to test with: the one on PATH, and those that
// WHERRY_TEST_PYTHONS names, separated by the system's list separator.
func pythons(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, name := range filepath.SplitList(os.Getenv("WHERRY_TEST_PYTHONS")) {
		found[name] = strings.Fields(name)
	}
	if path, err := exec.LookPath("python3"); err == nil {
		if (host{path}).hasPip(context.Background(), t.TempDir()) {
			found["python3"] = []string{path}
		}
	}
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("no Python with pip here")
		}
		t.Skip("SKIPPED: no Python with pip here; pip install is not tested")
	}
	return found
}

// index is a folder of wheels that pip is pointed to instead of an index.
func index(t *testing.T) string {
	dir := t.TempDir()
	pure := "py3-none-any"
	makeWheel(t, dir, "alpha", "1.0", pure, "Requires-Dist: beta>=1\nRequires-Dist: numpy>=2\n"+
		"Requires-Dist: winonly; sys_platform == 'win32'\nRequires-Dist: guestonly; sys_platform == 'wasi' and platform_machine == 'wasm32' and python_version >= '3.15'\n"+
		"Provides-Extra: more\nRequires-Dist: gamma; extra == 'more'\n",
		member{"alpha/__init__.py", "VALUE = 1\n", 0}, member{"alpha/tool.py", "def main(): pass\n", 0},
		member{"alpha-1.0.dist-info/entry_points.txt", "[console_scripts]\nalpha-tool = alpha.tool:main\n", 0})
	makeWheel(t, dir, "beta", "1.0", pure, "", member{"beta.py", "", 0})
	makeWheel(t, dir, "beta", "2.0", pure, "Requires-Python: >=3.16\n", member{"beta.py", "", 0})
	makeWheel(t, dir, "gamma", "1.0", "py2.py3-none-any", "", member{"gamma.py", "", 0})
	makeWheel(t, dir, "guestonly", "1.0", pure, "", member{"guestonly.py", "", 0})
	makeWheel(t, dir, "winonly", "1.0", "cp315-cp315-win_amd64", "", member{"winonly.py", "", 0})
	makeWheel(t, dir, "fast", "3.0", "cp311-cp311-manylinux2014_x86_64", "", member{"fast.py", "", 0})
	makeWheel(t, dir, "fast", "0.1", pure, "", member{"fast.py", "", 0})
	makeWheel(t, dir, "core", "2.5", "cp315-cp315-manylinux2014_x86_64", "", member{"core.py", "", 0})
	makeWheel(t, dir, "shell", "2.0", pure, "Requires-Dist: core==2.5\n", member{"shell.py", "", 0})
	makeWheel(t, dir, "shell", "1.0", pure, "", member{"shell.py", "", 0})
	makeWheel(t, dir, "oldnumpy", "5.0", pure, "Requires-Dist: numpy<2\n", member{"oldnumpy.py", "", 0})
	makeWheel(t, dir, "drifts", "5.0", pure, "Requires-Dist: numpy<2\n", member{"drifts.py", "", 0})
	makeWheel(t, dir, "drifts", "1.0", pure, "", member{"drifts.py", "", 0})
	return dir
}

// install runs one pip install against the test's index.
func install(t *testing.T, python []string, wheels string, fsys fstest.MapFS, args string) (*Result, error) {
	t.Helper()
	in := &Installer{Python: python, Temp: t.TempDir()}
	link := (&url.URL{Scheme: "file", Path: filepath.ToSlash(wheels)}).String()
	t.Setenv("PIP_FIND_LINKS", link)
	r, err := in.Install(context.Background(), Request{
		Args: append(strings.Fields(args), "--no-index"),
		FS:   fsys, Dir: "/app", Progress: testWriter{t},
	})
	if r != nil {
		t.Cleanup(func() { r.Close() })
	}
	return r, err
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

var basePackages = []string{"numpy==2.5.2", "pandas==3.0.6\nProvides-Extra: excel\nRequires-Dist: gamma; extra == 'excel'"}

func TestInstall(t *testing.T) {
	wheels := index(t)
	for name, python := range pythons(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			tests := []struct {
				name, args string
				files      map[string]string
				want       []string // names in the lock
				modules    []string
			}{
				{"dependencies and markers of the guest", "alpha", nil, []string{"alpha", "beta", "guestonly"}, []string{"alpha", "beta", "guestonly"}},
				{"extras", "alpha[more]", nil, []string{"alpha", "beta", "gamma", "guestonly"}, []string{"alpha", "beta", "gamma", "guestonly"}},
				{"extras of the base", "pandas[excel]", nil, []string{"gamma"}, []string{"gamma"}},
				{"only the base", "numpy pandas>=3", nil, nil, nil},
				{"markers of others", "-r requirements.txt", map[string]string{"app/requirements.txt": "beta\nwinonly; sys_platform == 'win32'\nwinonly; platform_system == 'Linux'\n"}, []string{"beta"}, []string{"beta"}},
				{"nested files and constraints", "-r a.txt", map[string]string{
					"app/a.txt": "# comment\n-r sub/b.txt\n-c c.txt\nbeta # trailing\n", "app/sub/b.txt": "gamma \\\n  >= 0.5\n-r ../d.txt", "app/c.txt": "beta==1.0\nnumpy==2.5.2\n", "app/d.txt": "fast==0.1"},
					[]string{"beta", "fast", "gamma"}, []string{"beta", "fast", "gamma"}},
				{"base versions wanted", "--use-base-versions numpy==1.26.4 beta jupyterlab==4 pip==23", nil, []string{"beta"}, []string{"beta"}},
			}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) {
					r, err := install(t, python, wheels, stage(t, test.files, basePackages...), test.args)
					if err != nil {
						t.Fatal(err)
					}
					var locked []string
					for _, line := range logicalLines(string(r.Lock)) {
						n, _, _ := strings.Cut(line.text, "==")
						locked = append(locked, n)
					}
					if !slices.Equal(locked, test.want) {
						t.Errorf("locked %q, want %q\n%s", locked, test.want, r.Lock)
					}
					if !slices.Equal(r.Modules, test.modules) {
						t.Errorf("modules %q, want %q", r.Modules, test.modules)
					}
				})
			}
		})
	}
}

func TestConflicts(t *testing.T) {
	wheels := index(t)
	for name, python := range pythons(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			tests := []struct {
				name, args string
				asked      []string // of each row, its beginning
				do         string   // found in the table
			}{
				{"the base has another version, all at once", "numpy==1.26.4 pandas<2 torch", []string{"numpy==1.26.4", "pandas<2", "torch"}, "write numpy==2.5.2, or pip install --use-base-versions"},
				{"only native releases, and who needs them", "shell", []string{"core (by shell 2.0)"}, "none-any"},
				{"an ancient pure release is not taken quietly", "fast", []string{"fast"}, "none-any"},
				{"a dependency wants another version of the base", "oldnumpy", []string{"numpy<2 (by oldnumpy 5.0)"}, "numpy 2.5.2"},
				{"a release that goes with the base is ancient", "drifts", []string{"drifts"}, "write drifts==1.0"},
				{"advice for well-known packages", "xgboost lightgbm", []string{"xgboost", "lightgbm"}, "onnxmltools.convert_xgboost"},
			}
			for _, test := range tests {
				t.Run(test.name, func(t *testing.T) {
					_, err := install(t, python, wheels, stage(t, nil, basePackages...), test.args)
					var conflict *ConflictError
					if !errors.As(err, &conflict) {
						t.Fatalf("got %v, want a table of conflicts", err)
					}
					var asked []string
					for _, r := range conflict.Rows {
						asked = append(asked, r.Asked)
					}
					if len(asked) != len(test.asked) {
						t.Fatalf("rows %q, want %q", asked, test.asked)
					}
					for i := range asked {
						if !strings.HasPrefix(asked[i], test.asked[i]) {
							t.Errorf("row %d is %q, want %q", i, asked[i], test.asked[i])
						}
					}
					if !strings.Contains(err.Error(), test.do) {
						t.Errorf("the table does not say %q:\n%v", test.do, err)
					}
				})
			}
		})
	}
}

func TestNothingMatches(t *testing.T) {
	for _, python := range pythons(t) {
		_, err := install(t, python, index(t), stage(t, nil), "nosuchthing")
		var resolve *ResolveError
		if !errors.As(err, &resolve) || !strings.Contains(err.Error(), "nosuchthing") {
			t.Errorf("got %v, want pip's own words", err)
		}
	}
}

func TestHashes(t *testing.T) {
	wheels := index(t)
	data, err := os.ReadFile(filepath.Join(wheels, "beta-1.0-py3-none-any.whl"))
	if err != nil {
		t.Fatal(err)
	}
	good := fmt.Sprintf("%x", sha256.Sum256(data))
	for _, python := range pythons(t) {
		for hash, ok := range map[string]bool{good: true, strings.Repeat("0", 64): false} {
			text := "beta==1.0 \\\n    --hash=sha256:" + hash + "\nnumpy==2.5.2 --hash=sha256:" + strings.Repeat("1", 64) + "\n"
			_, err := install(t, python, wheels, stage(t, map[string]string{"app/r.txt": text}, basePackages...), "-r r.txt --require-hashes")
			var wrong *HashError
			if ok && err != nil || !ok && !errors.As(err, &wrong) {
				t.Errorf("hash %s: %v", hash, err)
			}
		}
	}
}

// TestSameFiles checks that the layer's files are the same for every host
// Python, and that a second installation sees the first.
func TestSameFiles(t *testing.T) {
	wheels := index(t)
	digests := map[string]string{}
	for name, python := range pythons(t) {
		fsys := stage(t, nil, basePackages...)
		r, err := install(t, python, wheels, fsys, "alpha[more]")
		if err != nil {
			t.Fatal(err)
		}
		digests[digest(t, r, fsys)] = name
		second, err := install(t, python, wheels, fsys, "beta fast==0.1")
		if err != nil {
			t.Fatal(err)
		}
		if got := second.Modules; !slices.Equal(got, []string{"fast"}) {
			t.Errorf("the second installation brought %q, want only fast", got)
		}
		for _, name := range []string{"alpha==1.0", "beta==1.0", "fast==0.1"} {
			if !strings.Contains(string(second.Lock), name) {
				t.Errorf("the lock lost %s:\n%s", name, second.Lock)
			}
		}
	}
	if len(digests) != 1 {
		t.Errorf("different files: %v", digests)
	}
}

// digest hashes all files of a result, and adds them to the stage.
func digest(t *testing.T, r *Result, fsys fstest.MapFS) string {
	t.Helper()
	h := sha256.New()
	for _, f := range r.Files {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(rc)
		rc.Close()
		if err != nil || int64(len(data)) != f.Size {
			t.Fatalf("%s: %d bytes of %d, %v", f.Path, len(data), f.Size, err)
		}
		fmt.Fprintf(h, "%s %o %x\n", f.Path, f.Mode, sha256.Sum256(data))
		fsys[f.Path] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func TestNoPip(t *testing.T) {
	in := &Installer{Look: func(string) (string, error) { return "", exec.ErrNotFound }}
	_, err := in.Install(context.Background(), Request{Args: []string{"beta"}, FS: stage(t, nil), Dir: "/"})
	var none *NoPipError
	if !errors.As(err, &none) {
		t.Fatalf("got %v, want a word about pip", err)
	}
}

func TestNotPython(t *testing.T) {
	_, err := (&Installer{}).Install(context.Background(), Request{Args: []string{"beta"}, FS: fstest.MapFS{}, Dir: "/"})
	var not *NotPythonError
	if !errors.As(err, &not) || !strings.Contains(err.Error(), "FROM python") {
		t.Fatalf("got %v, want the line to write", err)
	}
}

func TestCheckImports(t *testing.T) {
	r := &Result{Modules: []string{"a", "b"}}
	run := func(exit int, output string) Run {
		return func(_ context.Context, argv []string) (int, []byte, error) {
			if !slices.Equal(argv[3:], r.Modules) {
				t.Errorf("asked to import %q", argv[3:])
			}
			return exit, []byte(output), nil
		}
	}
	if err := r.CheckImports(context.Background(), run(0, "noise\n")); err != nil {
		t.Error(err)
	}
	err := r.CheckImports(context.Background(), run(1, "wherry-import\tb\tImportError\tno ssl\n"))
	var failed *ImportError
	if !errors.As(err, &failed) || len(failed.Failures) != 1 || failed.Failures[0] != (ImportFailure{"b", "ImportError: no ssl"}) {
		t.Errorf("got %v", err)
	}
	if err := r.CheckImports(context.Background(), run(3, "crash")); err == nil {
		t.Error("a crash went unnoticed")
	}
	r.allowImportErrors = true
	if err := r.CheckImports(context.Background(), run(1, "wherry-import\tb\tImportError\tno ssl\n")); err != nil || len(r.Notes) != 1 {
		t.Errorf("got %v, notes %q", err, r.Notes)
	}
}
