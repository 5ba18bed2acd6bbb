package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var epoch = time.Unix(315532800, 0)

func host() *Host { return &Host{Env: os.Environ()} }

func needTool(t *testing.T, lang string) {
	t.Helper()
	if _, err := host().Version(t.Context(), lang, ""); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no compiler for %s: %v", lang, err)
		}
		t.Skipf("SKIPPED, no compiler for %s on this machine: %v", lang, err)
	}
}

// build runs one job and gives its outputs by path.
func build(t *testing.T, h *Host, job Job) map[string][]byte {
	t.Helper()
	var stderr bytes.Buffer
	job.Epoch, job.Stderr = epoch, &stderr
	outs, err := h.Run(t.Context(), job)
	if err != nil {
		t.Fatalf("%s: %v\n%s", job.Script, err, &stderr)
	}
	m := map[string][]byte{}
	for _, o := range outs {
		m[o.Path] = o.Data
	}
	return m
}

func example(name string) fs.FS { return os.DirFS("../../examples/" + name) }

// elsewhere changes what must not change a digest: the temporary folder, the
// umask, the user's folders, the time zone.
func elsewhere(t *testing.T) *Host {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir()+"/another/place")
	if err := os.MkdirAll(os.Getenv("TMPDIR"), 0o700); err != nil {
		t.Fatal(err)
	}
	umask(t, 0o077)
	env := append(os.Environ(), "TZ=Asia/Tokyo", "USER=somebody", "CFLAGS=-O0", "CPATH=/nonexistent", "GOFLAGS=-tags=wrong", "SOURCE_DATE_EPOCH=1")
	return &Host{Env: env}
}

func TestGoExample(t *testing.T) {
	needTool(t, "go")
	job := Job{Lang: "go", Root: example("wordcount"), Dir: "/", Script: "go build -o /wordcount ."}
	first := build(t, host(), job)["wordcount"]
	if !bytes.HasPrefix(first, []byte("\x00asm")) {
		t.Fatalf("no module came out: %d bytes", len(first))
	}
	if bytes.Contains(first, []byte("wherry-toolchain-")) {
		t.Error("the module holds the name of the temporary folder")
	}
	job.Script = "cd / && GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /wordcount"
	if second := build(t, elsewhere(t), job)["wordcount"]; !bytes.Equal(first, second) {
		t.Error("another folder, umask and environment gave another module")
	}
}

func TestCExample(t *testing.T) {
	needTool(t, "c")
	job := Job{Lang: "c", Root: example("matmul"), Dir: "/", Script: "clang -O3 -msimd128 -o /matmul matmul.c"}
	first := build(t, host(), job)["matmul"]
	if !bytes.HasPrefix(first, []byte("\x00asm")) {
		t.Fatalf("no module came out: %d bytes", len(first))
	}
	if second := build(t, elsewhere(t), job)["matmul"]; !bytes.Equal(first, second) {
		t.Error("another folder, umask and environment gave another module")
	}
}

func TestCSteps(t *testing.T) {
	needTool(t, "c")
	files := fstest.MapFS{
		"src/main.c":      {Data: []byte("#include \"add.h\"\n#include <stdio.h>\nint main(void){printf(\"%d %s %s %s\\n\", add(1,N), __FILE__, __DATE__, __TIME__);}")},
		"src/add.c":       {Data: []byte("#include \"add.h\"\nint add(int a,int b){return a+b;}")},
		"src/inc/add.h":   {Data: []byte("int add(int,int);")},
		"src/unused/x.md": {Data: []byte("x")},
	}
	outs := build(t, host(), Job{
		Lang: "c", Root: files, Dir: "/src", Env: []string{"INC=inc"},
		Script: "mkdir -p /out/bin && clang -c -I $INC -o add.o add.c\nclang -Iinc -D N=2 -o /out/bin/app main.c add.o",
	})
	app := outs["out/bin/app"]
	for _, want := range []string{"Jan  1 1980", "00:00:00", "src/main.c"} {
		if !bytes.Contains(app, []byte(want)) {
			t.Errorf("the module lacks %q", want)
		}
	}
	if bytes.Contains(app, []byte("wherry-toolchain-")) {
		t.Error("the module holds the name of the temporary folder")
	}
	if _, ok := outs["src/add.o"]; !ok {
		t.Error("the object file is not an output")
	}
}

