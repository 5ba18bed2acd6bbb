//go:build linux

// Package containers runs many containers, and kills their supervisors: what an idle
// one holds, that a life after life leaves nothing behind, and that after a kill at any
// moment the next command tells the truth. What processes hold is read from /proc.
//
// WHERRY_TEST_CONTAINERS=long has 200 idle containers, 10,000 lives and 300 kills;
// WHERRY_TEST_LIVES is for another number of lives.
package containers

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/wherry-run/wherry/test/dock"
)

func long() bool { return os.Getenv("WHERRY_TEST_CONTAINERS") == "long" }

// times is n, or many in the long form.
func times(n, many int) int {
	if long() {
		return many
	}
	return n
}

// lives is how many there are in the long form.
func lives() int {
	if n, err := strconv.Atoi(os.Getenv("WHERRY_TEST_LIVES")); err == nil {
		return n
	}
	return 10_000
}

// bench is a user's home with an image in it.
type bench struct {
	*testing.T
	wherry dock.Program
	home   string
}

// The home of all tests, and whether the image is in it.
var (
	home    string
	machine sync.Once
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "wherry-containers-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	home = filepath.Join(dir, "home")
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// newBench is the home for a test. What runs in it ends with the test.
func newBench(t *testing.T) *bench {
	t.Helper()
	m := &bench{t, dock.Native(t, home), home}
	m.wherry.Limit = 2 * time.Minute
	machine.Do(m.build)
	t.Cleanup(func() {
		for _, pid := range m.supervisors() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			gone(pid)
		}
	})
	if ids := strings.Fields(m.do("ps", "-aq")); len(ids) > 0 { // of a test that failed
		m.do(append([]string{"rm", "-fv"}, ids...)...)
	}
	return m
}

// build makes the image probe.
func (m *bench) build() {
	m.Helper()
	image := m.TempDir()
	dock.Guest(m.T, filepath.Join(dock.Root(m.T), "test", "scripts", "testdata", "guest"), filepath.Join(image, "probe.wasm"))
	recipe := "FROM scratch\nCOPY --chmod=755 probe.wasm /bin/probe\nENTRYPOINT [\"/bin/probe\"]\n"
	if err := os.WriteFile(filepath.Join(image, "Wasmfile"), []byte(recipe), 0o600); err != nil {
		m.Fatal(err)
	}
	m.do("build", "-q", "-t", "probe:1", image)
	m.do("run", "probe:1", "args") // it is compiled
}

// do runs a command that must succeed.
func (m *bench) do(args ...string) string {
	m.Helper()
	r := m.wherry.Run(m.T, "", args...)
	if r.Code != 0 {
		m.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return strings.TrimSpace(r.Out)
}

// record is a container's state as its file has it.
type record struct {
	Status  string
	Pid     int
	Control string
}

func (m *bench) record(id string) (r record) {
	if b, err := os.ReadFile(filepath.Join(m.home, "data", "containers", id, "state.json")); err == nil {
		_ = json.Unmarshal(b, &r)
	}
	return r
}

// held is what a process holds, in KB. private has pages of the program's file in it that
// no other process has touched; anonymous are those that it wrote.
type held struct{ private, anonymous, pss, rss int }

func memory(t *testing.T, pid int) held {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var h held
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		n, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
		switch name {
		case "Private_Clean", "Private_Dirty":
			h.private += n
		case "Anonymous":
			h.anonymous += n
		case "Pss":
			h.pss += n
		case "Rss":
			h.rss += n
		}
	}
	return h
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Many idle containers of one image share what is the same in all.
func TestIdle(t *testing.T) {
	m := newBench(t)
	n := times(4, 200)
	ids, took := make([]string, n), make([]time.Duration, n)
	for i := range n {
		began := time.Now()
		ids[i] = m.do("run", "-d", "--name", fmt.Sprint("idle", i), "probe:1", "sleep")
		took[i] = time.Since(began)
	}
	time.Sleep(3 * time.Second) // they settle
	var all held
	var last held
	for _, id := range ids {
		last = memory(t, m.record(id).Pid)
		all.private += last.private
		all.pss += last.pss
	}
	t.Logf("%d idle containers: started in %s (the first), %s (the last); the last holds %.1f MB of its own, %.1f MB with its share of what all have; together %.0f MB",
		n, took[0].Round(time.Millisecond), took[n-1].Round(time.Millisecond), float64(last.private)/1024, float64(last.pss)/1024, float64(all.pss)/1024)
	if mean := all.private / n; mean > 17<<10 {
		t.Errorf("an idle container holds %d KB of its own, more than 17 MB: machine code that is not shared, or memory that is not given back", mean)
	}
	if !long() {
		return
	}
	if sorted := slices.Sorted(slices.Values(took)); took[n-1] > 4*sorted[n/2]+time.Second {
		t.Errorf("the last took %s to start, others %s", took[n-1], sorted[n/2])
	}
}

// left is everything that containers may leave behind.
type left struct {
	files, sockets []string
}

func (m *bench) left() left {
	var l left
	err := filepath.WalkDir(filepath.Join(m.home, "data"), func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(m.home, name)
		switch {
		case err != nil:
			return err
		case strings.Contains(rel, "events"), d.Name() == "watch.lock": // they rotate; it is made by who is first
		case d.Type()&fs.ModeSocket != 0:
			l.sockets = append(l.sockets, rel)
		case !d.IsDir():
			l.files = append(l.files, rel)
		}
		return nil
	})
	if err != nil {
		m.Fatal(err)
	}
	return l
}

