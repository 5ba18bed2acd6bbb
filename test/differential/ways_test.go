package differential

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/prepare/generate"
	"github.com/wherry-run/wherry/internal/wasm"
)

// outcome is all that can be seen of a run.
type outcome struct {
	results []string // of every call: its values, or its trap
	memory  uint32   // checksum of the whole memory
	size    int
	fuel    uint64
	ticks   uint64 // rounds of loops, when the module counts them
}

// String is what two runs of one module must have in common.
func (o outcome) String() string {
	return fmt.Sprintf("%s; memory %08x of %d bytes", strings.Join(o.results, "; "), o.memory, o.size)
}

// differs says where an outcome is not the one that was wanted.
func (o outcome) differs(want outcome) string {
	for i, r := range o.results {
		if i < len(want.results) && r != want.results[i] {
			return fmt.Sprintf("call %d gives %s, want %s", i, r, want.results[i])
		}
	}
	return fmt.Sprintf("memory %08x of %d bytes, %d units of fuel; want %08x of %d bytes, %d units",
		o.memory, o.size, o.fuel, want.memory, want.size, want.fuel)
}

// way is one way to run a module.
type way struct {
	name   string
	engine *engine.Engine
	passes prepare.Options
	// grant is how much fuel the guest gets at a time, and budget how much it may spend; 0 is as much as it likes.
	grant, budget uint64
}

var errBudget = errors.New("the budget is spent")

// meter grants fuel in equal slices, so that yields come at the same places on every engine.
type meter struct{ grant, left uint64 }

func (m *meter) Yield(_ context.Context, spent uint64) (uint64, error) {
	if m.left > 0 {
		if spent >= m.left {
			return 0, errBudget
		}
		m.left -= spent
	}
	return m.grant, nil
}

// runs counts modules run, for the report of a long test, and keys of modules.
var runs atomic.Uint64

func (w way) run(ctx context.Context, m generate.Module) (out outcome, err error) {
	p, err := prepare.Prepare(ctx, m.Wasm, w.passes)
	if err != nil {
		return out, fmt.Errorf("%s: prepare: %w", w.name, err)
	}
	if err := valid(ctx, p.Wasm); err != nil {
		return out, fmt.Errorf("%s: prepared module: %w", w.name, err)
	}
	key := sha256.Sum256(fmt.Append(nil, "run ", runs.Add(1)))
	loaded, err := w.engine.Load(ctx, hex.EncodeToString(key[:]), func(context.Context) (engine.Artifact, error) {
		return engine.Artifact{Wasm: p.Wasm, Names: p.Names}, nil
	}, nil)
	if err != nil {
		return out, fmt.Errorf("%s: load: %w", w.name, err)
	}
	defer loaded.Close(ctx)
	config := engine.InstanceConfig{Imports: []engine.HostModule{host()}}
	if w.grant > 0 {
		config.Meter = &meter{w.grant, w.budget}
	}
	i, err := w.engine.Instantiate(ctx, loaded, config)
	if err != nil {
		return out, fmt.Errorf("%s: instantiate: %w", w.name, err)
	}
	defer i.Close(ctx)
	for _, c := range m.Calls {
		values, err := i.Call(ctx, c.Name, c.Args...)
		var trap *engine.Trap
		switch {
		case err == nil:
			out.results = append(out.results, fmt.Sprintf("%#x", values))
		case errors.As(err, &trap):
			out.results = append(out.results, string(trap.Kind)+trap.Message)
		case errors.Is(err, errBudget):
			out.results = append(out.results, errBudget.Error())
		default:
			return out, fmt.Errorf("%s: call %s: %w", w.name, c.Name, err)
		}
	}
	view, _ := i.Memory().Read(0, uint32(i.Memory().Size()))
	out.ticks, _ = i.Memory().ReadUint64Le(generate.TicksAt)
	out.memory, out.size, out.fuel = crc32.ChecksumIEEE(view), len(view), i.Fuel()
	return out, nil
}

func valid(ctx context.Context, bin []byte) error {
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err != nil {
		return err
	}
	return wasm.Validate(ctx, m, 1)
}

// add is what the kernels import besides.
func add(x, y uint32) uint32 { return x + y }

const addName = "add"

func host() engine.HostModule {
	i32 := []engine.ValueType{wasm.I32}
	return engine.HostModule{Name: generate.HostModule, Funcs: []engine.HostFunc{{
		Name: generate.HostName, Params: i32, Results: i32,
		Call: func(_ context.Context, _ *engine.Guest, stack []uint64) {
			stack[0] = uint64(generate.Host(uint32(stack[0])))
		},
	}, {
		Name: addName, Params: append(i32, i32...), Results: i32,
		Call: func(_ context.Context, _ *engine.Guest, stack []uint64) {
			stack[0] = uint64(add(uint32(stack[0]), uint32(stack[1])))
		},
	}}}
}

// asItIs runs a module that nobody has prepared on wazero's interpreter, with wazero's own exceptions: what all ways
// are held against.
func asItIs(ctx context.Context, m generate.Module) (out outcome, err error) {
	const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst |
		experimental.CoreFeaturesExceptionHandling | experimental.CoreFeaturesTypedFunctionReferences | experimental.CoreFeaturesThreads
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features))
	defer r.Close(ctx)
	_, err = r.NewHostModuleBuilder(generate.HostModule).
		NewFunctionBuilder().WithFunc(generate.Host).Export(generate.HostName).
		NewFunctionBuilder().WithFunc(add).Export(addName).Instantiate(ctx)
	if err != nil {
		return out, err
	}
	mod, err := r.InstantiateWithConfig(ctx, m.Wasm, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		return out, fmt.Errorf("as it is: %w", err)
	}
	for _, c := range m.Calls {
		values, err := mod.ExportedFunction(c.Name).Call(ctx, c.Args...)
		if err != nil {
			out.results = append(out.results, kind(err))
			continue
		}
		out.results = append(out.results, fmt.Sprintf("%#x", values))
	}
	view, _ := mod.Memory().Read(0, mod.Memory().Size())
	out.memory, out.size = crc32.ChecksumIEEE(view), len(view)
	return out, nil
}

// kind is the kind of a trap that wazero reports.
func kind(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if strings.Contains(text, "exception") {
		return string(engine.TrapException)
	}
	text = strings.TrimSuffix(text, " (recovered by wazero)")
	return text[strings.LastIndex(text, "wasm error: ")+len("wasm error: "):]
}

// engines are made once for all tests: what they compile is gone with each module.
func engines(t *testing.T) (compiler, interpreter *engine.Engine) {
	t.Helper()
	make := func(c engine.Config) *engine.Engine {
		e, err := engine.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = e.Close(context.Background()) })
		return e
	}
	return make(engine.Config{Workers: 1}), make(engine.Config{Workers: 1, Interpreter: true})
}
