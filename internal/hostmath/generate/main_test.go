package main

import (
	"bytes"
	"go/format"
	"os"
	"path/filepath"
	"testing"
)

// TestCommitted holds the files of the package against what is written now.
func TestCommitted(t *testing.T) {
	for _, u := range units() {
		code, stubs := u.files()
		stubs, err := format.Source(stubs)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string][]byte{u.file + ".s": code, u.file + ".go": stubs} {
			got, err := os.ReadFile(filepath.Join("..", name))
			if err != nil {
				t.Fatal(err)
			}
			if got = bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n")); !bytes.Equal(got, want) {
				t.Errorf("%s is another: go generate ./internal/hostmath", name)
			}
		}
	}
}