// supervisors are the processes of this home's containers.
func (m *bench) supervisors() (pids []int) {
	list, err := os.ReadDir("/proc")
	if err != nil {
		m.Fatal(err)
	}
	for _, e := range list {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		environment, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !strings.Contains(string(environment), "WHERRY_HOME="+m.home+"\x00") {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if strings.Contains(string(line), "\x00supervise\x00") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// after compares what is there with what was before.
func (m *bench) after(before left, what string) {
	m.Helper()
	end := time.Now().Add(time.Minute)
	for len(m.supervisors()) > 0 && time.Now().Before(end) {
		time.Sleep(20 * time.Millisecond)
	}
	now := m.left()
	for _, c := range []struct {
		what      string
		was, were []string
	}{{"file", before.files, now.files}, {"socket", before.sockets, now.sockets}} {
		for _, name := range c.were {
			if !slices.Contains(c.was, name) {
				m.Errorf("%s left a %s: %s", what, c.what, name)
			}
		}
	}
	if pids := m.supervisors(); len(pids) > 0 {
		m.Errorf("%s left processes: %v", what, pids)
	}
}

// Life after life of containers leaves nothing: no files, sockets, processes; and a
// supervisor that lives on holds no more descriptors and memory than before.
func TestCycles(t *testing.T) {
	m := newBench(t)
	m.do("rm", "-f", m.do("run", "-d", "-p", "0:80", "-v", "/data", "probe:1", "sleep"))
	m.do("volume", "prune", "-af")
	before := m.left()
	started := time.Now()
	n := times(6, lives()/3)

	// Containers that come and go, those that start and stop, and ends of programs.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range n / 2 {
				id := m.do("run", "-d", "-p", "0:80", "-v", "/data", "probe:1", "sleep")
				m.do("rm", "-fv", id)
			}
		})
	}
	wg.Wait()
	m.after(before, "run and rm")
	t.Logf("%d containers came and went in %s", n, time.Since(started).Round(time.Second))
	id := m.do("create", "-p", "0:80", "probe:1", "sleep")
	m.do("start", id)
	m.do("stop", "-t", "0", id)
	created := m.left()
	for range n {
		m.do("start", id)
		m.do("stop", "-t", "0", id)
	}
	m.after(created, "start and stop")
	t.Logf("one container was started and stopped %d times, after %s", n, time.Since(started).Round(time.Second))

	// Lives and programs of exec in one supervisor.
	m.do("start", id)
	for range 3 {
		m.do("restart", "-t", "0", id)
		m.do("exec", id, "sh", "-c", "echo x")
	}
	pid := settled(m, id)
	fds, mem := descriptors(t, pid), memory(t, pid)
	for range n {
		m.do("restart", "-t", "0", id)
		m.do("exec", id, "sh", "-c", "echo x > /file; cat /file")
	}
	if now := settled(m, id); now != pid {
		t.Fatalf("restart made a new process, %d after %d", now, pid)
	}
	if now := descriptors(t, pid); now > fds {
		t.Errorf("%d lives and programs of exec left %d descriptors", n, now-fds)
	}
	if now := memory(t, pid); now.anonymous > mem.anonymous+6<<10 {
		t.Errorf("%d lives and programs of exec left %d KB of memory: %d, then %d", n, now.anonymous-mem.anonymous, mem.anonymous, now.anonymous)
	} else {
		t.Logf("a supervisor held %d KB that it had written, and %d after %d lives more; with its program's pages %d and %d", mem.anonymous, now.anonymous, n, mem.private, now.private)
	}
	m.do("rm", "-f", id)
	m.after(before, "restart and exec")
	t.Logf("%d lives in %s", 3*n, time.Since(started).Round(time.Second))
}

