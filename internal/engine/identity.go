package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/cpu"
)

// wazeroPath is the module path of wazero, as go.mod writes it.
const wazeroPath = "github.com/tetratelabs/wazero"

// coreFeatures are the parts of WebAssembly the engine takes. Exceptions are not among them: modules that throw are
// lowered before they come here, since wazero's own handling loses locals. Threads stands for the atomic instructions;
// it costs nothing where the processor has them, and without them would cost the compiler.
func coreFeatures() api.CoreFeatures {
	f := api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesExtendedConst |
		experimental.CoreFeaturesTypedFunctionReferences
	if runtime.GOARCH != "arm64" || cpu.ARM64.HasATOMICS {
		f |= experimental.CoreFeaturesThreads
	}
	return f
}

// cpuFeatures names what wazero's compiler asks the processor for and makes code for.
func cpuFeatures() string {
	var names []string
	add := func(has bool, name string) {
		if has {
			names = append(names, name)
		}
	}
	switch runtime.GOARCH {
	case "amd64":
		add(cpu.X86.HasSSE41, "sse4.1")
		add(cpu.X86.HasBMI1, "bmi1")
		add(cpu.X86.HasBMI1 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT, "abm")
	case "arm64":
		add(cpu.ARM64.HasATOMICS, "atomics")
	}
	return strings.Join(names, "+")
}

// linkedWazero is for tests alone, whose builds record no version: test/run has the linker write it here and into
// wazero, so that all tests of a run take what one of them, or the program, has compiled.
var linkedWazero string

// wazeroVersion gives the version of the wazero that is linked in. Where the build does not record it - in tests, or
// with a replaced module - wazero calls itself "dev" whatever it is, and code of one such build must not be run by
// another: the hash of the executable keeps them apart.
func wazeroVersion() string {
	if linkedWazero != "" {
		return linkedWazero
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == wazeroPath && d.Replace == nil && d.Version != "" && d.Version != "(devel)" {
				return d.Version
			}
		}
	}
	return "dev-" + executableHash()
}

func executableHash() string {
	path, err := os.Executable()
	if err != nil {
		return "unknown"
	}
	f, err := os.Open(path)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "unknown"
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Identity names everything of the engine that shapes compiled code: its version, the operating system, the processor
// with its features, the core features, and the result of the self-test. It belongs into the key of everything that is
// cached.
func (e *Engine) Identity() string {
	s := e.self()
	kind, test := "compiler", "exact"
	if !s.compiler {
		kind = "interpreter"
	}
	if s.inexact {
		test = "inexact"
	}
	return fmt.Sprintf("wazero %s %s %s/%s cpu=%s features=%x self-test=%s",
		s.version, kind, runtime.GOOS, runtime.GOARCH, cpuFeatures(), uint64(coreFeatures()), test)
}

// NeedsFixes reports whether the compiler of this machine computes some float and vector instructions wrongly, so that
// modules must be rewritten before they are loaded.
func (e *Engine) NeedsFixes() bool { return e.self().inexact }

// Compiles reports whether guests run as machine code here, and not in the interpreter.
func (e *Engine) Compiles() bool { return e.self().compiler }
