package shell_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/shell"
)

// scripts are run by our shell and by the host's, each in a folder of its own;
// output and status must be equal. They use relative names, because the
// host's root is not ours.
var scripts = []string{
	`echo hello; echo "$GREETING" '$GREETING' $# "$2"`,
	`true && echo yes || echo no; false && echo yes || echo no`,
	`x=3; while [ $x -gt 0 ]; do echo $x; x=$((x-1)); done`,
	`for f in *.txt; do echo "<$f>"; done; case abc in a*) echo A;; *) echo other;; esac`,
	`f() { echo "f:$1"; return 3; }; f x; echo $?`,
	`cat <<EOF
a $GREETING
EOF`,
	`echo one > out; echo two >> out; cat < out; wc -l < out | tr -d ' '`,
	`cat fruit.txt | sort | uniq -c | sed 's/^ *//'`,
	`sort -r fruit.txt; sort -n numbers.txt; sort -u fruit.txt; sort -k2,2 -t: pairs.txt; sort -t: -k2,2nr pairs.txt`,
	`head -2 fruit.txt; head -n 1 fruit.txt; tail -2 fruit.txt; tail -n +3 fruit.txt; head -c 5 fruit.txt`,
	`wc -l fruit.txt | sed 's/^ *//'; wc -w < fruit.txt | tr -d ' '; wc -c < fruit.txt | tr -d ' '`,
	`cut -d: -f2 pairs.txt; cut -c1-3 fruit.txt; cut -d: -f1,2 pairs.txt`,
	`tr a-z A-Z < fruit.txt; echo aabbcc | tr -s a-c; echo hello | tr -d l; echo 'a1b2' | tr -cd 0-9; echo`,
	`grep an fruit.txt; grep -v an fruit.txt; grep -c an fruit.txt; grep -n pear fruit.txt; grep -i APPLE fruit.txt; grep -q nothing fruit.txt; echo $?`,
	`grep -E '^(apple|pear)$' fruit.txt; grep 'app\(le\)*' fruit.txt; grep -o 'an' fruit.txt; grep -F 'a.b' special.txt; grep -w b special.txt; grep -l apple fruit.txt numbers.txt`,
	`sed s/a/X/ fruit.txt; sed 's/a/X/g' fruit.txt; sed -n 2p fruit.txt; sed '1,2d' fruit.txt; sed '$d' fruit.txt; sed -n '/pear/,$p' fruit.txt`,
	`sed -E 's/([a-z])([a-z]*)/\2\1/' fruit.txt; sed 's/\(a\)\(p\)/\2\1/' fruit.txt; sed 's|a|/|' fruit.txt; sed -e 1d -e 's/e/E/' fruit.txt`,
	`sed '/apple/!s/a/_/g' fruit.txt; sed -n '2,3{s/a/Q/;p;}' fruit.txt; sed 's/a/&&/2' fruit.txt; sed y/abc/xyz/ fruit.txt; sed 2q fruit.txt; sed = numbers.txt`,
	`mkdir -p a/b/c; touch a/b/c/f; find a | sort; find a -type f; find a -name 'c' -type d; find . -maxdepth 1 -name '*.txt' | sort`,
	`mkdir d; cp fruit.txt d/; cp -r d e; ls e; mv e/fruit.txt e/g; ls e; rm -r e; ls -d e 2>/dev/null; echo $?`,
	`ln -s fruit.txt link; readlink link; cat link | head -1; cp -P link l2; readlink l2; rm link; test -e link; echo $?`,
	`touch x; chmod 600 x; stat -c %a x; chmod u+x,go+r x; stat -c %a x; chmod -w x; stat -c %a x; chmod 755 x; test -x x && echo exec`,
	`basename /a/b.txt .txt; dirname /a/b.txt; dirname x; basename a/`,
	`seq 3; seq 2 2 6; seq -s, 1 4`,
	`printf '%s-%d\n' a 1 b 2; printf '%05.1f|%x|%c\n' 3.14159 255 z`,
	`echo a b c | xargs -n1 echo x; printf 'a\nb\n' | xargs -I{} echo "<{}>"; printf 'p q\n' | xargs`,
	`expr 1 + 2; expr 7 / 2; expr 3 \* 4; expr a = a; expr 5 \> 10; expr abc : 'a\(.\)c'; expr 0; echo $?`,
	`tee copy < fruit.txt | head -1; cmp fruit.txt copy && echo same; echo x >> copy; cmp -s fruit.txt copy || echo differ`,
	`paste -d, fruit.txt numbers.txt | head -2; nl -b a numbers.txt; tac fruit.txt; rev fruit.txt`,
	`printf 'a\nb\nc\n' > l1; printf 'b\nc\nd\n' > l2; comm -12 l1 l2; comm -3 l1 l2`,
	`sha256sum fruit.txt; md5sum fruit.txt > sums; md5sum -c sums; base64 fruit.txt; base64 fruit.txt | base64 -d | head -1`,
	`env -i A=1 B=2 env | sort; A=5 sh -c 'echo $A'; printenv GREETING; env | grep -c GREETING`,
	`cd d 2>/dev/null || echo nodir; mkdir q && cd q && touch z && ls && cd .. && ls q`,
	`set -e; false; echo never`,
	`nosuchprogram 2>/dev/null; echo $?`,
	`x=$(echo sub); echo "${x}shell" ${#x} ${x%b} ${x#s} ${y:-default}`,
	`(echo in subshell; exit 4); echo $?`,
	`{ echo a; echo b; } | while read l; do echo "got $l"; done`,
	`read a b; echo "$b $a"; cat`,
	`echo err >&2; echo out 2>&1 1>/dev/null; echo done 2>/dev/null`,
	`date -u -d @0 +%Y-%m-%dT%H:%M:%S; date -u -d @86400 +%s`,
	`rm nosuch 2>/dev/null; echo $?; rm -f nosuch; echo $?; mkdir d1 d2; rmdir d1; ls -d d*`,
	`echo "a,b;c" | tr ',;' '\n\n'; echo ' x  y ' | tr -s ' '; yes | head -2; yes no | head -1`,
	`trap 'echo bye' EXIT; echo hi`,
	`test 1 -lt 2 && test abc != abd && [ -n "x" ] && [ ! -e nosuch ] && echo all`,
	`uniq -d fruit.txt; uniq -u fruit.txt; printf 'a\na\nb\n' | uniq`,
	`realpath -m ./a/../b | sed 's|.*/||'; touch -d @1000 t; stat -c %Y t; touch -r t u; stat -c %Y u`,
	`cat -n numbers.txt; install -d i/j; install -m 600 fruit.txt i/k; stat -c %a i/k; truncate -s 10 tr; wc -c < tr | tr -d ' '`,
}

