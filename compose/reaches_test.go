package compose

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReaches: what a stack that was fetched reaches outside of itself is told, and the
// list is no longer than somebody reads.
func TestReaches(t *testing.T) {
	f := &File{}
	f.reaches("x", "services", "a", map[string]any{"network_mode": "host", KeyAllow: []any{"10.0.0.1", "10.0.0.1"}})
	f.reaches("x", "networks", "own", map[string]any{})
	f.reaches("x", "networks", "n", map[string]any{"external": true, "name": "host"})
	f.reaches("x", "networks", "default", map[string]any{"name": "x_default", "external": false})
	f.reaches("x", "volumes", "own", nil)
	f.reaches("x", "volumes", "v", map[string]any{"name": "shop_data"})
	f.reaches("x", "volumes", "w", map[string]any{"external": true})
	const want = "a to whatever this machine reaches (network_mode: host); a to 10.0.0.1; n to the network host of this machine; v to the volume shop_data of this machine; w to the volume w of this machine"
	if got := strings.Join(f.Reaches, "; "); got != want {
		t.Error(got)
	}
	for i := range 10 * mostReaches {
		f.reaches("x", "services", fmt.Sprint(i), map[string]any{KeyExternal: "x:1"})
	}
	if len(f.Reaches) != mostReaches+1 {
		t.Errorf("%d are listed", len(f.Reaches))
	}
}

// TestGiven: what goes out with a stack are the variables of its files, and none that are
// around.
func TestGiven(t *testing.T) {
	f, dir := load(t, "services: {a: {image: x, env_file: some.env, environment: [\"${P}_TOKEN=${SECRET}\", \"OTHER=${SECRET}\"]}}\n", "SECRET=s", "P=PROD", "ONE=other")
	given := func(text string) (map[string]map[string]string, error) {
		if err := os.WriteFile(filepath.Join(dir, "some.env"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return f.Given()
	}
	got, err := given("ONE=1\nTWO=${ONE}2\n")
	if err != nil || fmt.Sprint(got) != "map[a:map[ONE:1 TWO:12]]" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"SECRET\n", "A=x${SECRET}\n", "A=${SECRET:-1}\n"} {
		if got, err := given(text); err == nil || !strings.Contains(err.Error(), "SECRET of this machine") || !strings.Contains(err.Error(), "services.a.env_file") {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
