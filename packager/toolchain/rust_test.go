package toolchain

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

func TestRustExample(t *testing.T) {
	needTool(t, "rust")
	job := Job{Lang: "rust", Root: example("guest-rust"), Dir: "/", Script: "cargo build --release --locked"}
	const name = "target/wasm32-wasip1/release/guest_rust.wasm"
	first := build(t, host(), job)[name]
	if !bytes.HasPrefix(first, []byte("\x00asm")) {
		t.Fatalf("no module came out: %d bytes", len(first))
	}
	for _, secret := range []string{"wherry-toolchain-", ".cargo", ".rustup"} {
		if bytes.Contains(first, []byte(secret)) {
			t.Errorf("the module holds the name of a folder of this machine: %s", secret)
		}
	}
	job.Script = "cd / && cargo build -r --target=wasm32-wasip1 --lib --offline"
	h := elsewhere(t)
	h.Env = append(h.Env, "RUSTFLAGS=-Copt-level=0", "RUSTC_WRAPPER=/nonexistent", "CARGO_BUILD_TARGET=x86_64-unknown-linux-gnu", "CARGO_TARGET_DIR=/nonexistent")
	if second := build(t, h, job)[name]; !bytes.Equal(first, second) {
		t.Error("another folder, umask and environment gave another module")
	}
}

// crate is a program in Rust, with its Cargo.toml from [package] on.
func crate(manifest, source string, more ...string) fstest.MapFS {
	files := fstest.MapFS{
		"src/Cargo.toml":  {Data: []byte("[package]\nname = \"a-b\"\nversion = \"0.1.0\"\nedition = \"2021\"\n" + manifest)},
		"src/src/main.rs": {Data: []byte(source)},
	}
	for i := 0; i < len(more); i += 2 {
		files[more[i]] = &fstest.MapFile{Data: []byte(more[i+1])}
	}
	return files
}

// TestRustSteps builds a workspace of two crates with a flag, and one whose crates lie
// in its folder vendor.
func TestRustSteps(t *testing.T) {
	needTool(t, "rust")
	library := "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"
	files := fstest.MapFS{
		"Cargo.toml":          {Data: []byte("[workspace]\nmembers = [\"app\", \"lib\"]\n")},
		"app/Cargo.toml":      {Data: []byte("[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nlib = { path = \"../lib\" }\n")},
		"app/src/main.rs":     {Data: []byte("fn main() { println!(\"{}\", lib::WORD); if !cfg!(target_feature = \"simd128\") { panic!() } }")},
		"lib/Cargo.toml":      {Data: []byte(library)},
		"lib/src/lib.rs":      {Data: []byte("pub const WORD: &str = include_str!(\"word.txt\");")},
		"lib/src/word.txt":    {Data: []byte("from the stage")},
		"app/.cargo/config":   {Data: []byte("[build]\nrustc-wrapper = \"/nonexistent\"\n")},
		"rust-toolchain.toml": {Data: []byte("[toolchain]\nchannel = \"nonexistent\"\n")},
	}
	outs := build(t, host(), Job{Lang: "rust", Root: files, Dir: "/app", Env: []string{"RUSTFLAGS=-C target-feature=+simd128 -Cpanic=abort"}, Script: "cargo fetch && cargo build -p app"})
	if app := outs["target/wasm32-wasip1/debug/app.wasm"]; !bytes.Contains(app, []byte("from the stage")) {
		t.Errorf("%d outputs: %d bytes", len(outs), len(app))
	}
	outs = build(t, host(), Job{Lang: "rust", Dir: "/src", Script: "cargo build --release", Root: crate("[dependencies]\nlib = \"0.1\"\n", "fn main() { println!(\"{}\", lib::WORD); }",
		"src/vendor/lib/Cargo.toml", library, "src/vendor/lib/src/lib.rs", "pub const WORD: &str = \"from vendor\";", "src/vendor/lib/.cargo-checksum.json", `{"files":{},"package":null}`)})
	if app := outs["src/target/wasm32-wasip1/release/a-b.wasm"]; !bytes.Contains(app, []byte("from vendor")) {
		t.Errorf("vendored: %d outputs: %d bytes", len(outs), len(app))
	}
}

func TestRustRefused(t *testing.T) {
	for _, tt := range []struct{ script, want string }{
		{"cargo run", "not run on the host"},
		{"cargo", "not run on the host"},
		{"cargo install ripgrep", "not run on the host"},
		{"rustc main.rs", "not run on the host"},
		{"cargo +nightly build", "not run on the host"},
		{"cargo build --config build.rustc-wrapper=x", "not possible here"},
		{"cargo build -Z build-std", "not possible here"},
		{"cargo build --target-dir /x", "not possible here"},
		{"cargo build --target x86_64-unknown-linux-gnu", "wasm32-wasip1"},
		{"cargo build --manifest-path ../../Cargo.toml", "leads out of the stage"},
		{"cargo build --manifest-path other.toml", "Cargo.toml"},
		{"cargo build --bin", "needs a value"},
		{"cargo build --bin ../x", "not possible here"},
		{"cargo build --release=yes", "not possible here"},
		{"RUSTFLAGS='-C linker=/bin/sh' cargo build", "RUSTFLAGS"},
		{"RUSTFLAGS='-Clink-arg=/etc/passwd' cargo build", "RUSTFLAGS"},
		{"RUSTFLAGS='--cfg x' cargo build", "RUSTFLAGS"},
		{"go build -o /x .", "not run on the host"},
	} {
		_, err := check(Job{Lang: "rust", Dir: "/", Script: tt.script})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, expected ...%s...", tt.script, err, tt.want)
		}
	}
}

