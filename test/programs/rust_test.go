package programs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// crates are Rust programs of other people. Those that are slow need minutes to
// compile, once for WebAssembly and once for this machine.
var crates = []struct {
	name, version, program string
	slow                   bool
	stdin                  string
	args                   []string // DATA is the folder that is mounted
}{
	{"shellharden", "4.3.1", "shellharden", false, "", []string{"--transform", "DATA/script.sh"}},
	{"ripgrep", "15.2.0", "rg", true, "", []string{"--sort", "path", "-n", "-C1", `\b(\w)\w+\d\b|é`, "DATA"}},
	{"hexyl", "0.17.0", "hexyl", true, "", []string{"--color=never", "DATA/deep/er/b.txt"}},
	{"sd", "1.0.0", "sd", true, "mail root@localhost and me@example.org\n", []string{`(\w+)@(\w+)`, "$2: $1"}},
	{"huniq", "2.7.0", "huniq", true, "b\na\nb\nc\na\na\n", []string{"-c", "-s"}},
}

// TestRust compares programs in the sandbox with the same programs outside.
func TestRust(t *testing.T) {
	rust := findRust(t)
	wherry := start(t)
	for _, c := range crates {
		t.Run(c.name, func(t *testing.T) {
			if c.slow && !all() {
				t.Skip("NOT TESTED: it takes minutes to compile: set WHERRY_PROGRAMS=all")
			}
			data := t.TempDir()
			layOut(t, data)
			native := dock.Program{Command: []string{rust.install(t, c.name, c.version, "")}}
			want := native.Run(t, c.stdin, words(c.args, data)...)
			if want.Out == "" {
				t.Fatalf("the machine's own build says nothing: %s", want.Err)
			}
			file := rust.install(t, c.name, c.version, rust.target)
			recipe := "FROM scratch\nCOPY program.wasm /usr/bin/" + c.program + "\nENTRYPOINT [\"" + c.program + "\"]\n"
			both(t, wherry, c.name, file, recipe, func(t *testing.T, run func(...string) dock.Program) {
				got := run("-v", data+":/data:ro").Run(t, c.stdin, words(c.args, "/data")...)
				expect(t, strings.ReplaceAll(got.Out, "/data/", data+"/"), want.Out)
				if got.Code != want.Code {
					t.Errorf("exit code %d, want %d\n%s", got.Code, want.Code, got.Err)
				}
			})
		})
	}
}

func words(args []string, data string) []string {
	var list []string
	for _, a := range args {
		list = append(list, strings.ReplaceAll(a, "DATA", data))
	}
	return list
}

// layOut writes the files that the programs read.
func layOut(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "deep", "er"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "script.sh"), "#!/bin/bash\nfor f in $(ls $1); do\n\techo $f `date` ${HOME}x\n\t[ $f = x ] && rm $f\ndone\n")
	write(t, filepath.Join(dir, ".hidden"), "word7\n")
	write(t, filepath.Join(dir, ".ignore"), "ignored.txt\n")
	write(t, filepath.Join(dir, "ignored.txt"), "word8\n")
	write(t, filepath.Join(dir, "deep", "a.txt"), strings.Repeat("line\n", 2000)+"café\nword1 here\n")
	write(t, filepath.Join(dir, "deep", "er", "b.txt"), "first\nsecond2\r\n\x7f\x00binary3\n")
	write(t, filepath.Join(dir, "deep", "er", "c.txt"), "third3\nno\nno\nfourth4\n")
}

// rust is a Rust of this machine that can compile for WASI preview 1, which it
// calls target.
type rust struct{ cargo, rustc, target string }

// findRust takes the one on PATH, or that of the distribution.
func findRust(t *testing.T) rust {
	t.Helper()
	for _, dir := range []string{"", "/usr/bin/"} {
		for _, target := range []string{"wasm32-wasip1", "wasm32-wasi"} {
			cargo, err := exec.LookPath(dir + "cargo")
			if err != nil {
				continue
			}
			out, err := exec.CommandContext(t.Context(), dir+"rustc", "--print", "target-libdir", "--target", target).Output()
			if err != nil {
				continue
			}
			if std, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "libstd-*.rlib")); len(std) > 0 {
				return rust{cargo, dir + "rustc", target}
			}
		}
	}
	dock.Missing(t, "Rust with its standard library for wasm32-wasip1")
	return rust{}
}

// install is the program that cargo makes of a crate, once on this machine; an
// empty target is the machine itself.
func (r rust) install(t *testing.T, name, version, target string) string {
	t.Helper()
	compiler, err := exec.CommandContext(t.Context(), r.rustc, "-vV").Output()
	if err != nil {
		t.Fatalf("rustc -vV: %v", err)
	}
	sum := sha256.Sum256(bytes.Join([][]byte{compiler, []byte(name), []byte(version), []byte(target)}, []byte{0}))
	root := filepath.Join(dock.Root(t), ".cache", "packages", hex.EncodeToString(sum[:8]))
	if made, _ := filepath.Glob(filepath.Join(root, "bin", "*")); len(made) == 1 {
		return made[0]
	}
	args := []string{"install", "--quiet", "--locked", "--no-track", "--no-default-features", "--force", "--root", root, "--version", version}
	if target != "" {
		args = append(args, "--target", target)
	}
	cmd := exec.CommandContext(t.Context(), r.cargo, append(args, name)...)
	cmd.Env = append(os.Environ(), "CARGO_TARGET_DIR="+t.TempDir(), "RUSTC="+r.rustc)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo install %s@%s for %q: %v\n%s", name, version, target, err, text)
	}
	made, _ := filepath.Glob(filepath.Join(root, "bin", "*"))
	if len(made) != 1 {
		t.Fatalf("cargo made %d programs of %s", len(made), name)
	}
	return made[0]
}
