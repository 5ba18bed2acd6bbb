package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is a Runner whose programs are Go functions, by the first word of the
// container's Args.
type fake struct{}

type fakeProgram struct {
	ctx    context.Context
	life   context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}
	exit   Exit
	mu     sync.Mutex
	paused bool
}

func (fake) Start(ctx context.Context, job Job) (Program, error) {
	args := job.Config.Args
	if args[0] == "missing" {
		return nil, &StartError{Code: 127, Text: "missing: not found"}
	}
	p := &fakeProgram{done: make(chan struct{}), life: ctx}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	go func() {
		defer close(p.done)
		p.exit = Exit{Code: p.run(job.Streams, args)}
	}()
	return p, nil
}

func (p *fakeProgram) run(s Streams, args []string) int {
	switch args[0] {
	case "say":
		fmt.Fprintln(s.Stdout, strings.Join(args[1:], " "))
		fmt.Fprintln(s.Stderr, "aside")
	case "exit":
		var code int
		_, _ = fmt.Sscan(args[1], &code)
		return code
	case "cat":
		_, _ = io.Copy(s.Stdout, s.Stdin)
	case "count": // a file that says how often it was started
		f, err := os.OpenFile(args[1], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 9
		}
		_, _ = f.WriteString("x")
		_ = f.Close()
		return 1
	case "deaf":
		<-p.life.Done() // whatever it is told
		return SIGKILL.ExitCode()
	case "stuck":
		select {}
	case "wait":
		fmt.Fprintln(s.Stdout, "begun")
		<-p.ctx.Done()
		var signal *Signalled
		if errors.As(context.Cause(p.ctx), &signal) {
			return signal.Signal.ExitCode()
		}
		return SIGKILL.ExitCode()
	}
	return 0
}

func (p *fakeProgram) Wait() Exit { <-p.done; return p.exit }

func (p *fakeProgram) Signal(s Signal) error {
	if s.Ends() {
		p.cancel(&Signalled{s})
	}
	return nil
}

func (p *fakeProgram) Exec(ctx context.Context, e ExecConfig, s Streams) (int, error) {
	x := &fakeProgram{done: make(chan struct{})}
	if e.Args[0] == "missing" {
		return 0, &StartError{Code: 127, Text: "missing: not found"}
	}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	return x.run(s, e.Args), nil
}

func (p *fakeProgram) Pause(paused bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.paused = paused
	return nil
}
func (p *fakeProgram) Usage() Usage { return Usage{Fuel: 7} }
func (p *fakeProgram) Ports() []Port {
	return []Port{{HostIP: "127.0.0.1", HostPort: 1, Container: 2, Protocol: "tcp"}}
}

