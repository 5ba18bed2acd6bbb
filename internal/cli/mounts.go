package cli

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/docker/go-units"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

var _ runtime.DerivedImage = baseImage{}

// baseImage is a base of ours as the runtime takes images.
type baseImage struct{ *packager.Image }

func (b baseImage) Config() ispec.ImageConfig { return b.Image.Config.Config.ImageConfig }

func (b baseImage) Layers() []layer.Layer {
	var list []layer.Layer
	for _, l := range b.Image.Layers {
		list = append(list, l.Files)
	}
	return list
}

// Derived is what is known of its programs.
func (b baseImage) Derived() *oci.Derived { return b.Image.Derived }

// Facts reads the facts of one of its modules.
func (b baseImage) Facts(ctx context.Context, m *oci.DerivedModule) ([]byte, error) {
	return b.Image.Facts(ctx, m)
}

// Memory opens the memory of one of its snapshots.
func (b baseImage) Memory(ctx context.Context, s *oci.Snapshot) (*os.File, error) {
	return b.Image.Memory(ctx, s)
}

// parseMounts reads -v, --mount and --tmpfs.
func parseMounts(o runOptions) ([]state.Mount, error) {
	var list []state.Mount
	for _, v := range o.volumes {
		m, err := parseVolume(v)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	for _, text := range o.mounts {
		m, err := parseMount(text)
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	for _, text := range o.tmpfs {
		target, options, _ := strings.Cut(text, ":")
		m := state.Mount{Type: mountTmpfs, Target: target}
		if !strings.HasPrefix(target, "/") {
			return nil, &ux.UsageError{Text: fmt.Sprintf("--tmpfs %q: write an absolute path in the container", text)}
		}
		for _, option := range strings.Split(options, ",") {
			if size, ok := strings.CutPrefix(option, "size="); ok {
				n, err := units.RAMInBytes(size)
				if err != nil {
					return nil, &ux.UsageError{Text: fmt.Sprintf("--tmpfs %q: %v", text, err)}
				}
				m.Size = n
			}
		}
		list = append(list, m)
	}
	seen := map[string]bool{}
	for _, m := range list {
		if target := path.Clean(m.Target); seen[target] {
			return nil, &ux.UsageError{Text: "two mounts have the same place in the container: " + target}
		} else {
			seen[target] = true
		}
	}
	return list, nil
}

// The types of mounts, in Docker's words.
const (
	mountBind   = "bind"
	mountVolume = "volume"
	mountTmpfs  = "tmpfs"
)

// parseVolume reads HOST:CONTAINER[:ro], NAME:CONTAINER[:ro] of a volume, or CONTAINER
// of one without a name. HOST may begin with a drive letter.
func parseVolume(v string) (state.Mount, error) {
	bad := &hinted{&ux.UsageError{Text: fmt.Sprintf("-v %q: write HOST:CONTAINER[:ro], or NAME:CONTAINER[:ro]", v)}, "for example -v ./data:/data:ro"}
	if strings.HasPrefix(v, "/") && !strings.Contains(v, ":") {
		return rooted(v, state.Mount{Type: mountVolume, Target: v, Anonymous: true})
	}
	rest, drive := v, ""
	if len(v) > 2 && v[0] != '/' && v[1] == ':' && (v[2] == '\\' || v[2] == '/') {
		drive, rest = v[:2], v[2:]
	}
	host, rest, ok := strings.Cut(rest, ":")
	if !ok || host == "" {
		return state.Mount{}, bad
	}
	target, mode, _ := strings.Cut(rest, ":")
	m := state.Mount{Type: mountBind, Source: drive + host, Target: target}
	for _, option := range strings.Split(mode, ",") {
		switch option {
		case "ro":
			m.ReadOnly = true
		case "", "rw", "z", "Z", "cached", "delegated", "consistent":
		default:
			return m, bad
		}
	}
	if !strings.HasPrefix(target, "/") {
		return m, bad
	}
	if m, err := rooted(v, m); err != nil {
		return m, err
	}
	if isPath(m.Source) {
		return absoluteSource(m)
	}
	if !state.ValidName(m.Source) {
		return m, &hinted{&ux.UsageError{Text: fmt.Sprintf("-v %q: %s is neither a path nor the name of a volume", v, m.Source)}, "to mount a folder write ./" + m.Source}
	}
	m.Type, m.Name, m.Source = mountVolume, m.Source, ""
	return m, nil
}

// rooted refuses a mount over the container's root.
func rooted(v string, m state.Mount) (state.Mount, error) {
	if path.Clean(m.Target) != "/" {
		return m, nil
	}
	return m, &hinted{&ux.UsageError{Text: fmt.Sprintf("-v %q: the root of the container is the image's", v)},
		"mount what the program needs, for example -v " + strings.TrimSuffix(v, ":"+m.Target) + ":/data"}
}

func absoluteSource(m state.Mount) (state.Mount, error) {
	given := m.Source
	abs, err := filepath.Abs(given)
	if err != nil {
		return m, err
	}
	m.Source = abs
	if _, err := os.Stat(abs); err != nil {
		return m, &hinted{fmt.Errorf("mount %s at %s: %w", given, m.Target, err), "only what is there can be mounted; make the folder first"}
	}
	return m, nil
}

func parseMount(text string) (state.Mount, error) {
	m := state.Mount{Type: mountVolume}
	for _, part := range strings.Split(text, ",") {
		k, v, hasValue := strings.Cut(part, "=")
		switch k {
		case "type":
			m.Type = v
		case "source", "src":
			m.Source = v
		case "target", "dst", "destination":
			m.Target = v
		case "readonly", "ro":
			m.ReadOnly = !hasValue || v == "true" || v == "1"
		case "tmpfs-size":
			n, err := units.RAMInBytes(v)
			if err != nil {
				return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: %v", text, err)}
			}
			m.Size = n
		default:
			return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: unknown field %s", text, k)}
		}
	}
	switch {
	case !strings.HasPrefix(m.Target, "/"):
		return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: target must be an absolute path in the container", text)}
	case m.Type == mountTmpfs:
		m.Source = ""
		return m, nil
	case m.Type == mountBind && m.Source != "":
		return absoluteSource(m)
	case m.Type == mountVolume && (m.Source == "" || state.ValidName(m.Source)):
		m.Name, m.Source, m.Anonymous = m.Source, "", m.Source == ""
		return rooted(text, m)
	}
	return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: write type=bind,source=PATH,target=PATH, type=volume,source=NAME,target=PATH or type=tmpfs,target=PATH", text)}
}
