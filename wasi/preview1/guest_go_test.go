package preview1_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/wasi"
	"github.com/wherry-run/wherry/wasi/preview1"
)

// guestProgram builds testdata/guest and loads it, prepared as in a container.
func guestProgram(t *testing.T) (*engine.Engine, *engine.Module) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "guest.wasm")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", bin, "./testdata/guest")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the guest: %v\n%s", err, out)
	}
	data, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(t.Context(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.WithoutCancel(t.Context())) })
	sum := sha256.Sum256(data)
	m, err := e.Load(t.Context(), hex.EncodeToString(sum[:]), func(ctx context.Context) (engine.Artifact, error) {
		p, err := prepare.Prepare(ctx, data, prepare.Options{EngineFixes: e.NeedsFixes(), Fuel: true})
		if err != nil {
			return engine.Artifact{}, err
		}
		return engine.Artifact{Wasm: p.Wasm, Names: p.Names}, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}

// runGuest runs the guest with the config's streams over an empty tree.
func runGuest(ctx context.Context, t *testing.T, e *engine.Engine, m *engine.Module, c preview1.Config) error {
	t.Helper()
	tree, err := rootfs.New(rootfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	c.Tree, c.Preopens = tree, []preview1.Preopen{{GuestPath: "/", Node: tree.Root()}}
	host, err := preview1.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	i, err := e.Instantiate(ctx, m, engine.InstanceConfig{Imports: []wasi.HostModule{host.Module()}})
	if err != nil {
		return err
	}
	defer i.Close(context.WithoutCancel(ctx))
	_, err = i.Call(ctx, "_start")
	if end := new(engine.ExitError); errors.As(err, &end) && end.Code == 0 {
		return nil
	}
	return err
}

func TestGoGuest(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: building and compiling a Go guest takes seconds")
	}
	e, m := guestProgram(t)

	t.Run("files", func(t *testing.T) {
		var stdout, stderr bytes.Buffer
		err := runGuest(t.Context(), t, e, m, preview1.Config{
			Args: []string{"guest", "files"}, Env: []string{"WHO=here"},
			Stdout: wasi.NewOutput(&stdout), Stderr: wasi.NewOutput(&stderr),
		})
		if err != nil || stdout.String() != "files work here\n" {
			t.Errorf("%v, stdout %q, stderr %q", err, stdout.String(), stderr.String())
		}
	})

	t.Run("exit", func(t *testing.T) {
		var stdout bytes.Buffer
		err := runGuest(t.Context(), t, e, m, preview1.Config{Args: []string{"guest", "exit"}, Stdout: wasi.NewOutput(&stdout)})
		end := new(engine.ExitError)
		if !errors.As(err, &end) || end.Code != 42 || stdout.String() != "bye" {
			t.Errorf("%v, stdout %q", err, stdout.String())
		}
	})

	t.Run("stdin", func(t *testing.T) {
		r, w := io.Pipe()
		go func() {
			for _, s := range []string{"one\ntw", "o\n", "three"} {
				time.Sleep(5 * time.Millisecond)
				_, _ = io.WriteString(w, s)
			}
			w.Close()
		}()
		var stdout bytes.Buffer
		err := runGuest(t.Context(), t, e, m, preview1.Config{
			Args: []string{"guest", "stdin"}, Stdin: wasi.NewInput(r), Stdout: wasi.NewOutput(&stdout),
		})
		if want := "line: one\nline: two\nline: three\n"; err != nil || stdout.String() != want {
			t.Errorf("%v, stdout %q", err, stdout.String())
		}
	})

	t.Run("server", func(t *testing.T) { testServer(t, e, m) })

	for _, command := range []string{"stdin", "server", "spin"} {
		t.Run("cancel "+command, func(t *testing.T) {
			r, w := io.Pipe()
			defer w.Close()
			l := listen(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var canceled time.Time
			time.AfterFunc(100*time.Millisecond, func() { canceled = time.Now(); cancel() })
			err := runGuest(ctx, t, e, m, preview1.Config{
				Args: []string{"guest", command}, Stdin: wasi.NewInput(r), Listeners: []wasi.Listener{l},
			})
			if d := time.Since(canceled); !errors.Is(err, context.Canceled) || d > 10*time.Second { // a tenth of one is meant; a loaded machine is late
				t.Errorf("%v after %v", err, d)
			}
		})
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// testServer talks to a server inside the guest, on several connections at once.
func testServer(t *testing.T, e *engine.Engine, m *engine.Module) {
	l := listen(t)
	done := make(chan error, 1)
	var stderr bytes.Buffer
	go func() {
		done <- runGuest(t.Context(), t, e, m, preview1.Config{
			Args: []string{"guest", "server"}, Listeners: []wasi.Listener{l}, Stderr: wasi.NewOutput(&stderr),
		})
	}()
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			text := strings.Repeat(string(rune('a'+i)), 100_000)
			if got, err := talk(l.Addr().String(), text); got != strings.ToUpper(text) || err != nil {
				t.Errorf("connection %d: %d bytes, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
	if _, err := talk(l.Addr().String(), "stop"); err != nil {
		t.Error(err)
	}
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("%v, stderr %q", err, stderr.String())
		}
	case <-time.After(20 * time.Second):
		t.Error("the guest does not end")
	}
}

// talk sends a text and reads the whole answer.
func talk(address, text string) (string, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, text)
		sent <- errors.Join(err, c.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(c)
	return string(got), errors.Join(err, <-sent)
}
