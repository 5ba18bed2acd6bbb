package emscripten_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/emscripten"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// guest imports each function in the forms that builds have, and passes its arguments
// on. The build has short names for two of them.
const guest = `(module
	(import "env" "__cxa_throw" (func $throw (param i32 i32 i32)))
	(import "env" "abort" (func $abort))
	(import "env" "__assert_fail" (func $assert (param i32 i32 i32 i32)))
	(import "env" "exit" (func $exit (param i32)))
	(import "env" "emscripten_resize_heap" (func $resize (param i32) (result i32)))
	(import "env" "emscripten_memcpy_js" (func $memcpy (param i32 i32 i32)))
	(import "env" "emscripten_asm_const_int" (func $asm (param i32 i32 i32) (result i32)))
	(import "env" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
	(import "env" "environ_get" (func $environ (param i32 i32) (result i32)))
	(import "env" "_gmtime_js" (func $gmtime (param i64 i32)))
	(import "env" "_localtime_js" (func $localtime (param i32 i32 i32)))
	(import "env" "_mktime_js" (func $mktime (param i32) (result i32)))
	(import "env" "_timegm_js" (func $timegm (param i32) (result i64)))
	(import "env" "_tzset_js" (func $tzset (param i32 i32 i32 i32)))
	(import "env" "strftime" (func $strftime (param i32 i32 i32 i32) (result i32)))
	(import "env" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "env" "fd_seek" (func $seek (param i32 i32 i32 i32 i32) (result i32)))
	(import "env" "__syscall_openat" (func $openat (param i32 i32 i32 i32) (result i32)))
	(import "env" "emscripten_get_now" (func $now (result f64)))
	(import "env" "emscripten_get_heap_max" (func $max (result i32)))
	(memory (export "memory") 2 64)
	(table 5 funcref)
	(elem (i32.const 1) $what $what_traps $what_throws $wrong)
	(global $high (mut i32) (i32.const 0))
	(func $what (param i32) (result i32) (i32.const 300))
	(func $what_traps (param i32) (result i32) unreachable)
	(func $what_throws (param i32) (result i32) (call $throw (local.get 0) (i32.const 200) (i32.const 0)) (i32.const 0))
	(func $wrong)
	(data (i32.const 204) "\d2\00\00\00")
	(data (i32.const 210) "St5error\00")
	(data (i32.const 300) "what it says\00")
	(func (export "throw") (param i32 i32 i32) (call $throw (local.get 0) (local.get 1) (local.get 2)))
	(func (export "abort") (call $abort))
	(func (export "assert") (param i32 i32 i32 i32) (call $assert (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
	(func (export "exit") (param i32) (call $exit (local.get 0)))
	(func (export "resize") (param i32) (result i32) (call $resize (local.get 0)))
	(func (export "memcpy") (param i32 i32 i32) (call $memcpy (local.get 0) (local.get 1) (local.get 2)))
	(func (export "asm") (param i32 i32 i32) (result i32) (call $asm (local.get 0) (local.get 1) (local.get 2)))
	(func (export "sizes") (param i32 i32) (result i32) (call $sizes (local.get 0) (local.get 1)))
	(func (export "environ") (param i32 i32) (result i32) (call $environ (local.get 0) (local.get 1)))
	(func (export "gmtime") (param i64 i32) (call $gmtime (local.get 0) (local.get 1)))
	(func (export "localtime") (param i32 i32 i32) (call $localtime (local.get 0) (local.get 1) (local.get 2)))
	(func (export "mktime") (param i32) (result i32) (call $mktime (local.get 0)))
	(func (export "timegm") (param i32) (result i64) (call $timegm (local.get 0)))
	(func (export "tzset") (param i32 i32 i32 i32) (call $tzset (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
	(func (export "strftime") (param i32 i32 i32 i32) (result i32) (call $strftime (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
	(func (export "write") (param i32 i32 i32 i32) (result i32) (call $write (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
	(func (export "seek") (param i32 i32 i32 i32 i32) (result i32) (call $seek (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
	(func (export "openat") (param i32 i32 i32 i32) (result i32) (call $openat (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
	(func (export "now") (result f64) (call $now))
	(func (export "max") (result i32) (call $max))
	(func (export "setTempRet0") (param i32) (global.set $high (local.get 0)))
	(func (export "high") (result i32) (global.get $high)))`

// machine is an instance of the guest and what it prints.
type machine struct {
	*engine.Instance
	said *strings.Builder
}

