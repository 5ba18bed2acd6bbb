package packager

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/packager/recipe"
)

// rooted makes a build context on disk.
func rooted(t *testing.T, b *bench, dir string) {
	t.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	b.Options.Context = root.FS()
}

func write(t *testing.T, dir, name, data string, mode os.FileMode) {
	t.Helper()
	at := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(data), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(at, mode); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, at string) {
	t.Helper()
	if err := os.Symlink(target, at); err != nil {
		if runtime.GOOS == "windows" {
			t.Skipf("SKIPPED, this account may not make symbolic links: %v", err)
		}
		t.Fatal(err)
	}
}

// The same files give the same digest whatever the folder, the modes and the
// times on the host are.
func TestSameDigestElsewhere(t *testing.T) {
	const recipe = "FROM scratch AS a\nWORKDIR /w\nCOPY . .\nFROM scratch\nCOPY --from=a /w /app\nMODEL m.onnx /m/\nADD x.tar /x\nENTRYPOINT [\"/app/p.wasm\"]\n"
	var archive bytes.Buffer
	tw := tar.NewWriter(&archive)
	tw.WriteHeader(&tar.Header{Name: "in/f", Typeflag: tar.TypeReg, Mode: 0o4755, Size: 1, ModTime: time.Unix(1e9, 0), Uid: 1000, Uname: "me"})
	tw.Write([]byte("f"))
	tw.Close()
	build := func(mode os.FileMode, when time.Time) string {
		dir := t.TempDir()
		for name, data := range map[string]string{"p.wasm": "\x00asm", "s.sh": "#!/bin/sh", "m.onnx": "weights", "d/e/f": "f", "x.tar": archive.String()} {
			write(t, dir, name, data, mode)
			if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
				t.Fatal(err)
			}
		}
		b := newBench(t, nil)
		rooted(t, b, dir)
		return string(b.build(recipe).Index.Digest)
	}
	first := build(0o600, time.Unix(1, 0))
	if second := build(0o777, time.Now()); first != second {
		t.Errorf("%s, then %s", first, second)
	}
	if first != goldenDigest {
		t.Errorf("this build gave %s before, and %s now: a change of the layout changes every image's digest; if that is meant, write the new one down", goldenDigest, first)
	}
}

// goldenDigest pins what is written across releases and systems.
const goldenDigest = "sha256:bf41c98d4b6d03c7408ab2592179fdca84ccb5d9512c79d2bdc86391f18aa701"

// A context can hold links, to anywhere; none is followed out of it.
func TestHostileContext(t *testing.T) {
	dir := t.TempDir()
	outside := t.TempDir()
	write(t, outside, "secret", "host secret", 0o600)
	write(t, dir, "a", "A", 0o644)
	write(t, dir, "etc/passwd", "the context's own", 0o644)
	symlink(t, filepath.Join(outside, "secret"), filepath.Join(dir, "abs"))
	symlink(t, "../../../../../../../../etc/passwd", filepath.Join(dir, "up"))
	symlink(t, "/etc/passwd", filepath.Join(dir, "etc-link"))
	symlink(t, outside, filepath.Join(dir, "dir"))
	symlink(t, "loop", filepath.Join(dir, "loop"))
	symlink(t, "a", filepath.Join(dir, "inside"))
	tests := []struct{ recipe, want, refused string }{
		{"COPY abs /x", "", "no such file"},
		{"COPY dir/secret /x", "", "no such file"},
		{"COPY dir /x", "", "no such file"},
		{"COPY loop /x", "", "too many symbolic links"},
		{"COPY up etc-link /x/", "x/ 755\nx/etc-link 644 \"the context's own\"\nx/up 644 \"the context's own\"", ""},
		{"COPY inside /x", "x 644 \"A\"", ""},
		{"COPY ../" + filepath.Base(outside) + "/secret /x", "", "no such file"},
		{"MODEL abs /x", "", "no such file"},
	}
	for _, tt := range tests {
		b := newBench(t, nil)
		rooted(t, b, dir)
		res, err := b.tryBuild("FROM scratch\n" + tt.recipe + "\n")
		if tt.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: error %v, expected ...%s...", tt.recipe, err, tt.refused)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.recipe, err)
			continue
		}
		if diff := cmp.Diff(tt.want, b.open(res).list()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.recipe, diff)
		}
	}
	// A copied folder keeps its links as they are: data, not paths of the host.
	b := newBench(t, nil)
	rooted(t, b, dir)
	img := b.build("FROM scratch\nCOPY . /\nFROM scratch\nCOPY --from=0 /inside /etc-link /dst/\n")
	if img.read("dst/inside") != "A" || img.read("dst/etc-link") != "the context's own" {
		t.Errorf("files:\n%s", img.list())
	}
}

