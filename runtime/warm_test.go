package runtime_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/runtime"
)

// library is a module that no program can be made of.
const library = "\x00asm\x01\x00\x00\x00"

// fleet is an image with a program of which much is known, one of which nothing is, a module that is no program, and
// files that are none.
func fleet(t *testing.T, rt *runtime.Runtime) *derivedImage {
	t.Helper()
	return derive(t, rt, newImage(t, ispec.ImageConfig{Entrypoint: []string{"/bin/waiting"}, Env: []string{"MODE=fast"}},
		file{"bin/again", 0o755, waitingWasm(t)}, file{"bin/library", 0o755, []byte(library)}, file{"bin/probe", 0o755, probeWasm(t)},
		file{"bin/script", 0o755, []byte("#!/bin/sh\n")}, file{"bin/waiting", 0o755, waitingWasm(t)},
		file{"data/plain.wasm", 0o644, []byte(library + "\x00")}, file{"data/words", 0o644, []byte("words")}))
}

// nothingMade runs what the image can do and fails when anything had to be compiled, and so came to the cache.
func nothingMade(t *testing.T, img runtime.Image, cache string, o ...runtime.Option) {
	t.Helper()
	rt := newRuntime(t, append(o, runtime.WithCacheDir(cache))...)
	before := len(entries(t, cache))
	groups := int64(0)
	for name, spec := range map[string]runtime.Spec{
		"restored": {}, "a rare part of it": {Args: []string{"rare"}},
		"from the beginning": {NoSnapshot: true}, "the other program": {Entrypoint: []string{"/bin/probe", "args"}},
	} {
		_, stats, err := start(t, rt, img, spec)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if stats.Prepare != 0 || stats.Compile != 0 {
			t.Errorf("%s: prepared for %v, compiled for %v", name, stats.Prepare, stats.Compile)
		}
		groups += stats.Groups
	}
	if groups == 0 {
		t.Error("no group was loaded: this says nothing of them")
	}
	if after := len(entries(t, cache)); after != before {
		t.Errorf("%d modules were compiled", after-before)
	}
}

func entries(t *testing.T, cache string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(cache, "entries"))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestWarm checks that nothing is left to compile after Warm, of whatever the image can do, that it goes on where it was
// stopped, and that a baked cache has it all.
func TestWarm(t *testing.T) {
	img := fleet(t, newRuntime(t))
	cache, bake := t.TempDir(), t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(cache))
	ctx, cancel := context.WithCancel(t.Context())
	parts := 0
	_, err := rt.Warm(ctx, img, runtime.WarmSpec{Progress: func(done, total int) {
		if parts = total; done == 3 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || parts < 10 {
		t.Fatalf("stopped in %d parts: %v", parts, err)
	}
	rt.Close(t.Context()) // ends what is being compiled

	rt = newRuntime(t, runtime.WithCacheDir(cache))
	last := 0
	w, err := rt.Warm(t.Context(), img, runtime.WarmSpec{Workers: 3, Bake: bake, Progress: func(done, total int) {
		if done != last && done != last+1 || total != parts {
			t.Errorf("%d of %d after %d of %d", done, total, last, parts)
		}
		last = done
	}})
	if err != nil {
		t.Fatal(err)
	}
	if w.Modules != 3 || w.Parts != parts || w.Compiled > parts-3 || w.Compiled < parts-5 || last != parts {
		t.Errorf("%+v, %d are done; want %d parts of 3 modules, of which 3 or a few more were there", w, last, parts)
	}
	if len(w.Notes) != 1 || !strings.Contains(w.Notes[0], "/bin/library") {
		t.Errorf("notes: %q", w.Notes)
	}
	nothingMade(t, img, cache)
	nothingMade(t, img, t.TempDir(), runtime.WithBakedCache(bake))

	if w, err = rt.Warm(t.Context(), img, runtime.WarmSpec{}); err != nil || w.Compiled != 0 {
		t.Errorf("the second time: %+v, %v", w, err)
	}
	if _, err := newRuntime(t).Warm(t.Context(), img, runtime.WarmSpec{}); err == nil {
		t.Error("an image was warmed without a cache to put anything in")
	}
}

// TestWarmLies checks that an image that is wrong about its module is compiled as it will run: whole.
func TestWarmLies(t *testing.T) {
	cache := t.TempDir()
	rt := newRuntime(t, runtime.WithCacheDir(cache))
	img := fleet(t, rt)
	img.facts = []byte("no facts")
	w, err := rt.Warm(t.Context(), img, runtime.WarmSpec{})
	if err != nil {
		t.Fatal(err)
	}
	if w.Parts != 2 || len(w.Notes) != 2 {
		t.Errorf("%+v", w)
	}
	if _, stats, err := start(t, newRuntime(t, runtime.WithCacheDir(cache)), img, runtime.Spec{}); err != nil || stats.Compile != 0 {
		t.Errorf("compiled for %v, %v", stats.Compile, err)
	}
	img.dir = t.TempDir()
	if _, err := rt.Warm(t.Context(), img, runtime.WarmSpec{}); err == nil {
		t.Error("nobody says that the memory of the snapshot is missing")
	}
}
