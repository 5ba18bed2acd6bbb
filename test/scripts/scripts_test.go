// Package scripts types commands as a user would. Each script under testdata is
// a txtar archive: the commands, what they must print, and the files they need.
// The first lines of a script say what it guards. `wherry` is the command line
// of this very test binary, which calls cli.Main.
//
// Scripts in testdata/python need CPython compiled; they share one home, which
// WHERRY_TEST_HOME names, type at the program as it is released, and run with
// WHERRY_TEST_PYTHON=1 or in CI.
package scripts

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/test/bench/ort"
	"github.com/wherry-run/wherry/test/dock"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"wherry": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			code := cli.Main(ctx, os.Args[1:], os.Getenv, ux.System())
			stop()
			os.Exit(code)
		},
		"fetch": fetch,
	})
}

// fetch is a program of scripts: it prints what a server of this machine answers, or its
// status where that is another one than 200: fetch ADDRESS/PATH
func fetch() {
	r, err := http.Get("http://" + os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		fmt.Println(r.Status)
		return
	}
	if _, err := io.Copy(os.Stdout, r.Body); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "scripts", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	verbs, err := filepath.Glob(filepath.Join("testdata", "verbs", "*.txtar")) // docs/docker-verbs.md is made of them
	if err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	examples := filepath.Join(dock.Root(t), "examples")
	guest := filepath.Join(shared, "probe.wasm")
	dock.Guest(t, filepath.Join("testdata", "guest"), guest)
	modules := filepath.Join(shared, "modules")
	if err := os.Mkdir(modules, 0o700); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files: append(files, verbs...),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PROBE", guest)
			e.Setenv("EXAMPLES", examples)
			clean(e)
			// A home for each script; what is compiled in one is known to all.
			home := filepath.Join(e.WorkDir, ".home")
			e.Setenv("WHERRY_HOME", home)
			if err := os.MkdirAll(filepath.Join(home, "cache"), 0o700); err != nil {
				return err
			}
			e.Defer(func() { end(t, home) })
			return os.Symlink(modules, filepath.Join(home, "cache", "modules"))
		},
		Cmds:                commands(),
		Condition:           condition(t),
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
	})
}

func TestPython(t *testing.T) {
	if os.Getenv("CI") != "true" && os.Getenv("WHERRY_TEST_PYTHON") == "" {
		t.Skip("NOT TESTED: the Python scripts compile a module of 99 MB: set WHERRY_TEST_PYTHON=1")
	}
	if exec.Command("python3", "-m", "pip", "--version").Run() != nil {
		dock.Missing(t, "python3 with pip")
	}
	home := dock.Home(t)
	// Compiled before the scripts begin, so that their time limits are theirs.
	wherry := dock.Native(t, home)
	wherry.Limit = 15 * time.Minute
	wherry.Must(t, "", "run", "python", "-c", "")
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "python"),
		Setup: func(e *testscript.Env) error {
			clean(e)
			e.Setenv("WHERRY_HOME", home)
			if err := os.WriteFile(filepath.Join(e.WorkDir, "softmax.onnx"), softmax(), 0o600); err != nil {
				return err
			}
			// The program itself, not this test binary: what one build of
			// Wherry compiled, another does not take.
			e.Setenv("PATH", filepath.Dir(wherry.Command[0])+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
		Cmds:               commands(),
		Condition:          condition(t),
		RequireUniqueNames: true,
	})
}

// end stops what a script left running, because it failed or did not mind: supervisors would stay for ever.
func end(t *testing.T, home string) {
	s, err := state.Open(filepath.Join(home, "data"), state.Options{})
	if err != nil {
		t.Error(err)
		return
	}
	running := func(c *state.Container) bool { return c.State.Status.Alive() }
	left, err := s.List(context.Background(), running)
	if err != nil {
		t.Error(err)
	}
	for _, c := range left {
		if err := s.Stop(context.Background(), c.ID, state.StopOptions{Timeout: new(time.Duration)}); err != nil {
			t.Errorf("ending %s: %v", c.ID, err)
		}
	}
}

// softmax is a model in ONNX: the softmax of the first two of three numbers, and
// which of them is greater.
func softmax() []byte {
	g := ort.NewGraph()
	g.Input("x", ort.Float, -1, 3)
	sums := g.Node("MatMul", []string{"x", g.Constant(ort.Float, ort.Floats([]float32{1, 0, 0, 1, 0, 0}), 3, 2)})
	g.NodeAs("Softmax", "", []string{sums}, []string{"p"}, ort.Attribute{Name: "axis", Value: 1})
	g.NodeAs("ArgMax", "", []string{"p"}, []string{"label"}, ort.Attribute{Name: "axis", Value: 1}, ort.Attribute{Name: "keepdims", Value: 0})
	g.Output("label", ort.Int64, -1)
	g.Output("p", ort.Float, -1, 2)
	return g.Model()
}

