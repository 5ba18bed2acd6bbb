//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// TestWarmingEnds: what pull --warm has started ends with it, also when it has no
// time to say so, and leaves nothing behind when it has.
func TestWarmingEnds(t *testing.T) {
	program := dock.Build(t, "", "")
	dir := t.TempDir()
	image := filepath.Join(dir, "image")
	if err := os.Mkdir(image, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(image, "Wasmfile"), []byte("FROM scratch\nCOPY --chmod=755 large.wasm /large\nCMD [\"/large\"]\n"))
	write(t, filepath.Join(image, "large.wasm"), module(many(20_000)))
	home := filepath.Join(dir, "home")
	dock.Program{Command: []string{program}, Dir: dir, Env: []string{"WHERRY_HOME=" + home}}.Must(t, "", "build", "-t", "large:1", "image")

	for _, c := range []struct {
		signal syscall.Signal
		group  bool // as a terminal sends it; otherwise to the one process
		code   int
	}{
		{syscall.SIGINT, true, 130}, {syscall.SIGTERM, false, 143}, {syscall.SIGKILL, false, -1},
	} {
		p := start(t, program, dir, home, "pull", "--warm", "--policy", "missing", "large:1")
		p.wait(t, compiling)
		pid := p.cmd.Process.Pid
		if to := map[bool]int{true: -pid, false: pid}[c.group]; syscall.Kill(to, c.signal) != nil {
			t.Fatal("it has ended by itself")
		}
		began := time.Now()
		state := p.end(t)
		for !errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) {
			if time.Since(began) > bound {
				t.Fatalf("%s: the process that compiles goes on after %s\n%s", c.signal, time.Since(began), p.talk)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if state.ExitCode() != c.code {
			t.Errorf("%s: %s, want exit code %d\n%s", c.signal, state, c.code, p.talk)
		}
		p.nothingLeft(t)
	}
}
