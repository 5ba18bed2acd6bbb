package native_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/model/native"
)

// TestFindLibrary looks for a library where the folder that a user works in has
// some: code that came with a model is not to be run for being there.
func TestFindLibrary(t *testing.T) {
	dir := t.TempDir()
	put := func(names ...string) {
		for _, name := range names {
			name = filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("onnxruntime/__init__.py", "node_modules/onnxruntime-node/index.js")
	for _, lib := range []string{"onnxruntime.dll", "libonnxruntime.so", "libonnxruntime.dylib"} {
		put("onnxruntime/capi/" + lib)
		for _, system := range []string{"linux", "darwin", "win32"} {
			for _, arch := range []string{"x64", "arm64"} {
				put("node_modules/onnxruntime-node/bin/napi-v3/" + system + "/" + arch + "/" + lib)
			}
		}
	}
	for _, at := range []string{dir, filepath.Join(dir, "node_modules")} {
		t.Chdir(at)
		found, err := native.FindLibrary(t.Context(), "", func(string) string { return "" })
		if err == nil && strings.HasPrefix(found, dir) {
			t.Errorf("in %s it is %s", at, found)
		}
	}
	named := filepath.Join(dir, "onnxruntime", "capi")
	if found, err := native.FindLibrary(t.Context(), named, nil); err != nil || filepath.Dir(found) != named {
		t.Errorf("named: %s, %v", found, err)
	}
}
