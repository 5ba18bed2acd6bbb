package prepare_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

const features = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst |
	experimental.CoreFeaturesExceptionHandling | experimental.CoreFeaturesTypedFunctionReferences | experimental.CoreFeaturesThreads

// engines are what programs run on. The interpreter is the reference: it has neither the select fault nor the
// exception faults of the compiler.
var engines = map[string]func() wazero.RuntimeConfig{
	"interpreter": wazero.NewRuntimeConfigInterpreter,
	"compiler":    wazero.NewRuntimeConfigCompiler,
}

// call is one call of an export.
type call struct {
	name string
	args []uint64
}

// outcome is all that can be seen of a run.
type outcome struct {
	results []string // per call: the values, or the first line of the trap
	memory  uint32   // checksum
	spent   int64
	yields  int
	asked   int // functions that asked their host first
}

// String gives what two runs of one program must have in common.
func (o outcome) String() string {
	return fmt.Sprintf("%s memory %x", strings.Join(o.results, "; "), o.memory)
}

// slice is what the host grants at every yield in tests, small so that yields happen everywhere.
const slice = 1000

var errBudget = errors.New("fuel budget used up")

// run instantiates a module and performs the calls. A budget above zero stops the guest when it has spent that much.
func run(t testing.TB, engine string, bin []byte, budget int64, calls ...call) (out outcome) {
	t.Helper()
	ctx := context.Background()
	r := wazero.NewRuntimeWithConfig(ctx, engines[engine]().WithCoreFeatures(features).WithMemoryLimitPages(4096))
	defer r.Close(ctx)
	granted := int64(0)
	own := r.NewHostModuleBuilder(prepare.ReservedModule)
	declining(own, bin, &out.asked)
	_, err := own.NewFunctionBuilder().
		WithFunc(func(_ context.Context, m api.Module) {
			g := m.ExportedGlobal(prepare.FuelExport).(api.MutableGlobal)
			left := int64(g.Get())
			out.yields++
			if budget > 0 && granted-left > budget {
				panic(errBudget)
			}
			granted += slice
			g.Set(uint64(left + slice)) // what was overdrawn is paid from the new slice
		}).Export(prepare.YieldImport).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.NewHostModuleBuilder("env").NewFunctionBuilder().
		WithFunc(func(x uint32) uint32 { return x*2654435761 + 1 }).Export("host").Instantiate(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := r.InstantiateWithConfig(ctx, bin, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		out.results = append(out.results, firstLine(err))
		return out
	}
	pending := m.ExportedGlobal(prepare.PendingExport)
	for _, c := range calls {
		res, err := m.ExportedFunction(c.name).Call(ctx, c.args...)
		switch {
		case err != nil && strings.Contains(err.Error(), "exception"):
			out.results = append(out.results, "uncaught")
		case err != nil:
			out.results = append(out.results, firstLine(err))
		case pending != nil && pending.Get() != 0:
			out.results = append(out.results, "uncaught")
			pending.(api.MutableGlobal).Set(0)
		default:
			out.results = append(out.results, fmt.Sprintf("%#x", res))
		}
	}
	if mem := m.Memory(); len(m.ExportedMemoryDefinitions()) > 0 {
		b, _ := mem.Read(0, mem.Size())
		out.memory = crc32.ChecksumIEEE(b)
	}
	if g := m.ExportedGlobal(prepare.FuelExport); g != nil {
		out.spent = granted - int64(g.Get())
	}
	return out
}

func firstLine(err error) string {
	if errors.Is(err, errBudget) {
		return errBudget.Error()
	}
	s, _, _ := strings.Cut(err.Error(), "\n")
	s = strings.TrimSuffix(s, " (recovered by wazero)")
	if i := strings.Index(s, "wasm error: "); i >= 0 {
		return s[i:]
	}
	return s
}

// all are the passes that must not change what a program does.
var all = prepare.Options{EngineFixes: true, Fuel: true}

// prepared prepares bin and checks that the result is valid and the same on one core.
func prepared(t testing.TB, bin []byte, o prepare.Options) []byte {
	t.Helper()
	p, err := prepare.Prepare(context.Background(), bin, o)
	if err != nil {
		t.Fatalf("prepare: %v", err)
	}
	valid(t, p.Wasm)
	return p.Wasm
}

func valid(t testing.TB, bin []byte) {
	t.Helper()
	m, err := wasm.Decode(bin, wasm.DefaultLimits())
	if err != nil {
		t.Fatalf("prepared module does not decode: %v", err)
	}
	if err := wasm.Validate(context.Background(), m, 1); err != nil {
		t.Fatalf("prepared module is invalid: %v", err)
	}
}

// wat assembles text with wabt.
func wat(t testing.TB, text string) []byte {
	t.Helper()
	tool := need(t, "wat2wasm")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.wat"), filepath.Join(dir, "out.wasm")
	if err := os.WriteFile(in, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command(tool, "--enable-exceptions", "--enable-tail-call", in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// need finds a tool that makes guests from source. A machine without it skips the test, but not where CI says that
// everything has to be there.
func need(t testing.TB, tool string) string {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is needed to build test guests: %v", tool, err)
		}
		t.Skipf("%s is not installed, so this test has no guest to run", tool)
	}
	return path
}

func hex(v int) string     { return fmt.Sprintf("[%#x]", v) }
func f32(v float32) uint64 { return uint64(math.Float32bits(v)) }
func f64(v float64) uint64 { return math.Float64bits(v) }
