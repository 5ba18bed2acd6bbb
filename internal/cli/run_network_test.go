package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/wherry-run/wherry/internal/network"
	"github.com/wherry-run/wherry/internal/state"
)

// TestJoins: the names that a compose file has for a container are names, whatever is in
// them, and none of them is a way to be in this machine's network.
func TestJoins(t *testing.T) {
	join := state.NetworkJoin{Name: "evil_default", Aliases: []string{"a", "x,name=" + network.Host}}
	o := networkOptions{joins: []state.NetworkJoin{join}}
	mode, in, err := o.mode()
	if err != nil || mode != join.Name || len(in) != 1 || in[0].Name != join.Name || !slices.Equal(in[0].Aliases, join.Aliases) {
		t.Errorf("%q, %v, %v", mode, in, err)
	}
	c := state.Config{}
	c.Networks = []state.NetworkJoin{join}
	if mode, in, err = networkOf(c).mode(); err != nil || mode != join.Name || !slices.Equal(in[0].Aliases, join.Aliases) {
		t.Errorf("of a container that is kept: %q, %v, %v", mode, in, err)
	}
	for _, name := range []string{network.Host, network.None, "container:x"} {
		o := networkOptions{joins: []state.NetworkJoin{{Name: name}}}
		if mode, _, err := o.mode(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %q, %v", name, mode, err)
		}
	}
}
