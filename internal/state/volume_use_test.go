package state

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLocksLeft wants the locks of databases gone when the first user of a volume comes,
// and only then, and nothing else.
func TestLocksLeft(t *testing.T) {
	s := open(t)
	v, _, err := s.CreateVolume("data", nil)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(v.Path, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(v.Path, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lock := func() {
		t.Helper()
		for _, name := range []string{"a.db.lock", "sub/b.db.lock", "new.db.lock", "text.lock", "none.lock"} {
			if err := os.MkdirAll(filepath.Join(v.Path, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(v.Path, name))
		return err == nil
	}
	write("a.db", "SQLite format 3\x00 and so on")
	write("sub/b.db", "SQLite format 3\x00 and so on")
	write("new.db", "")
	write("text", "SQLite format 4")
	write("full.db", "SQLite format 3\x00")
	write("full.db.lock/thing", "x")
	lock()
	leave, err := s.HoldVolume(t.Context(), "data")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"a.db": true, "a.db.lock": false, "sub/b.db.lock": false, "new.db.lock": false, "text.lock": true, "none.lock": true, "full.db.lock/thing": true,
	} {
		if there(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
	lock()
	other, err := s.HoldVolume(t.Context(), "data") // while the first one works
	if err != nil {
		t.Fatal(err)
	}
	if !there("a.db.lock") {
		t.Error("a lock was taken away from who has it")
	}
	leave()
	other()
	c := start(t, s, Config{Args: []string{"wait"}, Mounts: []Mount{{Type: "volume", Name: "data", Target: "/data"}}})
	if there("a.db.lock") {
		t.Error("a container begins with a lock of one that has ended")
	}
	if l, err := tryLock(s.path(volumesDir, "data", usersFile)); err != nil || l != nil {
		t.Error("a container that runs does not hold its volume", err)
	}
	if err := s.Stop(t.Context(), c.ID, StopOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveVolume("data"); err != nil {
		t.Error(err)
	}
}
