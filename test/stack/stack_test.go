package stack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/browser"
	"github.com/wherry-run/wherry/test/dock"
)

// stack is examples/stack while it is up, under a name of its own.
type stack struct {
	dock.Program
	*testing.T
	project string
	url     string
}

// up does all there is to do.
func up(t *testing.T) *stack {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	p := dock.Native(t, dock.Home(t))
	p.Dir = filepath.Join(dock.Root(t), "examples", "stack")
	p.Env = append(p.Env, "PORT="+port)
	p.Limit = 10 * time.Minute // what is not built yet is built
	s := &stack{p, t, fmt.Sprintf("stacktest%d", os.Getpid()), "http://127.0.0.1:" + port}
	t.Cleanup(func() { // the test's own context is over by then
		c := exec.Command(p.Command[0], "compose", "-p", s.project, "down", "-v", "--rmi", "local")
		c.Dir, c.Env = p.Dir, append(os.Environ(), p.Env...)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("compose down: %v\n%s", err, out)
		}
	})
	s.compose("up", "-d", "--build")
	return s
}

func (s *stack) compose(args ...string) string {
	s.Helper()
	return s.Must(s.T, "", append([]string{"compose", "-p", s.project}, args...)...)
}

// flowers is what the back end has kept.
type flowers struct {
	Flowers []struct {
		ID      int
		Species string
	}
	Counts map[string]int
}

// newest is the number of the last row.
func (f flowers) newest() int {
	if len(f.Flowers) == 0 {
		return 0
	}
	return f.Flowers[0].ID
}

// kept asks what there is, for as long as the stack may take to come back.
func (s *stack) kept(t *testing.T) flowers {
	t.Helper()
	var last string
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		r, err := http.Get(s.url + "/api/flowers?most=1000")
		if err != nil {
			last = err.Error()
			continue
		}
		text, err := io.ReadAll(r.Body)
		r.Body.Close()
		var f flowers
		if err == nil && r.StatusCode == 200 && json.Unmarshal(text, &f) == nil {
			return f
		}
		last = fmt.Sprintf("%d %.300s", r.StatusCode, text)
	}
	t.Fatalf("the stack does not come back: %s", last)
	return flowers{}
}

// add sends a flower; it gives the number of its row, or why there is none.
func (s *stack) add() (id int, why string) {
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Post(s.url+"/api/flowers", "application/json", strings.NewReader(`{"sepal_length": 6.7, "sepal_width": 3.0, "petal_length": 5.2, "petal_width": 2.3}`))
	if err != nil {
		return 0, err.Error()
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	var row struct {
		ID      int
		Species string
	}
	if r.StatusCode != http.StatusCreated || json.Unmarshal(text, &row) != nil || row.Species != "virginica" {
		return 0, fmt.Sprintf("%d %.200s", r.StatusCode, text)
	}
	return row.ID, ""
}

// kill ends a process as nothing in it can prevent, and waits until it is gone.
func (s *stack) kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); p.Signal(syscall.Signal(0)) == nil; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d does not end", pid)
		}
	}
}

// container is the name of a service's container.
func (s *stack) container(service string) string { return s.project + "-" + service + "-1" }

// TestStack goes the whole way: page, back end, model, row, chart. With
// WHERRY_TEST_STACK=page that is all; with long everything is killed and started again.
func TestStack(t *testing.T) {
	how := os.Getenv("WHERRY_TEST_STACK")
	if how != "page" && how != "long" {
		t.Skip("NOT TESTED: examples/stack in a browser, for which a model and a Flask image are built: WHERRY_TEST_STACK=page, or long")
	}
	s := up(t)
	b := browser.Start(t)
	t.Run("page", func(t *testing.T) { s.page(t, b) })
	if how == "page" {
		return
	}
	t.Run("killed", s.killed)
	t.Run("again", s.again)
}