func prepare(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"fruit.txt": "banana\napple\npear\napple\n", "numbers.txt": "10\n9\n100\n1\n",
		"pairs.txt": "b:2\na:10\nc:1\n", "special.txt": "a.b\naxb\na b c\nabc\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAgainstHost compares with the host's bash and GNU programs.
func TestAgainstHost(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("CI has no bash to compare with")
		}
		t.Skip("SKIPPED: no bash on this machine to compare with")
	}
	for _, text := range scripts {
		t.Run(strings.Fields(text)[0], func(t *testing.T) {
			host := prepare(t)
			cmd := exec.CommandContext(t.Context(), bash, "-c", text, "sh", "one", "two words")
			cmd.Dir = host
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "LC_ALL=C", "TZ=UTC", "GREETING=hello"}
			cmd.Stdin = strings.NewReader("in 1\nin 2\n")
			var want bytes.Buffer
			cmd.Stdout = &want
			runErr := cmd.Run()
			var exit *exec.ExitError
			if runErr != nil && !errors.As(runErr, &exit) {
				t.Fatal(runErr)
			}
			got, stderr, status, err := script(t.Context(), prepare(t), text)
			if err != nil {
				t.Fatal(err)
			}
			if got != want.String() || status != cmd.ProcessState.ExitCode() {
				t.Errorf("%s\n got %d %q\nwant %d %q\nstderr %s", text, status, got, cmd.ProcessState.ExitCode(), want.String(), stderr)
			}
		})
	}
}

