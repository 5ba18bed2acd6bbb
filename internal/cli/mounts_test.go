package cli

import (
	"path"
	"strings"
	"testing"
)

// Whatever -v, --mount and --tmpfs are given, what comes out has a place in the container
// that is absolute and not its root, and a volume has a name that is one.
func FuzzMounts(f *testing.F) {
	for _, text := range []string{
		"/data", "name:/data:ro", "./x:/data", `C:\x:/data`, "name:/data:nocopy,z", "type=bind,source=.,target=/x,readonly", "type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700",
		`"src=a","dst=/b",volume-label=k=v,volume-nocopy`, "/t:size=1m,mode=1777,ro", "a:/:ro", "type=volume,dst=//", "type=FOO",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range []runOptions{{volumes: []string{text}}, {mounts: []string{text}}, {tmpfs: []string{text}}} {
			list, err := parseMounts(o)
			if err != nil {
				continue
			}
			for _, m := range list {
				if !path.IsAbs(m.Target) || path.Clean(m.Target) == "/" {
					t.Errorf("%q is mounted at %q", text, m.Target)
				}
				if m.Type == mountVolume && (m.Source != "" || m.Anonymous != (m.Name == "")) {
					t.Errorf("%q is the volume %+v", text, m)
				}
				if m.Mode > 0o7777 || m.Size < 0 {
					t.Errorf("%q has mode %o and size %d", text, m.Mode, m.Size)
				}
			}
		}
		if out, err := parseOutput(text); err == nil && (out.kind == "" || out.kind == "local" && out.dest == "-" && strings.Contains(text, "=")) {
			t.Errorf("output %q is %+v", text, out)
		}
	})
}
