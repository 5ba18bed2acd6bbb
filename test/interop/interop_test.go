// Package interop lets other people's programs pull what Wherry pushes, from a
// real registry on loopback.
package interop

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
	"github.com/wherry-run/wherry/oci/store"
)

// missing skips a test whose program is not installed. In CI nothing may be
// missing.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed, and CI must not skip: run test/setup", what)
	}
	t.Skipf("NOT TESTED: %s is not installed: run test/setup", what)
}

func find(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		missing(t, program)
	}
	return path
}

// startRegistry runs Debian's docker-registry in a folder of its own.
func startRegistry(t *testing.T) (host string) {
	t.Helper()
	program := find(t, "docker-registry")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n", filepath.Join(dir, "data"), host)
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", file)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("docker-registry: %s", log.Bytes())
		}
	})
	for range 2000 {
		if resp, err := http.Get("http://" + host + "/v2/"); err == nil {
			resp.Body.Close()
			return host
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("docker-registry does not answer: %s", log.Bytes())
	return ""
}

// meter is a proxy in front of a registry that counts what is sent to it.
func meter(t *testing.T, host string, sent *atomic.Int64) string {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			r.Body = &counted{r.Body, sent}
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func newStore(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func client() *registry.Client {
	return registry.New(registry.WithKeychain(authn.NewMultiKeychain()))
}

func ref(t *testing.T, name string) oci.Reference {
	t.Helper()
	r, err := oci.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tarball is a tar of one file, root folder included, as layers are.
func tarball(t *testing.T, name string, data []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(data)), ModTime: time.Unix(315532800, 0)}); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Write(data); err != nil || tw.Close() != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func gz(t *testing.T, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(b); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	x := uint32(seed) + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// image is a built image and all its documents, by name.
type image struct {
	index ispec.Descriptor
	docs  map[string]oci.Document
}

// build puts an image with a model into a store, with the layout of every image
// that Wherry builds.
func build(t *testing.T, s *store.Store, name string, code, weights []byte) image {
	t.Helper()
	put := func(mediaType string, b []byte) ispec.Descriptor {
		d, err := s.Ingest(t.Context(), ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plain := tarball(t, "app.wasm", code)
	w := put(ispec.MediaTypeImageLayer, tarball(t, "model.bin", weights))
	layers := []oci.Layer{
		{Descriptor: put(ispec.MediaTypeImageLayerGzip, gz(t, plain)), DiffID: digest.FromBytes(plain)},
		{Descriptor: w, DiffID: w.Digest, Weight: "/model.bin"},
	}
	created := time.Unix(315532800, 0).UTC()
	var cfg oci.Image
	cfg.Created = &created
	cfg.Config.Entrypoint = []string{"/app.wasm"}
	config, err := oci.BuildConfig(cfg, layers)
	check(t, err)
	manifest, err := oci.BuildManifest(config, layers, map[string]string{"org.opencontainers.image.title": "interop"})
	check(t, err)
	modelConfig, model, _, err := oci.BuildModel(oci.ModelConfig{Descriptor: oci.ModelDescriptor{Name: "interop"}}, layers, nil)
	check(t, err)
	facts, pages := put(oci.FactsLayer, gz(t, []byte("facts"))), put(oci.PagesLayer, noise(9, 1000))
	derivedConfig, derived, err := oci.BuildDerived(oci.Derived{
		Modules: []oci.DerivedModule{{Content: "app@0+1", Facts: facts.Digest}},
		Snapshots: []oci.Snapshot{{Content: "app@0+1", Program: []string{"/app.wasm"}, Protocol: oci.ProtocolWizer,
			Memory: 1 << 16, Pages: []digest.Digest{pages.Digest}}},
	}, manifest.Descriptor, []ispec.Descriptor{facts, pages}, nil)
	check(t, err)
	index, err := oci.BuildIndex(manifest, []ispec.Descriptor{oci.ArtifactDescriptor(model, oci.ModelArtifact), oci.ArtifactDescriptor(derived, oci.DerivedArtifact)}, nil)
	check(t, err)
	docs := map[string]oci.Document{"config": config, "manifest": manifest, "model-config": modelConfig, "model": model,
		"derived-config": derivedConfig, "derived": derived, "index": index}
	for _, d := range docs {
		put(d.Descriptor.MediaType, d.Data)
	}
	check(t, s.Tag(t.Context(), ref(t, name), index.Descriptor))
	return image{index.Descriptor, docs}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sh runs a program and returns its stdout.
func sh(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		t.Fatalf("%s %s: %v", filepath.Base(program), strings.Join(args, " "), err)
	}
	return string(out)
}

// goBuild builds a program of a module that the module cache or proxy has.
func goBuild(t *testing.T, dir, pkg string) string {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		missing(t, "go")
	}
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, pkg)
	cmd.Dir = dir
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v: %s", pkg, err, b)
	}
	return out
}

func TestPeersPullWhatWePush(t *testing.T) {
	t.Run("docker-registry", func(t *testing.T) { peersPull(t, startRegistry(t)) })
	t.Run("wherry registry serve", func(t *testing.T) { peersPull(t, serveHub(t)) })
}

// peersPull pushes an image to a registry and lets everybody pull it.
func peersPull(t *testing.T, host string) {
	s := newStore(t)
	name := host + "/team/interop:1"
	img := build(t, s, name, noise(1, 200_000), noise(2, 3_000_000))
	check(t, client().Push(t.Context(), ref(t, name), img.index, s, registry.PushOptions{ModelTag: "1-model"}))

	t.Run("wherry", func(t *testing.T) {
		there := newStore(t)
		opened, err := images.Open(t.Context(), there, name, images.Options{Fetcher: client()})
		check(t, err)
		defer opened.Close()
		if opened.Digest() != img.index.Digest {
			t.Errorf("pulled %s, pushed %s", opened.Digest(), img.index.Digest)
		}
		if opened.Derived() == nil || opened.Underived() != nil {
			t.Errorf("the derived data did not come: %v", opened.Underived())
		}
	})
	t.Run("skopeo", func(t *testing.T) {
		skopeo := find(t, "skopeo")
		dir := t.TempDir()
		for _, os := range []string{"wasip1", "wasi"} {
			sh(t, skopeo, "--override-os", os, "--override-arch", "wasm", "copy", "--src-tls-verify=false", "--preserve-digests", "docker://"+name, "oci:"+dir+":"+os)
		}
		wantInLayout(t, dir, img, "manifest", "config")
		// The whole index, too. Skopeo before 1.14 does not know artifactType in
		// an index and writes its own without it, so its digest is another.
		sh(t, skopeo, "copy", "--src-tls-verify=false", "--all", "docker://"+name, "oci:"+t.TempDir()+":x")
		// And out of our store, in place.
		sh(t, skopeo, "--override-os", "wasip1", "--override-arch", "wasm", "copy", "--preserve-digests", "oci:"+s.Dir()+":"+ref(t, name).String(), "oci:"+t.TempDir()+":x")
	})
	t.Run("podman", func(t *testing.T) {
		podman := find(t, "podman")
		for _, platform := range []string{"wasip1/wasm", "wasi/wasm"} {
			at := podmanStorage(t)
			id := sh(t, podman, append(at, "pull", "-q", "--tls-verify=false", "--platform", platform, name)...)
			if got, want := strings.TrimSpace(id), img.docs["config"].Descriptor.Digest.Encoded(); got != want {
				t.Errorf("%s: podman has image %s, want %s", platform, got, want)
			}
		}
	})
	t.Run("podman load", func(t *testing.T) {
		podman := find(t, "podman")
		dir := t.TempDir()
		file := filepath.Join(dir, "saved.tar")
		f, err := os.Create(file)
		check(t, err)
		check(t, images.Save(t.Context(), s, f, name))
		check(t, f.Close())
		at := podmanStorage(t)
		if out := sh(t, podman, append(at, "load", "-q", "-i", file)...); !strings.Contains(out, name) {
			t.Errorf("podman load says %q", out)
		}
	})
	t.Run("crane", func(t *testing.T) {
		crane := goBuild(t, ".", "github.com/google/go-containerregistry/cmd/crane")
		if got := strings.TrimSpace(sh(t, crane, "digest", "--insecure", name)); got != string(img.index.Digest) {
			t.Errorf("crane sees %s", got)
		}
		for _, platform := range []string{"wasip1/wasm", "wasi/wasm"} {
			if got := sh(t, crane, "manifest", "--insecure", "--platform", platform, name); got != string(img.docs["manifest"].Data) {
				t.Errorf("%s: crane sees %s", platform, got)
			}
		}
		dir := t.TempDir()
		sh(t, crane, "pull", "--insecure", "--format=oci", "--platform=all", name, dir)
		wantInLayout(t, dir, img, "index", "manifest", "config", "model", "model-config", "derived", "derived-config")
	})
	peers := goBuild(t, "peers", ".")
	t.Run("oras", func(t *testing.T) {
		dir := t.TempDir()
		if got := strings.TrimSpace(sh(t, peers, "pull", host+"/team/interop", "1", dir)); got != string(img.index.Digest) {
			t.Errorf("oras pulled %s", got)
		}
		wantInLayout(t, dir, img, "index", "manifest", "config", "model", "model-config", "derived", "derived-config")
		sh(t, peers, "pull", host+"/team/interop", "1-model", t.TempDir())
	})
	t.Run("schemas", func(t *testing.T) {
		for what, mediaType := range map[string]string{"index": ispec.MediaTypeImageIndex, "manifest": ispec.MediaTypeImageManifest, "model": ispec.MediaTypeImageManifest, "derived": ispec.MediaTypeImageManifest, "config": ispec.MediaTypeImageConfig} {
			file := filepath.Join(t.TempDir(), what)
			check(t, os.WriteFile(file, img.docs[what].Data, 0o600))
			sh(t, peers, "schema", mediaType, file)
		}
		bad := filepath.Join(t.TempDir(), "bad")
		check(t, os.WriteFile(bad, []byte(`{"schemaVersion":2,"manifests":[{"size":-1}]}`), 0o600))
		if exec.Command(peers, "schema", ispec.MediaTypeImageIndex, bad).Run() == nil {
			t.Error("the schemas let a bad index through: they judge nothing")
		}
		sh(t, peers, "schema", ispec.MediaTypeImageIndex, filepath.Join(s.Dir(), "index.json"))
		sh(t, peers, "schema", ispec.MediaTypeLayoutHeader, filepath.Join(s.Dir(), "oci-layout"))
	})
}

// podmanStorage keeps podman away from the images of this machine. Its folders
// must have short names.
func podmanStorage(t *testing.T) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "p")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	return []string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--storage-driver", "vfs"}
}

