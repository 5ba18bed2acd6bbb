package hostmath_test

import (
	"testing"

	"github.com/wherry-run/wherry/internal/hostmath"
)

func TestSelect(t *testing.T) {
	for _, name := range hostmath.Available() {
		set, err := hostmath.Select(name)
		if err != nil || set.Name() != name {
			t.Fatalf("Select(%q) = %v, %v", name, set, err)
		}
		if len(set.Kernels()) == 0 {
			t.Errorf("%s has no kernels", name)
		}
	}
	if _, err := hostmath.Select("abacus"); err == nil {
		t.Error("Select took a set that no processor has")
	}
}