// TestRustHostFiles has crates that would take in files of this machine, or run programs
// on it.
func TestRustHostFiles(t *testing.T) {
	needTool(t, "rust")
	dir := t.TempDir()
	secret, items := dir+"/secret.rs", dir+"/src/lib.rs"
	for name, text := range map[string]string{secret: "1", items: "pub fn main() {}", dir + "/Cargo.toml": "[package]\nname = \"m\"\nversion = \"0.1.0\"\n"} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	const nothing = "fn main() {}"
	for _, tt := range []struct {
		name  string
		files fs.FS
		want  string // "" is none
	}{
		{"include_str", crate("", "fn main() { println!(include_str!(\""+secret+"\")); }"), "a file of this machine"},
		{"include", crate("", "fn main() { println!(\"{}\", include!(\""+secret+"\")); }"), "a file of this machine"},
		{"path", crate("", "#[path = \""+items+"\"] mod secret;\nfn main() {}"), "a file of this machine"},
		{"assembly", crate("", "core::arch::global_asm!(\".incbin \\\""+secret+"\\\"\");\nfn main() {}"), ""},
		{"build script", crate("", nothing, "src/build.rs", nothing), "a-b 0.1.0 (build script)"},
		{"macro", crate("[dependencies]\nm = { path = \"m\" }\n", nothing,
			"src/m/Cargo.toml", "[package]\nname = \"m\"\nversion = \"0.2.0\"\n[lib]\nproc-macro = true\n", "src/m/src/lib.rs", ""), "m 0.2.0 (macro)"},
		{"path out", crate("[dependencies]\nm = { path = \"../../../m\" }\n", nothing), ""},
		{"another crate", crate("[dependencies]\nm = { path = \""+dir+"\" }\n", nothing), "leads out of the stage"},
		{"git of this machine", crate("[dependencies]\nm = { git = \"file://"+dir+"\" }\n", nothing), ""},
		{"workspace out", crate("workspace = \"../../..\"\n", nothing), ""},
		{"source out", crate("[[bin]]\nname = \"x\"\npath = \""+items+"\"\n", nothing), "a file of this machine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			outs, err := host().Run(t.Context(), Job{Lang: "rust", Root: tt.files, Dir: "/src", Script: "cargo build --offline", Epoch: epoch, Stderr: &stderr})
			var refused *Error
			if err == nil || tt.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%d outputs, error %v, said %s", len(outs), err, &stderr)
			}
			if refused != nil && strings.Count(err.Error(), "\n") > 2 {
				t.Errorf("more than three lines:\n%v", err)
			}
		})
	}
	// A macro that only tests need is no reason, and one that is allowed runs.
	dev := crate("[dev-dependencies]\nm = { path = \"m\" }\n", nothing, "src/m/Cargo.toml", "[package]\nname = \"m\"\nversion = \"0.2.0\"\n[lib]\nproc-macro = true\n", "src/m/src/lib.rs", "")
	build(t, host(), Job{Lang: "rust", Root: dev, Dir: "/src", Script: "cargo build --offline"})
	h := host()
	h.AllowScripts = true
	script := crate("", "fn main() { println!(env!(\"FROM_SCRIPT\")); }", "src/build.rs", "fn main() { println!(\"cargo:rustc-env=FROM_SCRIPT=made-by-a-script\"); }")
	outs := build(t, h, Job{Lang: "rust", Root: script, Dir: "/src", Script: "cargo build --offline"})
	if !bytes.Contains(outs["src/target/wasm32-wasip1/debug/a-b.wasm"], []byte("made-by-a-script")) {
		t.Errorf("%d outputs", len(outs))
	}
}

// TestNoRust has errors that say what to type.
func TestNoRust(t *testing.T) {
	needTool(t, "rust")
	none := &Host{Env: []string{"PATH=" + t.TempDir()}}
	for _, tt := range []struct {
		host         *Host
		pinned, want string
	}{
		{none, "", "rustup target add wasm32-wasip1"},
		{host(), "rust1.2.3", "rustup toolchain install 1.2.3 --target wasm32-wasip1"},
	} {
		_, err := tt.host.Version(t.Context(), "rust", tt.pinned)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Count(err.Error(), "\n") > 2 {
			t.Errorf("%v", err)
		}
	}
}
