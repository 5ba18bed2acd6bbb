package local

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestListen(t *testing.T) {
	dir, err := os.MkdirTemp("", "wl")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	long := filepath.Join(dir, strings.Repeat("x", 120))
	for name, dir := range map[string]string{"short": dir, "too long": long} {
		t.Run(name, func(t *testing.T) {
			addresses := Addresses(dir, t.Name()+dir)
			l, at, err := Listen(t.Context(), addresses)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			talk(t, l, at)
			if _, _, err := Listen(t.Context(), []string{at}); err == nil {
				t.Error("two listen at one address")
			}
		})
	}
	if runtime.GOOS == "windows" {
		return
	}
	t.Run("killed", func(t *testing.T) {
		at := Addresses(dir, "killed")[0]
		l, err := net.Listen("unix", strings.TrimPrefix(at, unixPrefix))
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
		l, _, err = Listen(t.Context(), []string{at})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		talk(t, l, at)
	})
	t.Run("open to others", func(t *testing.T) {
		open := filepath.Join(dir, "open")
		if err := os.Mkdir(open, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
		if l, _, err := Listen(t.Context(), Addresses(open, "x")[:1]); err == nil {
			l.Close()
			t.Error("a folder that others look into is used")
		}
	})
}

// talk sends something each way, and closes by half.
func talk(t *testing.T, l net.Listener, at string) {
	t.Helper()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.Copy(c, c)
	}()
	c, err := Dial(context.WithoutCancel(t.Context()), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
