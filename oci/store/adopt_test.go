package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci/store"
)

func TestAdoptAndPinMore(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.Lease(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	adopt := func(text string) digest.Digest {
		t.Helper()
		file := filepath.Join(dir, "part")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d := digest.FromString(text)
		if err := l.Adopt(t.Context(), file, d); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("the file is still there: %v", err)
		}
		return d
	}
	kept, gone := adopt("kept"), adopt("gone")
	if again := adopt("kept"); again != kept {
		t.Fatal(again)
	}
	if err := l.Adopt(t.Context(), filepath.Join(dir, "part"), kept); err == nil {
		t.Error("a file that is not there was adopted")
	}
	// A line that a killed process cut off spoils no later one.
	if err := os.WriteFile(filepath.Join(dir, "pins", "p"), []byte(string(gone)[:20]), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.PinMore(t.Context(), "p", true, kept); err != nil {
		t.Fatal(err)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	swept, err := s.GC(t.Context())
	if err != nil || len(swept.Blobs) != 1 || swept.Blobs[0] != gone {
		t.Errorf("%v: %v", swept, err)
	}
	if err := s.Verify(t.Context(), kept); err != nil {
		t.Error(err)
	}
	if err := s.PinMore(t.Context(), "../p", true, kept); err == nil {
		t.Error("a pin outside of its folder was written")
	}
	if err := s.PinMore(t.Context(), "p", true, "sha256:x"); err == nil {
		t.Error("a pin of no digest was written")
	}
}
