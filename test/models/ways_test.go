package models

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/test/dock"
)

// way is one way to start the programs of an image, which must give the answers
// that its other ways give.
type way struct {
	name string
	// make changes what is known of the image; with tells whether it keeps any.
	make func(s *specimen)
	bare bool
	// flags are those of run, and start how the program begins then.
	flags []string
	start string
	// long is for what takes minutes with the Python module.
	long bool
}

// ways are those for an image with a snapshot. The first is the reference: no
// hint of the image has any part in it, but for that its module is cut.
func ways() []way {
	none := func(s *specimen) { s.hot(nil) }
	lying := func(s *specimen) { s.hot(lies()) }
	every := func(s *specimen) { s.hot(all(100_000)) }
	anew := []string{"--no-snapshot"}
	return []way{
		{name: "from its beginning", flags: anew, start: "beginning"},
		{name: "as built", start: "restored"},
		{name: "empty hot set", make: none, start: "restored"},
		{name: "lying hot set", make: lying, start: "restored"},
		{name: "empty hot set, from its beginning", make: none, flags: anew, start: "groups", long: true},
		{name: "lying hot set, from its beginning", make: lying, flags: anew, start: "groups", long: true},
		{name: "every function hot", make: every, start: "restored"},
		{name: "facts of another module", make: strange, start: "cannot be loaded in parts", long: true},
		{name: "nothing known", bare: true, start: "beginning", long: true},
	}
}

// asked is how an image is run, and what a run of it must print.
type asked struct {
	args  []string
	code  int
	stdin string
}

// agree runs an image in all ways, and compares. It returns what it prints.
func agree(t *testing.T, s *specimen, name string, list []way, questions []asked) string {
	t.Helper()
	var first string
	var table strings.Builder
	for n, w := range list {
		if w.long && !long() {
			continue
		}
		image := name
		if w.make != nil || w.bare {
			other := s.other()
			if w.make != nil {
				w.make(other)
			}
			image = other.load(fmt.Sprintf("way-%d", n), !w.bare)
		}
		var said strings.Builder
		for _, q := range questions {
			line := append(append([]string{"run", "--stats=json"}, w.flags...), "-i", image)
			r := s.wherry.Run(t, q.stdin, append(line, q.args...)...)
			how := began(t, r.Err)
			if r.Code != q.code || !strings.Contains(how, w.start) {
				t.Errorf("%s %v: exit code %d, began %s; want %d, %s\n%s", w.name, q.args, r.Code, how, q.code, w.start, r.Err)
			}
			before, _, _ := strings.Cut(r.Err, "{\"ExitCode\"")
			fmt.Fprintf(&said, "%v: %d\n%s%s\n", q.args, r.Code, talk(r.Out), talk(before))
			fmt.Fprintf(&table, "\n%-36s %-8.60s %6.2f s  %s", w.name, fmt.Sprint(q.args), r.Took.Seconds(), how)
		}
		if first == "" {
			first = said.String()
		}
		if said.String() != first {
			t.Errorf("%s: other answers than %s:\n%.2000s\nwant\n%.2000s", w.name, list[0].name, said.String(), first)
		}
	}
	t.Log(table.String())
	return first
}

// talk is what a program printed, without Wherry's own lines and how fast it was.
func talk(text string) string {
	var keep []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "compiling ") && !strings.HasPrefix(line, "checking ") && !strings.HasPrefix(line, "note: ") && !strings.Contains(line, "FLOP/s") {
			keep = append(keep, line)
		}
	}
	return strings.Join(keep, "\n")
}

func long() bool { return os.Getenv("WHERRY_TEST_PYTHON") == "long" }