// maker makes instances of the guest.
func maker(t testing.TB) func(change func(*emscripten.Config)) machine {
	t.Helper()
	return makerOf(t, guest, true)
}

// makerOf makes instances of any module.
func makerOf(t testing.TB, text string, interpreter bool) func(change func(*emscripten.Config)) machine {
	t.Helper()
	ctx := t.Context()
	e, err := engine.New(ctx, engine.Config{Interpreter: interpreter})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.WithoutCancel(ctx)) })
	bin := dock.WAT(t, text)
	sum := sha256.Sum256(bin)
	m, err := e.Load(ctx, hex.EncodeToString(sum[:]), func(context.Context) (engine.Artifact, error) { return engine.Artifact{Wasm: bin}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(change func(*emscripten.Config)) machine {
		said := &strings.Builder{}
		host, err := preview1.New(preview1.Config{Stdout: wasi.NewOutput(said), Stderr: wasi.NewOutput(said)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { host.Close() })
		c := emscripten.Config{Imports: m.Imports(), WASI: host.Module(), Clock: wasi.NewFixedClock(time.Unix(1e9, 0)), Env: []string{"A=1", "LONG=name"}}
		if change != nil {
			change(&c)
		}
		i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []engine.HostModule{emscripten.Module(c)}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { i.Close(context.WithoutCancel(ctx)) })
		return machine{i, said}
	}
}

func (m machine) call(t testing.TB, name string, args ...uint64) (uint64, error) {
	t.Helper()
	got, err := m.Call(t.Context(), name, args...)
	if err != nil || len(got) == 0 {
		return 0, err
	}
	return got[0], nil
}

func (m machine) want(t testing.TB, want uint64, name string, args ...uint64) {
	t.Helper()
	if got, err := m.call(t, name, args...); err != nil || got != want {
		t.Errorf("%s(%d) = %d, %v, want %d", name, args, got, err, want)
	}
}

const far = 1<<32 - 4 // an address outside of every memory here

func TestEnds(t *testing.T) {
	make := maker(t)
	for _, c := range []struct {
		name string
		args []uint64
		put  map[uint32]uint32 // words of memory
		want string
	}{
		{"abort", nil, nil, "the program aborted"},
		{"assert", []uint64{300, 210, 1, 2}, nil, "the program aborted: St5error: what it says"},
		{"assert", []uint64{far, far, far, far}, nil, "the program aborted: : "},
		{"throw", []uint64{400, 200, 0}, map[uint32]uint32{400: 500, 508: 1}, "the program threw a C++ exception, which its build cannot catch (St5error): what it says"},
		{"throw", []uint64{400, 200, 0}, map[uint32]uint32{400: 500, 508: 2}, "the program threw a C++ exception, which its build cannot catch (St5error)"},
		{"throw", []uint64{400, 200, 0}, map[uint32]uint32{400: 500, 508: 3}, "the program threw a C++ exception, which its build cannot catch (St5error)"},
		{"throw", []uint64{400, 200, 0}, map[uint32]uint32{400: 500, 508: 4}, "the program threw a C++ exception, which its build cannot catch (St5error)"},
		{"throw", []uint64{400, 200, 0}, map[uint32]uint32{400: 500, 508: 9999}, "the program threw a C++ exception, which its build cannot catch (St5error)"},
		{"throw", []uint64{400, 200, 0}, map[uint32]uint32{400: far}, "the program threw a C++ exception, which its build cannot catch (St5error)"},
		{"throw", []uint64{far, far, far}, nil, "the program threw a C++ exception, which its build cannot catch"},
	} {
		m := make(nil)
		for at, v := range c.put {
			m.Memory().WriteUint32Le(at, v)
		}
		if _, err := m.call(t, c.name, c.args...); err == nil || err.Error() != c.want {
			t.Errorf("%s%d with %v: %v\nwant %s", c.name, c.args, c.put, err, c.want)
		}
	}
	m, exit := make(nil), (*engine.ExitError)(nil)
	if _, err := m.call(t, "exit", 3); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("exit: %v", err)
	}
}

func TestHeap(t *testing.T) {
	const page = 64 << 10
	make := maker(t)
	m := make(nil)
	m.want(t, 1, "resize", 3*page)
	if got := m.Memory().Size(); got < 3*page || got > 64*page {
		t.Errorf("%d bytes", got)
	}
	m.want(t, 1, "resize", 1) // it is larger already
	m.want(t, 1, "resize", 64*page)
	m.want(t, 4<<30-page, "max")
	for _, size := range []uint64{64*page + 1, 1 << 31, 1<<32 - 1} {
		m.want(t, 0, "resize", size)
	}
	full := true
	m = make(func(c *emscripten.Config) { c.Full = func() bool { return full } })
	m.want(t, 0, "resize", 3*page)
	full = false
	m.want(t, 1, "resize", 3*page)
}

