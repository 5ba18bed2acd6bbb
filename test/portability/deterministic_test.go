//go:build portability

package portability

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// deterministic runs, here twice and there once, a program that prints clocks, randomness, hashes, the bits of NaNs and
// the order of directories: all three must print the same bytes. path is a path of this machine as it is written there.
func deterministic(t *testing.T, here, there dock.Program, path func(string) string) {
	dir := t.TempDir()
	guest, in := filepath.Join(dir, "vary.wasm"), filepath.Join(dir, "in")
	source := filepath.Join(dock.Root(t), "runtime", "testdata", "vary.c")
	if out, err := exec.CommandContext(t.Context(), dock.Find(t, "clang"), "--target=wasm32-wasi", "-O1", "-msimd128", "-o", guest, source).CombinedOutput(); err != nil {
		t.Fatalf("compile vary.c: %v\n%s", err, out)
	}
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("three one two B a") {
		if err := os.WriteFile(filepath.Join(in, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	input := strings.Repeat(verse, 2000)
	flags := func(path func(string) string) []string {
		return []string{"run", "--deterministic", "-e", "SOURCE_DATE_EPOCH=1234567890", "-v", path(in) + ":/in:ro"}
	}
	script := []string{"-c", `/vary.wasm one | /vary.wasm two | tail -n 5; date +%s; echo $RANDOM; ls /in`}
	self := func(p string) string { return p }
	program := func(p dock.Program, path func(string) string) string {
		return p.Must(t, input, append(flags(path), path(guest))...)
	}
	shell := func(p dock.Program, path func(string) string) string {
		return p.Must(t, input, append(append(flags(path), "--entrypoint", "/bin/sh", path(guest)), script...)...)
	}
	want := program(here, self)
	if !strings.Contains(want, "0/0 7ff8000000000000\n") || !strings.Contains(want, "/in: . .. B a one three two\n") {
		t.Errorf("the program prints\n%s", want)
	}
	same(t, "program again", program(here, self), want)
	same(t, "program there", program(there, path), want)
	want = shell(here, self)
	if !strings.Contains(want, "\n1234567890\n") || !strings.HasSuffix(want, "\nB\na\none\nthree\ntwo\n") {
		t.Errorf("the script prints\n%s", want)
	}
	same(t, "script again", shell(here, self), want)
	same(t, "script there", shell(there, path), want)
}
