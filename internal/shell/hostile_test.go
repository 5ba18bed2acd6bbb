package shell_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// heap watches how much the process holds at most.
func heap(t *testing.T) (peak func() uint64) {
	t.Helper()
	runtime.GC()
	sample := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	begin, done, ended := sample(), make(chan struct{}), make(chan struct{})
	most := begin
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(2 * time.Millisecond):
				most = max(most, sample())
			}
		}
	}()
	return func() uint64 {
		close(done)
		<-ended
		return max(most, sample()) - begin
	}
}

// TestHostileText: scripts that would fill the host's memory are ended with a
// reason, in bounded time and memory.
func TestHostileText(t *testing.T) {
	double := func(step string) string { return strings.Repeat(step, 64) }
	yes := "yes aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	mega := "x=" + strings.Repeat("a", 1000) + "; x=$x$x$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x$x$x; x=$x$x$x$x$x$x$x$x$x$x; "
	for name, text := range map[string]string{
		"doubling":                   "x=aaaaaaaaaa\n" + double("x=$x$x\n"),
		"doubling quoted":            "x=aaaaaaaaaa\n" + double("x=\"$x$x\"\n"),
		"doubling by append":         "x=aaaaaaaaaa\n" + double("x+=$x\n"),
		"doubling in a chain":        "x=aaaaaaaaaa; " + double("x=$x$x && ") + ":",
		"doubling in one command":    "x=aaaaaaaaaa; " + double("x=$x$x ") + " ",
		"doubling by export":         "x=aaaaaaaaaa\n" + double("export x=\"$x$x\"\n"),
		"doubling in a function":     "f() { local y=\"$1$1\"; f \"$y\"; }; f aaaaaaaaaa",
		"doubling parameters":        "set -- a b c\n" + double("set -- \"$@\" \"$@\"\n"),
		"doubling one parameter":     "set -- aaaaaaaaaa\n" + double("set -- \"$1$1\"\n"),
		"doubling by eval":           "x=aaaaaaaaaa\n" + double("eval 'x=$x$x'\n"),
		"doubling by builtin eval":   "x=aaaaaaaaaa\n" + double("builtin eval 'x=$x$x'\n"),
		"doubling by command eval":   "x=aaaaaaaaaa\n" + double("command -- eval 'x=$x$x'\n"),
		"doubling by a trap":         "x=aaaaaaaaaa; trap '" + double("x=$x$x; ") + "' EXIT",
		"doubling by default":        "x=aaaaaaaaaa\n" + double("y=${y:-$x$x}; x=$y; y=\n"),
		"doubling within one word":   "a0=aaaaaaaaaa; : " + chain(64),
		"doubling indirectly":        "x=aaaaaaaaaa; n=x\n" + double("x=${!n}${!n}\n"),
		"doubling a here-document":   mega + "cat <<E >/dev/null\n" + strings.Repeat("$x\n", 100) + "E",
		"doubling a here-string":     mega + "cat >/dev/null <<< \"" + strings.Repeat("$x", 100) + "\"",
		"doubling an array":          "a=(1 2 3)\n" + double("a=(\"${a[@]}\" \"${a[@]}\")\n"),
		"doubling an array's append": "a=(1 2 3)\n" + double("a+=(\"${a[@]}\")\n"),
		"doubling by case":           "x=abc\n" + double("x=${x^^}${x,,}\n"),
		"doubling by quoting":        "x=\"'\"\n" + double("x=${x@Q}\n"),
		"doubling by arithmetic":     "x=1\n" + double("x=$x$x; : $((x))\n"),
		"doubling by printf -v":      "x=aaaaaaaaaa\n" + double("printf -v x %s%s \"$x\" \"$x\"\n"),
		"doubling in a for":          mega + "for i in " + strings.Repeat("$x ", 100) + "; do :; done",
		"doubling in a case":         mega + "case " + strings.Repeat("$x", 100) + " in a) ;; esac",
		"doubling a redirection":     mega + "echo > " + strings.Repeat("$x", 100),
		"doubling by alias":          "shopt -s expand_aliases && x=aaaa && alias d='echo $x$x' && d",
		"replacing":                  "x=aaaaaaaaaa\n" + double("x=${x//a/aa}\n"),
		"replacing all":              mega + "x=${x//?/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}",
		"braces":                     mega + "echo {1..10000}$x > /dev/null",
		"braces multiplied":          "echo {1..1000}{1..1000}{1..1000}{1..1000}",
		"a thousand million braces":  "echo {1..1000000000}",
		"printf's width":             "printf '%1000000000d' 1",
		"printf -v's width":          "printf -v x '%1000000000d' 1",
		"printf's many widths":       "f=%4000d; f=$f$f$f$f$f$f$f$f$f$f; f=$f$f$f$f$f$f$f$f$f$f; f=$f$f$f$f$f$f$f$f$f$f; f=$f$f$f$f$f$f$f$f$f$f; printf $f",
		"substitution":               "x=$(" + yes + ")",
		"substitution of a loop":     "x=$(while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" + strings.Repeat("a", 4000) + "; done)",
		"substitution of a file":     "x=$(<big)",
		"many substitutions":         "x=" + strings.Repeat("$(echo a)", 100),
		"reading":                    "tr '\\n' a < big | { read x; echo ${#x}; }",
		"reading raw":                "yes a | tr -d '\\n' | read -r x",
		"mapfile":                    yes + " | mapfile a",
		"readarray":                  yes + " | readarray -t a",
		"builtin mapfile":            yes + " | builtin mapfile a",
		"variables in a loop":        mega + "i=0; while :; do i=$((i+1)); eval \"v$i=\\\"\\${x}b\\\"\"; done",
		"appending in a loop":        "for ((;;)); do x+=" + strings.Repeat("a", 100_000) + "; done",
		"functions in a loop":        "i=0; while :; do i=$((i+1)); eval \"f$i() { " + strings.Repeat(":; ", 10_000) + "}\"; done",
		"pushd in a loop":            "while :; do pushd -n /" + strings.Repeat("a", 100_000) + " >/dev/null; done",
		"aliases in a loop":          "i=0; while :; do i=$((i+1)); alias a$i=" + strings.Repeat("a", 100_000) + "; done",
		"a pattern":                  mega + "[[ a == *$x* ]]",
		"a regular expression":       mega + "[[ a =~ $x ]]",
		"a pattern of case":          mega + "case a in *$x*) ;; esac",
		"a pattern to remove":        mega + "y=${HOME#$x}",
		"a pattern to replace":       mega + "y=${HOME//$x/b}",
		"select":                     "select x in a b; do :; done",
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && !strings.Contains(text, "|") && !strings.Contains(strings.ReplaceAll(text, "$((", ""), "$(") {
				t.Skip("it starts no goroutines: it is for a run without -short")
			}
			dir := t.TempDir()
			if strings.Contains(text, "big") {
				if err := os.WriteFile(filepath.Join(dir, "big"), []byte(strings.Repeat("a\n", 20<<20)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // they take up to three seconds
			defer cancel()
			peak := heap(t)
			_, stderr, status, err := script(ctx, dir, text)
			most := peak()
			if err != nil || status == 0 && stderr == "" {
				t.Errorf("status %d, said %.200q, %v", status, stderr, err)
			}
			if strings.Contains(stderr, "\x01") {
				t.Errorf("said %q", stderr)
			}
			if most > 400<<20 {
				t.Errorf("held %d MB", most>>20)
			}
		})
	}
}

// chain is a list of expansions that each set a variable twice as long as the
// one before.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "${a%d:=$a%d$a%d}", i+1, i, i)
	}
	return b.String()
}

