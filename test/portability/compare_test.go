//go:build portability

package portability

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/test/dock"
)

// difference shows where two builds of plain:1 part, for whoever must find out
// why.
func difference(t *testing.T, a, b dock.Program) string {
	t.Helper()
	return cmp.Diff(a.Must(t, "", "inspect", "plain:1"), b.Must(t, "", "inspect", "plain:1"))
}

// sameFile compares two archives of the same image.
func sameFile(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ (%d and %d bytes)", a, b, len(x), len(y))
	}
}
