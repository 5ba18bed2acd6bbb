package toolchain

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// rusttool is a Rust of the host that compiles for WASI.
type rusttool struct {
	cargo   string
	sysroot string
	home    string // of cargo
	target  string // its name of rustTarget
	version string
	env     []string
}

// cargoSettings are the beginnings of variables that a user may have set for fetching
// crates; they are taken over, all else is pinned.
var cargoSettings = []string{"CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"}

// rust finds a Rust with the standard library for WASI, in the release that the stage is
// pinned to: the first on PATH that has it.
func (h *Host) rust(ctx context.Context, pinned string) (*rusttool, error) {
	release := strings.TrimPrefix(pinned, "rust")
	found := ""
	list, _ := h.lookup("PATH")
	for _, dir := range filepath.SplitList(list) {
		if dir == "" || !filepath.IsAbs(dir) {
			continue
		}
		rustc, err := exec.LookPath(filepath.Join(dir, "rustc"))
		if err != nil {
			continue
		}
		t, have := h.rustAt(ctx, rustc, release)
		if t != nil {
			return t, nil
		}
		if have != "" && found == "" {
			found = have
		}
	}
	advice := "install Rust 1.78 or later (rustup.rs, apt install cargo, brew install rustup) and see that cargo is on PATH, then: rustup target add " + rustTarget
	_, any := h.find("rustc")
	switch {
	case !any || found == "" && release == "":
		return nil, &Error{What: "toolchain:rust", Why: "no rustc command on this machine", Advice: advice}
	case release != "" && !strings.HasPrefix(found, release):
		return nil, &Error{What: "toolchain:" + pinned, Why: "this machine has no Rust " + release, Advice: fmt.Sprintf("rustup toolchain install %s --target %s; or write FROM toolchain:rust", release, rustTarget)}
	}
	if _, ok := h.find("rustup"); ok {
		advice = "rustup target add " + rustTarget
	} else {
		advice = "install it: rustup target add " + rustTarget + " where Rust is rustup's, apt install libstd-rust-dev-wasm32 where it is Debian's"
	}
	return nil, &Error{What: "toolchain:rust", Why: "Rust " + found + " has no standard library for " + rustTarget, Advice: advice}
}

// rustAt looks at one rustc; nil with its release when that is another, or has not what
// is needed.
func (h *Host) rustAt(ctx context.Context, rustc, release string) (*rusttool, string) {
	t := &rusttool{env: []string{"RUSTC_WRAPPER=", "RUSTC_WORKSPACE_WRAPPER=", "CARGO_BUILD_RUSTC_WRAPPER=", "RUSTUP_AUTO_INSTALL=0"}}
	home, _ := h.lookup("HOME")
	if runtime.GOOS == "windows" {
		home, _ = h.lookup("USERPROFILE")
	}
	for name, usual := range map[string]string{"RUSTUP_HOME": ".rustup", "CARGO_HOME": ".cargo"} {
		at, ok := h.lookup(name)
		if !ok || !filepath.IsAbs(at) {
			at = filepath.Join(home, usual)
		}
		if name == "CARGO_HOME" {
			t.home = at
		}
		t.env = append(t.env, name+"="+at)
	}
	slices.Sort(t.env)
	if real, err := filepath.EvalSymlinks(t.home); err == nil {
		t.home = real
	}
	if release != "" {
		t.env = append(t.env, "RUSTUP_TOOLCHAIN="+release)
	}
	ask := func(rustc string, args ...string) string {
		env := append(slices.Clone(h.Env), t.env...)
		out, err := call(ctx, filepath.Dir(rustc), env, nil, append([]string{rustc}, args...)...)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(out)
	}
	// Behind rustup's own rustc is the one that is meant; a folder of the stage may not
	// choose another.
	if t.sysroot = ask(rustc, "--print", "sysroot"); t.sysroot == "" {
		return nil, ""
	}
	suffix := filepath.Ext(rustc)
	if own := filepath.Join(t.sysroot, "bin", "rustc"+suffix); isFile(own) {
		rustc = own
	}
	if t.cargo = filepath.Join(filepath.Dir(rustc), "cargo"+suffix); !isFile(t.cargo) {
		return nil, ""
	}
	t.version = ask(rustc, "--version")
	words := strings.Fields(t.version)
	if len(words) < 2 {
		return nil, ""
	}
	have := words[1]
	if release != "" && have != release && !strings.HasPrefix(have, release+".") {
		return nil, have
	}
	for _, name := range []string{rustTarget, "wasm32-wasi"} { // as it was called before 1.78
		std, _ := filepath.Glob(filepath.Join(ask(rustc, "--print", "target-libdir", "--target", name), "libstd-*.rlib"))
		if len(std) > 0 {
			t.target = name
			break
		}
	}
	if t.target == "" {
		return nil, have
	}
	t.version += " " + t.target
	t.env = append(t.env, "RUSTC="+rustc)
	for _, kv := range h.Env {
		name, _, _ := strings.Cut(kv, "=")
		if slices.Contains(proxySettings, name) || slices.ContainsFunc(cargoSettings, func(p string) bool { return strings.HasPrefix(name, p) }) {
			t.env = append(t.env, kv)
		}
	}
	if err := os.MkdirAll(t.home, 0o700); err != nil {
		return nil, have
	}
	return t, have
}
