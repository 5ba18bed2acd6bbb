package runtime

import (
	"errors"
	"strings"
	"testing"
)

// importing is a module that imports functions without parameters and exports
// the first one under a name.
func importing(export string, imports ...[2]string) []byte {
	vector := func(s string) string { return string(rune(len(s))) + s }
	section := func(id byte, body string) string { return string(id) + vector(body) }
	list := string(rune(len(imports)))
	for _, i := range imports {
		list += vector(i[0]) + vector(i[1]) + "\x00\x00"
	}
	return []byte("\x00asm\x01\x00\x00\x00" + section(1, "\x01\x60\x00\x00") + section(2, list) + section(7, "\x01"+vector(export)+"\x00\x00"))
}

// A module for another host is called what it is, before it is compiled.
func TestForeign(t *testing.T) {
	rt, err := New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close(t.Context())
	for _, c := range []struct {
		name    string
		module  []byte
		unknown bool // Spec.UnknownImports
		what    string
		advice  string
		traps   bool
	}{
		{"nobody's", importing("_start", [2]string{"game", "draw"}), false, "module imports what this host does not offer: game.draw () -> ()", "", true},
		{"signature", importing("_start", [2]string{"wasi_snapshot_preview1", "proc_exit"}), true, "proc_exit wanted as () -> (), offered as (i32) -> ()", "", false},
		{"emscripten", importing("_start", [2]string{"env", "emscripten_resize_heap"}), false, "Emscripten", "STANDALONE_WASM", true},
		{"minified", importing("_start", [2]string{"a", "a"}, [2]string{"a", "b"}), false, "Emscripten", "STANDALONE_WASM", true},
		{"threads", importing("_start", [2]string{"wasi", "thread-spawn"}), false, "wasi-threads", "without -pthread", true},
		{"wasix", importing("_start", [2]string{"wasix_32v1", "fd_dup"}), false, "WASIX", "wasm32-wasip1", true},
		{"bindgen", importing("run", [2]string{"wbg", "__wbindgen_throw"}), false, "wasm-bindgen", "cargo build", true},
		{"go", importing("run", [2]string{"gojs", "runtime.wasmExit"}), false, "GOOS=js", "GOOS=wasip1", true},
		{"preview 2", importing("_start", [2]string{"wasi:cli/exit@0.2.0", "exit"}), false, "inside of a WebAssembly component", "core module", true},
		{"addon", importing("init", [2]string{"env", "napi_create_function"}), true, "an addon of Node.js; it exports neither _start", "Node.js", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			container, err := rt.Create(t.Context(), Program("x.wasm", c.module), Spec{UnknownImports: c.unknown})
			if err != nil {
				t.Fatal(err)
			}
			defer container.Close(t.Context())
			err = container.Run(t.Context())
			var imports *ImportError
			var format *FormatError
			if !errors.As(err, &imports) || !errors.As(err, &format) {
				t.Fatalf("%T %v, want an ImportError that is a FormatError", err, err)
			}
			if !strings.Contains(err.Error(), c.what) || !strings.Contains(imports.Advice, c.advice) || imports.Traps != c.traps {
				t.Errorf("%v\nadvice %q, traps %v; want %q, %q, %v", err, imports.Advice, imports.Traps, c.what, c.advice, c.traps)
			}
			if code, _ := Status(err); code != 126 {
				t.Errorf("exit code %d, want 126", code)
			}
			if s := container.Stats(); s.Times.Compile != 0 {
				t.Errorf("it was compiled, in %s", s.Times.Compile)
			}
		})
	}
	container, err := rt.Create(t.Context(), Program("x.wasm", importing("f", [2]string{"a.b", "c"})), Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer container.Close(t.Context())
	if err := container.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "it is a library") {
		t.Errorf("a library: %v", err)
	}
}
