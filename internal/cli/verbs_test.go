package cli

import "testing"

// TestVerbs: a verb of the table has the name by which it is found, and is made alone; all
// are made where none is typed, or another name of one.
func TestVerbs(t *testing.T) {
	a := &app{env: func(string) string { return "" }}
	all := a.verbs()
	for _, v := range all {
		if c := v.make(); c.Name() != v.name {
			t.Errorf("%s is %s", v.name, c.Name())
		}
		if alone := a.root([]string{v.name, "x"}); len(alone.Commands()) != 1 || alone.Commands()[0].Name() != v.name {
			t.Errorf("%s is made with others", v.name)
		}
	}
	for _, args := range [][]string{nil, {"--help"}, {"help", "ps"}, {"__complete", "ps", ""}, {"no-such-verb"}, {"ls"}} {
		if n := len(a.root(args).Commands()); n != len(all) {
			t.Errorf("%v has %d verbs of %d", args, n, len(all))
		}
	}
	if n := len(a.root([]string{"--version"}).Commands()); n > 0 {
		t.Errorf("--version has %d verbs", n)
	}
}
