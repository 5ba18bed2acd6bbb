package guard

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAgain: files are read at once when that is asked for, though nothing of what can
// be seen from outside has changed.
func TestAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	at := time.Now().Add(-time.Hour)
	write := func(key string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("the-first-key")
	k, err := NewKeys("", name, nil)
	if err != nil {
		t.Fatal(err)
	}
	write("other-one-key")
	k.file.next.Store(0)
	if _, ok := k.Name("Bearer other-one-key", ""); ok {
		t.Fatal("a file that looks the same was read")
	}
	k.Again()
	if _, ok := k.Name("Bearer other-one-key", ""); !ok {
		t.Error("the new key is none")
	}
	write("short")
	k.Again()
	if _, ok := k.Name("Bearer other-one-key", ""); !ok {
		t.Error("a file without keys took those away that hold")
	}
	(*Keys)(nil).Again()
	listed, err := NewKeys("only-in-a-list", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	listed.Again()
}