func TestRefused(t *testing.T) {
	files := fstest.MapFS{"a.c": {Data: []byte("int main(void){return 0;}")}}
	tests := []struct{ lang, script, want string }{
		{"go", "curl http://example.com", "not run on the host"},
		{"go", "go run .", "not run on the host"},
		{"go", "go generate ./...", "not run on the host"},
		{"go", "go build .", "-o /app.wasm"},
		{"go", "go build -toolexec=/bin/sh -o /x .", "not possible here"},
		{"go", "go build -overlay=x -o /x .", "not possible here"},
		{"go", "go build -ldflags '-extld=/bin/sh' -o /x .", "only -s, -w and -X"},
		{"go", "go build -o ../../x .", "leads out of the stage"},
		{"go", "go build -o /x /etc", "relative to the folder"},
		{"go", "go build -o /x ../../../etc", "leads out of the stage"},
		{"go", "GOFLAGS=-toolexec=sh go build -o /x .", "which is set already"},
		{"go", "GOOS=linux go build -o /x .", "wasip1"},
		{"go", "go build -o /x . | tee log", "no pipes"},
		{"go", "go build -o /x . > log", "redirections"},
		{"go", "go build -o /x $(pwd)", "command substitution"},
		{"go", "for i in a b; do go build -o /x .; done", "loops"},
		{"go", "go build -o /x . || true", "&& alone"},
		{"go", "clang -o /x a.c", "not run on the host"},
		{"c", "go build -o /x .", "not run on the host"},
		{"c", "clang a.c", "-o /app.wasm"},
		{"c", "clang -o /x", "no source file"},
		{"c", "clang -fplugin=/x.so -o /x a.c", "not possible here"},
		{"c", "clang -Xclang -load -o /x a.c", "not possible here"},
		{"c", "clang -B/tmp -o /x a.c", "not possible here"},
		{"c", "clang -fuse-ld=/bin/sh -o /x a.c", "not possible here"},
		{"c", "clang -Wl,--plugin=/x -o /x a.c", "not possible here"},
		{"c", "clang @args -o /x a.c", "not possible here"},
		{"c", "clang --target=x86_64-linux -o /x a.c", "wasm32-wasi"},
		{"c", "clang -o /x ../a.c", "leads out of the stage"},
		{"c", "clang -I ../../usr/include -o /x a.c", "leads out of the stage"},
		{"c", "clang -o /x a.s", "expected .c"},
		{"c", "", "no command"},
		{"c", "clang -o '/x", "cannot read it"},
	}
	for _, tt := range tests {
		_, err := host().Run(t.Context(), Job{Lang: tt.lang, Root: files, Dir: "/", Script: tt.script, Epoch: epoch})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, expected ...%s...", tt.script, err, tt.want)
		}
	}
}

// A compiler must take in nothing of this machine but its own headers.
func TestHostFiles(t *testing.T) {
	secret := t.TempDir() + "/secret.h"
	if err := os.WriteFile(secret, []byte("#define SECRET 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("include", func(t *testing.T) {
		needTool(t, "c")
		files := fstest.MapFS{"a.c": {Data: []byte("#include \"" + secret + "\"\nint main(void){return SECRET;}")}}
		_, err := host().Run(t.Context(), Job{Lang: "c", Root: files, Dir: "/", Script: "clang -o /x a.c", Epoch: epoch})
		if err == nil || !strings.Contains(err.Error(), "a file of this machine") {
			t.Errorf("error %v", err)
		}
	})
	t.Run("tricks", func(t *testing.T) {
		needTool(t, "c")
		for _, tt := range []struct{ file, source, script, want string }{
			{"a.c", "#ifdef __OPTIMIZE__\n#include \"" + secret + "\"\n#endif\nint main(void){return 0;}", "clang -O2 -o /x a.c", "a file of this machine"},
			{"a.c", "#include \"/dev/null\"\nint main(void){return 0;}", "clang -o /x a.c", "a file of this machine"},
			{"a.c", "__asm__(\".incbin \\\"" + secret + "\\\"\");\nint main(void){return 0;}", "clang -o /x a.c", "inline assembly is disabled"},
			{"a.c", "int main(void){__asm__ volatile(\"\" ::: \"memory\");return 0;}", "clang -o /x a.c", ""},
			{"b.o", "BC\xc0\xde", "clang -o /x a.c b.o", "no WebAssembly object"},
			{"b.a", "!<thin>\n", "clang -o /x a.c b.a", "no WebAssembly object"},
			{"libb.a", "!<arch>\n" + fmt.Sprintf("%-48s%-10d`\n", "m.o/", 4) + "BC\xc0\xde", "clang -L. -lb -o /x a.c", "m.o is no WebAssembly object"},
		} {
			files := fstest.MapFS{"a.c": {Data: []byte("int main(void){return 0;}")}}
			files[tt.file] = &fstest.MapFile{Data: []byte(tt.source)}
			var stderr bytes.Buffer
			_, err := host().Run(t.Context(), Job{Lang: "c", Root: files, Dir: "/", Script: tt.script, Epoch: epoch, Stderr: &stderr})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error()+stderr.String(), tt.want)) {
				t.Errorf("%s: error %v, said %s, expected ...%s...", tt.source, err, &stderr, tt.want)
			}
		}
	})
	t.Run("assembly", func(t *testing.T) {
		needTool(t, "go")
		for text, want := range map[string]string{
			"#include \"" + secret + "\"\n":                        "by their name alone",
			"#include \"\\x2fetc/hostname\"\n":                     "by their name alone",
			"# /* x */ include \"../secret.h\"\n":                  "by their name alone",
			"/*\n// */ #include \"/etc/hostname\"\n":               "by their name alone",
			"DATA ·x(SB)/2, $\"//\"; #include \"/etc/hostname\"\n": "by their name alone",
			"#include \"deep.h\"\n":                                "by their name alone",
			"// include\n#include \"textflag.h\" // of Go's own\n": "",
		} {
			files := fstest.MapFS{
				"go.mod":  {Data: []byte("module x\n\ngo 1.24\n")},
				"main.go": {Data: []byte("package main\nfunc main(){}\n")},
				"a.s":     {Data: []byte(text)},
				"deep.h":  {Data: []byte("#include \"" + secret + "\"\n")},
			}
			if want == "" {
				delete(files, "deep.h")
			}
			_, err := host().Run(t.Context(), Job{Lang: "go", Root: files, Dir: "/", Script: "go build -o /x .", Epoch: epoch})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s: error %v, expected ...%s...", text, err, want)
			}
		}
	})
	t.Run("replace", func(t *testing.T) {
		needTool(t, "go")
		for _, to := range []string{"../../../outside", "/usr/local/go/src/fmt"} {
			files := fstest.MapFS{
				"go.mod":  {Data: []byte("module x\n\ngo 1.24\n\nreplace example.com/y => " + to + "\n")},
				"main.go": {Data: []byte("package main\nfunc main(){}\n")},
			}
			_, err := host().Run(t.Context(), Job{Lang: "go", Root: files, Dir: "/", Script: "go build -o /x .", Epoch: epoch})
			var refused *Error
			if !errors.As(err, &refused) {
				t.Errorf("replace => %s: error %v", to, err)
			}
		}
	})
	t.Run("go.mod", func(t *testing.T) {
		needTool(t, "go")
		files := fstest.MapFS{"main.go": {Data: []byte("package main\nfunc main(){}\n")}}
		_, err := host().Run(t.Context(), Job{Lang: "go", Root: files, Dir: "/", Script: "go build -o /x .", Epoch: epoch})
		if err == nil || !strings.Contains(err.Error(), "go mod init") {
			t.Errorf("error %v", err)
		}
	})
}

