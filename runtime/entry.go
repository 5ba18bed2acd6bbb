package runtime

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/ruby"
)

// checkEntries refuses a module whose entry functions have other types than
// those of a command or a reactor.
func checkEntries(m *engine.Module, x *executable) error {
	entries := map[string]engine.Export{}
	for _, e := range m.Exports() {
		if e.Kind == engine.KindFunc {
			entries[e.Name] = e
		}
	}
	called := map[string]int{"_initialize": 0, "run": 1, "wizer.initialize": 0, "wizer.resume": 0} // results they may have
	if _, ok := entries["_start"]; ok {
		called = map[string]int{"_start": 0, "wizer.initialize": 0, "wizer.resume": 0}
	}
	for name, most := range called {
		if e, ok := entries[name]; ok && (len(e.Params) > 0 || len(e.Results) > most) {
			return &FormatError{x.path, fmt.Sprintf("exports %s with %d parameters and %d results: it is no entry of a program", name, len(e.Params), len(e.Results))}
		}
	}
	return nil
}

// exported tells which functions a module exports.
func exported(m *engine.Module) func(name string) bool {
	exports := m.Exports()
	return func(name string) bool {
		return slices.ContainsFunc(exports, func(e engine.Export) bool { return e.Kind == engine.KindFunc && e.Name == name })
	}
}

// start runs the program: from its beginning, or from where its snapshot was
// taken.
func (s *session) start(ctx context.Context, i *engine.Instance, plan *plan, x *executable, p Process) error {
	if plan.snapshot == nil {
		return enter(ctx, i, x)
	}
	seed := make([]byte, seedBytes)
	if _, err := io.ReadFull(s.random(), seed); err != nil {
		return fmt.Errorf("read randomness: %w", err)
	}
	return resume(ctx, i, plan.snapshot, x, p, seed)
}

// random is where the container's randomness comes from.
func (s *session) random() io.Reader {
	if r := s.container.spec.Random; r != nil {
		return r
	}
	return wasi.SystemRandom()
}

// enter runs a command's _start, or a reactor's _initialize and then its run. A
// reactor that could be kept as a snapshot when it has loaded does the same
// without one: it loads, and then it works.
func enter(ctx context.Context, i *engine.Instance, x *executable) error {
	if i.HasFunc("_start") {
		_, err := i.Call(ctx, "_start")
		return err
	}
	if err := startReactor(ctx, i); err != nil {
		return err
	}
	if ruby.Is(i.HasFunc) {
		return ruby.Run(ctx, i, x.args)
	}
	if protocolOf(i.HasFunc) != oci.ProtocolWizer {
		return callRun(ctx, i, x)
	}
	if _, err := i.Call(ctx, "wizer.initialize"); err != nil {
		return err
	}
	return work(ctx, i, x)
}

// callRun runs a reactor's run.
func callRun(ctx context.Context, i *engine.Instance, x *executable) error {
	if !i.HasFunc("run") {
		return &FormatError{x.path, "exports neither _start (a command) nor run (a reactor): it is a library"}
	}
	result, err := i.Call(ctx, "run")
	if err != nil {
		return err
	}
	if len(result) == 1 && uint32(result[0]) != 0 {
		return &ExitError{Code: uint32(result[0])}
	}
	return nil
}
