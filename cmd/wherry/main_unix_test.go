//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// bound is how long a process may take to end. A tenth of a second is what is
// meant; the rest is for machines that have much else to do.
const bound = 15 * time.Second

// patience is for what a test waits for before it sends anything.
const patience = 2 * time.Minute

// TestSignals: a signal ends the program whatever it does, at once, with the
// code that a shell expects, and nothing is left behind.
func TestSignals(t *testing.T) {
	program := dock.Build(t, "", "")
	dir := t.TempDir()
	clang(t, filepath.Join("testdata", "endless.c"), filepath.Join(dir, "endless.wasm"))
	write(t, filepath.Join(dir, "large.wasm"), module(many(20_000)))
	write(t, filepath.Join(dir, "dense.wasm"), module(branchy(4)))
	write(t, filepath.Join(dir, "Wasmfile"), []byte("FROM scratch\nCOPY endless.wasm /endless\nRUN [\"/endless\", \"loop\"]\n"))
	home := filepath.Join(dir, "home")
	warm := dock.Program{Command: []string{program}, Dir: dir, Env: []string{"WHERRY_HOME=" + home}}
	warm.Run(t, "", "run", "./endless.wasm", "nothing")

	for _, c := range []struct {
		what   string
		args   []string
		signal syscall.Signal
		ready  func(*process) bool
	}{
		{"computing", []string{"run", "./endless.wasm", "loop"}, syscall.SIGINT, printed("ready")},
		{"computing", []string{"run", "./endless.wasm", "loop"}, syscall.SIGTERM, printed("ready")},
		{"sleeping", []string{"run", "./endless.wasm", "sleep"}, syscall.SIGINT, printed("ready")},
		{"sleeping", []string{"run", "./endless.wasm", "sleep"}, syscall.SIGTERM, printed("ready")},
		{"reading", []string{"run", "./endless.wasm", "read"}, syscall.SIGINT, printed("ready")},
		{"reading", []string{"run", "./endless.wasm", "read"}, syscall.SIGTERM, printed("ready")},
		{"filling", []string{"run", "./endless.wasm", "fill"}, syscall.SIGINT, printed("ready")},
		{"printing", []string{"run", "./endless.wasm", "print"}, syscall.SIGTERM, stuck},
		{"compiling functions", []string{"run", "./large.wasm"}, syscall.SIGINT, compiling},
		{"compiling a function", []string{"run", "./dense.wasm"}, syscall.SIGTERM, compiling},
		{"building", []string{"build", "."}, syscall.SIGINT, printed("ready")},
		{"building", []string{"build", "."}, syscall.SIGTERM, printed("ready")},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.what, c.signal), func(t *testing.T) {
			p := start(t, program, dir, home, c.args...)
			p.wait(t, c.ready)
			began := time.Now()
			p.signal(t, c.signal)
			state := p.end(t)
			took := time.Since(began)
			t.Logf("ended after %s", took.Round(time.Millisecond))
			if took > bound {
				t.Errorf("ended after %s, the bound is %s", took, bound)
			}
			if want := 128 + int(c.signal); state.ExitCode() != want {
				t.Errorf("%s, want exit code %d\n%s", state, want, p.talk.String())
			}
			if p.talk.contains("panic") || p.talk.contains("goroutine ") {
				t.Errorf("it says:\n%s", p.talk.String())
			}
			p.nothingLeft(t)
		})
	}
}

// TestSecondSignal: the first signal only asks; whoever sends another does not
// want to wait for what is being put away.
func TestSecondSignal(t *testing.T) {
	if os.Getenv("WHERRY_TEST_DEAF") != "" {
		ctx := interruptible(context.Background())
		fmt.Println("ready")
		<-ctx.Done()
		fmt.Println("stopping:", context.Cause(ctx))
		time.Sleep(patience)
		os.Exit(3)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Setenv("WHERRY_TEST_DEAF", "1")
		p := start(t, os.Args[0], "", t.TempDir(), "-test.run=^TestSecondSignal$")
		p.wait(t, printed("ready"))
		p.signal(t, syscall.SIGINT)
		p.wait(t, printed("stopping: interrupt"))
		began := time.Now()
		p.signal(t, s)
		state := p.end(t)
		if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != s || time.Since(began) > bound {
			t.Errorf("%s: %s after %s", s, state, time.Since(began))
		}
	}
}

// process is a program in a process group of its own, as a shell starts one. Its
// input stays open and empty, and its output is read as far as ready looks.
type process struct {
	cmd       *exec.Cmd
	out, talk *text
	home      string
	temp      string
	done      chan struct{}
}

func start(t *testing.T, program, dir, home string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), out: &text{}, talk: &text{}, home: home, temp: t.TempDir(), done: make(chan struct{})}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "WHERRY_HOME="+home, "TMPDIR="+p.temp)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = p.talk
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = write
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	go func() { // no more than begins its output, so that a pipe can be full
		_, _ = io.Copy(p.out, io.LimitReader(read, 64))
	}()
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.done
		in.Close()
		read.Close()
	})
	return p
}

// wait waits until the process has come to the point.
func (p *process) wait(t *testing.T, ready func(*process) bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ready(p); time.Sleep(5 * time.Millisecond) {
		select {
		case <-p.done:
			t.Fatalf("it ended by itself: %s\n%s%s", p.cmd.ProcessState, p.out, p.talk)
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("not ready after %s\n%s%s", patience, p.out, p.talk)
		}
	}
}

// signal sends a signal to the whole group, as a terminal does.
func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, s); err != nil {
		t.Fatal(err)
	}
}

func (p *process) end(t *testing.T) *os.ProcessState {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("it goes on %s after the signal", patience)
	}
	return p.cmd.ProcessState
}

// nothingLeft: no draft of a compiled module, no lease of a store, no half a
// blob, no temporary file.
func (p *process) nothingLeft(t *testing.T) {
	t.Helper()
	for _, dir := range []string{p.temp, p.drafts(), filepath.Join(p.home, "data", "leases")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		for _, e := range entries {
			t.Errorf("left behind: %s", filepath.Join(dir, e.Name()))
		}
	}
	err := filepath.WalkDir(p.home, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "locks" {
			return fs.SkipDir // they have the names of what was made under them
		}
		for _, begins := range []string{"blob-", "file-", ".new", ".tmp", ".wherry-"} {
			if err == nil && strings.HasPrefix(d.Name(), begins) {
				t.Errorf("left behind: %s", name)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func (p *process) drafts() string { return filepath.Join(p.home, "cache", "modules", "drafts") }

func printed(s string) func(*process) bool {
	return func(p *process) bool { return p.out.contains(s) || p.talk.contains(s) }
}

// compiling: the compiler has a folder to leave its code in.
func compiling(p *process) bool {
	drafts, _ := os.ReadDir(p.drafts())
	return len(drafts) > 0
}

// stuck: it has printed far more than is read, so it waits.
func stuck(p *process) bool {
	if !p.out.contains("nobody reads") {
		return false
	}
	time.Sleep(500 * time.Millisecond)
	return true
}

// text is what a process printed so far.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.Write(b)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.buf.String()
}

func (x *text) contains(s string) bool { return strings.Contains(x.String(), s) }

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func clang(t *testing.T, src, out string) {
	t.Helper()
	cmd := exec.Command(dock.Find(t, "clang"), "--target=wasm32-wasi", "-O1", "-mbulk-memory", "-o", out, src)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("clang: %v\n%s", err, text)
	}
}
