package models

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// model is a Python model, its image, and how to run it.
type model struct {
	t      *testing.T
	wherry dock.Program
	image  string
	built  string // what the build said
}

// newModel builds an image of one Python file.
func newModel(t *testing.T, wherry dock.Program, name, source string) model {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"predict.py": source,
		"Wasmfile":   "FROM python\nWORKDIR /app\nCOPY predict.py .\nENTRYPOINT [\"predict\", \"/app/predict.py\"]\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m := model{t: t, wherry: wherry, image: "localhost/test-snapshot:" + name}
	r := wherry.Run(t, "", "build", "-t", m.image, dir)
	if r.Code != 0 {
		t.Fatalf("build: %s", r.Err)
	}
	m.built = r.Err
	return m
}

// run runs the image with flags and arguments, and checks how it began.
func (m model) run(restored bool, stdin string, flags []string, args ...string) dock.Result {
	m.t.Helper()
	line := append([]string{"run", "--stats"}, flags...)
	r := m.wherry.Run(m.t, stdin, append(append(line, m.image), args...)...)
	if got := strings.Contains(r.Err, "\nrestored 1") && !strings.Contains(r.Err, "\nnot restored"); got != restored {
		m.t.Errorf("run %v %v: restored %v, want %v\n%s", flags, args, got, restored, r.Err)
	}
	r.Err, _, _ = strings.Cut(r.Err, "fuel ")
	return r
}

// whatever is answer of a run that may begin in the snapshot of the bare
// interpreter. With --stats it runs: without arguments a model is served.
func (m model) whatever(flags []string) map[string]any {
	m.t.Helper()
	return decode(m.t, m.wherry.Run(m.t, "", append(append([]string{"run", "--stats"}, flags...), m.image)...))
}

// answer runs the image and reads the line of JSON that it ends with.
func (m model) answer(restored bool, flags []string, args ...string) map[string]any {
	m.t.Helper()
	return decode(m.t, m.run(restored, "", flags, args...))
}

// decode reads the last line of JSON that was printed.
func decode(t *testing.T, r dock.Result) map[string]any {
	t.Helper()
	line, _, _ := strings.Cut(r.Out[max(0, strings.LastIndex("\n"+r.Out, "\n{")):], "\n")
	var out map[string]any
	if err := json.Unmarshal([]byte(line), &out); err != nil {
		t.Fatalf("%v: %q\n%s", err, r.Out, r.Err)
	}
	return out
}

