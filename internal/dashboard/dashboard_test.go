package dashboard

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wherry-run/wherry/internal/state"
)

// talker is a Runner whose programs print what they are given and go on until they are
// told to end.
type talker struct{}

type talk struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	used   func() state.Usage
}

func (talker) Start(ctx context.Context, job state.Job) (state.Program, error) {
	if job.Config.Args[0] == "missing" {
		return nil, &state.StartError{Code: 127, Text: "missing: not found", Hint: "look for it"}
	}
	p := &talk{done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(ctx)
	began := time.Now()
	p.used = func() state.Usage {
		return state.Usage{CPU: time.Since(began) / 2, Fuel: uint64(time.Since(began)), Memory: 1 << 20, Limit: 1 << 30}
	}
	for _, word := range job.Config.Args {
		fmt.Fprintln(job.Streams.Stdout, word)
	}
	fmt.Fprint(job.Streams.Stderr, "\xff<script>\n")
	go func() { <-p.ctx.Done(); close(p.done) }()
	return p, nil
}

func (p *talk) Wait() state.Exit          { <-p.done; return state.Exit{Code: 143} }
func (p *talk) Signal(state.Signal) error { p.cancel(); return nil }
func (p *talk) Pause(bool) error          { return nil }
func (p *talk) Usage() state.Usage        { return p.used() }
func (p *talk) Ports() []state.Port {
	return []state.Port{{HostIP: "0.0.0.0", HostPort: 8080, Container: 80, Protocol: "tcp"}}
}

func (p *talk) Exec(ctx context.Context, e state.ExecConfig, s state.Streams) (int, error) {
	if strings.Contains(e.Args[2], "forever") {
		<-ctx.Done()
		return 137, nil
	}
	fmt.Fprintf(s.Stdout, "%q", e.Args)
	if strings.Contains(e.Args[2], "much") {
		fmt.Fprint(s.Stderr, strings.Repeat("x", 2*maxSaid))
	}
	return 3, nil
}

// fixture is a dashboard with a container.
type fixture struct {
	*testing.T
	store  *state.Store
	d      *Dashboard
	server *httptest.Server
}

func newFixture(t *testing.T, args ...string) (*fixture, string) {
	t.Helper()
	var s *state.Store
	var wg sync.WaitGroup
	s, err := state.Open(t.TempDir(), state.Options{Spawn: func(ctx context.Context, id string, await bool) error {
		told := make(chan error, 1)
		wg.Go(func() {
			_ = s.Supervise(context.WithoutCancel(ctx), id, talker{}, state.SuperviseOptions{Report: func(err error) { told <- err }, Await: await})
		})
		return <-told
	}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Create(t.Context(), state.Config{Name: "one", Args: args, Labels: map[string]string{labelProject: "shop", labelService: "a", "x": "y"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Containers: s, Host: "127.0.0.1", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t, s, d, httptest.NewServer(d)}
	t.Cleanup(func() {
		f.server.Close()
		_ = s.Kill(context.WithoutCancel(t.Context()), c.ID, state.SIGKILL)
		wg.Wait()
	})
	return f, c.ID
}

// ask asks below the page's path, with a cookie unless headers have another.
func (f *fixture) ask(method, path string, headers ...string) *http.Response {
	f.Helper()
	r, err := http.NewRequestWithContext(f.Context(), method, f.server.URL+f.d.place+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	r.Header.Set("Cookie", cookie+"="+f.d.key)
	for i := 0; i < len(headers); i += 2 {
		switch headers[i] {
		case "Host":
			r.Host = headers[i+1]
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	got, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { got.Body.Close() })
	return got
}

func (f *fixture) read(path string, v any) {
	f.Helper()
	r := f.ask("GET", path)
	if r.StatusCode != 200 || json.NewDecoder(r.Body).Decode(v) != nil {
		f.Fatal(path, r.StatusCode)
	}
}

// TestStrangers asks in every way that is not the page's own.
func TestStrangers(t *testing.T) {
	f, id := newFixture(t, "hello")
	for _, c := range []struct {
		name, method, path string
		headers            []string
		status             int
	}{
		{"the page", "GET", "", nil, 200},
		{"no cookie", "GET", "", []string{"Cookie", "x=y"}, 403},
		{"another cookie", "GET", "data/containers", []string{"Cookie", cookie + "=" + strings.Repeat("0", 64)}, 403},
		{"the token for a cookie", "GET", "data/containers", []string{"Cookie", cookie + "=" + f.d.token}, 403},
		{"a script without a cookie", "GET", "assets/app.js", []string{"Cookie", ""}, 403},
		{"another name", "GET", "data/containers", []string{"Host", "evil.example"}, 421},
		{"another name with a port", "POST", "do/start/" + id, []string{"Host", "evil.example:8642"}, 421},
		{"this machine by name", "GET", "data/containers", []string{"Host", "localhost:1"}, 200},
		{"another site", "POST", "do/start/" + id, []string{"Origin", "https://evil.example"}, 403},
		{"another port", "POST", "do/start/" + id, []string{"Origin", "http://127.0.0.1:1"}, 403},
		{"another port, as browsers say", "POST", "do/start/" + id, []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		{"a form of another site", "POST", "do/start/" + id, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
		{"a script of another site", "GET", "data/containers", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 403},
		{"a frame of another site", "GET", "", []string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		{"doing by looking", "GET", "do/start/" + id, nil, 405},
		{"no such button", "POST", "do/format/" + id, nil, 404},
		{"nobody", "POST", "do/start/nobody", nil, 404},
		{"out of the assets", "GET", "assets/..%2fdashboard.go", nil, 404},
	} {
		r := f.ask(c.method, c.path, c.headers...)
		if r.StatusCode != c.status {
			text, _ := io.ReadAll(r.Body)
			t.Errorf("%s: %d %s, want %d", c.name, r.StatusCode, text, c.status)
		}
		if got := r.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: may be read by %s", c.name, got)
		}
	}
	if c, err := f.store.Get(t.Context(), id); err != nil || c.State.Status != state.Created {
		t.Errorf("somebody has started it: %v, %v", c.State.Status, err)
	}
}

func TestOpen(t *testing.T) {
	f, _ := newFixture(t, "hello")
	for path, want := range map[string]int{"/": 404, "/open/": 404, "/open/x": 403, f.d.place[:8]: 404, f.d.Path() + "x": 403, f.d.Path(): 303} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", f.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		if got.StatusCode != want {
			t.Errorf("%s: %d, want %d", path, got.StatusCode, want)
		}
		cookies := got.Cookies()
		if want != 303 {
			if len(cookies) > 0 {
				t.Errorf("%s: gives a cookie", path)
			}
			continue
		}
		c := cookies[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != f.d.place || got.Header.Get("Location") != f.d.place || c.Value == f.d.token {
			t.Errorf("the cookie is %v", c)
		}
		for _, h := range []string{"Content-Security-Policy", "Referrer-Policy"} {
			if got.Header.Get(h) == "" {
				t.Errorf("no %s", h)
			}
		}
	}
}

func TestButtons(t *testing.T) {
	f, id := newFixture(t, "hello")
	for _, step := range []struct {
		verb   string
		status int
		then   state.Status
	}{
		{"pause", 409, state.Created}, {"start", 200, state.Running}, {"pause", 200, state.Paused}, {"unpause", 200, state.Running},
		{"restart", 200, state.Running}, {"stop", 200, state.Exited}, {"stop", 200, state.Exited}, {"start", 200, state.Running}, {"kill", 200, ""},
	} {
		r := f.ask("POST", "do/"+step.verb+"/"+id)
		text, _ := io.ReadAll(r.Body)
		c, err := f.store.Get(t.Context(), id)
		if err != nil || r.StatusCode != step.status || step.then != "" && c.State.Status != step.then {
			t.Errorf("%s: %d %s, %v", step.verb, r.StatusCode, text, err)
		}
	}
	f.ask("POST", "do/start/"+id)
	if r := f.ask("POST", "do/remove/"+id); r.StatusCode != 200 {
		t.Error("remove:", r.StatusCode)
	}
	if _, err := f.store.Get(t.Context(), id); err == nil {
		t.Error("it is still there")
	}
	f, id = newFixture(t, "missing")
	r := f.ask("POST", "do/start/"+id)
	if text, _ := io.ReadAll(r.Body); r.StatusCode != 409 || !strings.Contains(string(text), "look for it") {
		t.Errorf("%d %s", r.StatusCode, text)
	}
}

func TestLog(t *testing.T) {
	f, id := newFixture(t, "<b>one</b>", "two")
	f.ask("POST", "do/start/"+id)
	r := f.ask("GET", "data/containers/"+id+"/logs")
	lines := bufio.NewScanner(r.Body)
	seen := map[string]string{}
	for len(seen) < 3 && lines.Scan() {
		var l line
		if bytes.ContainsAny(lines.Bytes(), "<>") {
			t.Errorf("%s has markup in it", lines.Text())
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		seen[l.Text] = l.Stream
	}
	if seen["<b>one</b>"] != "stdout" || seen["two"] != "stdout" || seen["\uFFFD<script>"] != "stderr" {
		t.Errorf("%q", seen)
	}
	f.ask("POST", "do/stop/"+id)
	for lines.Scan() { // it ends with the container
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
	r = f.ask("GET", "data/containers/"+id+"/logs?tail=1")
	if text, err := io.ReadAll(r.Body); err != nil || strings.Count(string(text), "\n") != 1 {
		t.Errorf("%q, %v", text, err)
	}
}

func TestUsage(t *testing.T) {
	f, id := newFixture(t, "hello")
	f.ask("POST", "do/start/"+id)
	var before, after [2]time.Time
	for i := range 2 {
		before[i] = time.Now()
		f.d.usage.sample(t.Context())
		after[i] = time.Now()
		time.Sleep(50 * time.Millisecond)
	}
	// It computes half of the time. When exactly it was asked is known as well as this:
	least := before[1].Sub(after[0]).Seconds() / after[1].Sub(before[0]).Seconds()
	var list struct{ Containers []container }
	f.read("data/containers", &list)
	c := list.Containers[0]
	if c.Project != "shop" || c.Usage == nil || c.Usage.CPU < 0.49*least || c.Usage.CPU > 0.51/least || c.Usage.Memory != 1<<20 || len(c.Recent) != 2 || c.Ports[0].URL != "http://127.0.0.1:8080/" {
		t.Errorf("%+v, %+v", c, c.Usage)
	}
	var one detail
	f.read("data/containers/"+id, &one)
	if len(one.History) != 2 || one.History[1].Fuel < 0.9e9*least || len(one.Labels) != 1 || one.Limits.Memory != 0 {
		t.Errorf("%+v", one)
	}
	for range samples + 5 {
		f.d.usage.sample(t.Context())
	}
	if got := len(f.d.usage.of(id)); got != samples {
		t.Errorf("%d points are kept", got)
	}
	f.ask("POST", "do/stop/"+id)
	f.d.usage.mu.Lock()
	for i := range f.d.usage.points[id] {
		f.d.usage.points[id][i].At = time.Now().Add(-time.Hour)
	}
	f.d.usage.mu.Unlock()
	f.d.usage.sample(t.Context())
	if got := len(f.d.usage.of(id)); got != 0 {
		t.Errorf("%d points of a container that ended an hour ago", got)
	}
	for _, what := range []string{"images", "volumes", "networks"} {
		var v map[string]any
		f.read("data/"+what, &v)
	}
}

// TestAssets wants every file that is loaded there, and no sink of markup in them.
func TestAssets(t *testing.T) {
	f, _ := newFixture(t, "hello")
	for name := range f.d.files {
		r := f.ask("GET", "assets/"+name)
		text, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != 200 || !strings.Contains(r.Header.Get("Content-Security-Policy"), "require-trusted-types-for 'script'") {
			t.Errorf("%s: %d, %v", name, r.StatusCode, err)
		}
		for _, sink := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", `setAttribute("style`, "javascript:", "srcdoc"} {
			if strings.Contains(string(text), sink) {
				t.Errorf("%s uses %s", name, sink)
			}
		}
	}
}

// stackOf counts what is asked of stacks.
type stackOf struct{ did []string }

func (s *stackOf) StartStack(_ context.Context, project string) error {
	s.did = append(s.did, "start "+project)
	return nil
}

func (s *stackOf) StopStack(_ context.Context, project string) error {
	s.did = append(s.did, "stop "+project)
	return &state.StartError{Code: 1, Text: "not now", Hint: "later"}
}

func TestStacks(t *testing.T) {
	f, _ := newFixture(t, "hello")
	if r := f.ask("POST", "stack/start/shop"); r.StatusCode != http.StatusNotFound {
		t.Errorf("without stacks: %d", r.StatusCode)
	}
	s := &stackOf{}
	f.d.config.Stacks = s
	for path, want := range map[string]int{"start/shop": 200, "stop/shop": 409, "start/other": 404, "eat/shop": 404} {
		if r := f.ask("POST", "stack/"+path); r.StatusCode != want {
			t.Errorf("%s: %d, not %d", path, r.StatusCode, want)
		}
	}
	if len(s.did) != 2 {
		t.Errorf("%q", s.did)
	}
}

func TestExec(t *testing.T) {
	f, id := newFixture(t, "hello")
	run := func(command string) (int, said) {
		r, err := http.NewRequestWithContext(f.Context(), http.MethodPost, f.server.URL+f.d.place+"exec/"+id, strings.NewReader(command))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", cookie+"="+f.d.key)
		got, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		var v said
		if err := json.NewDecoder(got.Body).Decode(&v); err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, v
	}
	if status, _ := run("ls"); status != http.StatusConflict {
		t.Errorf("a container that does not run: %d", status)
	}
	f.ask("POST", "do/start/"+id)
	if status, v := run("echo a; exit 3"); status != 200 || v.Code != 3 || v.Output != `["sh" "-c" "echo a; exit 3"]` || v.Cut || v.Late {
		t.Errorf("%d, %+v", status, v)
	}
	if status, v := run("much"); status != 200 || len(v.Output) != maxSaid || !v.Cut {
		t.Errorf("%d, %d bytes, %t", status, len(v.Output), v.Cut)
	}
	for command, want := range map[string]int{"": 400, " \n": 400, "a\x00b": 400, strings.Repeat("x", maxCommand+1): 413, strings.Repeat("x", 10*maxCommand): 413} {
		if status, _ := run(command); status != want {
			t.Errorf("%.10q: %d, not %d", command, status, want)
		}
	}
	ctx, leave := context.WithCancel(f.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r, _ := http.NewRequestWithContext(ctx, http.MethodPost, f.server.URL+f.d.place+"exec/"+id, strings.NewReader("forever"))
		r.Header.Set("Cookie", cookie+"="+f.d.key)
		if got, err := http.DefaultTransport.RoundTrip(r); err == nil {
			got.Body.Close()
		}
	}()
	for len(f.d.execs) == 0 {
		time.Sleep(time.Millisecond)
	}
	leave()
	<-gone
	for len(f.d.execs) > 0 { // it ends with who asked
		time.Sleep(time.Millisecond)
	}
}