func (s *stack) page(t *testing.T, b *browser.Browser) {
	source := browser.Axe(t)
	p := b.Open(t, 1280, 900)
	p.Go(s.url)
	p.Until(`document.querySelector("#count").textContent === "0 flowers"`)
	for i, want := range []string{"Iris setosa", "Iris versicolor", "Iris virginica"} {
		if i > 0 {
			p.Click("#another")
		}
		p.Click("#send")
		p.Until(fmt.Sprintf(`document.querySelector("#answer strong")?.textContent === %q`, want))
		p.Until(fmt.Sprintf(`document.querySelector('#chart [data-id="%d"]') && document.querySelectorAll("#list tr").length === %d`, i+1, i+1))
	}
	if got := p.Text("#list tr"); !strings.Contains(got, "virginica") || !strings.Contains(got, "5.2 × 2.3") {
		t.Errorf("the first row is %q", got)
	}
	p.Type("#petal_width", "")
	p.Click("#send")
	p.Until(`document.querySelector("#wrong").textContent.startsWith("Petal width")`)
	p.Type("#petal_width", "2.3")
	p.Click("#send")
	p.Until(`document.querySelector("#count").textContent === "4 flowers"`)
	p.Go(s.url) // what was kept is there again
	p.Until(`document.querySelectorAll("#chart [data-id]").length === 4`)
	for _, scheme := range []string{"light", "dark"} {
		p.Scheme(scheme)
		for _, width := range []int{1280, 360} {
			when := fmt.Sprintf("stack, %s, %d points", scheme, width)
			p.Size(width, 800)
			p.Fits(when)
			p.Accessible(source, when)
			p.Shot(fmt.Sprintf("stack-%s-%d", scheme, width))
		}
	}
	if problems := p.Problems(); slices.ContainsFunc(problems, func(s string) bool { return !strings.Contains(s, "axe") }) {
		t.Errorf("%q", problems)
	}
	for body, want := range map[string]int{`{"petal_width": 1}`: 400, `{`: 400, `[1]`: 400, `{"sepal_length": "<b>", "sepal_width": 1, "petal_length": 1, "petal_width": 1}`: 400} {
		r, err := http.Post(s.url+"/api/flowers", "application/json", bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", body, r.StatusCode, want)
		}
	}
}

// killed kills each process of the stack in turn, several times, while rows are written.
// No row that was confirmed is lost, and the stack comes back each time, though nobody
// looks: its other supervisors see to that.
func (s *stack) killed(t *testing.T) {
	var mu sync.Mutex
	confirmed, failed := []int{}, map[string]int{}
	done := make(chan struct{})
	var writing sync.WaitGroup
	for range 3 {
		writing.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				id, why := s.add()
				mu.Lock()
				if why == "" {
					confirmed = append(confirmed, id)
				} else {
					failed[why]++
				}
				mu.Unlock()
				if why != "" {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	for range 5 {
		for _, service := range []string{"iris", "back", "front"} {
			pid, err := strconv.Atoi(strings.TrimSpace(s.Must(t, "", "inspect", "-f", "{{.State.Pid}}", s.container(service))))
			if err != nil || pid == 0 {
				t.Fatalf("%s has the process %d: %v", service, pid, err)
			}
			s.kill(t, pid)
			before := s.kept(t)
			for end := time.Now().Add(2 * time.Minute); s.kept(t).newest() == before.newest(); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					mu.Lock()
					t.Fatalf("after %s was killed nothing is written any more: %v", service, failed)
				}
			}
		}
	}
	close(done)
	writing.Wait()
	there := map[int]bool{}
	all := s.kept(t)
	for _, f := range all.Flowers {
		there[f.ID] = true
	}
	oldest := all.Flowers[len(all.Flowers)-1].ID // of those that one answer has
	lost := slices.DeleteFunc(slices.Clone(confirmed), func(id int) bool { return there[id] || id < oldest })
	t.Logf("%d rows were confirmed while processes were killed; what was not: %v", len(confirmed), failed)
	if len(lost) > 0 || len(confirmed) == 0 {
		t.Errorf("of %d confirmed rows %d are lost: %v", len(confirmed), len(lost), lost)
	}
}

// again restarts everything, and takes it down and up.
func (s *stack) again(t *testing.T) {
	before := len(s.kept(t).Flowers)
	s.Must(t, "", "restart", s.container("front"), s.container("back"), s.container("iris"))
	if got := len(s.kept(t).Flowers); got < before { // a request that nobody waited for any more may have added one
		t.Errorf("after restart there are %d rows of %d", got, before)
	}
	s.compose("down")
	if r, err := http.Get(s.url); err == nil {
		r.Body.Close()
		t.Error("after compose down something answers")
	}
	s.compose("up", "-d")
	if got := len(s.kept(t).Flowers); got < before {
		t.Errorf("after down and up there are %d rows of %d", got, before)
	}
	if _, why := s.add(); why != "" {
		t.Error(why)
	}
}
