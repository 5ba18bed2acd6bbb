package programs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// compiling matches what is said of the first run of a program.
var compiling = regexp.MustCompile(`(?m)^compiling .*\n`)

// TestRubySnapshot has the interpreter begin where it had begun when its image was
// built: what it does then is what it does from its beginning, and no two runs
// share their randomness.
func TestRubySnapshot(t *testing.T) {
	ruby.file(t) // skips where it cannot be had
	wherry := start(t)
	const image, plain = "localhost/test-programs:ruby-snapshot", "localhost/test-programs:ruby"
	for name, more := range map[string]string{image: "SNAPSHOT\n", plain: ""} {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "Wasmfile"), ruby.recipe("ruby")+more)
		wherry.Must(t, "", "build", "-q", "-t", name, folder)
	}
	scripts, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	run := func(image string, restores bool) func(stdin string, args ...string) (out, err string, code int) {
		words := []string{"--stats", "--unknown-imports=trap", "-v", scripts + ":/scripts:ro", "-v", t.TempDir() + ":/data", "-i"}
		return func(stdin string, args ...string) (string, string, int) {
			r := with(wherry, append(words, image)).Run(t, stdin, args...)
			said, stats, _ := strings.Cut(compiling.ReplaceAllString(r.Err, ""), "fuel ")
			if restored := strings.Contains(stats, "\nrestored 1"); restored != restores {
				t.Errorf("%v: restored %v\n%s", args, restored, r.Err)
			}
			return r.Out, said, r.Code
		}
	}
	restored, anew := run(image, true), run(plain, false)
	out, _, code := restored("hi", "/scripts/work.rb", "/data")
	if expect(t, out, rubySays); code != 7 {
		t.Errorf("exit code %d, want 7", code)
	}
	for _, c := range [][]string{
		{"puts $0 * 2; puts ARGV.inspect", "-", "a b"},
		{"", "-e", "p ARGV, $0, ENV.to_h, __FILE__, Dir.pwd, RUBY_VERSION", "--", "-x", "é"},
		{"", "-e", `at_exit { print "last" }; raise ArgumentError, "as it should"`},
		{"", "-e", "exit 9"},
		{"a\nb\n", "-e", "puts $stdin.readlines.inspect; 1.upto(3) { |n| $stderr.puts n }"},
	} {
		out, err, code := restored(c[0], c[1:]...)
		if want, said, status := anew(c[0], c[1:]...); out != want || err != said || code != status {
			t.Errorf("%q: %q, %q, %d; from the beginning %q, %q, %d", c, out, err, code, want, said, status)
		}
	}
	random := func() []string {
		out, _, _ := restored("", "-e", `require "securerandom"; puts rand, Random.rand, Random.new.rand, [*1..99].shuffle.inspect, SecureRandom.hex`)
		return strings.Split(out, "\n")
	}
	a, b := random(), random()
	for i := range min(len(a), len(b)) - 1 {
		if a[i] == b[i] || len(a) != 6 {
			t.Errorf("two runs share %q", a)
		}
	}
	options := with(wherry, []string{"--stats", "--unknown-imports=trap", image}).Run(t, "", "--version")
	if !strings.HasPrefix(options.Out, "ruby 3.4") || !strings.Contains(options.Err, "not restored: the interpreter is given options") {
		t.Errorf("with an option: %q\n%s", options.Out, options.Err)
	}
}
