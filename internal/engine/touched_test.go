package engine

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/wherry-run/wherry/internal/prepare"
)

const touching = `(module
  (memory (export "memory") 32)
  (func (export "sum") (param i32 i32) (result i32) (i32.add (i32.load8_u (local.get 0)) (i32.load8_u (local.get 1))))
  (func (export "write") (param i32) (i32.store8 (local.get 0) (i32.const 7)))
  (func (export "fail") (param i32) (i32.store8 (local.get 0) (i32.const 7)) (unreachable)))`

// TestTouched learns from one run which pages the next has at hand, and nothing from one that failed.
func TestTouched(t *testing.T) {
	if !canLearn {
		t.Skip("no pages are learnt on this system")
	}
	bin, dir := wat(t, touching), tempDir(t)
	name := filepath.Join(dir, "memory")
	if err := os.WriteFile(name, bytes.Repeat([]byte{3}, 32*pageSize), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	image := Image{File: f, Size: 32 * pageSize, Key: keyOf([]byte("image"))}
	learnt := filepath.Join(dir, "cache", "touched", image.Key)
	begin := func() *Instance {
		e := newEngine(t, Config{CacheDir: filepath.Join(dir, "cache")})
		return instance(t, e, loadParts(t, e, bin, newSplitParts(t, bin), prepare.PrimaryOptions{Pages: 32}), InstanceConfig{Image: &image})
	}
	call := func(i *Instance, name string, args ...uint64) {
		if got, err := i.Call(t.Context(), name, args...); (err != nil) != (name == "fail") || name == "sum" && got[0] != 6 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
	}
	failed := begin()
	call(failed, "fail", 0)
	failed.Close(t.Context())
	if _, err := os.Stat(learnt); err == nil {
		t.Fatal("something was learnt from a failure")
	}
	const page = 4 << 10
	first := begin()
	call(first, "sum", 5*page, 200*page)
	call(first, "write", 201*page)
	if err := first.Reset(&image); err != nil {
		t.Fatal(err)
	}
	want := []span{{5 * page, 6 * page}, {200 * page, 202 * page}}
	b, err := os.ReadFile(learnt)
	if err != nil {
		t.Fatal(err)
	}
	if got := decodeTouched(b); os.Getpagesize() == page && !reflect.DeepEqual(got, want) {
		t.Fatalf("learnt %v, want %v", got, want)
	}
	call(first, "sum", 0, page)
	second := begin()
	call(second, "sum", 5*page, 5*page)
	for _, s := range seen(second.mem.buf) {
		if os.Getpagesize() == page && s != want[0] && s != want[1] {
			t.Errorf("%v is mapped, want %v", s, want)
		}
	}
	if n := len(seen(second.mem.buf)); n != 2 {
		t.Errorf("%d pieces are mapped", n)
	}
	if err := os.WriteFile(learnt, b[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	third := begin()
	call(third, "sum", 9*page, 9*page)
	third.Close(t.Context())
	if again, err := os.ReadFile(learnt); err != nil || decodeTouched(again) == nil {
		t.Error("what was damaged is not learnt again", err)
	}
}

// TestTouchedOnce lets one instance watch at a time, and keeps a bounded number of files.
func TestTouchedOnce(t *testing.T) {
	c, err := openCache(tempDir(t))
	if err != nil {
		t.Fatal(err)
	}
	l := newTouched(c)
	if !l.claim("a") || l.claim("b") {
		t.Fatal("two learn at once, or none")
	}
	l.learnt("a", nil)
	if !l.claim("a") {
		t.Fatal("nothing was learnt, and it is not tried again")
	}
	l.learnt("a", []span{{0, 1}})
	if l.claim("a") || !l.claim("b") {
		t.Fatal("what is known is learnt again, or nothing else")
	}
	for i := range 2 * touchedFiles {
		l.learnt(keyOf([]byte{byte(i), byte(i >> 8)}), []span{{0, 1}})
	}
	if list, err := os.ReadDir(l.dir); err != nil || len(list) > touchedFiles {
		t.Errorf("%d files are kept, %v", len(list), err)
	}
	if newTouched(nil).claim("a") {
		t.Error("learns without a place to keep it")
	}
}

// FuzzTouched checks that what is read can be written again, and lies in order within a memory.
func FuzzTouched(f *testing.F) {
	f.Add(encodeTouched([]span{{0, 4096}, {8192, 1 << 31}})[32:])
	f.Add([]byte(touchedMagic + "\x00\x00"))
	f.Add([]byte(touchedMagic + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		list := decodeTouched(append(sum[:], body...))
		last := uint64(0)
		for _, s := range list {
			if s.off < last || s.end <= s.off {
				t.Fatalf("%v", list)
			}
			last = s.end
		}
		if list != nil && !reflect.DeepEqual(decodeTouched(encodeTouched(list)), list) {
			t.Fatalf("%v comes back as something else", list)
		}
	})
}

// TestTouchedOthers hands an image spans of a larger one.
func TestTouchedOthers(t *testing.T) {
	l, err := newLinear(pageSize, pageSize, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.release()
	bring(l.buf, []span{{0, 4096}, {pageSize, 2 * pageSize}})
	bring(l.buf, []span{{1, 17}})
}
