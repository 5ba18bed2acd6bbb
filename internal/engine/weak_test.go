package engine

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/wherry-run/wherry/test/dock"
)

// weakTests are functions as compilers of source code write them and as package prepare does. As long as the engine makes
// more machine code of the first, it is weak there.
var weakTests = map[string]struct {
	known         func(Weak) bool
	plain, better string
}{
	"branches": {func(w Weak) bool { return w.Branches },
		`block loop (br_if 1 (i32.lt_u (local.get 0) (local.get 1))) (br_if 1 (i32.gt_s (local.get 0) (i32.const 9)))
			(local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if 0 (i32.ne (local.get 0) (i32.const 3))) end end`,
		`block loop (i32.lt_u (local.get 0) (local.get 1)) if br 2 end (i32.gt_s (local.get 0) (i32.const 9)) if br 2 end
			(local.set 0 (i32.sub (local.get 0) (i32.const 1))) (i32.ne (local.get 0) (i32.const 3)) if br 1 end end end`},
	"checks": {func(w Weak) bool { return w.Checks },
		`(local.set 1 (i32.add (i32.load (local.get 0)) (i32.load (i32.add (local.get 0) (i32.const 16)))))
			(local.set 1 (i32.add (local.get 1) (i32.load (i32.add (local.get 0) (i32.const 32)))))`,
		`(drop (i32.load8_u offset=35 (local.get 0)))
			(local.set 1 (i32.add (i32.load (local.get 0)) (i32.load offset=16 (local.get 0))))
			(local.set 1 (i32.add (local.get 1) (i32.load offset=32 (local.get 0))))`},
}

// TestWeak looks at what the engine makes of code. Where a version makes nothing more of the plain form, what is done for
// its sake is to be switched off in weakVersions, where each version gets a line by this test.
func TestWeak(t *testing.T) {
	e, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close(context.WithoutCancel(t.Context()))
	if !e.Compiles() {
		t.Skip("nothing is compiled on " + runtime.GOARCH)
	}
	text, err := os.ReadFile(filepath.Join(dock.Root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), wazeroPath+" "+weakNewest+"\n") {
		t.Errorf("go.mod has another wazero than %s: see weakVersions", weakNewest)
	}
	for name, x := range weakTests {
		plain, better := codeBytes(t, x.plain), codeBytes(t, x.better)
		t.Logf("%s: %d bytes, %d as it is rewritten", name, plain, better)
		if x.known(e.Weak()) != (better < plain) {
			t.Errorf("%s: said to be weak: %v; %d bytes, %d as it is rewritten", name, x.known(e.Weak()), plain, better)
		}
	}
}

// codeBytes is how much machine code the engine makes of a function.
func codeBytes(t *testing.T, body string) (n int64) {
	t.Helper()
	bin := dock.WAT(t, `(module (memory 1) (func (export "f") (param i32 i32) (result i32) `+body+` (local.get 1)))`)
	dir := t.TempDir()
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	r := wazero.NewRuntimeWithConfig(ctx, runtimeConfig(false).WithCompilationCache(cache))
	defer r.Close(ctx)
	if _, err := r.CompileModule(ctx, bin); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil || n == 0 {
		t.Fatalf("no machine code: %v", err)
	}
	return n
}