// TestForkBombs: subshells are counted, wherever they come from.
func TestForkBombs(t *testing.T) {
	for _, text := range []string{
		"f() { f|f& }; f; sleep 100",
		"f() { f|f& }; f; f; wait; sleep 100",
		":(){ :|:& };:; sleep 100",
		"f() { f & f & wait; }; f",
		"f() { f | f; }; f",
		"while :; do sleep 100 & done",
		"while :; do { sleep 100; } & done",
		"while :; do eval 'sleep 100 &'; done",
		"while :; do eval \"eval 'sleep 100 &'\"; done",
		"trap 'while :; do sleep 100 & done' EXIT",
		"echo 'while :; do sleep 100 & done' > s; . ./s",
		"f() { (f | f) | f; }; f",
		"x=$(f() { f|f& }; f; sleep 100)",
		strings.Repeat("sleep 100 | ", 200) + "cat",
	} {
		t.Run(text[:min(len(text), 30)], func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			most := runtime.NumGoroutine()
			_, stderr, _, err := script(ctx, t.TempDir(), text)
			if !errors.Is(err, errForks) {
				t.Errorf("ended with %v, said %.200q", err, stderr)
			}
			if now := runtime.NumGoroutine(); now > most+20*maxForks {
				t.Errorf("%d goroutines", now)
			}
		})
	}
}

