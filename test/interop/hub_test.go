package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/crypto/bcrypt"

	"github.com/wherry-run/wherry/hub"
	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/oci/registry"
)

// serveHub serves our own registry.
func serveHub(t *testing.T) (host string) {
	t.Helper()
	h, err := hub.New(t.Context(), hub.Config{Store: newStore(t), Log: slog.New(slog.NewTextHandler(logged{t}, nil))})
	check(t, err)
	srv := httptest.NewServer(h)
	t.Cleanup(func() {
		srv.Close()
		check(t, h.Close())
	})
	return strings.TrimPrefix(srv.URL, "http://")
}

// logged is a test's log as a writer.
type logged struct{ t *testing.T }

func (l logged) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// TestPeersPushToUs: what other programs push to `wherry registry serve`, others pull,
// and the bytes are those that were pushed.
func TestPeersPushToUs(t *testing.T) {
	host := serveHub(t)
	s := newStore(t)
	name := host + "/first:1"
	img := build(t, s, name, noise(1, 200_000), noise(2, 3_000_000))
	check(t, client().Push(t.Context(), ref(t, name), img.index, s, registry.PushOptions{}))
	same := func(t *testing.T, name string) {
		t.Helper()
		opened, err := images.Open(t.Context(), newStore(t), name, images.Options{Fetcher: client()})
		check(t, err)
		check(t, opened.Close())
	}

	t.Run("skopeo", func(t *testing.T) {
		skopeo := find(t, "skopeo")
		dir := t.TempDir()
		override := []string{"--override-os", "wasip1", "--override-arch", "wasm"}
		sh(t, skopeo, append(override, "copy", "--src-tls-verify=false", "--preserve-digests", "docker://"+name, "oci:"+dir+":x")...)
		sh(t, skopeo, append(override, "copy", "--dest-tls-verify=false", "--preserve-digests", "oci:"+dir+":x", "docker://"+host+"/skopeo:1")...)
		same(t, host+"/skopeo:1")
		sh(t, skopeo, append(override, "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://"+host+"/skopeo:1", "docker://"+host+"/skopeo:2")...)
		var tags struct{ Tags []string }
		check(t, json.Unmarshal([]byte(sh(t, skopeo, "list-tags", "--tls-verify=false", "docker://"+host+"/skopeo")), &tags))
		if !slices.Equal(tags.Tags, []string{"1", "2"}) {
			t.Errorf("tags %v", tags.Tags)
		}
		sh(t, skopeo, append(override, "delete", "--tls-verify=false", "docker://"+host+"/skopeo:2")...)
	})
	t.Run("podman", func(t *testing.T) {
		podman := find(t, "podman")
		at := podmanStorage(t)
		sh(t, podman, append(at, "pull", "-q", "--tls-verify=false", "--platform", "wasip1/wasm", name)...)
		sh(t, podman, append(at, "push", "-q", "--tls-verify=false", name, host+"/podman:1")...)
		same(t, host+"/podman:1")
	})
	crane := goBuild(t, ".", "github.com/google/go-containerregistry/cmd/crane")
	t.Run("crane", func(t *testing.T) {
		dir := t.TempDir()
		sh(t, crane, "pull", "--insecure", "--format=oci", "--platform=all", name, dir)
		pushed := strings.TrimSpace(sh(t, crane, "push", "--insecure", "--index", dir, host+"/crane:1"))
		if pushed == "" {
			t.Error("crane says nothing of what it pushed")
		}
		sh(t, crane, "copy", "--insecure", name, host+"/crane/copied:1") // mounts
		if got := strings.TrimSpace(sh(t, crane, "digest", "--insecure", host+"/crane/copied:1")); got != string(img.index.Digest) {
			t.Errorf("crane copied %s", got)
		}
		same(t, host+"/crane/copied:1")
		sh(t, crane, "validate", "--insecure", "--fast", "--platform", "wasip1/wasm", "--remote", host+"/crane/copied:1")
		sh(t, crane, "tag", "--insecure", host+"/crane/copied:1", "2")
		if got := strings.Fields(sh(t, crane, "ls", "--insecure", host+"/crane/copied")); !slices.Equal(got, []string{"1", "2"}) {
			t.Errorf("tags %v", got)
		}
		if got := strings.Fields(sh(t, crane, "catalog", "--insecure", host)); !slices.Contains(got, "crane/copied") || !slices.Contains(got, "first") {
			t.Errorf("catalog %v", got)
		}
		sh(t, crane, "delete", "--insecure", host+"/crane/copied@"+string(img.index.Digest))
		if got := strings.Fields(sh(t, crane, "ls", "--insecure", host+"/crane/copied")); len(got) > 0 {
			t.Errorf("tags %v of what was deleted", got)
		}
	})
	peers := goBuild(t, "peers", ".")
	t.Run("oras", func(t *testing.T) {
		sh(t, peers, "copy", host+"/first", "1", host+"/oras")
		same(t, host+"/oras:1")
		attached := strings.TrimSpace(sh(t, peers, "attach", host+"/oras", "1"))
		if _, err := digest.Parse(attached); err != nil {
			t.Fatalf("oras attached %q: %v", attached, err)
		}
		resp, err := http.Get("http://" + host + "/v2/oras/referrers/" + string(img.index.Digest) + "?artifactType=application/vnd.example.note")
		check(t, err)
		defer resp.Body.Close()
		var index ispec.Index
		check(t, json.NewDecoder(resp.Body).Decode(&index))
		if len(index.Manifests) != 1 || string(index.Manifests[0].Digest) != attached || resp.Header.Get("OCI-Filters-Applied") != "artifactType" {
			t.Errorf("referrers %+v, filters %q", index.Manifests, resp.Header.Get("OCI-Filters-Applied"))
		}
		if got := strings.TrimSpace(sh(t, peers, "referrers", host+"/oras", "1")); got != attached {
			t.Errorf("oras finds %q", got)
		}
	})
}

