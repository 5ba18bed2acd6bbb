package cli

import (
	"encoding/csv"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/state"
)

// parseMounts reads -v, --mount and --tmpfs.
func parseMounts(o runOptions) ([]state.Mount, error) {
	list := slices.Clone(o.given)
	for _, flag := range []struct {
		values []string
		parse  func(string) (state.Mount, error)
	}{{o.volumes, parseVolume}, {o.mounts, parseMount}, {o.tmpfs, parseTmpfs}} {
		for _, text := range flag.values {
			m, err := flag.parse(text)
			if err != nil {
				return nil, err
			}
			list = append(list, m)
		}
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
		case "nocopy":
			m.NoCopy = true
		case "", "rw", "z", "Z", "cached", "delegated", "consistent", "private", "rprivate":
		case "shared", "rshared", "slave", "rslave":
			return m, &ux.UsageError{Text: fmt.Sprintf("-v %q: %s", v, noPropagation)}
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
	return m, &hinted{&ux.UsageError{Text: fmt.Sprintf("mount %q: the root of the container is the image's", v)},
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

// noPropagation is why mounts are not shared between namespaces.
const noPropagation = "propagation is a feature of a kernel's mount namespaces; write private, or nothing"

// parseTmpfs reads --tmpfs CONTAINER[:size=BYTES,mode=1777,ro].
func parseTmpfs(text string) (state.Mount, error) {
	target, options, _ := strings.Cut(text, ":")
	m := state.Mount{Type: mountTmpfs, Target: target}
	if !strings.HasPrefix(target, "/") {
		return m, &ux.UsageError{Text: fmt.Sprintf("--tmpfs %q: write an absolute path in the container", text)}
	}
	for _, option := range strings.Split(options, ",") {
		var err error
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "size":
			m.Size, err = units.RAMInBytes(value)
		case "mode":
			m.Mode, err = parseMode(value)
		case "ro":
			m.ReadOnly = true
		// There are no devices, no other users and no set-user-ID in a sandbox.
		case "", "rw", "exec", "noexec", "suid", "nosuid", "dev", "nodev", "uid", "gid", "nr_inodes":
		default:
			err = fmt.Errorf("unknown option %s", name)
		}
		if err != nil {
			return m, &ux.UsageError{Text: fmt.Sprintf("--tmpfs %q: %v", text, err)}
		}
	}
	return rooted(text, m)
}

// parseMode reads permission bits in octal.
func parseMode(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 8, 12)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("mode %q: write octal digits, such as 1777", text)
	}
	return uint32(n), nil
}

// parseMount reads --mount: fields of a line of comma-separated values.
func parseMount(text string) (state.Mount, error) {
	m := state.Mount{Type: mountVolume}
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: write fields with commas between them: %v", text, err)}
	}
	for _, field := range fields {
		k, v, hasValue := strings.Cut(field, "=")
		if err := mountField(&m, strings.ToLower(k), v, hasValue); err != nil {
			return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: %v", text, err)}
		}
	}
	switch {
	case !strings.HasPrefix(m.Target, "/"):
		return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: target must be an absolute path in the container", text)}
	case m.Type == mountTmpfs:
		m.Source = ""
		return rooted(text, m)
	case m.Type == mountBind && m.Source != "":
		if m, err = rooted(text, m); err != nil {
			return m, err
		}
		return absoluteSource(m)
	case m.Type == mountVolume && (m.Source == "" || state.ValidName(m.Source)):
		m.Name, m.Source, m.Anonymous = m.Source, "", m.Source == ""
		return rooted(text, m)
	}
	return m, &ux.UsageError{Text: fmt.Sprintf("--mount %q: write type=bind,source=PATH,target=PATH, type=volume,source=NAME,target=PATH or type=tmpfs,target=PATH", text)}
}

// mountField reads one field of --mount.
func mountField(m *state.Mount, name, value string, hasValue bool) (err error) {
	yes := !hasValue
	if hasValue {
		yes, _ = strconv.ParseBool(value)
	}
	switch name {
	case "type":
		m.Type = value
	case "source", "src":
		m.Source = value
	case "target", "dst", "destination":
		m.Target = value
	case "readonly", "ro":
		m.ReadOnly = yes
	case "volume-nocopy":
		m.NoCopy = yes
	case "tmpfs-size":
		m.Size, err = units.RAMInBytes(value)
	case "tmpfs-mode":
		m.Mode, err = parseMode(value)
	case "volume-label":
		k, v, _ := strings.Cut(value, "=")
		if m.Labels == nil {
			m.Labels = map[string]string{}
		}
		m.Labels[k] = v
	case "volume-driver":
		if value != "local" {
			err = fmt.Errorf("there is no other driver than local")
		}
	case "bind-propagation":
		if !slices.Contains([]string{"", "private", "rprivate"}, value) {
			err = fmt.Errorf("%s", noPropagation)
		}
	case "consistency", "bind-nonrecursive", "bind-recursive": // a folder is what is below it
	case "volume-subpath":
		err = fmt.Errorf("volume-subpath could be led out of the volume by a link in it; mount the volume, and use the folder in it")
	case "volume-opt":
		err = fmt.Errorf("volumes are folders of this machine, and have no options")
	default:
		err = fmt.Errorf("unknown field %s", name)
	}
	return err
}
