package programs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// rubySays is what testdata/work.rb prints.
const rubySays = `json 6933 UTF-8 ba7816bf
class Square(1) Square(1) Circle(3.14) Square(4) 8.1416
set nil [1, 2, 5]
bignum 1267650600228229401496703205376 1/2 94
file ["one", "two", "three", "four"] ["d", "d/b.txt"] 19
rescued Errno::ENOENT
ensured
deep stack level too deep
fiber [0, 1, 4, :done]
lazy [0, 2, 8, 34, 144, 610] 7
match x 1
regex 11/2026 6
stdin HI
at exit
`

// TestRuby runs the build of Ruby that is on npm for JavaScript hosts.
func TestRuby(t *testing.T) {
	file := ruby.file(t)
	wherry := start(t)
	refused := with(wherry, nil).Run(t, "", file, "-e", "puts 1")
	if refused.Code != 126 || refused.Out != "" || !strings.Contains(refused.Err, "a Ruby that can call JavaScript") ||
		!strings.Contains(refused.Err, "rb-js-abi-host.") || !strings.Contains(refused.Err, "--unknown-imports=trap") {
		t.Errorf("without the flag: exit code %d\n%s%s", refused.Code, refused.Out, refused.Err)
	}
	if strings.Contains(refused.Err, "compiling") {
		t.Errorf("it was compiled before it was refused:\n%s", refused.Err)
	}
	folder, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	both(t, wherry, "ruby", file, ruby.recipe("ruby"), func(t *testing.T, run func(...string) dock.Program) {
		got := run("--unknown-imports=trap", "-v", folder+":/scripts:ro", "-v", t.TempDir()+":/data").Run(t, "hi", "/scripts/work.rb", "/data")
		expect(t, got.Out, rubySays)
		if got.Code != 7 || !strings.Contains(got.Err, "to standard error") {
			t.Errorf("exit code %d, want 7\n%s", got.Code, got.Err)
		}
		lone := run("--unknown-imports=trap")
		expect(t, lone.Must(t, "", "-rjson", "-e", "puts JSON.dump(ARGV)", "-e", "p __FILE__", "--", "-x", "é"), "[\"-x\",\"é\"]\n\"-e\"\n")
		expect(t, lone.Must(t, "puts $0 * 2; puts ARGV.inspect", "-", "a b"), "--\n[\"a b\"]\n")
		raised := lone.Run(t, "", "-e", `at_exit { print "last" }; raise ArgumentError, "as it should"`)
		if raised.Code != 1 || raised.Out != "last" || !strings.Contains(raised.Err, "-e:1:in '<main>': as it should (ArgumentError)") {
			t.Errorf("an exception ended with code %d: %q\n%s", raised.Code, raised.Out, raised.Err)
		}
		calls := lone.Run(t, "", "-e", `require "js"; JS.eval("1")`)
		if calls.Code != 134 || !strings.Contains(calls.Err, "rb-js-abi-host.eval-js") {
			t.Errorf("a call of JavaScript ended with code %d\n%s", calls.Code, calls.Err)
		}
	})
}
