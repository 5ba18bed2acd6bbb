package shell_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/shell"
)

// inOrder runs a script with its commands one at a time, or as shells do.
func inOrder(t *testing.T, dir, text string, ordered bool) (out string, status int) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var b bytes.Buffer
	status, err = shell.Sh(t.Context(), dirWorld{root: root}, shell.Process{
		Args: []string{"sh", "-c", text}, Env: []string{"PATH=/bin"}, Dir: "/",
		Stdin: strings.NewReader("in 1\nin 2\n"), Stdout: &b, Stderr: &b, InOrder: ordered,
	})
	if err != nil {
		b.WriteString("error: " + err.Error())
	}
	return b.String(), status
}

// TestInOrderMeaning checks that a script means the same with its commands one at a time.
func TestInOrderMeaning(t *testing.T) {
	for _, c := range []struct {
		text, want string
		status     int
	}{
		{"printf 'b\\na\\n' | sort", "a\nb\n", 0},
		{"cat | sort -r | head -n 1", "in 2\n", 0},
		{"printf '1\\n2\\n' | while read x; do echo \"<$x>\"; done", "<1>\n<2>\n", 0},
		{"printf 'x\\n' | { read a; echo \"$a\"; cat; }", "x\n", 0},
		{"false | true; echo $?", "0\n", 0},
		{"true | false; echo $?", "1\n", 0},
		{"set -o pipefail; false | true; echo $?", "1\n", 0},
		{"set -e; { false; echo no; } | cat; echo yes", "yes\n", 0},
		{"set -e; true | false; echo no", "", 1},
		{"! true | false; echo $?", "0\n", 0},
		{"echo a | cat - | cat | (cat; echo b) | tail -n 2", "a\nb\n", 0},
		{"f() { if [ $1 -gt 0 ]; then f $(($1-1)) | sed s/^/./; else echo x; fi; }; f 5", ".....x\n", 0},
		{"x=$(echo a | tr a b); echo $x", "b\n", 0},
		{"{ echo e >&2; echo o; } |& sed s/^/-/", "-e\n-o\n", 0},
		{"eval 'echo a | cat'", "a\n", 0},
		{"echo 'echo $1 | cat' > lib; . ./lib word; source /lib again", "word\nagain\n", 0},
		{"trap 'echo bye | cat' EXIT; echo hi", "hi\nbye\n", 0},
		{"seq 1 50000 | tail -n 1", "50000\n", 0},
		{"sh -c 'echo a | sh -c \"cat | cat\"'", "a\n", 0},
		{"cat < /\x01held/1; echo $?", "", -1},
	} {
		for _, ordered := range []bool{false, true} {
			out, status := inOrder(t, t.TempDir(), c.text, ordered)
			if c.status < 0 { // a name that no script may open
				if !strings.Contains(out, "\n1\n") && !strings.HasSuffix(out, "1\n") {
					t.Errorf("%q, in order %t: %q", c.text, ordered, out)
				}
			} else if out != c.want || status != c.status {
				t.Errorf("%q, in order %t: %q status %d, want %q status %d", c.text, ordered, out, status, c.want, c.status)
			}
		}
	}
}

// TestInOrder checks that no side of a pipe begins before the one on its left has ended.
func TestInOrder(t *testing.T) {
	const slow = "{ echo 1 >&2; sleep 0.05; echo 2 >&2; }"
	for text, want := range map[string]string{
		slow + " | echo 3 >&2": "1\n2\n3\n",
		slow + " | { echo 3 >&2; sleep 0.05; echo 4 >&2; } | echo 5":   "1\n2\n3\n4\n5\n",
		"{ " + slow + " | echo 3 >&2; echo 4 >&2; } | echo 5 >&2":      "1\n2\n3\n4\n5\n",
		"eval '" + slow + " | echo 3 >&2'":                             "1\n2\n3\n",
		"echo '" + slow + " | echo 3 >&2' > /lib; . /lib":              "1\n2\n3\n",
		"trap '" + slow + " | echo 3 >&2' EXIT":                        "1\n2\n3\n",
		"sh -c '" + slow + " | echo 3 >&2'":                            "1\n2\n3\n",
		"echo '" + slow + " | echo 3 >&2' | sh":                        "1\n2\n3\n",
		slow + " | while read x; do :; done; echo 3":                   "1\n2\n3\n",
		"seq 1 20000 | { sleep 0.01; cat; } | (echo 1; tail -n 1; :) ": "1\n20000\n",
	} {
		if out, _ := inOrder(t, t.TempDir(), text, true); out != want {
			t.Errorf("%q: %q, want %q", text, out, want)
		}
	}
}

func TestInOrderRefuses(t *testing.T) {
	for _, text := range []string{
		"echo a & wait", "echo a\nsleep 1 & echo b", "coproc cat", "time echo a", "eval 'echo a &'",
		"trap 'echo a & wait' EXIT", "echo 'echo a & wait' > lib; . ./lib",
	} {
		out, status := inOrder(t, t.TempDir(), text, true)
		if !strings.Contains(out, "deterministic") || strings.Contains(out, "a\n") && !strings.Contains(out, "error") || status == 0 && !strings.Contains(out, "error") {
			t.Errorf("%q: %q status %d", text, out, status)
		}
	}
}

// TestInOrderFlows checks that what is more than can be held back still gets through, whole, and that a left side that
// nobody reads to its end is stopped.
func TestInOrderFlows(t *testing.T) {
	dir := t.TempDir()
	const size = 40 << 20
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"cat big | cat | wc -c":                                 fmt.Sprint(size),
		"cat big | (cat | cat) | tail -c 2 | wc -c":             "2",
		"cat big 2>/dev/null | head -c 3 | wc -c; echo x | cat": "3\nx",
	} {
		if out, _ := inOrder(t, dir, text, true); strings.TrimSpace(out) != want {
			t.Errorf("%q: got %q, want %q", text, out, want)
		}
	}
}
