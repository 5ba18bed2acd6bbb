package packager

import (
	"testing"

	"github.com/wherry-run/wherry/packager/python"
)

// TestPipSecrets: secrets reach the installer, empty folders of caches do not.
func TestPipSecrets(t *testing.T) {
	got := pipSecrets([]RunFile{{Path: "/root/.cache/pip", Dir: true}, {Path: "/etc/pip.conf", Data: []byte("x")}})
	if len(got) != 1 || got[0].Path != "/etc/pip.conf" || string(got[0].Data) != "x" {
		t.Errorf("got %+v, want %+v", got, []python.Secret{{Path: "/etc/pip.conf"}})
	}
}