// testWays asks the example, and natively trained models of every kind, in all
// ways to start them. folder is where native scikit-learn has saved them.
func testWays(t *testing.T, wherry dock.Program, iris, folder string) {
	home := dock.Home(t)
	flowers := []asked{{args: []string{"6.7", "3.0", "5.2", "2.3"}}}
	if long() {
		flowers = append(flowers, asked{args: []string{"5.1", "3.5", "1.4", "0.2"}}, asked{args: []string{"nonsense"}, code: 2})
	}
	s := dissect(t, wherry, home, iris)
	list := ways()
	if said := agree(t, s, iris, list, flowers); !strings.Contains(said, "virginica") {
		t.Errorf("the example says\n%s", said)
	}
	dir := t.TempDir()
	layOut(t, map[string]string{
		filepath.Join(dir, "predict.py"): filepath.Join("testdata", "zoo_predict.py"), filepath.Join(dir, "zoo.py"): filepath.Join("testdata", "zoo.py"),
	}, filepath.Join(dir, "models"))
	models, err := filepath.Glob(filepath.Join(folder, "*.joblib"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		if filepath.Base(m) != "iris.joblib" { // train.py's own, which is there as "example iris", too
			layOut(t, map[string]string{filepath.Join(dir, "models", filepath.Base(m)): m})
		}
	}
	recipe := "FROM python\nWORKDIR /app\nCOPY . .\nENTRYPOINT [\"predict\", \"/app/predict.py\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "Wasmfile"), []byte(recipe), 0o600); err != nil {
		t.Fatal(err)
	}
	zoo := "localhost/test-models:zoo"
	wherry.Must(t, "", "build", "-q", "-t", zoo, dir)
	if !long() {
		list = list[1:] // zoo.py has said what they say from their beginning
	}
	said := agree(t, dissect(t, wherry, home, zoo), zoo, list, []asked{{}})
	_, said, _ = strings.Cut(said, "\n")
	said, _, _ = strings.Cut(said, "\n")
	compare(t, folder, said)
}

// strange are the facts of an empty module.
func strange(s *specimen) {
	facts, err := new(prepare.Facts).MarshalBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.derived.Modules[0].Facts = s.add(oci.FactsLayer, facts)
}

// TestExamples starts the other examples in the ways there are for them. Of those
// without a snapshot nothing is known when they are built, so that is made here.
func TestExamples(t *testing.T) {
	wherry := dock.Native(t, filepath.Join(t.TempDir(), "home"))
	home := strings.TrimPrefix(wherry.Env[0], "WHERRY_HOME=")
	wherry.Limit = 10 * time.Minute
	verse := strings.Repeat("row row your boat gently down the stream\n", 50)
	for _, e := range []struct {
		name, module string
		questions    []asked
		long         bool
	}{
		{"matmul", "usr/bin/matmul", []asked{{args: []string{"64"}}, {args: []string{"100"}}}, false},
		{"wordcount", "usr/bin/wordcount", []asked{{stdin: verse}, {args: []string{"-n", "2"}, stdin: verse}, {args: []string{"/none"}, code: 1}}, false},
		{"primes", "", []asked{{args: []string{"1000000"}}, {args: []string{"-1"}, code: 2}}, false},
		{"sqlite", "usr/bin/sqlite3", []asked{
			{args: []string{":memory:", "create table t(a, b); insert into t values (1, 'x'), (2, 'y'); select sum(a), group_concat(b), printf('%.3f', 1/3.0) from t"}},
			{args: []string{":memory:", "select no"}, code: 1},
			{args: []string{":memory:"}, stdin: "with recursive c(x) as (values(1) union all select x+1 from c where x<1000) select sum(x*x), json_group_array(x) from c where x<9;\n"},
		}, true},
	} {
		t.Run(e.name, func(t *testing.T) {
			if e.long && !long() {
				t.Skip("SKIPPED: it takes a minute: set WHERRY_TEST_PYTHON=long")
			}
			name := "localhost/test-models:" + e.name
			wherry.Must(t, "", "build", "-q", "-t", name, filepath.Join(dock.Root(t), "examples", e.name))
			s := dissect(t, wherry, home, name)
			if len(s.derived.Snapshots) > 0 {
				list := ways()
				for i := range list {
					list[i].long = false
				}
				agree(t, s, name, list, e.questions)
				return
			}
			known := func(change func(s *specimen)) func(s *specimen) {
				return func(s *specimen) {
					s.survey(e.module)
					change(s)
				}
			}
			agree(t, s, name, []way{
				{name: "nothing known", bare: true, start: "beginning"},
				{name: "empty hot set", make: known(func(s *specimen) { s.hot(nil) }), start: "groups"},
				{name: "lying hot set", make: known(func(s *specimen) { s.hot(lies()) })},
				{name: "every function hot", make: known(func(s *specimen) { s.hot(all(100_000)) }), start: "beginning"},
				{name: "facts of another module", make: known(strange), start: "cannot be loaded in parts"},
			}, e.questions)
		})
	}
}
