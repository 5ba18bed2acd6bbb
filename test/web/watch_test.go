package web

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

const watched = `services:
  web:
    build: ./app
    ports: ["%d:8080"]
    develop: {watch: [{path: ./app, action: sync, target: /app}]}
`

// TestWatch saves files of applications that are followed: what is saved is served,
// with the packages as they were, and a mistake is told of and mended by the next.
func TestWatch(t *testing.T) {
	p := python(t)
	// What an earlier run kept would fit the version that changes a package, as well: it imports nothing after that.
	if err := os.RemoveAll(filepath.Join(dock.Home(t), "cache", "packages")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, was string }{
		"flask": {"testdata/flask", "hello from flask"}, "starlette": {"testdata/starlette", "hello from starlette"},
	} {
		t.Run(name, func(t *testing.T) { follow(t, p, name, c.from, c.was) })
	}
}

func follow(t *testing.T, p dock.Program, name, from, was string) {
	folder := t.TempDir()
	app := filepath.Join(folder, "app")
	if err := os.CopyFS(app, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	port := 18500 + os.Getpid()%1000
	if err := os.WriteFile(filepath.Join(folder, "compose.yaml"), fmt.Appendf(nil, watched, port), 0o644); err != nil {
		t.Fatal(err)
	}
	stack := "webtest-watch-" + name
	on := []string{"compose", "-p", stack, "--project-directory", folder, "-f", filepath.Join(folder, "compose.yaml")}
	watch := exec.Command(p.Command[0], append(on, "watch")...)
	watch.Env = append(os.Environ(), p.Env...)
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = watch.Process.Signal(syscall.SIGINT)
		_ = watch.Wait()
		down := exec.Command(p.Command[0], append(on, "down", "-v")...)
		down.Env = watch.Env
		if out, err := down.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	file := filepath.Join(app, "app.py")
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), was) {
		t.Fatalf("%s has no %s: %v", file, was, err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	served(t, url, was)
	save := func(text, want string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		served(t, url, want)
	}
	prepared(t, p, on)
	for i := range 3 {
		word := fmt.Sprintf("saved %d times", i+1)
		save(strings.ReplaceAll(string(text), was, word), word)
	}
	save(string(text)+"\ndef broken(:\n", "its log says why (SyntaxError)")
	save(strings.ReplaceAll(string(text), was, "mended"), "mended")
	said := logs(t, p, on)
	if n := strings.Count(said, "began=packages"); n != 4 || strings.Contains(said, "began=beginning") {
		t.Errorf("%d of 4 versions began with the packages that were imported:\n%s", n, said)
	}
	if name == "flask" { // what a version does to a package before it imports another has been done when it is
		save("import json\njson.DEFAULT = 3\n"+strings.ReplaceAll(string(text), was, "meddled"), "meddled")
		if said := logs(t, p, on); strings.Count(said, "began=beginning") != 1 {
			t.Errorf("the version that changes a package began with the packages:\n%s", said)
		}
	}
	if !strings.Contains(said, "def broken(:") || strings.Count(said, "answers at ") != 1 {
		t.Errorf("no word of the mistake, or the server began again:\n%s", said)
	}
}

// logs is what the containers of a stack have printed.
func logs(t *testing.T, p dock.Program, on []string) string {
	t.Helper()
	log := p.Run(t, "", append(on, "logs", "--no-log-prefix")...)
	return log.Out + log.Err
}

// prepared waits until a server is ready for changes.
func prepared(t *testing.T, p dock.Program, on []string) {
	t.Helper()
	const ready = "ready for changes of its files"
	for end := time.Now().Add(5 * time.Minute); !strings.Contains(logs(t, p, on), ready); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the server is not %s:\n%s", ready, logs(t, p, on))
		}
	}
}

// served waits until an answer says something.
func served(t *testing.T, url, want string) {
	t.Helper()
	last := ""
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		got, err := http.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		text, err := io.ReadAll(got.Body)
		got.Body.Close()
		if last = string(text); err == nil && strings.Contains(last, want) {
			return
		}
	}
	t.Fatalf("%q is not served, but %.300q", want, last)
}