// TestClosedPipes: who writes to what nobody reads is ended.
func TestClosedPipes(t *testing.T) {
	for text, want := range map[string]string{
		"while echo y; do :; done | head -1":                           "y\n",
		"while :; do echo y; done | head -1":                           "y\n",
		"while :; do printf 'y\\n'; done | head -1":                    "y\n",
		"while :; do command echo y; done | head -1":                   "y\n",
		"while :; do builtin echo y; done | head -1":                   "y\n",
		"while :; do pwd; done | head -1":                              "/\n",
		"f() { while :; do echo y; done; }; f | head -1":               "y\n",
		"(while :; do echo y; done) | head -1":                         "y\n",
		"set -o pipefail; while :; do echo y; done | head -1; echo $?": "y\n141\n",
		"while :; do echo y; done | head -1; echo after":               "y\nafter\n",
		"yes | head -1; echo $?":                                       "y\n0\n",
		"set -o pipefail; yes | head -1; echo $?":                      "y\n141\n",
		"eval 'while :; do echo y; done' | head -1":                    "y\n",
	} {
		t.Run(text, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, stderr, _, err := script(ctx, t.TempDir(), text)
			if out != want || err != nil {
				t.Errorf("printed %.200q, said %.200q, %v", out, stderr, err)
			}
		})
	}
}

// TestWorkCounts: what the shell itself does is booked, and no loop escapes.
func TestWorkCounts(t *testing.T) {
	for _, text := range []string{
		"while :; do :; done", "for ((;;)); do ((i++)); done", "for ((;;)); do i=$i; done", "while [ 1 ]; do x=$((x+1)); done",
		"until ((0)); do continue; done", "f() { f; }; while :; do f & wait; done", "yes > /dev/null", "seq 100000000000 > /dev/null",
		"yes | sort", "echo | sed ':a;ba'", "echo | sed ':a;s/x//;ta;ba'", "while :; do eval :; done", "cat | cat | while :; do :; done",
		"for ((i=0;;i++)); do a[i]=$i$i$i$i$i$i$i$i$i$i; done",
	} {
		t.Run(text, func(t *testing.T) {
			w := dirWorld{forks: new(atomic.Int64), fuel: new(atomic.Uint64), cpu: new(atomic.Int64)}
			ctx, cancel := context.WithCancel(t.Context())
			var stopped atomic.Int64
			defer cancel()
			ended := make(chan struct{})
			go func() { // a loaded machine does little for a while
				time.Sleep(400 * time.Millisecond)
				for end := time.Now().Add(time.Minute); w.fuel.Load() < 10_000 && time.Now().Before(end); {
					select {
					case <-ended:
						return
					case <-time.After(10 * time.Millisecond):
					}
				}
				stopped.Store(time.Now().UnixNano())
				cancel()
			}()
			w.script(ctx, t.TempDir(), text)
			close(ended)
			late := time.Since(time.Unix(0, stopped.Load()))
			if stopped.Load() == 0 {
				return // it ended by itself: refused
			}
			if late > 10*time.Second { // it would never
				t.Errorf("ended %s after it was cancelled", late)
			}
			if fuel := w.fuel.Load(); fuel < 10_000 {
				t.Errorf("%d units for a minute", fuel)
			}
		})
	}
}

