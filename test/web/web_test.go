// Package web holds what a user of web images finds: they are built, run and asked. The
// applications of Python, with the wheels that everybody uses, are asked when
// WHERRY_TEST_WEB=long.
package web

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

// serve builds a folder, has it served and gives the address. At the end of the test the
// server ends as it is asked to.
func serve(t *testing.T, p dock.Program, folder string, flags ...string) string {
	t.Helper()
	name := "webtest-" + strings.ToLower(filepath.Base(folder))
	p.Must(t, "", "build", "-q", "-t", name, folder)
	c := exec.Command(p.Command[0], append(append([]string{"run", "-p", "0:8080", "--timeout", "30s"}, flags...), name)...)
	c.Env = append(os.Environ(), p.Env...)
	out, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	found := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				found <- m[1]
			}
		}
		close(found)
	}()
	select {
	case url, ok := <-found:
		if !ok {
			t.Fatal("the server ended before it said where it is")
		}
		return url
	case <-time.After(5 * time.Minute):
		t.Fatal("the server does not say where it is")
	}
	return ""
}

var address = regexp.MustCompile(`answers at (http://\S+)`)

// asked is a request, and what is to come back.
type asked struct {
	method, path, body string
	status             int
	says               string // is in the answer
}

func ask(t *testing.T, url string, list []asked) {
	t.Helper()
	for _, a := range list {
		r, err := http.NewRequestWithContext(t.Context(), a.method, url+a.path, strings.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Proxy", "http://evil.example/")
		got, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Errorf("%s %s: %v", a.method, a.path, err)
			continue
		}
		text, err := io.ReadAll(got.Body)
		got.Body.Close()
		if err != nil || got.StatusCode != a.status || !strings.Contains(string(text), a.says) {
			t.Errorf("%s %s: %d %.200q, %v; want %d %.80q", a.method, a.path, got.StatusCode, text, err, a.status, a.says)
		}
	}
}

// echo sends a large body and wants it back.
func echo(t *testing.T, url string) {
	t.Helper()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	got, err := http.Post(url+"/echo", "application/octet-stream", bytes.NewReader(sent))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if back, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(back, sent) {
		t.Errorf("%d of %d bytes came back, %v", len(back), len(sent), err)
	}
}

// streams wants the first piece of an answer before the last one was made.
func streams(t *testing.T, url string) {
	t.Helper()
	var took time.Duration
	for range 10 { // on a loaded machine the first may be seen with the last
		if took = ticks(t, url); took > 300*time.Millisecond {
			return
		}
	}
	t.Errorf("the last piece came %v after the first", took)
}

// ticks is the time between the first and the last piece of an answer.
func ticks(t *testing.T, url string) time.Duration {
	t.Helper()
	got, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	lines := bufio.NewScanner(got.Body)
	if !lines.Scan() || lines.Text() != "data: 0" {
		t.Fatalf("%q, %v", lines.Text(), lines.Err())
	}
	last, came := "", time.Now()
	for lines.Scan() {
		if lines.Text() != "" {
			last = lines.Text()
		}
	}
	if last != "data: 3" {
		t.Errorf("the last piece is %q", last)
	}
	return time.Since(came)
}

func TestStatic(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "static")
	if err := os.MkdirAll(filepath.Join(folder, "docs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"index.html": "home", "docs/index.html": "docs", "404.html": "not here"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ask(t, serve(t, dock.Native(t, t.TempDir()), folder), []asked{
		{"GET", "/", "", 200, "home"},
		{"GET", "/docs", "", 301, ""},
		{"GET", "/docs/", "", 200, "docs"},
		{"GET", "/nothing", "", 404, "not here"},
		{"POST", "/", "x", 405, ""},
	})
}

func TestCGI(t *testing.T) {
	dock.Find(t, "clang")
	url := serve(t, dock.Native(t, t.TempDir()), "testdata/cgi")
	ask(t, url, []asked{
		{"GET", "/x?a=b", "", 201, "hello a=b"},
		{"GET", "/local", "", 201, "hello x=1"},
		{"GET", "/proxy", "", 200, "none"},
		{"GET", "/nph", "", 502, ""},
		{"GET", "/silent", "", 502, ""},
	})
	echo(t, url)
}

// python is the program with the home that has the base.
func python(t *testing.T) dock.Program {
	t.Helper()
	if os.Getenv("WHERRY_TEST_WEB") != "long" {
		t.Skip("SKIPPED: set WHERRY_TEST_WEB=long to build and ask applications of Python, for some minutes")
	}
	return dock.Native(t, dock.Home(t))
}

func TestFlask(t *testing.T) {
	url := serve(t, python(t), "testdata/flask")
	ask(t, url, []asked{
		{"GET", "/", "", 200, "hello from flask"},
		{"GET", "/hello/caf%C3%A9", "", 200, `"caf\u00e9"`},
		{"GET", "/args?a=b", "", 200, `"a":"b"`},
		{"POST", "/sum", "[1,2,3]", 200, `"sum":6`},
		{"GET", "/boom", "", 500, "Internal Server Error"},
		{"GET", "/nothing", "", 404, "Not Found"},
	})
	echo(t, url)
	streams(t, url+"/ticks")
}

func TestStarlette(t *testing.T) {
	url := serve(t, python(t), "testdata/starlette")
	ask(t, url, []asked{
		{"GET", "/", "", 200, "hello from starlette"},
		{"GET", "/state", "", 200, `"db":"there"`},
		{"GET", "/sync", "", 200, "sync"},
		{"GET", "/static/x.css", "", 200, "body{}"},
		{"GET", "/boom", "", 500, "Internal Server Error"},
	})
	echo(t, url)
	streams(t, url+"/stream")
	var took time.Duration
	for range 5 { // it is the task that takes a second; a loaded machine is late now and then
		began := time.Now()
		ask(t, url, []asked{{"GET", "/task", "", 200, "accepted"}})
		if took = time.Since(began); took < 800*time.Millisecond {
			return
		}
	}
	t.Errorf("the answer waits for the background task: %v", took)
}
