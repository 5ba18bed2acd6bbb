package web

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/test/browser"
	"github.com/wherry-run/wherry/test/dock"
)

// TestWebSocket has real clients talk to an application of Starlette.
func TestWebSocket(t *testing.T) {
	p := python(t)
	url := serve(t, p, "testdata/starlette")
	list, err := os.ReadFile("testdata/client.txt")
	if err != nil {
		t.Fatal(err)
	}
	client, _ := dock.Pinned(t, string(list), filepath.Join("testdata", "client.txt"))
	if r := client.Run(t, "", filepath.Join("testdata", "client.py"), url); r.Code != 0 || !strings.HasSuffix(r.Out, "ok\n") {
		t.Errorf("exit code %d\n%s%s", r.Code, r.Out, r.Err)
	} else {
		t.Log(r.Out)
	}
	page := browser.Start(t).Open(t, 400, 300)
	page.Go(url + "/")
	var said string
	page.Eval(fmt.Sprintf(`new Promise((done, failed) => {
		const socket = new WebSocket(%q, ["one", "two"]), heard = []
		socket.binaryType = "arraybuffer"
		socket.onopen = () => { socket.send("caf\u00e9"); socket.send(new Uint8Array([1, 2, 3])) }
		socket.onmessage = (m) => {
			heard.push(typeof m.data === "string" ? m.data : new Uint8Array(m.data).join("-"))
			if (heard.length === 2) socket.close(4001, "bye")
		}
		socket.onerror = () => failed(new Error("an error"))
		socket.onclose = (e) => done([socket.protocol, socket.extensions, ...heard, e.code, e.wasClean].join(" "))
	})`, strings.Replace(url, "http", "ws", 1)+"/ws/same"), &said)
	if want := "two  caf\u00e9 1-2-3 4001 true"; said != want {
		t.Errorf("the browser heard %q, want %q", said, want)
	}
}

// TestFastAPI has it with the last pydantic that is pure Python; what has another is
// refused with what to write instead.
func TestFastAPI(t *testing.T) {
	p := python(t)
	url := serve(t, p, "testdata/fastapi")
	ask(t, url, []asked{
		{"GET", "/", "", 200, `{"hello":"fastapi"}`},
		{"POST", "/items/3?q=a", `{"name":"pen","price":"2.5"}`, 200, `{"n":3,"item":{"name":"pen","price":2.5},"q":"a"}`},
		{"POST", "/items/three", `{"name":"p"}`, 422, "value is not a valid integer"},
		{"GET", "/me", "", 401, "who are you?"},
		{"GET", "/me?token=secret", "", 200, `{"name":"joe"}`},
		{"GET", "/openapi.json", "", 200, `"title":"shop"`},
		{"GET", "/docs", "", 200, "swagger"},
	})
	folder := t.TempDir()
	for name, text := range map[string]string{"requirements.txt": "fastapi\nuvicorn[standard]\n", "main.py": "from fastapi import FastAPI\napp = FastAPI()\n"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := p.Run(t, "", "build", "-q", folder)
	for _, want := range []string{"pydantic==1.10.27", "fastapi==0.118.3", "uvicorn without [standard]"} {
		if r.Code == 0 || !strings.Contains(r.Err, want) {
			t.Errorf("exit code %d, and not %q:\n%s", r.Code, want, r.Err)
		}
	}
}

var csrf = regexp.MustCompile(`name="csrfmiddlewaretoken" value="([^"]+)"`)

// TestDjango has a project that Django itself makes, with its data on a volume, and logs
// in to its administration.
func TestDjango(t *testing.T) {
	p := python(t)
	p.Must(t, "", "build", "-q", "-t", "webtest-django", "testdata/django")
	p.Run(t, "", "volume", "rm", "-f", "webtest-django")
	t.Cleanup(func() {
		c := exec.Command(p.Command[0], "volume", "rm", "-f", "webtest-django")
		c.Env = append(os.Environ(), p.Env...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	on := []string{"run", "--rm", "-v", "webtest-django:/data"}
	p.Must(t, "", append(on, "webtest-django", "python", "manage.py", "migrate")...)
	p.Must(t, "", append(on, "-e", "DJANGO_SUPERUSER_PASSWORD=correct horse", "webtest-django",
		"python", "manage.py", "createsuperuser", "--noinput", "--username", "admin", "--email", "a@example.com")...)
	site := serve(t, p, "testdata/django", "-v", "webtest-django:/data")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	get := func(path string, form url.Values) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", site+path, nil)
		if form != nil {
			r, err = http.NewRequestWithContext(t.Context(), "POST", site+path, strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(text)
	}
	form := func(path string, more ...string) url.Values {
		t.Helper()
		_, text := get(path, nil)
		token := csrf.FindStringSubmatch(text)
		if token == nil {
			t.Fatalf("%s has no form: %.500s", path, text)
		}
		f := url.Values{"csrfmiddlewaretoken": {token[1]}}
		for i := 0; i < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	if status, text := get("/", nil); status != 200 || !strings.Contains(text, "The install worked successfully") {
		t.Errorf("%d %.200s", status, text)
	}
	if status, _ := get("/admin/login/", url.Values{"username": {"admin"}}); status != 403 {
		t.Errorf("without a token: %d", status)
	}
	const login = "/admin/login/?next=/admin/"
	if status, text := get(login, form(login, "username", "admin", "password", "wrong")); status != 200 || !strings.Contains(text, "Please enter the correct") {
		t.Errorf("a wrong password: %d %.200s", status, text)
	}
	if status, text := get(login, form(login, "username", "admin", "password", "correct horse")); status != 200 || !strings.Contains(text, "Site administration") {
		t.Fatalf("log in: %d %.300s", status, text)
	}
	const add = "/admin/auth/group/add/"
	if status, text := get(add, form(add, "name", "sailors")); status != 200 || !strings.Contains(text, "was added successfully") {
		t.Errorf("a row: %d %.300s", status, text)
	}
	if status, text := get("/admin/auth/group/", nil); status != 200 || !strings.Contains(text, "sailors") {
		t.Errorf("the rows: %d %.300s", status, text)
	}
	if status, text := get("/static/admin/css/base.css", nil); status != 200 || !strings.Contains(text, "font-family") {
		t.Errorf("a file: %d %.100s", status, text)
	}
	out := p.Must(t, "", append(on, "webtest-django", "python", "manage.py", "shell", "-c",
		"from django.contrib.auth.models import Group; print('rows:', Group.objects.count())")...)
	if !strings.Contains(out, "rows: 1") {
		t.Errorf("the row is not on the volume: %q", out)
	}
}
