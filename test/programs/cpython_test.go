package programs

import (
	"testing"

	"path/filepath"

	"github.com/wherry-run/wherry/test/dock"
)

// TestCPython has a Python of another distributor and the machine's own do the
// same work.
func TestCPython(t *testing.T) {
	file := cpython.file(t)
	native := dock.Program{Command: []string{dock.Find(t, "python3")}}
	script, err := filepath.Abs(filepath.Join("testdata", "work.py"))
	if err != nil {
		t.Fatal(err)
	}
	want := native.Run(t, "some input", script, t.TempDir())
	if want.Code != 7 {
		t.Fatalf("the machine's own python3: exit code %d\n%s%s", want.Code, want.Out, want.Err)
	}
	both(t, start(t), "cpython", file, cpython.recipe("python"), func(t *testing.T, run func(...string) dock.Program) {
		got := run("-v", script+":/work.py:ro", "-v", t.TempDir()+":/data").Run(t, "some input", "/work.py", "/data")
		if got.Code != 7 {
			t.Errorf("exit code %d, want 7\n%s", got.Code, got.Err)
		}
		expect(t, got.Out, want.Out)
	})
}
