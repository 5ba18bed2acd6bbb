package programs

import (
	"path/filepath"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// TestQuickJS has QuickJS do what Node does.
func TestQuickJS(t *testing.T) {
	script, err := filepath.Abs(filepath.Join("testdata", "work.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	want := dock.Program{Command: []string{dock.Find(t, "node")}}.Must(t, "", script)
	javascript(t, "quickjs", quickjs.file(t), quickjs.recipe("qjs"), script, want)
}

func javascript(t *testing.T, name, file, recipe, script, want string) {
	both(t, start(t), name, file, recipe, func(t *testing.T, run func(...string) dock.Program) {
		expect(t, run("-v", script+":/work.mjs:ro").Must(t, "", "-m", "/work.mjs"), want)
		thrown := run().Run(t, "", "-e", `console.log(1); throw new TypeError("as it should")`)
		if thrown.Code != 1 || thrown.Out != "1\n" {
			t.Errorf("an exception ended with code %d: %s%s", thrown.Code, thrown.Out, thrown.Err)
		}
	})
}
