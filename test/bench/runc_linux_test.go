package bench

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/wherry-run/wherry/test/dock"
)

// runc is a program of one file in a container of runc, made and removed in each
// run: the bundle that `runc spec` writes, without limits and resources, which not
// every machine lets be set.
func runc(b *testing.B, program string) []contender {
	b.Helper()
	path := runcPath(b)
	if path == "" {
		return nil
	}
	bundle, err := bundleOf(b, path, program)
	if err != nil {
		b.Fatal(err)
	}
	p := dock.Program{Command: []string{path, "--root", filepath.Join(b.TempDir(), "state"), "run", "--bundle", bundle,
		"wherry-bench-" + strconv.Itoa(os.Getpid())}}
	if r := p.Run(b, ""); r.Code != 0 {
		b.Logf("NOT MEASURED: this machine lets runc run nothing: %s", r.Err)
		return nil
	}
	return []contender{{"runc", p, nil, "hello, world"}}
}

// bundleOf is a folder that runc runs.
func bundleOf(b *testing.B, runc, program string) (string, error) {
	bundle := b.TempDir()
	rootfs, file := filepath.Join(bundle, "rootfs"), filepath.Join(bundle, "config.json")
	args := []string{"spec", "--bundle", bundle}
	if os.Getuid() != 0 {
		args = append(args, "--rootless")
	}
	if err := exec.CommandContext(b.Context(), runc, args...).Run(); err != nil {
		return "", err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		return "", err
	}
	process, _ := config["process"].(map[string]any)
	linux, _ := config["linux"].(map[string]any)
	if process == nil || linux == nil {
		return "", errors.New("runc spec wrote no process or no linux")
	}
	process["args"], process["terminal"] = []string{"/hello"}, false
	delete(process, "rlimits")
	delete(linux, "resources")
	if text, err = json.Marshal(config); err != nil {
		return "", err
	}
	hello, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	inside := filepath.Join(rootfs, "hello")
	return bundle, errors.Join(os.WriteFile(file, text, 0o600), os.Mkdir(rootfs, 0o755),
		os.WriteFile(inside, hello, 0o700), os.Chmod(inside, 0o755)) // whatever the umask
}

// runcPath is runc of this machine, or Debian's, which apt downloads and checks
// and nobody installs.
func runcPath(b *testing.B) string {
	b.Helper()
	if path, err := exec.LookPath("runc"); err == nil {
		return path
	}
	dir := filepath.Join(cacheDir(b, "packages"), "runc")
	path := filepath.Join(dir, "usr", "sbin", "runc")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	drafts := b.TempDir()
	download := exec.CommandContext(b.Context(), "apt-get", "download", "-q", "runc")
	download.Dir = drafts
	text, err := download.CombinedOutput()
	if err == nil {
		packed, _ := filepath.Glob(filepath.Join(drafts, "runc_*.deb"))
		if len(packed) == 1 {
			text, err = exec.CommandContext(b.Context(), "dpkg", "-x", packed[0], dir).CombinedOutput()
		} else {
			err = errors.New("apt-get downloaded no package")
		}
	}
	if err != nil {
		b.Logf("NOT MEASURED: runc is not on this machine and cannot be had: %v\n%s", err, text)
		return ""
	}
	return path
}