// clean gives a script what programs of this machine need, and nothing that
// would change Wherry.
func clean(e *testscript.Env) {
	e.Setenv("HOME", e.WorkDir) // Docker's credentials of this user stay out
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOPROXY", "GOFLAGS", "PIP_INDEX_URL", "PIP_CONFIG_FILE", "PIP_FIND_LINKS", "PIP_NO_INDEX"} {
		if v, ok := os.LookupEnv(name); ok {
			e.Setenv(name, v)
		}
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} {
		if out, err := exec.Command("go", "env", name).Output(); err == nil {
			e.Setenv(name, strings.TrimSpace(string(out)))
		}
	}
}

// condition knows [needs:PROGRAM]: false where the program is missing, which is
// said aloud and fails in CI.
func condition(t *testing.T) func(string) (bool, error) {
	return func(cond string) (bool, error) {
		program, ok := strings.CutPrefix(cond, "needs:")
		if !ok {
			return false, errUnknown(cond)
		}
		if _, err := exec.LookPath(program); err == nil {
			return true, nil
		}
		if os.Getenv("CI") == "true" {
			return false, errMissing(program)
		}
		t.Logf("NOT TESTED: %s is missing: run test/setup", program)
		return false, nil
	}
}

type errUnknown string

func (e errUnknown) Error() string { return "unknown condition " + string(e) }

type errMissing string

func (e errMissing) Error() string {
	return string(e) + " is missing, and CI must not skip: run test/setup"
}

func commands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"code":     exitCode,
		"setenvof": setenvOf,
		"registry": startRegistry,
		"artifact": artifact,
		"lines":    lines,
		"serve":    serve,
		"until":    until,
		"get":      get,
	}
}

// exitCode runs `wherry` and checks its exact exit code: code N ARGS...
// The testscript `!` says only that it is not 0.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND [ARG...]")
	}
	got := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(*exec.ExitError)
		if !ok {
			ts.Fatalf("%s: %v", strings.Join(args[1:], " "), err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != args[0] {
		ts.Fatalf("%s: exit code %s, want %s", strings.Join(args[1:], " "), got, args[0])
	}
}

// setenvOf puts what a file (or stdout) holds into a variable: setenvof NAME FILE
func setenvOf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenvof NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// startRegistry starts a registry and puts its host into a variable.
func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: registry VARIABLE")
	}
	host, stop, err := dock.StartRegistry(ts.MkAbs(".registry"))
	if err != nil {
		ts.Fatalf("%v", err)
	}
	ts.Defer(stop)
	ts.Setenv(args[0], host)
}

// artifact sends files as a stack to a registry, as somebody does who checks nothing of
// them: artifact HOST/NAME:TAG COMPOSEFILE [ENVFILE]
func artifact(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: artifact HOST/NAME:TAG COMPOSEFILE [ENVFILE]")
	}
	ref, err := name.ParseReference(args[0])
	ts.Check(err)
	m := &v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1}
	for i, text := range append([]string{"{}"}, args[1:]...) {
		if i > 0 {
			text = ts.ReadFile(text)
		}
		l := static.NewLayer([]byte(text), []types.MediaType{compose.ArtifactType, compose.FileType, compose.EnvType}[i])
		ts.Check(remote.WriteLayer(ref.Context(), l))
		d, err := partial.Descriptor(l)
		ts.Check(err)
		if i == 0 {
			m.Config = *d
			continue
		}
		m.Layers = append(m.Layers, *d)
	}
	data, err := json.Marshal(m)
	ts.Check(err)
	ts.Check(remote.Put(ref, manifest(data)))
}

// manifest is an image's, as bytes.
type manifest []byte

func (m manifest) RawManifest() ([]byte, error) { return m, nil }

func (manifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// lines checks how many lines of stdout or a file match: lines N PATTERN FILE
func lines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: lines N PATTERN FILE")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	n := 0
	for line := range strings.Lines(ts.ReadFile(args[2])) {
		if pattern.MatchString(strings.TrimRight(line, "\n")) {
			n++
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("%d lines match %s, want %s", n, args[1], args[0])
	}
}

// serve serves a folder over HTTP on loopback: serve VARIABLE FOLDER
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serve VARIABLE FOLDER")
	}
	s := httptest.NewServer(http.FileServer(http.Dir(ts.MkAbs(args[1]))))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

// until types a command again and again until what it prints matches: until PATTERN COMMAND...
// It gives up when nobody could still be waiting.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND [ARG...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for patience := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		err := ts.Exec(args[1], args[2:]...)
		if said := ts.ReadFile("stdout"); pattern.MatchString(said) {
			return
		} else if time.Now().After(patience) {
			ts.Fatalf("%s: after a minute it prints %q still (%v), and nothing that matches %s", strings.Join(args[1:], " "), said, err, args[0])
		}
	}
}

// get fetches from a server of this machine: get ADDRESS/PATH
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: get ADDRESS/PATH")
	}
	r, err := http.Get("http://" + args[0])
	ts.Check(err)
	defer r.Body.Close()
	if _, err := io.Copy(io.Discard, r.Body); err != nil || r.StatusCode != http.StatusOK {
		ts.Fatalf("get %s: %s, %v", args[0], r.Status, err)
	}
}