// TestCommandWithPasswords: other programs log in to the command itself, over TLS or
// not, and nobody else does.
func TestCommandWithPasswords(t *testing.T) {
	skopeo := find(t, "skopeo")
	wherry := goBuild(t, "../..", "./cmd/wherry")
	dir := t.TempDir()
	file := filepath.Join(dir, "htpasswd")
	check(t, os.WriteFile(file, []byte("ann:"+hashed(t, "secret")+"\n"), 0o600))
	host := startWherry(t, wherry, "registry", "serve", "--listen", "127.0.0.1:0", "--root", filepath.Join(dir, "root"), "--htpasswd", file)
	s := newStore(t)
	build(t, s, "example.com/x:1", noise(1, 10_000), noise(2, 10_000))
	from := "oci:" + s.Dir() + ":" + ref(t, "example.com/x:1").String()
	override := []string{"--override-os", "wasip1", "--override-arch", "wasm", "copy", "--dest-tls-verify=false", "--preserve-digests"}
	fails(t, skopeo, append(override, from, "docker://"+host+"/x:1")...)
	fails(t, skopeo, append(override, "--dest-creds", "ann:wrong", from, "docker://"+host+"/x:1")...)
	sh(t, skopeo, append(override, "--dest-creds", "ann:secret", from, "docker://"+host+"/x:1")...)
	sh(t, skopeo, "inspect", "--raw", "--tls-verify=false", "--creds", "ann:secret", "docker://"+host+"/x:1")
}

// startWherry runs a registry until the test ends and returns its address.
func startWherry(t *testing.T, program string, args ...string) (host string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	out, err := cmd.StdoutPipe()
	check(t, err)
	var log bytes.Buffer
	cmd.Stderr = &log
	check(t, cmd.Start())
	t.Cleanup(func() {
		check(t, cmd.Process.Signal(os.Interrupt))
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("%v: %s", err, log.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	u, err := url.Parse(strings.TrimSpace(line))
	check(t, err)
	return u.Host
}

func hashed(t *testing.T, password string) string {
	t.Helper()
	b, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	check(t, err)
	return string(b)
}

// fails holds that a program does not end well.
func fails(t *testing.T, program string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err == nil {
		t.Errorf("%s %s ended well: %s", program, strings.Join(args, " "), out)
	}
}