// The test binary is its own supervisor.
func TestMain(m *testing.M) {
	if dir := os.Getenv("STATE_TEST_SUPERVISE"); dir != "" {
		os.Exit(superviseHere(dir, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func superviseHere(dir string, args []string) int {
	s, err := Open(dir, Options{})
	if err != nil {
		return 1
	}
	o := SuperviseOptions{Report: ReportTo(os.Stdout), Watch: os.Getenv("STATE_TEST_WATCH") != ""}
	s.options.Spawn = s.Spawner([]string{os.Args[0]}, os.Environ())
	id := args[len(args)-1]
	o.Await = args[1] == "--await"
	if s.Supervise(context.Background(), id, fake{}, o) != nil {
		return 1
	}
	return 0
}

// open opens a store whose supervisors are goroutines of the test.
func open(t *testing.T) *Store {
	t.Helper()
	var s *Store
	var wg sync.WaitGroup
	s, err := Open(t.TempDir(), Options{Spawn: func(ctx context.Context, id string, await bool) error {
		told := make(chan error, 1)
		wg.Go(func() {
			_ = s.Supervise(context.WithoutCancel(ctx), id, fake{}, SuperviseOptions{Report: func(err error) { told <- err }, Await: await})
		})
		return <-told
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		list, _ := s.List(context.Background(), nil)
		for _, c := range list {
			if c.State.Status.Alive() {
				_ = s.Kill(context.Background(), c.ID, SIGKILL)
			}
		}
		wg.Wait()
	})
	return s
}

// openProcesses opens a store whose supervisors are processes.
func openProcesses(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.options.Spawn = s.Spawner([]string{os.Args[0]}, append(os.Environ(), "STATE_TEST_SUPERVISE="+s.dir))
	t.Cleanup(func() {
		list, _ := s.List(context.Background(), nil)
		for _, c := range list {
			if c.State.Status.Alive() {
				_ = s.Stop(context.Background(), c.ID, StopOptions{})
			}
		}
	})
	return s
}

func create(t *testing.T, s *Store, c Config) *Container {
	t.Helper()
	made, err := s.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func start(t *testing.T, s *Store, c Config) *Container {
	t.Helper()
	made := create(t, s, c)
	if err := s.Start(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	return made
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for: %s", what)
		}
	}
}

func get(t *testing.T, s *Store, id string) *Container {
	t.Helper()
	c, err := s.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func logged(t *testing.T, s *Store, id string, o LogOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.Logs(t.Context(), id, o, func(e Entry) error { b.Write(e.Bytes()); return nil }); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLife(t *testing.T) {
	s := open(t)
	c := start(t, s, Config{Name: "one", Args: []string{"wait"}})
	if got := get(t, s, "one"); got.State.Status != Running || got.State.Pid != os.Getpid() || len(got.State.Ports) != 1 {
		t.Fatalf("it is %+v", got.State)
	}
	if err := s.Start(t.Context(), c.ID); err != nil {
		t.Errorf("start of one that runs: %v", err)
	}
	var alive *StateError
	if err := s.Remove(t.Context(), c.ID, true); !errors.As(err, &alive) {
		t.Errorf("remove of one that runs: %v", err)
	}
	if err := s.Pause(t.Context(), c.ID); err != nil || get(t, s, "one").State.Status != Paused {
		t.Errorf("pause: %v", err)
	}
	if err := s.Pause(t.Context(), c.ID); !errors.As(err, &alive) {
		t.Errorf("pause twice: %v", err)
	}
	if err := s.Unpause(t.Context(), c.ID); err != nil || get(t, s, "one").State.Status != Running {
		t.Errorf("unpause: %v", err)
	}
	if u, err := s.Usage(t.Context(), get(t, s, "one")); err != nil || u.Fuel != 7 {
		t.Errorf("usage %+v %v", u, err)
	}
	if err := s.Restart(t.Context(), c.ID, StopOptions{}); err != nil {
		t.Error(err)
	}
	until(t, "two lives", func() bool { return strings.Count(logged(t, s, c.ID, LogOptions{}), "begun") == 2 })
	if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil {
		t.Fatal(err)
	}
	got := get(t, s, "one")
	if got.State.Status != Exited || got.State.ExitCode != 143 || !got.State.Stopped || got.State.Control != "" || got.State.Usage.Fuel != 7 {
		t.Errorf("stopped, it is %+v", got.State)
	}
	if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil {
		t.Errorf("stop of one that is stopped: %v", err)
	}
	if err := s.Rename(t.Context(), c.ID, "two"); err != nil || get(t, s, "two").ID != c.ID {
		t.Errorf("rename: %v", err)
	}
	if err := s.Remove(t.Context(), c.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), c.ID); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("removed, it is found: %v", err)
	}
	nothingLeft(t, s)
}

// nothingLeft: no folder of a container and no socket.
func nothingLeft(t *testing.T, s *Store) {
	t.Helper()
	until(t, "nothing is left", func() bool {
		ids, err := s.ids()
		sockets, _ := os.ReadDir(s.path(runDir))
		return err == nil && len(ids) == 0 && len(sockets) == 0
	})
}

func TestNames(t *testing.T) {
	s := open(t)
	a := create(t, s, Config{Name: "a", Args: []string{"exit", "0"}})
	for _, name := range []string{"a", "-x", "x/y", "ü", strings.Repeat("x", 200)} {
		if _, err := s.Create(t.Context(), Config{Name: name}); !errors.As(err, new(*NameError)) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if err := s.Rename(t.Context(), a.ID, "a"); err != nil {
		t.Errorf("its own name: %v", err)
	}
	b := create(t, s, Config{})
	if b.Name == "" || get(t, s, b.ID[:10]).ID != b.ID || get(t, s, "/"+b.Name).ID != b.ID {
		t.Errorf("%q is not found by its ID's beginning", b.Name)
	}
	if _, err := s.Get(t.Context(), ""); err == nil {
		t.Error("the empty name finds one")
	}
}

func TestExitCodes(t *testing.T) {
	s := open(t)
	c := start(t, s, Config{Args: []string{"exit", "3"}})
	if code, err := s.Wait(t.Context(), c.ID, ""); code != 3 || err != nil {
		t.Errorf("wait: %d, %v", code, err)
	}
	c = create(t, s, Config{Args: []string{"missing"}})
	var failed *StartError
	if err := s.Start(t.Context(), c.ID); !errors.As(err, &failed) || failed.Code != 127 {
		t.Errorf("start of what is not there: %v", err)
	}
	if got := get(t, s, c.ID); got.State.Status != Created || got.State.ExitCode != 127 || got.State.Error == "" {
		t.Errorf("it is %+v", got.State)
	}
}

// TestStop: a program that does not end when it is asked is ended.
func TestStop(t *testing.T) {
	s := open(t)
	c := start(t, s, Config{Args: []string{"deaf"}})
	grace := 30 * time.Millisecond
	began := time.Now()
	if err := s.Stop(t.Context(), c.ID, StopOptions{Timeout: &grace}); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, c.ID); got.State.ExitCode != 137 || time.Since(began) < grace {
		t.Errorf("exit code %d after %s", got.State.ExitCode, time.Since(began))
	}
	c = start(t, s, Config{Args: []string{"stuck"}}) // does not even end when it is killed
	if err := s.Kill(t.Context(), c.ID, SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Wait(t.Context(), c.ID, ""); code != 137 || err != nil {
		t.Errorf("stuck: %d, %v", code, err)
	}
	c = start(t, s, Config{Args: []string{"wait"}, StopSignal: "SIGINT"})
	if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil || get(t, s, c.ID).State.ExitCode != 130 {
		t.Errorf("stop signal: %v, %d", err, get(t, s, c.ID).State.ExitCode)
	}
}

func TestRestartPolicy(t *testing.T) {
	s := open(t)
	file := filepath.Join(t.TempDir(), "count")
	c := start(t, s, Config{Args: []string{"count", file}, Restart: Restart{RestartOnFailure, 2}})
	until(t, "it gives up", func() bool { return get(t, s, c.ID).State.Status == Exited })
	if b, _ := os.ReadFile(file); string(b) != "xxx" || get(t, s, c.ID).State.Restarts != 2 {
		t.Errorf("it was started %d times, and says %d restarts", len(b), get(t, s, c.ID).State.Restarts)
	}
	c = start(t, s, Config{Args: []string{"exit", "0"}, Restart: Restart{Policy: RestartAlways}})
	until(t, "it starts again", func() bool { return get(t, s, c.ID).State.Restarts > 1 })
	if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil || get(t, s, c.ID).State.Status != Exited {
		t.Errorf("stop in a pause: %v", err)
	}
}

// TestAttach: who attaches before the start sees everything, and feeds it.
func TestAttach(t *testing.T) {
	s := open(t)
	c := create(t, s, Config{Args: []string{"cat"}, OpenStdin: true, AutoRemove: true})
	var out bytes.Buffer
	exit, err := s.StartAttached(t.Context(), c.ID, Attached{Stdin: strings.NewReader("through\n"), Stdout: &out, Stderr: &out}, nil)
	if err != nil || exit.Code != 0 || out.String() != "through\n" {
		t.Errorf("%+v %v %q", exit, err, out.String())
	}
	nothingLeft(t, s)
	c = create(t, s, Config{Args: []string{"missing"}})
	var failed *StartError
	if _, err := s.StartAttached(t.Context(), c.ID, Attached{}, nil); !errors.As(err, &failed) || failed.Code != 127 {
		t.Errorf("attached to what is not there: %v", err)
	}
	c = create(t, s, Config{Args: []string{"exit", "5"}})
	if exit, err := s.StartAttached(t.Context(), c.ID, Attached{}, nil); err != nil || exit.Code != 5 {
		t.Errorf("%+v %v", exit, err)
	}
}

func TestExec(t *testing.T) {
	s := open(t)
	c := start(t, s, Config{Args: []string{"wait"}})
	var out bytes.Buffer
	code, err := s.Exec(t.Context(), c.ID, ExecConfig{Args: []string{"cat"}, Stdin: true}, Attached{Stdin: strings.NewReader("hello"), Stdout: &out})
	if code != 0 || err != nil || out.String() != "hello" {
		t.Errorf("%d %v %q", code, err, out.String())
	}
	if code, err := s.Exec(t.Context(), c.ID, ExecConfig{Args: []string{"exit", "4"}}, Attached{}); code != 4 || err != nil {
		t.Errorf("%d %v", code, err)
	}
	var failed *StartError
	if _, err := s.Exec(t.Context(), c.ID, ExecConfig{Args: []string{"missing"}}, Attached{}); !errors.As(err, &failed) || failed.Code != 127 {
		t.Errorf("%v", err)
	}
	signals := make(chan Signal, 1)
	signals <- SIGINT
	if code, err := s.Exec(t.Context(), c.ID, ExecConfig{Args: []string{"wait"}}, Attached{Signals: signals}); code != 130 || err != nil {
		t.Errorf("signalled: %d %v", code, err)
	}
	// One that goes on ends with the container.
	ended := make(chan int, 1)
	go func() {
		code, _ := s.Exec(context.WithoutCancel(t.Context()), c.ID, ExecConfig{Args: []string{"wait"}}, Attached{})
		ended <- code
	}()
	until(t, "two programs run", func() bool { list, _ := s.Top(t.Context(), c.ID); return len(list) == 2 })
	if err := s.Kill(t.Context(), c.ID, SIGKILL); err != nil {
		t.Fatal(err)
	}
	if code := <-ended; code != 137 {
		t.Errorf("it ended with %d", code)
	}
}

func TestHealth(t *testing.T) {
	s := open(t)
	h := &HealthCheck{Test: []string{"CMD", "exit", "1"}, Interval: Duration(5 * time.Millisecond), Retries: 2}
	c := start(t, s, Config{Args: []string{"wait"}, Health: h})
	until(t, "it is unwell", func() bool { return get(t, s, c.ID).State.Health.Status == Unhealthy })
	h.Test[2] = "0"
	d := start(t, s, Config{Args: []string{"wait"}, Health: h})
	until(t, "it is well", func() bool { return get(t, s, d.ID).State.Health.Status == Healthy })
	until(t, "five results are kept", func() bool { return len(get(t, s, d.ID).State.Health.Log) == healthLog })
}

// TestKilled: a supervisor is killed at any point, and the next command tells the
// truth and does what the restart policy says.
func TestKilled(t *testing.T) {
	s := openProcesses(t)
	plain := start(t, s, Config{Name: "plain", Args: []string{"wait"}})
	always := start(t, s, Config{Name: "always", Args: []string{"wait"}, Restart: Restart{Policy: RestartAlways}})
	gone := start(t, s, Config{Name: "gone", Args: []string{"wait"}, AutoRemove: true})
	for _, c := range []*Container{plain, always, gone} {
		kill(t, get(t, s, c.ID).State.Pid)
		until(t, "it is known to be dead", func() bool { return !get(t, s, c.ID).State.Status.Alive() })
	}
	got := get(t, s, "plain")
	if got.State.Status != Exited || got.State.ExitCode != KilledCode || got.State.Error == "" || got.State.Pid != 0 {
		t.Errorf("killed, it is %+v", got.State)
	}
	r, err := s.Recover(t.Context(), false)
	if err != nil || len(r.Failed) > 0 || fmt.Sprint(r.Started, r.Removed) != "[always] [gone]" {
		t.Errorf("recovered %+v, %v", r, err)
	}
	if got := get(t, s, "always"); got.State.Status != Running {
		t.Errorf("it is %+v", got.State)
	}
	if r, err := s.Recover(t.Context(), false); err != nil || len(r.Started)+len(r.Removed)+len(r.Failed) > 0 {
		t.Errorf("again %+v, %v", r, err)
	}
	if err := s.Stop(t.Context(), always.ID, StopOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{plain.ID, always.ID} {
		if err := s.Remove(t.Context(), id, true); err != nil {
			t.Error(err)
		}
	}
	nothingLeft(t, s)
}

// TestKilledAnywhere kills supervisors at random moments of many lives.
func TestKilledAnywhere(t *testing.T) {
	s := openProcesses(t)
	n := 12
	if os.Getenv("WHERRY_TEST_STATE") == "long" {
		n = 200
	}
	for i := range n {
		c := create(t, s, Config{Args: []string{"wait"}})
		started := make(chan error, 1)
		go func() { started <- s.Start(context.WithoutCancel(t.Context()), c.ID) }()
		pause := time.Duration(i) * time.Second / 100 / time.Duration(n)
		var pid int
		until(t, "it has a process", func() bool {
			if now, err := s.read(c.ID); err == nil {
				pid = now.State.Pid
			}
			return pid != 0
		})
		time.Sleep(pause)
		kill(t, pid)
		<-started
		// The last of its threads may still be ending.
		until(t, "it is known to be dead", func() bool { return !get(t, s, c.ID).State.Status.Alive() })
		if err := s.Start(t.Context(), c.ID); err != nil {
			t.Fatalf("start again: %v", err)
		}
		if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), c.ID, true); err != nil {
			t.Fatal(err)
		}
	}
	nothingLeft(t, s)
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}
