package emscripten_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/emscripten"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// anyCalls are system calls by their parameters.
var anyCalls = map[string]string{
	"__syscall_openat": "iiii", "__syscall_stat64": "ii", "__syscall_lstat64": "ii", "__syscall_fstat64": "ii", "__syscall_newfstatat": "iiii",
	"__syscall_faccessat": "iiii", "__syscall_getdents64": "iii", "__syscall_mkdirat": "iii", "__syscall_rmdir": "i", "__syscall_unlinkat": "iii",
	"__syscall_renameat": "iiii", "__syscall_linkat": "iiiii", "__syscall_symlinkat": "iii", "__syscall_readlinkat": "iiii", "__syscall_chmod": "ii",
	"__syscall_fchmod": "ii", "__syscall_fchmodat2": "iiii", "__syscall_fchownat": "iiiii", "__syscall_fchown32": "iii", "__syscall_utimensat": "iiii",
	"__syscall_truncate64": "iI", "__syscall_ftruncate64": "iI", "__syscall_fallocate": "iiII", "__syscall_fadvise64": "iIIi", "__syscall_fdatasync": "i",
	"__syscall_getcwd": "ii", "__syscall_chdir": "i", "__syscall_fchdir": "i", "__syscall_dup": "i", "__syscall_dup3": "iii", "__syscall_fcntl64": "iii",
	"__syscall_ioctl": "iii", "__syscall_pipe2": "ii", "__syscall_poll": "iii", "__syscall__newselect": "iiiii", "__syscall_umask": "i",
	"__syscall_statfs64": "iii", "__syscall_fstatfs64": "iii", "_mmap_js": "iiiiIii", "_munmap_js": "iiiiiI",
}

// anyGuest imports all of them, and exports each as it is.
func anyGuest() string {
	var imports, funcs strings.Builder
	for name, params := range anyCalls {
		var types, locals strings.Builder
		for i, p := range params {
			types.WriteString(map[rune]string{'i': " i32", 'I': " i64"}[p])
			fmt.Fprintf(&locals, " (local.get %d)", i)
		}
		fmt.Fprintf(&imports, "(import \"env\" %q (func $%s (param%s) (result i32)))\n", name, name, &types)
		fmt.Fprintf(&funcs, "(func (export %q) (param%s) (result i32) (call $%s%s))\n", name, &types, name, &locals)
	}
	return "(module " + imports.String() + `(memory (export "memory") 3)
		(data (i32.const 16) "words.txt\00../data\00/tmp/x\00\00")
		(func (export "emscripten_builtin_memalign") (param i32 i32) (result i32) (i32.const 65536))` + funcs.String() + ")"
}

// TestHostile calls everything with arguments that make little sense: no call ends the
// program, let alone its host.
func TestHostile(t *testing.T) {
	ctx := t.Context()
	e, err := engine.New(ctx, engine.Config{Interpreter: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.WithoutCancel(ctx)) })
	bin := dock.WAT(t, anyGuest())
	sum := sha256.Sum256(bin)
	m, err := e.Load(ctx, hex.EncodeToString(sum[:]), func(context.Context) (engine.Artifact, error) { return engine.Artifact{Wasm: bin}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	clock := wasi.NewFixedClock(time.Unix(1e9, 0))
	tree := filesTree(t, clock)
	host, err := preview1.New(preview1.Config{
		Clock: clock, Tree: tree, Preopens: []preview1.Preopen{{GuestPath: "/", Node: tree.Root()}}, Dir: "/data", Limits: preview1.Limits{FDs: 40},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	env := emscripten.Module(emscripten.Config{Imports: m.Imports(), WASI: host.Module(), Files: host.POSIX(), Clock: clock})
	if len(env.Funcs) != len(anyCalls) {
		t.Fatalf("%d functions of %d", len(env.Funcs), len(anyCalls))
	}
	i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []engine.HostModule{env}})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close(context.WithoutCancel(ctx))
	random := rand.New(rand.NewPCG(3, 4))
	odd := []uint64{0, 1, 2, 3, 4, 5, 7, 16, 26, 34, 41, 64, 100, 0o100, 0o2102, 0x1000, 0x10000, 3<<16 - 1, 3<<16 - 40, 3 << 16, 1 << 31, 1<<32 - 100, 1<<32 - 4, 1<<32 - 1}
	for range 40 {
		for _, f := range env.Funcs {
			args := make([]uint64, len(f.Params))
			for k := range args {
				args[k] = odd[random.IntN(len(odd))]
				if f.Params[k] == wasi.I64 && random.IntN(2) == 0 {
					args[k] = -args[k]
				}
			}
			switch f.Name { // these would wait
			case "__syscall_poll":
				args[2] = 0
			case "__syscall__newselect":
				args[4] = 200 // a time of zero
			}
			if _, err := i.Call(ctx, f.Name, args...); err != nil {
				t.Fatalf("%s(%#x): %v", f.Name, args, err)
			}
		}
	}
}
