package scripts

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

var update = flag.Bool("update", false, "write docs/docker-verbs.md anew")

// verbRow is a verb or flag of Docker's, and what becomes of it here.
type verbRow struct {
	verb, flags, state, why string
}

// TestVerbTable makes docs/docker-verbs.md of the scripts in testdata/verbs, which
// TestScripts runs: each line "#: VERB FLAGS = STATE, WHY" is a row, and what is typed up to
// the next one is its proof.
func TestVerbTable(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "verbs", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no scripts", err)
	}
	var dockers, composes []verbRow
	for _, name := range files {
		for _, r := range readRows(t, name) {
			if strings.HasPrefix(r.verb, "compose") {
				composes = append(composes, r)
			} else {
				dockers = append(dockers, r)
			}
		}
	}
	name := filepath.Join(dock.Root(t), "docs", "docker-verbs.md")
	want := "# Docker's verbs and flags\n" + verbPage(dockers, countRows(t, dockers)) + examplePage(readExamples(t)) +
		"\n## Docker Compose's verbs and flags\n" + verbPage(composes, countRows(t, composes))
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(name); err != nil || string(have) != want {
		t.Errorf("docs/docker-verbs.md is not what the scripts say (%v): go test ./test/scripts -run TestVerbTable -update", err)
	}
}

// countRows counts rows by their states, and checks what is refused.
func countRows(t *testing.T, rows []verbRow) map[string]int {
	count := map[string]int{}
	for _, r := range rows {
		count[r.state]++
		whole := slices.Contains([]string{"run", "build", "ps", "logs", "exec", "inspect", "cp", "compose up", "compose down"}, r.verb)
		if r.state == "refused" && whole && !strings.Contains(r.why, "kernel") {
			t.Errorf("%s %s is refused, and no feature of a kernel", r.verb, r.flags)
		}
		if r.state != "done" && r.why == "" {
			t.Errorf("%s %s: %s, and no word why", r.verb, r.flags, r.state)
		}
	}
	if 100*count["refused"] > 15*len(rows) {
		t.Errorf("%d of %d rows are refused, more than 15 %%", count["refused"], len(rows))
	}
	return count
}

// example is a situation of Docker's documentation.
type example struct{ verb, what, state, why string }

// readExamples reads the lines "#= VERB: SITUATION (STATE: WHY)".
func readExamples(t *testing.T) (list []example) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "verbs", "verbs-examples.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "#= ")
		if !ok {
			continue
		}
		verb, rest, _ := strings.Cut(text, ": ")
		at := strings.LastIndex(rest, " (")
		if at < 0 || !strings.HasSuffix(rest, ")") {
			t.Fatalf("%s: write #= VERB: SITUATION (STATE: WHY)", line)
		}
		state, why, _ := strings.Cut(rest[at+2:len(rest)-1], ": ")
		if !slices.Contains([]string{"done", "differs", "not applicable"}, state) || state != "done" && why == "" {
			t.Errorf("%s: that is %q, %q", line, state, why)
		}
		list = append(list, example{verb, rest[:at], state, why})
	}
	return list
}