// wantInLayout checks that a layout holds these documents, byte by byte, and
// the layers.
func wantInLayout(t *testing.T, dir string, img image, docs ...string) {
	t.Helper()
	for _, what := range docs {
		d := img.docs[what]
		b, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", d.Descriptor.Digest.Encoded()))
		if err != nil || !bytes.Equal(b, d.Data) {
			t.Errorf("the %s did not arrive: %v", what, err)
		}
	}
	var m ispec.Manifest
	check(t, json.Unmarshal(img.docs["manifest"].Data, &m))
	for _, l := range m.Layers {
		if st, err := os.Stat(filepath.Join(dir, "blobs", "sha256", l.Digest.Encoded())); err != nil || st.Size() != l.Size {
			t.Errorf("layer %s did not arrive: %v", l.Digest, err)
		}
	}
}

// TestPushAgain counts the bytes that a real registry is sent.
func TestPushAgain(t *testing.T) {
	var sent atomic.Int64
	host := meter(t, startRegistry(t), &sent)
	s := newStore(t)
	name := host + "/iris:1"
	const codeSize, weightSize, documents = 2_000_000, 3_000_000, 12_000
	push := func(code, weights byte) int64 {
		img := build(t, s, name, noise(code, codeSize), noise(weights, weightSize))
		sent.Store(0)
		check(t, client().Push(t.Context(), ref(t, name), img.index, s, registry.PushOptions{}))
		return sent.Load()
	}
	cases := []struct {
		what          string
		code, weights byte
		least, most   int64
	}{
		{"first push", 1, 1, codeSize + weightSize, codeSize + weightSize + documents},
		{"nothing new", 1, 1, 0, documents},
		{"weights changed", 1, 2, weightSize, weightSize + documents},
		{"code changed", 2, 2, codeSize, codeSize + documents},
	}
	for _, c := range cases {
		n := push(c.code, c.weights)
		t.Logf("%s: %d bytes", c.what, n)
		if n < c.least || n > c.most {
			t.Errorf("%s: %d bytes were sent, want %d to %d", c.what, n, c.least, c.most)
		}
	}
	sent.Store(0)
	img := build(t, s, name, noise(2, codeSize), noise(2, weightSize))
	check(t, client().Push(t.Context(), ref(t, host+"/other:1"), img.index, s, registry.PushOptions{MountFrom: []oci.Reference{ref(t, name)}}))
	t.Logf("mounted into another repository: %d bytes", sent.Load())
	if sent.Load() > documents {
		t.Errorf("mounting sent %d bytes", sent.Load())
	}
}