// TestSnapshots checks that a restored Python model does what one does that was
// loaded anew, and that no two share what is theirs alone.
func TestSnapshots(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: snapshots of models need the Python module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	wherry := dock.Native(t, dock.Home(t))
	wherry.Limit = 30 * time.Minute
	t.Run("state", func(t *testing.T) {
		source, err := os.ReadFile(filepath.Join("testdata", "state.py"))
		if err != nil {
			t.Fatal(err)
		}
		m := newModel(t, wherry, "state", strings.Replace(string(source), "LARGE = False", "LARGE = "+map[bool]string{true: "True", false: "False"}[long()], 1))
		testState(t, m)
		t.Run("workers", func(t *testing.T) { testWorkers(t, m) })
	})
	t.Run("environment", func(t *testing.T) {
		m := newModel(t, wherry, "environment", "import os, random, sys\nword, own = os.getenv('WORD', 'none'), random.Random()\n"+
			"colour, limit = sys.stdout.isatty(), os.path.exists('/config/limit')\n"+
			"def predict() -> dict:\n    return {'word': word, 'colour': colour, 'limit': limit, 'drawn': [random.random(), own.random()]}\n")
		text := func(v any) string { s, _ := json.Marshal(v); return string(s) }
		if a, b := m.answer(true, nil), m.answer(true, nil); text(a["drawn"]) == text(b["drawn"]) {
			t.Errorf("after a call to warm it up two runs draw %v", a["drawn"]) // it was called, and its generators put back
		}
		if got := m.answer(false, []string{"-t"}); got["colour"] != true {
			t.Errorf("in a terminal: %v", got)
		}
		config := t.TempDir()
		if err := os.WriteFile(filepath.Join(config, "limit"), []byte("5"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := m.answer(false, []string{"-v", config + ":/config"}); got["limit"] != true {
			t.Errorf("with a file that was not there: %v", got)
		}
		m.answer(true, []string{"-v", config + ":/data"})
		for word, flags := range map[string][]string{"none": {"-e", "LATE=1"}, "given": {"-e", "WORD=given"}} {
			if got := m.answer(word == "none", flags); got["word"] != word {
				t.Errorf("%v: %v", flags, got)
			}
		}
	})
	t.Run("arguments", func(t *testing.T) {
		m := newModel(t, wherry, "arguments", "import sys\nwords = sys.argv[1:]\ndef predict(*rest: str) -> dict:\n    return {'words': words}\n")
		m.answer(true, nil)
		if got := m.answer(false, nil, "a"); len(got["words"].([]any)) != 1 {
			t.Errorf("%v", got)
		}
	})
	refused := map[string]struct{ source, why, env string }{
		"file":   {"kept = open(__file__)\ndef predict() -> dict:\n    return {'out': kept.readline()}\n", "open", ""},
		"secret": {"import secrets\nkey = secrets.token_hex()\ndef predict() -> dict:\n    return {'out': key}\n", "predict.py, line 2 draws secret randomness", ""},
		"input":  {"import sys\ntext = sys.stdin.read()\ndef predict() -> dict:\n    return {'out': text}\n", "standard input", ""},
		"fails":  {"import os\nkey = os.environ['KEY']\ndef predict() -> dict:\n    return {'out': key}\n", "KeyError: 'KEY'", "KEY=1"},
		"bits": {"import secrets\nimport numpy as np\nrng, key = np.random.default_rng(), secrets.randbits(128)\n" +
			"def predict() -> dict:\n    return {'out': key}\n", "predict.py, line 3 draws secret randomness", ""},
	}
	if long() {
		for name, c := range map[string][2]string{
			"device": {"key = open('/dev/urandom', 'rb').read(16).hex()", "device of random numbers"},
			"uuid":   {"import uuid\nkey = str(uuid.uuid1())", "predict.py, line 2 draws secret randomness"},
			"sql":    {"import sqlite3\nkey = sqlite3.connect(':memory:').execute('select random()').fetchone()[0]", "device of random numbers"},
			"folder": {"import tempfile\nkey = tempfile.mkdtemp()", "writes /tmp/"},
			"stream": {"import os\nkey = 1\nwith open(1, 'w', closefd=False) as f: f.write('past\\n')", "prints 5 bytes"},
		} {
			refused[name] = struct{ source, why, env string }{c[0] + "\ndef predict() -> dict:\n    return {'out': key}\n", c[1], ""}
		}
	}
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			m := newModel(t, wherry, name, c.source)
			if !strings.Contains(m.built, "no snapshot is taken") || !strings.Contains(m.built, c.why) {
				t.Errorf("the build does not say why: %s", m.built)
			}
			flags := []string{"-e", c.env}
			if c.env == "" {
				flags = nil
			}
			a, b := m.whatever(flags), m.whatever(flags)
			if secret := strings.Contains("secret bits device uuid sql folder", name); secret && a["out"] == b["out"] {
				t.Errorf("two runs have one secret: %v", a)
			}
		})
	}
}

func testState(t *testing.T, m model) {
	a, b := m.answer(true, nil, "x"), m.answer(true, nil, "x")
	anew := m.answer(false, []string{"--no-snapshot"}, "x")
	if n := len(a["own"].(map[string]any)); n < 32 {
		t.Errorf("only %d things that are a run's own", n)
	}
	for name, value := range a["own"].(map[string]any) {
		if value == b["own"].(map[string]any)[name] || value == anew["own"].(map[string]any)[name] {
			t.Errorf("two runs share %s: %v", name, value)
		}
	}
	text := func(v any) string { s, _ := json.Marshal(v); return string(s) }
	if got, want := text(a["shared"]), text(anew["shared"]); got != want || got != text(b["shared"]) {
		t.Errorf("restored %s\n  anew %s", got, want)
	}
	if got := text(a["hooked"]); got != `[["x"]]` {
		t.Errorf("on_restore was called %s", got)
	}
	if now := time.Since(time.Unix(int64(a["now"].(float64)), 0)); now < 0 || now > time.Hour {
		t.Errorf("clocks: %v", a)
	}
	if got := text(a["shared"].(map[string]any)["forward"]); got != "[true,true,true,true]" {
		t.Errorf("clocks that go forward: %s", got)
	}
	if logged := a["logged"].(float64); logged < 0 || logged > 60_000 {
		t.Errorf("a restored program has logged for %g ms", logged)
	}
	for _, args := range [][]string{{"raise"}, {"exit"}, {}, {"a", "b"}, {"--help"}} {
		got, want := m.run(true, "", nil, args...), m.run(false, "", []string{"--no-snapshot"}, args...)
		if got.Code != want.Code || got.Out != want.Out || got.Err != want.Err {
			t.Errorf("%v: restored %+v\n  anew %+v", args, got, want)
		}
	}
	if r := m.run(true, "typed", []string{"-i"}, "stdin"); !strings.Contains(r.Out, `"typed"`) {
		t.Errorf("standard input: %+v", r)
	}
	m.run(false, "", []string{"-w", "/tmp"}, "x")
}
