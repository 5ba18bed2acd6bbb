//go:build portability

package portability

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// verse is what wordcount counts.
const verse = "Row, row, row your boat\ngently down the stream:\nmerrily, merrily, merrily, merrily\n"

// plainContext lays out the build context that needs nothing of the host.
func plainContext(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plain")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(dock.Root(t), "test/portability/testdata/plain"))); err != nil {
		t.Fatal(err)
	}
	dock.Guest(t, filepath.Join(dock.Root(t), "examples/wordcount"), filepath.Join(dir, "wordcount.wasm"))
	weights := make([]byte, 200_000)
	x := uint32(1)
	for i := range weights {
		x = x*1664525 + 1013904223
		weights[i] = byte(x >> 24)
	}
	if err := os.WriteFile(filepath.Join(dir, "weights.bin"), weights, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// indexDigest is the digest of the index that a name means.
func indexDigest(t *testing.T, p dock.Program, name string) string {
	t.Helper()
	lines := strings.Fields(p.Must(t, "", "images", "--no-trunc", "--format", "{{.Digest}}", name))
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "sha256:") {
		t.Fatalf("images %s: %q", name, lines)
	}
	return lines[0]
}

// same compares what two machines printed.
func same(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got\n%swant\n%s", what, got, want)
	}
}

// platform is what `version` says the binary is for.
func platform(t *testing.T, p dock.Program) string {
	t.Helper()
	var v struct{ OS, Arch string }
	out := p.Must(t, "", "version", "--format", "json")
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		t.Fatalf("version --format json: %v: %s", err, out)
	}
	return v.OS + "/" + v.Arch
}

// pushIris builds and pushes the example whose module is compiled once on a
// machine, and whose snapshot everybody gets.
func pushIris(t *testing.T, here dock.Program, host string) (name string, done func()) {
	t.Helper()
	here.Env, here.Limit = []string{"WHERRY_HOME=" + dock.Home(t)}, 20*time.Minute
	name = push(t, here, host, "iris")
	return name, func() { here.Must(t, "", "rmi", "-f", name) }
}

// iris asks the example here and there. Both go on from the snapshot that was
// taken when it was built; what no run of that time had needed is loaded later.
func iris(t *testing.T, here, there dock.Program, name string) {
	t.Helper()
	here.Env, here.Limit = []string{"WHERRY_HOME=" + dock.Home(t)}, 20*time.Minute
	ask := func(p dock.Program, args ...string) (out string, groups int64) {
		r := p.Run(t, "", append([]string{"run", "--stats=json"}, args...)...)
		var s struct{ Restored, Groups int64 }
		if err := json.Unmarshal([]byte(r.Err[max(0, strings.LastIndex(r.Err, "{\"ExitCode\"")):]), &s); err != nil || r.Code != 0 || s.Restored != 1 {
			t.Fatalf("%v: exit code %d, restored %d times (%v)\n%s", args, r.Code, s.Restored, err, r.Err)
		}
		t.Logf("%v: restored, %d groups (%s)", args, s.Groups, r.Took.Round(time.Millisecond))
		return r.Out, s.Groups
	}
	for _, flower := range []string{"5.1 3.5 1.4 0.2", "6.7 3.0 5.2 2.3"} {
		args := append([]string{name}, strings.Fields(flower)...)
		want, _ := ask(here, args...)
		got, _ := ask(there, args...)
		if !strings.Contains(want, "species") {
			t.Errorf("iris says %q here", want)
		}
		same(t, "iris "+flower, got, want)
	}
	seldom := []string{"--entrypoint", "python", name, "-c", "import decimal, sqlite3, unicodedata; print(decimal.Decimal(2).sqrt(), " +
		"sqlite3.connect(':memory:').execute('select printf(\"%.3f\", 2/3.0)').fetchone(), unicodedata.name('\u00e9'))"}
	want, _ := ask(here, seldom...)
	got, groups := ask(there, seldom...)
	if same(t, "python", got, want); groups == 0 {
		t.Error("no group was loaded there")
	}
}

// push builds an example here and pushes it.
func push(t *testing.T, p dock.Program, host, example string) (name string) {
	t.Helper()
	name = host + "/" + example + ":1"
	p.Must(t, "", "build", "-q", "-t", name, filepath.Join(dock.Root(t), "examples", example))
	p.Must(t, "", "push", "-q", name)
	return name
}