// settled waits until a container's process has given back what it needed to begin.
func settled(m *bench, id string) int {
	time.Sleep(2 * time.Second)
	return m.record(id).Pid
}

// A supervisor that is killed while commands work on its container: whatever they
// answer, afterwards everything that is said is so, and nothing is left.
func TestKilled(t *testing.T) {
	m := newBench(t)
	m.do("network", "rm", "-f", "net")
	m.do("network", "create", "net")
	m.do("rm", "-fv", m.do("run", "-d", "--network", "net", "-p", "0:80", "-v", "/data", "probe:1", "sleep"))
	before := m.left()
	random := rand.New(rand.NewPCG(1, uint64(times(1, 2))))
	verbs := [][]string{
		{"start", "NAME"}, {"stop", "-t", "1", "NAME"}, {"restart", "-t", "0", "NAME"}, {"exec", "NAME", "sh", "-c", "echo x > /x"}, {"rm", "-fv", "NAME"},
		{"container", "prune", "-f"}, {"pause", "NAME"}, {"kill", "NAME"}, {"inspect", "NAME"},
	}
	for round := range times(10, 300) {
		name := fmt.Sprint("victim", round)
		id := m.do("run", "-d", "--name", name, "--network", "net", "-p", "0:80", "-v", "/data", "probe:1", "sleep")
		pid := m.record(id).Pid
		verb := slices.Clone(verbs[random.IntN(len(verbs))])
		if round < len(verbs) {
			verb = slices.Clone(verbs[round])
		}
		if i := slices.Index(verb, "NAME"); i >= 0 {
			verb[i] = name
		}
		pause := time.Duration(random.IntN(40)) * time.Millisecond
		said := make(chan dock.Result, 1)
		go func() { said <- m.wherry.Run(t, "", verb...) }()
		time.Sleep(pause)
		_ = syscall.Kill(pid, syscall.SIGKILL)
		r := <-said
		gone(pid)
		m.truth(id, name, fmt.Sprintf("%v, killed after %s (exit code %d)", verb, pause, r.Code))
		m.do("rm", "-fv", name)
		if t.Failed() {
			return
		}
	}
	m.after(before, "killing supervisors")
	if users := m.do("network", "inspect", "-f", "{{len .Containers}}", "net"); users != "0" {
		t.Errorf("%s containers are left in the network", users)
	}
	if list := m.do("volume", "ls", "-q"); list != "" {
		t.Errorf("volumes are left: %s", list)
	}
}

// gone waits until a process that was killed has let go of everything.
func gone(pid int) {
	for range 1000 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // one may be a zombie before the others let go
		if err != nil || strings.Contains(string(b), ") Z ") && len(tasks) <= 1 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// truth holds what ps says of a container against its process and its port.
func (m *bench) truth(id, name, what string) {
	m.Helper()
	said := m.do("ps", "-a", "--no-trunc", "--filter", "name="+name, "--format", "{{.ID}} {{.State}}")
	r := m.record(id)
	alive := r.Pid > 0 && syscall.Kill(r.Pid, 0) == nil && slices.Contains(m.supervisors(), r.Pid)
	switch {
	case said == "" && (r.Status != "" || alive):
		m.Errorf("%s: it is not listed, and its files say %q", what, r.Status)
	case strings.HasSuffix(said, " running") || strings.HasSuffix(said, " paused"):
		if !alive {
			m.Errorf("%s: ps says %s, and there is no process", what, said)
		}
		at := m.do("port", name, "80")
		conn, err := net.DialTimeout("tcp", at, time.Second)
		if err != nil {
			m.Errorf("%s: it runs, and nobody listens at %s: %v", what, at, err)
		} else {
			conn.Close()
		}
	case alive:
		m.Errorf("%s: ps says %q, and process %d is there", what, said, r.Pid)
	}
}
