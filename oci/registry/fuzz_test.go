package registry

import (
	"testing"

	"github.com/wherry-run/wherry/oci"
)

func FuzzCame(f *testing.F) {
	for _, s := range []string{"0-0", "0-1023", "bytes=0-7", "5-9", "0-", "0--1", "0-99999999999999999999", "0-+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := parseCame(s); ok && (n < 0 || n > oci.MaxBlob) {
			t.Errorf("%q: %d", s, n)
		}
	})
}