// TestRewritingDoesNotShow: a script is the same as before to its author.
func TestRewritingDoesNotShow(t *testing.T) {
	for text, want := range map[string]string{
		"x=1; y=2; set -x; echo $x$y | cat; for i in $x $y; do :; done": "+ echo 12\n+ cat\n+ for i in $x $y\n+ :\n+ for i in $x $y\n+ :\n",
	} {
		_, stderr, _, err := script(t.Context(), t.TempDir(), text)
		if err != nil || strings.ContainsAny(stderr, "\x01") {
			t.Errorf("%s: said %q, want %q: %v", text, stderr, want, err)
		}
	}
	for text, want := range map[string]string{
		"false; eval 'echo $?'": "1\n", "x=a; y=b; false; echo $x$y$?": "ab1\n", "set -e; x=1; y=2; z=$x$y; while [ $x -lt 3 ]; do x=$((x+1)); done; echo $z": "12\n",
		"set -e; f() { for i in 1 2; do x=$i$i; done; }; f; echo $x":                                 "22\n",
		"set -u; x=1; y=$x$x; echo $y ${z:-$x$y}":                                                    "11 111\n",
		"set -- 'a b' c; for i in \"$@\" \"$@\"; do echo \"<$i>\"; done":                             "<a b>\n<c>\n<a b>\n<c>\n",
		"set --; x=; for i in \"$@\" \"$@\"; do echo no; done; echo $#$x$x":                          "0\n",
		"x=~/a$HOME$HOME; echo ~/b$x$x | cat":                                                        "//b//a////a//\n",
		"set -- 1 2; { shift; echo $1; } | cat; echo $1 & wait":                                      "2\n1\n",
		"f() { local v=$1; { v=2; echo $v; } | cat; echo $v; }; f 1":                                 "2\n1\n",
		"(exit 3) | cat; echo $?; true | (exit 4); echo $?":                                          "0\n4\n",
		"set -o pipefail; (exit 3) | cat; echo $?; ! true | false; echo $?":                          "3\n0\n",
		"a=(1 2); a+=(\"${a[@]}\"); echo ${#a[@]} ${a[3]} ${a[@]/2/x}":                               "4 2 1 x 1 x\n",
		"read -r a b <<< ' x  y z '; echo \"[$a][$b]\"":                                              "[x][y z]\n",
		"printf 'a\\\\b c\\n' | { read x y; echo \"[$x][$y]\"; }":                                    "[ab][c]\n",
		"printf 'a\\\\\\nb' | { read x; echo $? \"[$x]\"; }":                                         "1 [ab]\n",
		"printf ' a \\n' | { read; echo \"[$REPLY]\"; }":                                             "[ a ]\n",
		"echo 1 2 3 | { read -a l; echo ${#l[@]} ${l[2]}; }":                                         "3 3\n",
		"printf '1\\n2\\n' | { mapfile -t l; echo ${#l[@]} ${l[1]}; }":                               "2 2\n",
		"set -e; read x < /dev/null || echo end; echo on":                                            "end\non\n",
		"echo() { command echo \"<$@>\"; }; echo hi":                                                 "<hi>\n",
		"printf -v x '%03d' 7; echo $x":                                                              "007\n",
		"x=$(</dev/null)y; echo $x; echo 'in file' > f; echo $(<f)":                                  "y\nin file\n",
		"echo 'echo $1 $RANDOM_' > s; . ./s arg; cd /; mkdir d; cd d; . ../s b":                      "arg\nb\n",
		"cat <<E\n$HOME$HOME `echo x`\nE":                                                            "// x\n",
		"cat <<-E | cat\n\ta $HOME$HOME\n\tb\n\tE":                                                   "a //\nb\n",
		"trap 'echo \"bye $x$x\"' EXIT; x=1":                                                         "bye 11\n",
		"pwd -P; mkdir d; ln -s d l; cd l; pwd; pwd -P":                                              "/\n/l\n/d\n",
		"echo $UID $EUID ~root ~nobody":                                                              "0 0 ~root ~nobody\n",
		"unset HOME; sh -c 'echo $HOME'":                                                             "/\n",
		"eval 'echo $$ $PPID'; echo 'echo $$' > s; . ./s; trap 'echo $$' EXIT":                       "1 0\n1\n1\n",
		"x=a; case $x$x in aa) echo yes;; esac; [[ $x$x == a* ]] && echo yes":                        "yes\nyes\n",
		"i=0; while ((i<3)); do ((i++)); done; echo $i; for ((j=0;j<3;j++)); do k=$j; done; echo $k": "3\n2\n",
		"false; while [ $? = 1 ]; do echo $?; break; done":                                           "0\n",
		"x=5; echo {1..3}$x{a,b} \"$x{1,2}$x\"":                                                      "15a 15b 25a 25b 35a 35b 5{1,2}5\n",
	} {
		out, stderr, _, err := script(t.Context(), t.TempDir(), text)
		if err != nil || out != want {
			t.Errorf("%s\n got %q\nwant %q\nsaid %q, %v", text, out, want, stderr, err)
		}
	}
}
