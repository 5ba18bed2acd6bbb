package cli

import (
	"strings"
	"testing"
)

// TestRegistryFlags: what would let strangers push, or means nothing, is refused before
// anything is opened.
func TestRegistryFlags(t *testing.T) {
	cases := []struct {
		name string
		o    registryOptions
		want string // in the error; "" when there is none
	}{
		{"default", registryOptions{listen: registryAddress}, ""},
		{"IPv6", registryOptions{listen: "[::1]:0"}, ""},
		{"everywhere", registryOptions{listen: "0.0.0.0:5000"}, "could push"},
		{"every address", registryOptions{listen: ":5000"}, "could push"},
		{"everywhere, read only", registryOptions{listen: "0.0.0.0:5000", readOnly: true}, ""},
		{"everywhere, users", registryOptions{listen: "0.0.0.0:5000", htpasswd: "file"}, ""},
		{"everywhere, meant", registryOptions{listen: "0.0.0.0:5000", open: true}, ""},
		{"no port", registryOptions{listen: "127.0.0.1"}, "no address"},
		{"size", registryOptions{listen: registryAddress, maxSize: "10GB"}, ""},
		{"no size", registryOptions{listen: registryAddress, maxSize: "ten"}, "no size"},
		{"size of nothing", registryOptions{listen: registryAddress, maxSize: "0"}, "no size"},
		{"certificate without a key", registryOptions{listen: registryAddress, cert: "c"}, "go together"},
		{"certificate that is not there", registryOptions{listen: registryAddress, cert: "c", key: "k"}, "read certificate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			local, _, _, err := c.o.check()
			if c.want == "" {
				if err != nil || local != strings.Contains(c.o.listen, "1") {
					t.Errorf("local %v: %v", local, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
