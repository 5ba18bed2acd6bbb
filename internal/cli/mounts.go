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
func parseMounts(o runOptions) ([]runtime.Mount, error) {
	var list []runtime.Mount
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
		m := runtime.Mount{Target: target}
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
	return list, nil
}

// parseVolume reads HOST:CONTAINER[:ro]. HOST may begin with a drive letter.
func parseVolume(v string) (runtime.Mount, error) {
	bad := &hinted{&ux.UsageError{Text: fmt.Sprintf("-v %q: write HOST:CONTAINER[:ro]", v)}, "for example -v ./data:/data:ro"}
	rest, drive := v, ""
	if len(v) > 2 && v[0] != '/' && v[1] == ':' && (v[2] == '\\' || v[2] == '/') {
		drive, rest = v[:2], v[2:]
	}
	host, rest, ok := strings.Cut(rest, ":")
	if !ok || host == "" {
		return runtime.Mount{}, bad
	}
	target, mode, _ := strings.Cut(rest, ":")
	m := runtime.Mount{Source: drive + host, Target: target}
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
	if path.Clean(target) == "/" {
		return m, &hinted{&ux.UsageError{Text: fmt.Sprintf("-v %q: the root of the container is the image's", v)},
			"mount what the program needs, for example -v " + drive + host + ":/data"}
	}
	if !isPath(m.Source) {
		return m, &hinted{&ux.UsageError{Text: fmt.Sprintf("-v %q: %s is not a path", v, m.Source)}, "to mount a folder write ./" + m.Source}
	}
	return absoluteSource(m)
}

func absoluteSource(m runtime.Mount) (runtime.Mount, error) {
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

func parseMount(text string) (runtime.Mount, error) {
	m, kind := runtime.Mount{}, "volume"
	for _, part := range strings.Split(text, ",") {
		k, v, hasValue := strings.Cut(part, "=")
		switch k {
		case "type":
			kind = v
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
	case kind == "tmpfs":
		m.Source = ""
		return m, nil
	case kind == "bind" && m.Source != "":
		return absoluteSource(m)
	}
	return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: write type=bind,source=PATH,target=PATH or type=tmpfs,target=PATH", text)}
}
