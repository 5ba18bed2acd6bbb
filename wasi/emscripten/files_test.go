package emscripten_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/test/dock"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/emscripten"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// filesGuest compiles the guest that uses files.
func filesGuest(t testing.TB) []byte {
	t.Helper()
	clang, out := dock.Find(t, "clang"), filepath.Join(t.TempDir(), "files.wasm")
	cmd := exec.CommandContext(t.Context(), clang, "--target=wasm32", "-O1", "-nostdlib", "-ffreestanding", "-fno-builtin", "-mbulk-memory", "-Wl,--no-entry", "-o", out, "testdata/files.c")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// filesTree has a file, and a place for others.
func filesTree(t testing.TB, clock wasi.Clock) *rootfs.Tree {
	t.Helper()
	memory, text := &layer.Memory{}, []byte("hello world")
	ref := layer.Ref{Digest: memory.PutBytes(text), Size: int64(len(text))}
	const began = 1e9 * 1e9
	index := &layer.Index{Entries: []layer.Entry{
		{Kind: layer.Dir, Mode: 0o755, ModTime: began}, {Path: "data", Kind: layer.Dir, Mode: 0o755, ModTime: began},
		{Path: "data/words.txt", Kind: layer.File, Mode: 0o644, Size: ref.Size, Content: ref, ModTime: began},
		{Path: "tmp", Kind: layer.Dir, Mode: 0o755, ModTime: began},
	}}
	index.Sort()
	tree, err := rootfs.New(rootfs.Options{Layers: []layer.Layer{{Index: index, Content: memory}}, Now: clock.Now, MaxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	return tree
}

// TestFiles runs each test of a guest written in C, over files of its own.
func TestFiles(t *testing.T) {
	ctx := t.Context()
	e, err := engine.New(ctx, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.WithoutCancel(ctx)) })
	bin := filesGuest(t)
	sum := sha256.Sum256(bin)
	m, err := e.Load(ctx, hex.EncodeToString(sum[:]), func(context.Context) (engine.Artifact, error) { return engine.Artifact{Wasm: bin}, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"reads", "writes", "folders", "here", "numbers", "maps"} {
		t.Run(name, func(t *testing.T) {
			clock := wasi.NewFixedClock(time.Unix(1e9, 0))
			tree := filesTree(t, clock)
			host, err := preview1.New(preview1.Config{
				Clock: clock, Tree: tree, Preopens: []preview1.Preopen{{GuestPath: "/", Node: tree.Root()}}, Dir: "/data",
			})
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			env := emscripten.Module(emscripten.Config{Imports: m.Imports(), WASI: host.Module(), Files: host.POSIX(), Clock: clock})
			abi := emscripten.Module(emscripten.Config{Build: emscripten.Build{Module: "wasi_snapshot_preview1"}, Imports: m.Imports(), WASI: host.Module(), Files: host.POSIX(), Clock: clock})
			i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []engine.HostModule{env, abi}})
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close(context.WithoutCancel(ctx))
			if got, err := i.Call(ctx, name); err != nil || got[0] != 0 {
				t.Errorf("testdata/files.c:%d: %v", got, err)
			}
		})
	}
}