func TestMissingCompiler(t *testing.T) {
	h := &Host{Env: []string{"PATH=" + t.TempDir()}}
	for lang, want := range map[string]string{"go": "go.dev/dl", "c": "WASI_SDK_PATH"} {
		_, err := h.Version(t.Context(), lang, "")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, expected what to install", lang, err)
		}
		if err != nil && strings.Count(err.Error(), "\n") > 2 {
			t.Errorf("%s: more than three lines:\n%v", lang, err)
		}
	}
	h = &Host{Env: []string{"WASI_SDK_PATH=/nonexistent"}}
	if _, err := h.Version(t.Context(), "c", ""); err == nil || !strings.Contains(err.Error(), "no bin/clang") {
		t.Errorf("error %v", err)
	}
}

func TestCompilerSpeaks(t *testing.T) {
	needTool(t, "c")
	var stderr bytes.Buffer
	files := fstest.MapFS{"a.c": {Data: []byte("int main(void){return x;}")}}
	_, err := host().Run(t.Context(), Job{Lang: "c", Root: files, Dir: "/", Script: "clang -o /x a.c", Epoch: epoch, Stderr: &stderr})
	var exit *ExitError
	if !errors.As(err, &exit) || exit.ExitCode() == 0 {
		t.Fatalf("error %v", err)
	}
	if !strings.Contains(stderr.String(), "undeclared identifier") {
		t.Errorf("stderr %q", &stderr)
	}
}

func TestCancel(t *testing.T) {
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("SKIPPED, no sleep command on this machine")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := call(ctx, "", os.Environ(), nil, "sleep", "30")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("error %v after %v", err, time.Since(start))
	}
}

func FuzzCheck(f *testing.F) {
	f.Add("go", "go build -o /x ./cmd/y && mkdir -p /a")
	f.Add("c", "clang -O3 -msimd128 -I inc -Wl,--export=f -o /x a.c *.c")
	f.Add("rust", "cargo build --release -p a --manifest-path=x/Cargo.toml && RUSTFLAGS=-Copt-level=s cargo fetch")
	f.Add("c", "cd ../.. && clang -o ${X:-/y} a.c")
	files := fstest.MapFS{"a.c": {}, "d/b.c": {}}
	f.Fuzz(func(t *testing.T, lang, script string) {
		cmds, err := check(Job{Lang: lang, Script: script, Root: files, Dir: "/d"})
		if err != nil {
			return
		}
		for _, c := range cmds {
			if r, ok := c.(cargoRun); ok && !strings.HasPrefix(r.manifest, "/") {
				t.Errorf("%q gives a manifest that is not absolute: %q", script, r.manifest)
			}
			b, ok := c.(ccBuild)
			if !ok {
				continue
			}
			for _, a := range b.args {
				if strings.Contains(a.path, "..") && !strings.Contains(strings.ReplaceAll(a.path, "...", ""), "/") {
					t.Errorf("%q gives path %q", script, a.path)
				}
				if a.path != "" && !strings.HasPrefix(a.path, "/") {
					t.Errorf("%q gives a path that is not absolute: %q", script, a.path)
				}
			}
		}
	})
}
