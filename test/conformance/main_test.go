package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOfficialSuite runs the suite if WASI_TESTSUITE names a checkout. Its
// modules are built from other people's code, so they are not in this
// repository.
func TestOfficialSuite(t *testing.T) {
	checkout := os.Getenv("WASI_TESTSUITE")
	if checkout == "" {
		t.Skip("SKIPPED: the official WASI suite: set WASI_TESTSUITE to a checkout of its branch with built modules")
	}
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{checkout}, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout.String(), stderr.String())
	}
	t.Log(stdout.String())
}

// wat builds a module of a checkout from its text.
func wat(t *testing.T, path, text string) {
	t.Helper()
	tool, err := exec.LookPath("wat2wasm")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("wat2wasm (package wabt) is not installed")
		}
		t.Skip("SKIPPED: wat2wasm (package wabt) is not installed")
	}
	source := path + ".wat"
	if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool, source, "-o", path+".wasm").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

const (
	// create makes the file "made" in descriptor 3 and exits with the result.
	create = `(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "made")
  (func (export "_start")
    (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)
      (i32.const 1) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 16)))))`
	// trap writes "hm" to stderr and traps.
	trap = `(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\02\00\00\00hm")
  (func (export "_start")
    (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 16)))
    unreachable))`
	spin = `(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))`
)

// TestRunner runs a suite of our own, half of which has to fail.
func TestRunner(t *testing.T) {
	checkout := t.TempDir()
	dir := filepath.Join(checkout, "tests", "wat", "testsuite", "wasm32-wasip1")
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"creates":       `{"root": "root"}`,
		"without-root":  `{"exit_code": 8}`, // EBADF
		"another-code":  `{"root": "root", "exit_code": 3}`,
		"unwanted-text": `{"stderr": ""}`,
		"spins":         `{}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"creates": create, "without-root": create, "another-code": create, "unwanted-text": trap, "spins": spin,
	} {
		wat(t, filepath.Join(dir, name), text)
	}
	for _, files := range []string{"layers", "mount"} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), []string{"-files", files, "-timeout", "500ms", checkout}, &stdout, &stderr)
		if code != 1 {
			t.Errorf("exit code %d, want 1: %s", code, stderr.String())
		}
		for _, want := range []string{
			"2 passed, 3 failed\n",
			"FAIL wat/another-code\n     exit code 0, want 3\n",
			"FAIL wat/unwanted-text\n     guest trapped: unreachable",
			`stderr "hm", want ""`,
			"FAIL wat/spins\n     context deadline exceeded\n",
		} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("files from %s: no %q in\n%s", files, want, stdout.String())
			}
		}
		if code := run(t.Context(), []string{"-files", files, "-timeout", "500ms", "-min", "2", checkout}, &stdout, &stderr); code != 0 {
			t.Errorf("exit code %d with 2 of 2 passed", code)
		}
	}
	// A container has a root in any case.
	var inside, talk bytes.Buffer
	if code := run(t.Context(), []string{"-files", "container", "-timeout", "500ms", checkout}, &inside, &talk); code != 1 ||
		!strings.Contains(inside.String(), "1 passed, 4 failed\n") || !strings.Contains(inside.String(), "FAIL wat/without-root\n     exit code 0, want 8\n") {
		t.Errorf("in a container: exit code %d, %s", code, inside.String())
	}
	if left, err := os.ReadDir(root); err != nil || len(left) > 0 {
		t.Errorf("the suite's folder was written to: %v, %v", left, err)
	}
}

func TestRunnerRefuses(t *testing.T) {
	for _, args := range [][]string{{}, {t.TempDir()}, {"-files", "elsewhere", "x"}, {"a", "b"}} {
		var stdout, stderr bytes.Buffer
		if code := run(t.Context(), args, &stdout, &stderr); code != 2 || stderr.Len() == 0 {
			t.Errorf("run(%v) = %d, %q", args, code, stderr.String())
		}
	}
}
