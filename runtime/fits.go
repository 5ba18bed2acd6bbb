package runtime

import (
	"errors"
	"strings"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/wasm"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/door"
	"github.com/wherry-run/wherry/wasi/nn"
	"github.com/wherry-run/wherry/wasi/preview1"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// An ImportError is a module that imports what nobody offers it. It is a
// FormatError as well.
type ImportError struct {
	FormatError
	// Imports lists what is missing, as MODULE.NAME.
	Imports []string
	// Advice says what to do instead, where it is known for what the module was
	// built; else it is empty.
	Advice string
	// Traps says that Spec.UnknownImports would let the module start.
	Traps bool
}

// Unwrap gives the FormatError.
func (e *ImportError) Unwrap() error { return &e.FormatError }

// fits refuses a module that could not start, or is no program, before it is
// prepared and compiled, which may take a minute. What it cannot read it leaves
// to the preparation, which says why.
func (s *session) fits(x *executable, module []byte, limits wasm.Limits) error {
	m, err := wasm.Decode(module, limits)
	if err != nil {
		return nil
	}
	funcs := map[string]bool{}
	for _, e := range m.Exports {
		if e.Kind == wasm.ExternFunc {
			funcs[e.Name] = true
		}
	}
	has := func(name string) bool { return funcs[name] }
	if !has("_start") && !has("run") && !has("wizer.resume") && !ruby.Is(has) {
		return noProgram(x, m)
	}
	host, err := preview1.New(preview1.Config{})
	if err != nil {
		return err
	}
	defer host.Close()
	config := engine.InstanceConfig{Imports: []wasi.HostModule{wasiOf(host, importsOf(m)), host.UnstableModule(), door.New(nil)}}
	config.Imports = append(config.Imports, s.container.rt.config.hostModules...)
	config.Imports = append(config.Imports, s.container.spec.HostModules...)
	if s.container.spec.NN != nil {
		config.Imports = append(config.Imports, nn.New(nil, nil).Module())
	}
	if ruby.Is(has) {
		config.Imports = append(config.Imports, ruby.New())
	}
	if s.container.spec.UnknownImports {
		config.UnknownImports = engine.TrapCalls
	}
	var unknown *engine.UnknownImportError
	if err := engine.Fits(m, config); errors.As(err, &unknown) {
		return unfit(x, unknown)
	}
	return nil
}

// unfit is the error for imports that nobody offers.
func unfit(x *executable, unknown *engine.UnknownImportError) *ImportError {
	e := &ImportError{FormatError: FormatError{Program: x.path, Reason: "exec format error: " + unknown.Error()}, Traps: true}
	for _, i := range unknown.Imports {
		e.Imports = append(e.Imports, i.Module+"."+i.Name)
		if i.Kind != engine.KindFunc || i.Offered != "" {
			e.Traps = false
		}
	}
	for _, f := range foreign {
		for _, i := range unknown.Imports {
			if f.is(i.Module, i.Name) {
				e.Reason = "exec format error: " + f.what + "; it imports what this host does not offer: " + unknown.List()
				e.Advice = f.advice
				return e
			}
		}
	}
	return e
}

// noProgram says of a library what it is.
func noProgram(x *executable, m *wasm.Module) error {
	reason := "exports neither _start (a command) nor run (a reactor): it is a library"
	for _, i := range m.Imports {
		for _, f := range foreign {
			if f.is(i.Module, i.Name) {
				return &ImportError{FormatError: FormatError{x.path, "exec format error: " + f.what + "; it " + reason}, Advice: f.advice}
			}
		}
	}
	return &FormatError{x.path, reason}
}

// foreign are the hosts other than WASI preview 1 that modules are built for, by
// their imports.
var foreign = []struct {
	is           func(module, name string) bool
	what, advice string
}{
	{
		func(module, name string) bool { return module == "wasi" && name == "thread-spawn" },
		"a program with threads (wasi-threads), and a program has one here",
		"build it for wasm32-wasip1, without -pthread",
	},
	{
		func(module, _ string) bool { return strings.HasPrefix(module, "wasix_") },
		"a program for WASIX",
		"build it for wasm32-wasip1",
	},
	{
		func(module, _ string) bool { return strings.HasPrefix(module, "wasi:") },
		"the inside of a WebAssembly component (WASI 0.2 or later)",
		"build it as a core module for wasm32-wasip1",
	},
	{
		func(module, _ string) bool { return module == "gojs" || module == "go" },
		"a Go program for JavaScript (GOOS=js)",
		"build it with GOOS=wasip1 GOARCH=wasm",
	},
	{
		func(module, _ string) bool {
			return module == "wbg" || strings.HasPrefix(module, "__wbindgen_") || strings.HasSuffix(module, "_bg.js")
		},
		"a module for JavaScript (wasm-bindgen)",
		"build a program of it: cargo build --target wasm32-wasip1",
	},
	{
		func(module, name string) bool { return module == "env" && strings.HasPrefix(name, "napi_") },
		"an addon of Node.js",
		"use the package in Node.js, or its library in a program for wasm32-wasip1",
	},
	{
		func(module, name string) bool {
			return module == "env" && (strings.HasPrefix(name, "emscripten_") || strings.HasPrefix(name, "_emscripten_") ||
				strings.HasPrefix(name, "__syscall_") || strings.HasPrefix(name, "invoke_") || strings.HasPrefix(name, "__cxa_")) ||
				module == "a" && len(name) <= 2
		},
		"a module that Emscripten built for JavaScript",
		"build it with emcc -sSTANDALONE_WASM, or with clang for wasm32-wasip1 (FROM toolchain:c)",
	},
	{
		func(module, _ string) bool { return module == nn.ModuleName },
		"a program that runs models (wasi-nn), and nobody runs any here",
		"a RUN of a recipe has no models: run it when the image runs",
	},
	{
		func(module, _ string) bool { return module == "rb-js-abi-host" },
		"a Ruby that can call JavaScript",
		"",
	},
}
