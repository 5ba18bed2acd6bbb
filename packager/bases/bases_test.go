package bases

import (
	"io/fs"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	for ref, found := range map[string]bool{
		"python": true, "python:3.15": true, "python:3": true,
		"onnx": true, "onnx:1.18": true, "onnx:1.30": false,
		"python:3.11": false, "python:3.15-slim": false, "postgres": false, "": false,
	} {
		if _, ok := Lookup(ref); ok != found {
			t.Errorf("Lookup(%q) found %v, want %v", ref, ok, found)
		}
		if _, wrong := Unknown(ref); wrong != (!found && (strings.HasPrefix(ref, "python:") || strings.HasPrefix(ref, "onnx:"))) {
			t.Errorf("Unknown(%q) is %v", ref, wrong)
		}
	}
}

// TestContext checks that what the recipe copies is embedded, hidden names
// included, and that every program names the launcher.
func TestContext(t *testing.T) {
	base, ok := Lookup("python")
	if !ok {
		t.Fatal("no base python")
	}
	if !strings.Contains(string(base.Recipe), "--checksum=sha256:") {
		t.Error("the wheel is not pinned")
	}
	for _, name := range []string{"launcher/launcher.py", "launcher/_wherry/__init__.py", "launcher/_wherry/run.py"} {
		if _, err := fs.Stat(base.Context, name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"python", "python3", "python3.15", "predict"} {
		text, err := fs.ReadFile(base.Context, "bin/"+name)
		if err != nil || string(text) != "#!/usr/local/bin/python.wasm /usr/local/lib/wherry/launcher.py\n" {
			t.Errorf("bin/%s is %q, %v", name, text, err)
		}
	}
}