// examplePage is the part of the page about examples.
func examplePage(list []example) string {
	var b strings.Builder
	count := map[string]int{}
	for _, e := range list {
		count[e.state]++
	}
	fmt.Fprintf(&b, `
## The examples of Docker's documentation

What the examples for these verbs show, typed with a program of WebAssembly in place of their
images: of %d situations %d are done, %d differ, and %d are not applicable.

| verb | situation | |
|---|---|---|
`, len(list), count["done"], count["differs"], count["not applicable"])
	for _, e := range list {
		text := e.state
		if e.why != "" {
			text += ": " + e.why
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", e.verb, e.what, text)
	}
	return b.String()
}

// readRows reads the rows of a script, and checks that what follows them types the flags.
func readRows(t *testing.T, name string) []verbRow {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all, block []verbRow
	typed := ""
	check := func() {
		for _, r := range block {
			if !isTyped(r, typed) {
				t.Errorf("%s: no command has %s %s", name, r.verb, r.flags)
			}
		}
		all = append(all, block...)
		block, typed = nil, ""
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "-- ") {
			break
		}
		text, ok := strings.CutPrefix(line, "#: ")
		if !ok {
			typed += line + "\n"
			continue
		}
		if typed != "" {
			check()
		}
		what, state, ok := strings.Cut(text, " = ")
		state, why, _ := strings.Cut(state, ", ")
		verb, flags, _ := strings.Cut(what, " -")
		if flags != "" {
			flags = "-" + flags
		} else if words := strings.Fields(what); len(words) > 1 && (words[0] != "compose" || len(words) > 2) {
			verb, flags = strings.Join(words[:len(words)-1], " "), words[len(words)-1]
		}
		if !ok || !slices.Contains([]string{"done", "differs", "refused"}, state) {
			t.Errorf("%s: %s: write #: VERB FLAGS = done|differs|refused, WHY", name, line)
		}
		block = append(block, verbRow{verb, flags, state, why})
	}
	check()
	return all
}

// isTyped tells whether commands have a verb and one of the spellings of its flag. What a
// compose file has is there as soon as a stack is.
func isTyped(r verbRow, typed string) bool {
	if r.verb == "compose.yaml" {
		return strings.Contains(typed, "wherry compose ")
	}
	verb, has := false, !strings.HasPrefix(r.flags, "-")
	for line := range strings.Lines(typed) {
		_, rest, ok := strings.Cut(line, "wherry ")
		words := strings.Fields(rest)
		if !ok || !hasVerb(words, strings.Fields(r.verb)) && !(r.verb == "run" && strings.HasPrefix(rest, "create ")) {
			continue
		}
		verb = true
		for _, word := range words {
			word, _, _ = strings.Cut(word, "=")
			has = has || slices.Contains(strings.Fields(r.flags), word)
			has = has || len(word) > 2 && word[0] == '-' && word[1] != '-' && slices.ContainsFunc(strings.Fields(r.flags), func(f string) bool {
				return len(f) == 2 && strings.Contains(word, f[1:]) // -fv
			})
		}
	}
	return verb && has
}

// hasVerb tells whether words begin with those of a verb. Compose's may have flags between.
func hasVerb(words, verb []string) bool {
	if len(words) < len(verb) || words[0] != verb[0] {
		return false
	}
	if verb[0] == "compose" && len(verb) > 1 {
		return slices.Contains(words[1:], verb[1])
	}
	return slices.Equal(words[:len(verb)], verb)
}

// verbPage is the page of the documentation.
func verbPage(rows []verbRow, count map[string]int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
Written by `+"`go test ./test/scripts -run TestVerbTable -update`"+` from the scripts in
`+"`test/scripts/testdata/verbs`"+`, in which each of them is typed. Of %d rows %d are done, %d differ
and %d are refused with a message that says why (%d %%).

`, len(rows), count["done"], count["differs"], count["refused"], 100*count["refused"]/len(rows))
	var verbs []string
	for _, r := range rows {
		if !slices.Contains(verbs, r.verb) {
			verbs = append(verbs, r.verb)
		}
	}
	slices.Sort(verbs)
	fmt.Fprintln(&b, "| verb | done | differs | refused |\n|---|---|---|---|")
	for _, verb := range verbs {
		cells := map[string][]string{}
		for _, r := range rows {
			if r.verb != verb {
				continue
			}
			text := "`" + strings.ReplaceAll(r.flags, " ", "` `") + "`"
			if r.flags == "" {
				text = "all"
			}
			if r.why != "" {
				text += ": " + r.why
			}
			cells[r.state] = append(cells[r.state], text)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", verb, strings.Join(cells["done"], ", "), strings.Join(cells["differs"], "; "), strings.Join(cells["refused"], "; "))
	}
	return b.String()
}
