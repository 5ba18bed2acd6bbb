package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func wantEmpty(tb testing.TB, dir string) {
	tb.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range list {
		tb.Errorf("%s is left in %s", e.Name(), filepath.Base(dir))
	}
}

// fill puts a module into a new cache and gives its engine, closed, and the folder of the entry.
func fill(t *testing.T, dir string, a Artifact) (entry string) {
	t.Helper()
	e := newEngine(t, Config{CacheDir: dir})
	m, err := e.Load(t.Context(), keyOf(a.Wasm), func(context.Context) (Artifact, error) { return a, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m.Stats().Hit || m.Stats().CacheErr != nil {
		t.Fatalf("%+v", m.Stats())
	}
	m.Close(t.Context())
	return e.cache.path("entries", keyOf(a.Wasm))
}

// nativeFile finds the machine code of an entry.
func nativeFile(t *testing.T, entry string) string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(entry, "wazero-*", "*"))
	if err != nil || len(list) != 1 {
		t.Skipf("SKIPPED: no machine code here, the interpreter is used (%v)", list)
	}
	return list[0]
}

// TestDamage damages an entry in every way, and wants it to be noticed, replaced, and good afterwards.
func TestDamage(t *testing.T) {
	edit := func(name string, f func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, entry string) {
			file := filepath.Join(entry, name)
			if name == "" {
				file = nativeFile(t, entry)
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, f(b), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(at func([]byte) int) func([]byte) []byte {
		return func(b []byte) []byte { b[at(b)] ^= 4; return b }
	}
	half := func(b []byte) []byte { return b[:len(b)/2] }
	middle := func(b []byte) int { return len(b) / 2 }
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, entry string) {
			if err := removeNow(filepath.Join(entry, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T, string){
		"description changed":   edit(entryFile, flip(middle)),
		"description truncated": edit(entryFile, half),
		"description empty":     edit(entryFile, func([]byte) []byte { return nil }),
		"description missing":   remove(entryFile),
		"module changed":        edit(wasmFile, flip(middle)),
		"module truncated":      edit(wasmFile, half),
		"module longer":         edit(wasmFile, func(b []byte) []byte { return append(b, 0) }),
		"module missing":        remove(wasmFile),
		"names changed":         edit(namesFile, flip(middle)),
		"names missing":         remove(namesFile),
		"code changed":          edit("", flip(middle)),
		"code truncated":        edit("", half),
		"code empty":            edit("", func([]byte) []byte { return nil }),
		"version changed":       edit("", flip(func([]byte) int { return 8 })),
		"offset changed":        edit("", flip(func([]byte) int { return 7 + len("dev") + 4 + 8 })),
		"end changed":           edit("", flip(func(b []byte) int { return len(b) - 1 })),
		"checksum changed":      edit("", flip(func(b []byte) int { return len(b) - 6 })),
		"code missing":          func(t *testing.T, entry string) { remove(filepath.Base(filepath.Dir(nativeFile(t, entry))))(t, entry) },
		"a file in its place": func(t *testing.T, entry string) {
			if err := errors.Join(removeNow(entry), os.WriteFile(entry, []byte("x"), 0o600)); err != nil {
				t.Fatal(err)
			}
		},
		"another module's entry": func(t *testing.T, entry string) {
			other := bulky(3, 3)
			from := fill(t, filepath.Dir(filepath.Dir(entry)), Artifact{Wasm: other})
			if err := errors.Join(removeNow(entry), os.Rename(from, entry)); err != nil {
				t.Fatal(err)
			}
		},
		"another module's code": func(t *testing.T, entry string) {
			from := fill(t, filepath.Dir(filepath.Dir(entry)), Artifact{Wasm: bulky(3, 3)})
			if err := os.Rename(nativeFile(t, from), nativeFile(t, entry)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tempDir(t)
			a := Artifact{Wasm: bulky(50, 20), Names: []byte("some names")}
			entry := fill(t, dir, a)
			damage(t, entry)

			e := newEngine(t, Config{CacheDir: dir})
			for _, hit := range []bool{false, true} {
				m, err := e.Load(t.Context(), keyOf(a.Wasm), func(context.Context) (Artifact, error) { return a, nil }, nil)
				if err != nil {
					t.Fatal(err)
				}
				if s := m.Stats(); s.Hit != hit || s.CacheErr != nil {
					t.Errorf("hit %v: %+v", hit, s)
				}
				runs(t, e, m)
				m.Close(t.Context())
			}
			wantEmpty(t, e.cache.path("drafts"))
		})
	}
}

// TestOtherEngine is not served with code that another engine made.
func TestOtherEngine(t *testing.T) {
	dir := tempDir(t)
	a := Artifact{Wasm: bulky(1, 1)}
	fill(t, dir, a)
	e := newEngine(t, Config{CacheDir: dir, Interpreter: true})
	made := false
	m, err := e.Load(t.Context(), keyOf(a.Wasm), func(context.Context) (Artifact, error) { made = true; return a, nil }, nil)
	if err != nil || !made {
		t.Fatal(made, err)
	}
	runs(t, e, m)
	m.Close(t.Context())
}

func TestCacheFolder(t *testing.T) {
	dir := filepath.Join(tempDir(t), "a", "b")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	newEngine(t, Config{CacheDir: dir})
	if runtime.GOOS != "windows" {
		st, err := os.Stat(dir)
		if err != nil || st.Mode().Perm() != 0o700 {
			t.Error(st.Mode(), err)
		}
		if os.Geteuid() == 0 {
			if err := os.Chown(dir, 12345, -1); err != nil {
				t.Fatal(err)
			}
			if _, err := New(t.Context(), Config{CacheDir: dir}); err == nil || !strings.Contains(err.Error(), "12345") {
				t.Error("took a folder of another user:", err)
			}
		}
	}
	file := filepath.Join(tempDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(t.Context(), Config{CacheDir: file}); err == nil {
		t.Error("took a file for a folder")
	}
}

// TestUnwritable runs a module although nothing can be kept.
func TestUnwritable(t *testing.T) {
	dir := tempDir(t)
	e := newEngine(t, Config{CacheDir: dir})
	for _, sub := range []string{"locks", "drafts"} {
		t.Run(sub, func(t *testing.T) {
			if err := errors.Join(removeNow(e.cache.path(sub)), os.WriteFile(e.cache.path(sub), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := errors.Join(os.Remove(e.cache.path(sub)), os.Mkdir(e.cache.path(sub), 0o700)); err != nil {
					t.Fatal(err)
				}
			}()
			a := Artifact{Wasm: bulky(1, 1)}
			m := mustLoad(t, e, a)
			if m.Stats().CacheErr == nil {
				t.Error("no word of it")
			}
			runs(t, e, m)
			m.Close(t.Context())
		})
	}
	t.Run("machine code", func(t *testing.T) {
		bin := bulky(1, 1)
		o, err := readOutline(bin)
		if err != nil {
			t.Fatal(err)
		}
		draft, err := e.cache.draft(keyOf(bin))
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.newCode(e.life, nil, o, draft, keyOf(bin))
		if err != nil {
			t.Fatal(err)
		}
		if err := removeNow(draft); err != nil { // wazero wants to write into it
			t.Fatal(err)
		}
		if err := c.compile(e.life, bin); err != nil {
			t.Fatal(err)
		}
		if e.Compiles() && c.unkept == nil {
			t.Error("no word of it")
		}
		c.refs = 1
		runs(t, e, &Module{code: c})
		c.drop()
	})
}

// TestProcesses has two processes want one module: one makes it, the other waits and takes it.
func TestProcesses(t *testing.T) {
	dir, file := tempDir(t), filepath.Join(tempDir(t), "m.wasm")
	if err := os.WriteFile(file, bulky(4000, 60), 0o600); err != nil {
		t.Fatal(err)
	}
	var outs [3]bytes.Buffer
	var cmds [3]*exec.Cmd
	for n := range cmds {
		cmds[n] = childCommand(t, dir, file)
		cmds[n].Stdout = &outs[n]
		if err := cmds[n].Start(); err != nil {
			t.Fatal(err)
		}
	}
	made := 0
	for n := range cmds {
		if err := cmds[n].Wait(); err != nil {
			t.Errorf("%v: %s", err, outs[n].String())
		}
		if strings.Contains(outs[n].String(), "made true got 2") {
			made++
		} else if !strings.Contains(outs[n].String(), "made false got 2") {
			t.Errorf("said %q", outs[n].String())
		}
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
}

func childCommand(t *testing.T, dir, file string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, dir, file)
	c.Env = append(os.Environ(), childEnv+"=1")
	c.Stderr = os.Stderr
	return c
}

// TestKilled kills a process while it compiles: the next one is not held up by its lock, and finds no half of an entry.
func TestKilled(t *testing.T) {
	dir, file := tempDir(t), filepath.Join(tempDir(t), "m.wasm")
	bin := bulky(sized(20_000), 60)
	if err := os.WriteFile(file, bin, 0o600); err != nil {
		t.Fatal(err)
	}
	// A draft of a key that nobody makes any more, and one of a key that somebody does.
	e := newEngine(t, Config{CacheDir: dir})
	stale, busy := keyOf([]byte("stale")), keyOf([]byte("busy"))
	unlock, err := e.cache.lock(t.Context(), busy, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{stale, busy} {
		if err := os.Mkdir(e.cache.path("drafts", key+".123"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c := childCommand(t, dir, file)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "making" {
	}
	for end := time.Now().Add(time.Minute); len(drafts(e, bin)) == 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	wantEmpty(t, e.cache.path("entries"))
	if list := drafts(e, bin); len(list) != 1 {
		t.Errorf("%d drafts: the child was not killed while it compiled", len(list))
	}
	if _, err := os.Stat(e.cache.path("drafts", busy+".123")); err != nil {
		t.Error("swept away the draft of a key that is locked:", err)
	}
	unlock()
	m := mustLoad(t, e, Artifact{Wasm: bin})
	runs(t, e, m)
	wantEmpty(t, e.cache.path("drafts"))
	if s := m.Stats(); s.Hit || s.CacheErr != nil {
		t.Errorf("%+v", s)
	}
}

func drafts(e *Engine, bin []byte) []string {
	list, _ := filepath.Glob(e.cache.path("drafts", keyOf(bin)+".*"))
	return list
}

// TestSkeleton loads code for a module whose functions are not there any more, with everything around them in use.
func TestSkeleton(t *testing.T) {
	dir := tempDir(t)
	a := strip(t, wat(t, `(module
	  (import "env" "f" (func $f (param i32) (result i32)))
	  (memory (export "memory") 1)
	  (table 4 funcref)
	  (global $g (mut i64) (i64.const 1000))
	  (global $h funcref (ref.func $one))
	  (data (i32.const 8) "\07\00\00\00") (data $later "\09\00\00\00")
	  (elem (i32.const 1) $one $f) (elem $more func $two)
	  (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
	  (func $two (param i32) (result i32) (local f64 i64) (i32.mul (local.get 0) (i32.const 2)))
	  (func $start (global.set $g (i64.const 5)) (table.set 0 (i32.const 0) (global.get $h)))
	  (func (export "run") (param i32) (result i32 i64)
	    (memory.init $later (i32.const 12) (i32.const 0) (i32.const 4))
	    (table.init 0 $more (i32.const 3) (i32.const 0) (i32.const 1))
	    (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))
	    (call_indirect (param i32) (result i32) (i32.const 1))
	    (call_indirect (param i32) (result i32) (i32.const 2))
	    (call_indirect (param i32) (result i32) (i32.const 3))
	    (i32.add (i32.load (i32.const 8)))
	    (i32.add (i32.load (i32.const 12)))
	    (global.get $g))
	  (start $start))`))
	f := HostFunc{Name: "f", Params: []ValueType{I32}, Results: []ValueType{I32},
		Call: func(_ context.Context, _ *Guest, stack []uint64) { stack[0] += 100 }}
	for _, hit := range []bool{false, true} {
		e := newEngine(t, Config{CacheDir: dir})
		m := mustLoad(t, e, a)
		if m.Stats().Hit != hit {
			t.Errorf("%+v", m.Stats())
		}
		i := instance(t, e, m, InstanceConfig{Imports: env(f)})
		got, err := i.Call(t.Context(), "run", 10)
		if err != nil || got[0] != (10+1+1+100)*2+7+9 || got[1] != 5 {
			t.Errorf("hit %v: got %v, %v", hit, got, err)
		}
		i.Close(t.Context())
		m.Close(t.Context())
	}
	skeleton, err := skeletonOf(a.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := os.ReadFile(filepath.Join(dir, "entries", keyOf(a.Wasm), wasmFile))
	if err != nil || newEngine(t, Config{}).Compiles() != bytes.Equal(kept, skeleton) {
		t.Error("the entry does not hold the skeleton:", err)
	}
}

// TestEntryVanishes removes the machine code after it was checked: wazero compiles the skeleton, which must not be run.
func TestEntryVanishes(t *testing.T) {
	dir := tempDir(t)
	a := Artifact{Wasm: bulky(5, 5)}
	folder := fill(t, dir, a)
	file := nativeFile(t, folder)
	e := newEngine(t, Config{CacheDir: dir})
	for name, vanish := range map[string]func() error{
		"removed":  func() error { return os.Remove(file) },
		"replaced": func() error { return errors.Join(os.Rename(file, file+"~"), os.WriteFile(file, []byte("x"), 0o600)) },
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("SKIPPED: an open file cannot be removed on Windows")
			}
			good, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := errors.Join(removeNow(file+"~"), os.WriteFile(file, good, 0o600)); err != nil {
					t.Fatal(err)
				}
			}()
			entry, err := e.cache.open(keyOf(a.Wasm), e.Identity())
			if err != nil {
				t.Fatal(err)
			}
			defer entry.close()
			if !entry.unchanged() {
				t.Error("changed before it was")
			}
			if err := vanish(); err != nil {
				t.Fatal(err)
			}
			if entry.unchanged() {
				t.Error("not noticed")
			}
			if name == "removed" {
				c, err := e.build(e.life, entry.wasm, entry.names, &entry.Outline, entry.dir, "")
				if err != nil {
					t.Fatal(err)
				}
				c.free()
				if entry.unchanged() {
					t.Error("what wazero made of the skeleton passes for the machine code")
				}
			}
		})
	}
}

func TestCached(t *testing.T) {
	dir := tempDir(t)
	a := Artifact{Wasm: bulky(50, 20)}
	entry := fill(t, dir, a)
	fill(t, dir, Artifact{Wasm: bulky(2, 2)})
	e := newEngine(t, Config{CacheDir: dir})
	list, err := e.Cached()
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, c := range list {
		if !c.Usable || c.Size < c.Native+int64(len(bulky(2, 2))) || c.Compile <= 0 || time.Since(c.Used) > time.Minute {
			t.Errorf("%+v", c)
		}
	}
	other := newEngine(t, Config{CacheDir: dir, Interpreter: true})
	if list, _ := other.Cached(); len(list) != 2 || list[0].Usable || list[1].Usable {
		t.Errorf("another engine can use them: %+v", list)
	}
	if err := os.WriteFile(filepath.Join(entry, entryFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Forget(keyOf(bulky(2, 2))); err != nil {
		t.Error(err)
	}
	if list, _ := e.Cached(); len(list) != 1 || list[0].Usable || list[0].Size == 0 {
		t.Errorf("a damaged one: %+v", list)
	}
}

// FuzzNative reads what is not a file of wazero's.
func FuzzNative(f *testing.F) {
	f.Add([]byte("WAZEVO\x03dev\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00ab0000\x00"))
	f.Add([]byte("WAZEVO\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		at, n := codeSpan(bytes.NewReader(b), int64(len(b)))
		if at < 0 || n < 0 || at+n > int64(len(b)) {
			t.Fatalf("code at %d, %d bytes, in %d", at, n, len(b))
		}
	})
}