// Links of a stage must not lead a COPY anywhere but within the stage.
func TestLinksInStage(t *testing.T) {
	b := newBench(t, map[string]string{"f": "F", "d/g": "G"})
	b.withRunner(func(RunSpec) ([]layer.Entry, error) {
		return []layer.Entry{
			{Path: "srv", Kind: layer.Dir, Mode: 0o755},
			{Path: "app", Kind: layer.Symlink, Target: "/../srv"},
			{Path: "dangling", Kind: layer.Symlink, Target: "/new/place"},
			{Path: "self", Kind: layer.Symlink, Target: "self"},
		}, nil
	})
	img := b.build("FROM scratch\nRUN x\nCOPY f /app/\nCOPY d /app/sub/\nCOPY f /dangling/h\n")
	want := "app -> /../srv\ndangling -> /new/place\nnew/ 755\nnew/place/ 755\nnew/place/h 644 \"F\"\nself -> self\nsrv/ 755\nsrv/f 644 \"F\"\nsrv/sub/ 755\nsrv/sub/g 644 \"G\""
	if diff := cmp.Diff(want, img.list()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := b.tryBuild("FROM scratch\nRUN x\nCOPY f /self/x\n"); err == nil || !strings.Contains(err.Error(), "symbolic links") {
		t.Errorf("error %v", err)
	}
}

func TestIgnore(t *testing.T) {
	files := map[string]string{
		"a.py": "1", "a.log": "2", "node_modules/x/y.js": "3", "data/keep.csv": "4", "data/drop.csv": "5", "b/c/d.pyc": "6", ".git/HEAD": "7",
	}
	const rules = "# comment\n*.log\nnode_modules\n**/*.pyc\ndata/*\n!data/keep.csv\n.git\n.*ignore\n"
	want := "a.py 644 \"1\"\nb/ 755\nb/c/ 755\ndata/ 755\ndata/keep.csv 644 \"4\""
	for _, name := range []string{".dockerignore", ".wasmignore"} {
		b := newBench(t, files)
		b.Options.Context.(fstest.MapFS)[name] = &fstest.MapFile{Data: []byte(rules)}
		if diff := cmp.Diff(want, b.build("FROM scratch\nCOPY . /\n").list()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if _, err := b.tryBuild("FROM scratch\nCOPY a.log /\n"); err == nil || !strings.Contains(err.Error(), "hidden by an ignore file") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	b := newBench(t, files)
	b.Options.Context.(fstest.MapFS)[".dockerignore"] = &fstest.MapFile{Data: []byte("*\n")}
	b.Options.Context.(fstest.MapFS)[".wasmignore"] = &fstest.MapFile{Data: []byte(rules)}
	if got := b.build("FROM scratch\nCOPY . /\n").list(); got != want {
		t.Errorf(".wasmignore does not come first:\n%s", got)
	}
}

// archives makes the same members as zip, tar and tar.gz.
func archives(t *testing.T, members map[string]string) map[string]string {
	t.Helper()
	var z, plain, packed bytes.Buffer
	zw, tw := zip.NewWriter(&z), tar.NewWriter(&plain)
	for _, name := range sortedKeys(members) {
		data := members[name]
		w, err := zw.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte(data))
		h := &tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Size, h.Mode = tar.TypeDir, 0, 0o755
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		tw.Write([]byte(data))
	}
	zw.Close()
	tw.Close()
	g := gzip.NewWriter(&packed)
	g.Write(plain.Bytes())
	g.Close()
	return map[string]string{"x.zip": z.String(), "x.tar": plain.String(), "x.tgz": packed.String()}
}

func TestUnpack(t *testing.T) {
	files := archives(t, map[string]string{"top": "T", "a/": "", "a/b/c.txt": "C", "a/b/d/e": "E"})
	for name := range files {
		tests := []struct{ recipe, want string }{
			{"COPY --unpack " + name + " /u/", "u/ 755\nu/a/ 755\nu/a/b/ 755\nu/a/b/c.txt 644 \"C\"\nu/a/b/d/ 755\nu/a/b/d/e 644 \"E\"\nu/top 644 \"T\""},
			{"COPY --unpack=a/b/ " + name + " /u/", "u/ 755\nu/c.txt 644 \"C\"\nu/d/ 755\nu/d/e 644 \"E\""},
			{"COPY --unpack=a/b/c.txt " + name + " /u", "u/ 755\nu/c.txt 644 \"C\""},
			{"COPY --chmod=700 --unpack=top " + name + " /", "top 700 \"T\""},
			{"COPY " + name + " /k/\nFROM scratch\nADD --unpack=top --checksum=sha256:x " + name + " /", "top 644 \"T\""},
		}
		for _, tt := range tests {
			if diff := cmp.Diff(tt.want, newBench(t, files).build("FROM scratch\n"+tt.recipe+"\n").list()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.recipe, diff)
			}
		}
		if _, err := newBench(t, files).tryBuild("FROM scratch\nCOPY --unpack=no/ " + name + " /\n"); err == nil || !strings.Contains(err.Error(), "nothing in it is named no/") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	// ADD unpacks tars by itself, and nothing else.
	img := newBench(t, files).build("FROM scratch\nADD x.tar /t/\nADD x.tgz /g/\nADD x.zip /z/\nADD --unpack=false x.tar /f/\n")
	if img.read("t/top") != "T" || img.read("g/a/b/d/e") != "E" || img.read("z/x.zip") != files["x.zip"] || img.read("f/x.tar") != files["x.tar"] {
		t.Errorf("files:\n%s", img.list())
	}
}

func TestUnpackRefuses(t *testing.T) {
	for _, name := range []string{"../up", "/abs", "a/../../b", `a\b`, "C:/x", "a//b", "a/./b"} {
		for file, data := range archives(t, map[string]string{name: "x"}) {
			_, err := newBench(t, map[string]string{file: data}).tryBuild("FROM scratch\nCOPY --unpack " + file + " /\n")
			if err == nil {
				t.Errorf("%s with a member %q was unpacked", file, name)
			}
		}
	}
	var dup, links bytes.Buffer
	tw := tar.NewWriter(&dup)
	for range 2 {
		tw.WriteHeader(&tar.Header{Name: "f", Typeflag: tar.TypeReg, Size: 1, Mode: 0o644})
		tw.Write([]byte("x"))
	}
	tw.Close()
	tw = tar.NewWriter(&links)
	tw.WriteHeader(&tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "/etc"})
	tw.WriteHeader(&tar.Header{Name: "l/passwd", Typeflag: tar.TypeReg, Size: 1, Mode: 0o644})
	tw.Write([]byte("x"))
	tw.Close()
	for want, data := range map[string]string{"comes twice": dup.String(), "a symlink, not a folder": links.String(), "EOF": links.String()[:700], "header": strings.Repeat("x", 2000)} {
		_, err := newBench(t, map[string]string{"x.tar": data}).tryBuild("FROM scratch\nCOPY --unpack x.tar /\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected ...%s...", err, want)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	for _, data := range archives(&testing.T{}, map[string]string{"a/b": "c", "d/": ""}) {
		f.Add([]byte(data), "a/")
	}
	f.Add([]byte("0"), "\xd2c//\x1c\x85----")
	f.Fuzz(func(t *testing.T, data []byte, prefix string) {
		b := newBench(t, map[string]string{"x": string(data)})
		if strings.ContainsAny(prefix, " \t\n\r\x00\"'$\\`<#") || prefix == "" {
			prefix = "a/"
		}
		var err error // where a flag ends is the parser's to say: it looks at bytes, of which more are spaces
		if b.Recipe, err = recipe.Parse("Wasmfile", strings.NewReader("FROM scratch\nCOPY --unpack="+prefix+" x /dst/\n")); err != nil {
			return
		}
		res, err := Build(t.Context(), b.Options)
		if err != nil {
			return
		}
		for name := range b.open(res).files.nodes {
			if name != "" && name != "dst" && !strings.HasPrefix(name, "dst/") {
				t.Errorf("a member became /%s", name)
			}
		}
	})
}

func TestRecognise(t *testing.T) {
	tests := []struct {
		name, why, line string
		files           map[string]string
	}{
		{"go", "Go module with the program hello", "RUN go build -o /hello .", map[string]string{"go.mod": "module example.com/hello/v2\n", "main.go": "// x\npackage main\n", "x_test.go": "package main"}},
		{"go cmd", "the program srv", "RUN go build -o /srv ./cmd/srv", map[string]string{"go.mod": "module x\n", "lib.go": "package x", "cmd/srv/main.go": "package main\n"}},
		{"wasm", "module app.wasm", `ENTRYPOINT ["app"]`, map[string]string{"app.wasm": "\x00asm", "README.md": ""}},
		{"c", "C sources with the program main", "RUN clang -O3 -msimd128 -o /main lib.c main.c", map[string]string{"main.c": "int main(void) {}", "lib.c": "#include <wasm_simd128.h>", "lib.h": ""}},
		{"python around ONNX", "runs ONNX models", "COPY --from=onnx /usr/local/bin/onnxruntime.wasm /usr/local/bin/onnxruntime.wasm", map[string]string{"predict.py": "import onnxruntime as ort\ndef predict(a: float): ...", "model.onnx": ""}},
		{"predict", "predict.py with requirements.txt", `ENTRYPOINT ["predict", "predict.py"]`, map[string]string{"predict.py": "import x\ndef predict(a: float): ...", "requirements.txt": "x", "train.py": ""}},
		{"onnx", "ONNX model iris.onnx", "MODEL iris.onnx /models/", map[string]string{"iris.onnx": "", "iris.onnx.data": "", "train.py": "fit()"}},
		{"onnx of several", "ONNX model model.onnx", "MODEL --golden=cases.json model.onnx /models/", map[string]string{"model.onnx": "", "encoder.onnx": "", "cases.json": "{}"}},
		{"onnx as on hubs", "ONNX model onnx/model.onnx", "MODEL onnx/model.onnx /models/", map[string]string{"onnx/model.onnx": "", "onnx/model_int8.onnx": "", "config.json": ""}},
		{"predict around onnx", "program predict.py", `ENTRYPOINT ["predict", "predict.py"]`, map[string]string{"model.onnx": "", "predict.py": "def predict(x: str): ..."}},
		{"a program around onnx", "program app.py", `ENTRYPOINT ["python", "app.py"]`, map[string]string{"model.onnx": "", "app.py": "import onnxruntime"}},
		{"onnxruntime in Python", "which runs ONNX models", "COPY --from=onnx /usr/local/bin/onnxruntime.wasm /usr/local/bin/onnxruntime.wasm", map[string]string{"predict.py": "import numpy\nimport onnxruntime as ort\ndef predict(x: str): ..."}},
		{"rust", "crate of Rust with the program a-b", "COPY --from=build /src/target/wasm32-wasip1/release/a-b.wasm /usr/bin/a-b", map[string]string{"Cargo.toml": "[package] # x\nname = \"a-b\"\n[dependencies]\nname = \"x\"\n", "src/main.rs": ""}},
		{"rust, locked", "the program a", "RUN cargo build --release --locked", map[string]string{"Cargo.toml": "[package]\nname = \"a\"\n", "Cargo.lock": "", "src/main.rs": "", "target/x.wasm": ""}},
		{"rust, another name", "the program tool", `ENTRYPOINT ["tool"]`, map[string]string{"Cargo.toml": "[package]\nname = \"a\"\n[[bin]]\nname = \"tool\"\npath = \"x.rs\"\n"}},
		{"rust, bin", "the program b", "ENTRYPOINT [\"b\"]", map[string]string{"Cargo.toml": "[package]\nname = \"a\"\n", "src/bin/b.rs": ""}},
		{"rust, a model", "the program a-b", "COPY --from=build /src/target/wasm32-wasip1/release/a_b.wasm /usr/bin/a-b", map[string]string{"Cargo.toml": "[package]\nname = \"a-b\"\n[lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n", "src/lib.rs": ""}},
		{"python", "program main.py", `ENTRYPOINT ["python", "main.py"]`, map[string]string{"main.py": "print(1)", "other.py": ""}},
	}
	for _, tt := range tests {
		b := newBench(t, tt.files)
		g, err := Recognise(b.Options.Context)
		if err != nil || !strings.Contains(g.Why, tt.why) || !strings.Contains(g.Recipe, tt.line+"\n") {
			t.Errorf("%s: %+v, error %v", tt.name, g, err)
			continue
		}
		if text := parse(t, g.Recipe); len(text.Stages) == 0 {
			t.Errorf("%s: the recipe is empty", tt.name)
		}
	}
	for want, files := range map[string]map[string]string{
		"nothing in the folder":   {"README.md": "x", ".hidden.py": ""},
		"several ONNX models":     {"a.onnx": "", "b.onnx": ""},
		"several .wasm":           {"a.wasm": "", "b.wasm": ""},
		"no package main":         {"go.mod": "module x", "a.go": "package x"},
		"several programs":        {"go.mod": "module x", "cmd/a/a.go": "package main", "cmd/b/b.go": "package main"},
		"several Python files":    {"x.py": "", "y.py": ""},
		"none has a main":         {"x.c": "int f(void);"},
		"is no name":              {"a b.wasm": "\x00asm"},
		"no program, src/main.rs": {"Cargo.toml": "[package]\nname = \"a\"\n", "src/lib.rs": ""},
		"crate has several":       {"Cargo.toml": "[package]\nname = \"a\"\n", "src/bin/b.rs": "", "src/bin/c.rs": ""},
		"workspace without":       {"Cargo.toml": "[workspace]\nmembers = [\"a\"]\n"},
		"several C files have a":  {"a.c": "int main(void){}", "b.c": "int main(void){}"},
	} {
		if _, err := Recognise(newBench(t, files).Options.Context); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, expected ...%s...", err, want)
		}
	}
}