// TestNoHost tries what would reach the host through the interpreter.
func TestNoHost(t *testing.T) {
	dir := prepare(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("host secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(os.TempDir(), "sh-interp-planted")
	if err := os.WriteFile(fifo, []byte("host secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(fifo)
	for _, text := range []string{
		"cat < " + secret, "cat " + secret, ". " + secret, "source " + secret, "sh " + secret,
		"cat < " + fifo, "TMPDIR=" + os.TempDir() + "; cat < " + fifo, "export TMPDIR=" + os.TempDir() + "; sh -c 'cat < " + fifo + "'",
		"echo written > " + fifo, "cat <(echo x)", "echo /etc/*", "cd " + filepath.Dir(secret) + " && cat secret", "command -p cat " + secret,
		"exec cat " + secret, "read x < " + secret + "; echo $x", "echo $(< " + secret + ")", "mapfile a < " + secret + "; echo $a",
	} {
		out, stderr, status, err := script(t.Context(), dir, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if strings.Contains(out+stderr, "host secret") || strings.Contains(out, "passwd") {
			t.Errorf("%s: reads the host: %q", text, out)
		}
		if status == 0 && strings.Contains(text, "<(") {
			t.Errorf("%s: process substitution ran", text)
		}
	}
	if data, err := os.ReadFile(fifo); err != nil || string(data) != "host secret" {
		t.Errorf("a script wrote to the host: %q, %v", data, err)
	}
}

// TestCancel ends scripts that would go on for ever.
func TestCancel(t *testing.T) {
	for _, text := range []string{"while true; do :; done", "sleep 1000", "yes > /dev/null", "yes | sort", "sleep 1000 | cat", "f() { f; }; while sleep 0; do f & wait; done"} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		started := time.Now()
		script(ctx, prepare(t), text)
		cancel()
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%s: took %s to end", text, took)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"if", "echo 'x", "(", "a b(", "for in"} {
		_, stderr, status, err := script(t.Context(), prepare(t), text)
		if err != nil || status != 2 || stderr == "" {
			t.Errorf("%s: status %d, stderr %q, %v", text, status, stderr, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, n := range shell.Names() {
		if _, ok := shell.Lookup(n); !ok {
			t.Errorf("%s is listed and not found", n)
		}
	}
}

func FuzzSed(f *testing.F) {
	for _, s := range []string{"s/a/b/g", "2,3d", "/x/,/y/{p;q}", "$!N", "a\\\ntext", "y/ab/ba/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, program string) {
		root, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		run, _ := shell.Lookup("sed")
		var out bytes.Buffer
		run(t.Context(), dirWorld{root: root}, shell.Process{Args: []string{"sed", "-n", program}, Dir: "/", Stdin: strings.NewReader("x\ny\nz\n"), Stdout: &out, Stderr: &out})
	})
}

// A script that comes from the input is the shell's, whole; at a prompt, what the shell
// has not read is for its programs.
func TestScriptFromInput(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for range 40 {
		for _, c := range []struct {
			name, text, want string
			args             []string
		}{
			{"script", "echo typed\ncat\necho more\n", "typed\nmore\n", []string{"sh"}},
			{"prompt", "echo typed\n", "typed\n", []string{"sh", "-i"}},
			{"command", "in\n", "in\n", []string{"sh", "-c", "cat"}},
		} {
			var out bytes.Buffer
			in, feed := io.Pipe()
			go func() {
				for line := range strings.Lines(c.text) {
					_, _ = feed.Write([]byte(line))
				}
				feed.Close()
			}()
			sh, _ := shell.Lookup("sh")
			sh(t.Context(), dirWorld{root: root}, shell.Process{Args: c.args, Dir: "/", Stdin: in, Stdout: &out, Stderr: io.Discard})
			if out.String() != c.want {
				t.Fatalf("%s: %q, want %q", c.name, out.String(), c.want)
			}
		}
	}
}
