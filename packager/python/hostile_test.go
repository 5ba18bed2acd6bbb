package python

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
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
	// The builder needs no packages, so that it would run without a net as well.
	mark := "open(r'" + proof + "', 'w').close()\n"
	for name, text := range map[string]string{
		"setup.py":       mark + "from setuptools import setup\nsetup(name='evil', version='1.0')\n",
		"builder.py":     mark,
		"pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'builder'\nbackend-path = ['.']\n",
	} {
		if err := w.WriteHeader(&tar.Header{Name: "evil-1.0/" + name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z.Close()
	name := filepath.Join(t.TempDir(), "evil-1.0.tar.gz")
	if err := os.WriteFile(name, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// hostileIndex is an index of the web whose wheels, pages and answers lead to
// source archives and to files of this machine.
func hostileIndex(t *testing.T, proof, private string) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(sourceArchive(t, proof))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/evil-1.0.tar.gz", func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
	mux.HandleFunc("/moved-1.0-py3-none-any.whl", func(w http.ResponseWriter, _ *http.Request) { w.Write(data) })
	mux.HandleFunc("/away-1.0-py3-none-any.whl", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", private)
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/links/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<a href="%s">private-1.0-py3-none-any.whl</a>`, private)
		for _, name := range []string{"carrier", "cloner", "reader", "mover", "folder"} {
			fmt.Fprintf(w, `<a href="/wheels/%[1]s-1.0-py3-none-any.whl">%[1]s-1.0-py3-none-any.whl</a>`, name)
		}
	})
	mux.Handle("/wheels/", http.StripPrefix("/wheels/", http.FileServer(http.Dir(dir))))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	for name, needs := range map[string]string{
		"carrier": "evil @ " + server.URL + "/evil-1.0.tar.gz",
		"cloner":  "evil @ git+" + server.URL + "/evil.git",
		"reader":  "private @ " + private,
		"mover":   "away @ " + server.URL + "/away-1.0-py3-none-any.whl",
		"folder":  "evil @ file://" + filepath.ToSlash(t.TempDir()),
	} {
		makeWheel(t, dir, name, "1.0", "py3-none-any", "Requires-Dist: "+needs+"\n", member{name + ".py", "", 0})
	}
	return server.URL
}

// TestNothingIsBuilt: neither a recipe nor a wheel nor an index can make pip run
// code of a source archive on this machine, or read a file of it.
func TestNothingIsBuilt(t *testing.T) {
	proof := filepath.Join(t.TempDir(), "proof")
	private := "file://" + filepath.ToSlash(makeWheel(t, t.TempDir(), "private", "1.0", "py3-none-any", "", member{"private.py", "", 0}))
	offline(t)
	// The attack must be one: every program that pip starts would leave a mark.
	tools := t.TempDir()
	if err := os.WriteFile(filepath.Join(tools, "git"), []byte("#!/bin/sh\n: > '"+proof+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	at := hostileIndex(t, proof, private)
	files := map[string]string{
		"app/r.txt": "evil @ " + at + "/evil-1.0.tar.gz\n", "app/git.txt": "evil @ git+" + at + "/evil.git\n",
		"app/near.txt": "evil@" + at + "/evil-1.0.tar.gz#egg=evil.whl\n", "app/c.txt": "evil @ " + at + "/evil-1.0.tar.gz\n",
	}
	tests := []struct{ args, why string }{
		{"carrier", "no wheel"}, {"cloner", "no wheel"}, {"reader", "names a file of this machine"},
		{"mover", "names a file of this machine"}, {"folder", ""}, {"private", "names a file of this machine"},
		{"-r r.txt", "only wheels"}, {"-r git.txt", "repository"}, {"-r near.txt", "only wheels"}, {"-c c.txt evil", "only wheels"},
		{at + "/evil-1.0.tar.gz", "only wheels"}, {at + "/moved-1.0-py3-none-any.whl", ""}, {at + "/away-1.0-py3-none-any.whl", "names a file of this machine"},
	}
	for name, python := range pythons(t) {
		for _, test := range tests {
			in := &Installer{Python: python, Temp: t.TempDir()}
			_, err := in.Install(t.Context(), Request{Args: append(strings.Fields(test.args), "--no-index", "--find-links", at+"/links/"),
				FS: stage(t, files, "numpy==2.0"), Dir: "/app", Progress: testWriter{t}})
			if err == nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%s: pip install %s: got %v, want %q", name, test.args, err, test.why)
			}
			if _, err := os.Stat(proof); err == nil {
				t.Fatalf("%s: pip install %s ran code on this machine", name, test.args)
			}
		}
	}
}

// TestHook: the script in which pip runs starts no program, whoever in it asks
// and however; but it may ask the user's keyring for a password.
func TestHook(t *testing.T) {
	tools, proof := t.TempDir(), filepath.Join(t.TempDir(), "proof")
	if err := os.WriteFile(filepath.Join(tools, "keyring"), []byte("#!/bin/sh\necho \"$1\" >> '"+proof+"'\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "driver.py"), driverSource, 0o600); err != nil {
		t.Fatal(err)
	}
	script := `import os, subprocess, sys
sys.path.insert(0, os.getcwd())
import driver
driver.forbid_programs()
keyring = os.path.join(sys.argv[1], "keyring")
own = sys.executable
tries = [
    lambda: subprocess.run([own, "-c", ""]), lambda: subprocess.run("exit", shell=True), lambda: os.system("exit"),
    lambda: os.execv(own, [own, "-c", ""]), lambda: os.spawnv(os.P_WAIT, own, [own, "-c", ""]),
    lambda: subprocess.run(["keyring", "get", "a", "b"], executable=own), lambda: subprocess.run([keyring, "set", "a", "b"]),
    lambda: subprocess.run([keyring, "get", "a"], shell=True), lambda: subprocess.run([os.path.join(os.getcwd(), "keyring"), "get", "a", "b"]),
]
if os.name == "posix":
    tries += [os.fork, lambda: os.posix_spawn(own, [own, "-c", ""], {})]
for n, attempt in enumerate(tries):
    try:
        attempt()
    except PermissionError:
        continue
    sys.exit("attempt %d started a program" % n)
if os.name == "posix":
    subprocess.run([keyring, "get", "a", "b"], check=True)
`
	for name, python := range pythons(t) {
		h, ok := withPip(t.Context(), python, t.TempDir())
		if !ok {
			t.Fatalf("%s has no pip", name)
		}
		if out, err := h.run(t.Context(), dir, nil, testWriter{t}, "-c", script, tools); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if runtime.GOOS == "windows" {
			continue // the keyring of this test is a script of a Unix shell
		}
		if text, err := os.ReadFile(proof); err != nil || string(text) != "get\n" {
			t.Errorf("%s: keyring was asked %q, %v", name, text, err)
		}
		os.Remove(proof)
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

// TestHostSettings: the host's pip and uv get what is on the list of this
// process's variables, and nothing of the stage's.
func TestHostSettings(t *testing.T) {
	good := []string{"PIP_INDEX_URL=https://mine/simple", "PIP_CERT=/ca.pem", "https_proxy=http://proxy", "UV_INDEX_MINE_PASSWORD=p", "NETRC=/n"}
	bad := []string{"PYTHONPATH=/x", "PYTHONSTARTUP=/x", "PIP_TARGET=/x", "PIP_NO_BINARY=:all:", "PIP_PYTHON=/x", "PIP_LOG=/x", "UV_WITH=x",
		"UV_ENV_FILE=/x", "UV_PROJECT=/x", "LD_PRELOAD=/x", "BASH_ENV=/x", "GIT_SSH_COMMAND=x", "PIP_EDITABLE=x"}
	for _, kv := range append(append([]string{}, good...), bad...) {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
	env := hostEnv("NETRC=/secret")
	for _, kv := range good {
		if !slices.Contains(env, kv) {
			t.Errorf("%s is lost", kv)
		}
	}
	for _, kv := range bad {
		if slices.Contains(env, kv) {
			t.Errorf("%s reaches the host's pip", kv)
		}
	}
	if env[len(env)-1] != "NETRC=/secret" {
		t.Errorf("our own settings do not win: %q", env)
	}
}

// TestStageSettings: an index of the stage is an option that is checked; no
// other setting of the stage is one.
func TestStageSettings(t *testing.T) {
	read := func(env ...string) (*asked, error) {
		r := &requirementReader{fs: stage(t, nil), dir: "/app", env: env}
		return r.read(&arguments{requirements: []string{"x"}, pass: []string{"--index-url=https://line/simple"}})
	}
	a, err := read("PIP_INDEX_URL=https://old", "PIP_INDEX_URL=https://stage/simple", "PIP_EXTRA_INDEX_URL=https://a https://b", "PIP_FIND_LINKS=wheels",
		"PIP_CACHE_DIR=/home/x", "PIP_CERT=/x", "UV_INDEX_URL=https://evil", "UV_PYTHON=/bin/sh", "PYTHONPATH=/x", "PIP_NO_INDEX=0", "HTTPS_PROXY=http://evil")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--index-url=https://stage/simple", "--extra-index-url=https://a", "--extra-index-url=https://b", "--index-url=https://line/simple"}
	if !slices.Equal(a.pass, want) || !slices.Equal(a.links, []string{"app/wheels"}) {
		t.Errorf("got %q, links %q", a.pass, a.links)
	}
	for _, kv := range []string{"PIP_FIND_LINKS=file:///home", "PIP_INDEX_URL=file:///home", "PIP_EXTRA_INDEX_URL=https://ok /home",
		"PIP_TRUSTED_HOST=--log=/x", "PIP_INDEX_URL=https://x/\x0b--log=/x"} {
		if a, err := read(kv); err == nil {
			t.Errorf("%q is taken: %q", kv, a.pass)
		}
	}
}

// TestHostileWords: no option and no requirement names a file of this machine,
// makes a line of its own, or has pip put in variables of this machine.
func TestHostileWords(t *testing.T) {
	for _, args := range [][]string{
		{"-i", "/simple", "x"}, {"--index-url=file:///x", "x"}, {"--extra-index-url", "./simple", "x"}, {"-ifile:///x", "x"},
		{"--index-url", "https:///nohost"}, {"--index-url", "--log=/x"}, {"--index-url", "https://a https://b"},
		{"--cert", "/etc/x", "x"}, {"--client-cert=/x", "x"}, {"--proxy=http://evil", "x"}, {"--keyring-provider=import", "x"},
		{"--trusted-host=--log=/x", "x"}, {"--timeout=--log", "x"}, {"--log-file", "/x", "x"}, {"--config-settings", "x=y", "x"}, {"--python", "/x", "x"},
		{"x; os_name != '\n--index-url=https://evil\n'"}, {"x\x0b--log=/x"}, {"x\u2028y"}, {"x\x00"}, {"x\ry"}, {"x\u0085y"},
	} {
		if a, err := parseArgs(args); err == nil {
			t.Errorf("pip install %q is taken: %+v", args, a)
		}
	}
	for _, text := range []string{
		"a; 'x' != '\n--index-url https://evil\n'", "file:///x/a-1-py3-none-any.whl", "./a\t-1-py3-none-any.whl", "./-r x-1-py3-none-any.whl",
		"https://host/a.tar.gz", "a @ https://host/a.tar.gz", "a@https://host/a.tar.gz", "a[x] @ https://host/a.zip ; os_name == 'posix'",
		"a @ file:///x/a-1-py3-none-any.whl", "a @ FILE:/x/a-1-py3-none-any.whl", "a @ ./a-1-py3-none-any.whl", "a @ git+https://host/a.whl",
		"a @ https://host/a.tar.gz#/a.whl", "a @ https://host/a.tar.gz?a.whl", "a @ ssh://host/a.whl", "a @ https:a.whl", "a @ ",
		"a @ https://host/${HOME}.whl", "a===${PIP_INDEX_URL}", "local/a.tar.gz", "a\\b", "..\\a.whl", "file:a", "a:b",
	} {
		r := &requirementReader{fs: stage(t, nil), dir: "/", out: &asked{}}
		if req, err := r.requirement(text, "", "/"); err == nil {
			t.Errorf("requirement %q is taken: %+v", text, req)
		}
	}
	for _, link := range []string{"file:///home", "FILE://localhost/home", "ftp://x/y"} {
		r := &requirementReader{fs: stage(t, nil), dir: "/", out: &asked{}}
		if err := r.link(link, "", "/"); err == nil {
			t.Errorf("--find-links %s is taken", link)
		}
	}
	if _, err := readText(t, "a==${X}\n", "X=1\n--log=/x"); err == nil {
		t.Error("a variable makes a line of its own")
	}
}

// TestHostileMetadata: a package of the stage does not choose a file's name
// here, nor a line of pip's.
func TestHostileMetadata(t *testing.T) {
	for _, name := range []string{"../../evil", "--find-links=file:///", "a b", "a/b", `a\b`, "", "-r"} {
		in := installed{}
		in.add([]byte("Name: "+name+"\nVersion: 1.0\n\n"), false)
		if len(in) > 0 {
			t.Errorf("a package named %q is taken", name)
		}
	}
}
