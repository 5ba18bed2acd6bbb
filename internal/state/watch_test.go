package state

import (
	"os"
	"testing"
	"time"
)

// TestWatch kills one supervisor after the other, the one that watches among them: those
// that live see to it, and nobody else looks at what is killed.
func TestWatch(t *testing.T) {
	t.Setenv("STATE_TEST_WATCH", "1")
	s := openProcesses(t)
	policy := Restart{Policy: RestartUnlessStopped}
	var all []*Container
	for _, name := range []string{"one", "two", "three"} {
		all = append(all, start(t, s, Config{Name: name, Args: []string{"wait"}, Restart: policy}))
	}
	left := start(t, s, Config{Name: "left", Args: []string{"wait"}}) // which nobody wants back
	kill := func(c *Container) int {
		t.Helper()
		raw := &Container{}
		if err := readJSON(s.container(c.ID, stateFile), &raw.State); err != nil {
			t.Fatal(err)
		}
		p, err := os.FindProcess(raw.State.Pid)
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			t.Fatal(err)
		}
		return raw.State.Pid
	}
	kill(left)
	for _, c := range all {
		pid := kill(c)
		for end := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			var now State // as the files say: who asks the Store would see to it
			if err := readJSON(s.container(c.ID, stateFile), &now); err != nil {
				t.Fatal(err)
			}
			if now.Status == Running && now.Pid != pid {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s is %+v", c.Name, now)
			}
		}
	}
	if c, err := s.Get(t.Context(), "left"); err != nil || c.State.Status != Exited || c.State.ExitCode != KilledCode {
		t.Errorf("%+v, %v", c, err)
	}
}
