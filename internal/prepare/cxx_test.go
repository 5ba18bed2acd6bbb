package prepare_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestCompiledExceptions runs what a C++ compiler makes of throw and catch.
func TestCompiledExceptions(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.wasm")
	cmd := exec.Command(need(t, "clang++"), "--target=wasm32-wasi", "-fwasm-exceptions", "-nostdlib", "-O1",
		"-Wl,--no-entry", "-o", out, filepath.Join("testdata", "exceptions.cc"))
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("clang++: %v\n%s", err, msg)
	}
	bin, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const n = 1000
	frames, nested := 0, 0
	for i := range n {
		frames += 20 * 21 / 2 // the destructors run either way
		if i%3 == 0 {
			frames += 1000
		} else {
			frames += 20
		}
		switch {
		case i%3 != 0:
			nested++
		case i/3%3 != 0:
			nested += 17
		default:
			nested += 110
		}
	}
	calls := []call{{"frames", []uint64{n}}, {"nested", []uint64{n}}, {"uncaught", []uint64{3}}, {"uncaught", []uint64{4}}}
	want := []string{hex(frames), hex(nested), "uncaught", "[0x5]"}
	for engine := range engines {
		got := run(t, engine, prepared(t, bin, all), 0, calls...)
		for i, w := range want {
			if got.results[i] != w {
				t.Errorf("%s %v: got %s, want %s", engine, calls[i], got.results[i], w)
			}
		}
	}
}