func TestMemcpy(t *testing.T) {
	m := maker(t)(nil)
	m.Memory().WriteString(1000, "abcdef")
	if _, err := m.call(t, "memcpy", 1002, 1000, 4); err != nil {
		t.Fatal(err)
	}
	if b, _ := m.Memory().Read(1000, 6); string(b) != "ababcd" {
		t.Errorf("%s", b)
	}
	var fault *emscripten.FaultError
	for _, args := range [][]uint64{{far, 0, 8}, {0, far, 8}, {0, 0, 1<<32 - 1}} {
		if _, err := maker(t)(nil).call(t, "memcpy", args...); !errors.As(err, &fault) {
			t.Errorf("%d: %v", args, err)
		}
	}
}

func TestAsm(t *testing.T) {
	make := maker(t)
	var got []uint64
	with := func(c *emscripten.Config) {
		c.Build.Asm = map[uint32]emscripten.Asm{7: func(_ context.Context, _ *wasi.Guest, args []uint64) uint32 {
			got = args
			return 9
		}}
	}
	m := make(with)
	m.Memory().WriteString(600, "pidj\x00")
	for at, v := range map[uint32]uint64{800: 1 | 2<<32, 808: 3, 816: 4} {
		m.Memory().WriteUint64Le(at, v)
	}
	m.want(t, 9, "asm", 7, 600, 800)
	if len(got) != 4 || got[0] != 1 || got[1] != 2 || got[2] != 3 || got[3] != 4 {
		t.Errorf("%d", got)
	}
	var fault *emscripten.FaultError
	var abort *emscripten.AbortError
	for _, args := range [][]uint64{{7, far, 0}, {7, 600, far}, {7, 2*64<<10 - 1, 0}} {
		m := make(with)
		m.Memory().WriteString(600, "pidj\x00")
		m.Memory().WriteUint8(2*64<<10-1, 'i')
		if _, err := m.call(t, "asm", args...); !errors.As(err, &fault) {
			t.Errorf("%d: %v", args, err)
		}
	}
	m = make(with)
	m.Memory().WriteString(600, strings.Repeat("i", 1000))
	if _, err := m.call(t, "asm", 7, 600, 0); !errors.As(err, &fault) {
		t.Errorf("a thousand arguments: %v", err)
	}
	if _, err := make(with).call(t, "asm", 8, 600, 800); !errors.As(err, &abort) {
		t.Errorf("unknown: %v", err)
	}
}

func TestEnviron(t *testing.T) {
	m := maker(t)(nil)
	m.want(t, 0, "sizes", 1000, 1004)
	count, _ := m.Memory().ReadUint32Le(1000)
	size, _ := m.Memory().ReadUint32Le(1004)
	m.want(t, 0, "environ", 1100, 1200)
	second, _ := m.Memory().ReadUint32Le(1104)
	text, _ := m.Memory().Read(1200, size)
	if count != 2 || string(text) != "A=1\x00LONG=name\x00" || second != 1204 {
		t.Errorf("%d variables, %q, the second at %d", count, text, second)
	}
	const fault = 21
	m.want(t, fault, "sizes", far, 0)
	m.want(t, fault, "sizes", 0, far)
	m.want(t, fault, "environ", far, 0)
	m.want(t, fault, "environ", 0, far)
}

func TestWASI(t *testing.T) {
	m := maker(t)(nil)
	m.Memory().WriteString(1000, "hello")
	m.Memory().WriteUint32Le(1100, 1000)
	m.Memory().WriteUint32Le(1104, 5)
	m.want(t, 0, "write", 1, 1100, 1, 1200)
	if n, _ := m.Memory().ReadUint32Le(1200); m.said.String() != "hello" || n != 5 {
		t.Errorf("%q, %d bytes", m.said, n)
	}
	const spipe, badf = 70, 8
	m.want(t, spipe, "seek", 1, 0, 0, 0, 1200)
	m.want(t, badf, "seek", 77, 1, 1<<32-1, 0, 1200)
	m.want(t, 1<<32-52, "openat", 0, 0, 0, 0) // -ENOSYS
}
