package hub_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/hub"
	"github.com/wherry-run/wherry/oci/store"
)

// served is a registry that can be ended and started again.
type served struct {
	t   *testing.T
	dir string
	c   hub.Config
	hub *hub.Hub
	srv *httptest.Server
}

func serve(t *testing.T, c hub.Config) *served {
	t.Helper()
	s := &served{t: t, dir: t.TempDir(), c: c}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *served) start() {
	s.t.Helper()
	st, err := store.Open(s.t.Context(), s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.c.Store = st
	if s.hub, err = hub.New(s.t.Context(), s.c); err != nil {
		s.t.Fatal(err)
	}
	s.srv = httptest.NewServer(s.hub)
}

func (s *served) stop() {
	if s.hub == nil {
		return
	}
	s.srv.CloseClientConnections()
	s.srv.Close()
	if err := s.hub.Close(); err != nil {
		s.t.Error(err)
	}
	s.hub = nil
}

func (s *served) host() string { return strings.TrimPrefix(s.srv.URL, "http://") }

// answer is what a registry answered.
type answer struct {
	*http.Response
	body []byte
}

// code is the error code of an answer.
func (a answer) code() string {
	var doc struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(a.body, &doc) != nil || len(doc.Errors) == 0 {
		return ""
	}
	return doc.Errors[0].Code
}

// do makes a request; where is a path or an address, header pairs of names and values.
func (s *served) do(method, where string, body []byte, header ...string) answer {
	s.t.Helper()
	if strings.HasPrefix(where, "/") {
		where = s.srv.URL + where
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, where, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{resp, b}
}

// want makes a request that must have this status and, when code is not "", this error.
func (s *served) want(status int, code, method, where string, body []byte, header ...string) answer {
	s.t.Helper()
	a := s.do(method, where, body, header...)
	if a.StatusCode != status || code != "" && a.code() != code {
		s.t.Fatalf("%s %s: %d %s, wanted %d %s", method, where, a.StatusCode, a.body, status, code)
	}
	return a
}

// push sends a blob in one request.
func (s *served) push(repo string, data []byte) digest.Digest {
	s.t.Helper()
	d := digest.FromBytes(data)
	s.want(201, "", "POST", "/v2/"+repo+"/blobs/uploads/?digest="+string(d), data)
	return d
}

// image pushes an image of one layer and returns the manifest and its digest.
func (s *served) image(repo, tag string, layer []byte, change func(*ispec.Manifest)) ([]byte, digest.Digest) {
	s.t.Helper()
	m := imageOf(layer)
	if change != nil {
		change(&m)
	}
	s.push(repo, emptyConfig)
	s.push(repo, layer)
	data, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	s.want(201, "", "PUT", "/v2/"+repo+"/manifests/"+tag, data, "Content-Type", ispec.MediaTypeImageManifest)
	return data, digest.FromBytes(data)
}

var emptyConfig = []byte("{}")

func imageOf(layer []byte) ispec.Manifest {
	m := ispec.Manifest{
		MediaType: ispec.MediaTypeImageManifest, ArtifactType: "application/vnd.example",
		Config: ispec.Descriptor{MediaType: ispec.MediaTypeEmptyJSON, Digest: digest.FromBytes(emptyConfig), Size: 2},
		Layers: []ispec.Descriptor{{MediaType: "application/x", Digest: digest.FromBytes(layer), Size: int64(len(layer))}},
	}
	m.SchemaVersion = 2
	return m
}

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b) // it never fails
	return b
}

func TestRestartKeepsEverything(t *testing.T) {
	s := serve(t, hub.Config{})
	data, d := s.image("team/a", "1", noise(1, 100_000), nil)
	s.image("team/a", "2", noise(1, 100_000), func(m *ispec.Manifest) {
		m.Subject = &ispec.Descriptor{MediaType: ispec.MediaTypeImageManifest, Digest: d, Size: int64(len(data))}
		m.Annotations = map[string]string{"k": "v"}
	})
	s.image("b", "x", noise(2, 10), nil)
	s.want(202, "", "DELETE", "/v2/b/manifests/x", nil)
	before := s.picture()
	s.stop()
	s.start()
	if after := s.picture(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if !strings.Contains(before, `"k":"v"`) || !strings.Contains(before, `["b","team/a"]`) || !strings.Contains(before, `"tags":["1","2"]`) {
		t.Error(before)
	}
	// Another program that tidies the store takes nothing, also while no registry runs.
	s.stop()
	st, err := store.Open(t.Context(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	swept, err := st.GC(t.Context())
	if err != nil || len(swept.Blobs) > 0 {
		t.Errorf("%v: %v", swept.Blobs, err)
	}
	s.start()
	if after := s.picture(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

// picture is what a registry says of itself.
func (s *served) picture() string {
	s.t.Helper()
	var b strings.Builder
	d := digest.FromBytes(s.do("GET", "/v2/team/a/manifests/1", nil).body)
	for _, path := range []string{"/v2/_catalog", "/v2/team/a/tags/list", "/v2/b/tags/list", "/v2/team/a/referrers/" + string(d), "/v2/team/a/manifests/1"} {
		a := s.do("GET", path, nil)
		fmt.Fprintf(&b, "%s %d %s\n", path, a.StatusCode, a.body)
	}
	return b.String()
}

func TestRepositoriesAreApart(t *testing.T) {
	s := serve(t, hub.Config{})
	layer := noise(1, 1000)
	data, d := s.image("secret/a", "1", layer, nil)
	blob := "/blobs/" + string(digest.FromBytes(layer))
	s.want(404, "BLOB_UNKNOWN", "GET", "/v2/b"+blob, nil)
	s.want(404, "NAME_UNKNOWN", "GET", "/v2/b/manifests/"+string(d), nil)
	s.image("b", "1", []byte("other"), nil)
	s.want(404, "MANIFEST_UNKNOWN", "GET", "/v2/b/manifests/"+string(d), nil)
	s.want(400, "MANIFEST_BLOB_UNKNOWN", "PUT", "/v2/b/manifests/2", data, "Content-Type", ispec.MediaTypeImageManifest)
	s.want(201, "", "POST", "/v2/b/blobs/uploads/?mount="+string(digest.FromBytes(layer))+"&from=secret/a", nil)
	s.want(201, "", "PUT", "/v2/b/manifests/2", data, "Content-Type", ispec.MediaTypeImageManifest)
	// What a manifest needs cannot be taken from under it; of one repository it can.
	s.want(409, "DENIED", "DELETE", "/v2/b"+blob, nil)
	s.want(202, "", "DELETE", "/v2/b/manifests/"+string(d), nil)
	s.want(202, "", "DELETE", "/v2/b"+blob, nil)
	s.want(404, "BLOB_UNKNOWN", "GET", "/v2/b"+blob, nil)
	s.want(200, "", "GET", "/v2/secret/a"+blob, nil)
}

func TestSweep(t *testing.T) {
	s := serve(t, hub.Config{Loose: time.Nanosecond})
	layer := noise(1, 5000)
	_, d := s.image("a", "1", layer, nil)
	loose := s.push("a", noise(2, 5000))
	gone := s.push("only/this", noise(3, 5000))
	up := s.want(202, "", "POST", "/v2/a/blobs/uploads/", nil).Header.Get("Location")
	s.want(202, "", "PATCH", up, []byte("begun"))
	// What is cared for in this second stays.
	deadline := time.Now().Add(time.Minute)
	for s.do("GET", "/v2/a/blobs/"+string(digest.FromBytes(layer)), nil); ; time.Sleep(50 * time.Millisecond) {
		if err := s.hub.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !s.inStore(loose) && !s.inStore(gone) || time.Now().After(deadline) {
			break
		}
	}
	s.want(404, "", "HEAD", "/v2/a/blobs/"+string(loose), nil)
	s.want(404, "BLOB_UPLOAD_UNKNOWN", "GET", up, nil)
	if s.inStore(gone) || !s.inStore(d) || !s.inStore(digest.FromBytes(layer)) {
		t.Error("the sweep took the wrong content")
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "hub", "uploads")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	if left, err := os.ReadDir(filepath.Join(s.dir, "hub", "repositories")); err != nil || len(left) != 1 {
		t.Error(left, err)
	}
	s.want(202, "", "DELETE", "/v2/a/manifests/"+string(d), nil)
	for ; s.inStore(d) && time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := s.hub.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if s.inStore(d) {
		t.Error("a manifest that was deleted is still in the store")
	}
	s.image("a", "2", layer, nil)
}

func (s *served) inStore(d digest.Digest) bool {
	s.t.Helper()
	ok, err := s.c.Store.Has(s.t.Context(), d)
	if err != nil {
		s.t.Fatal(err)
	}
	return ok
}

func TestDamagedJournal(t *testing.T) {
	s := serve(t, hub.Config{})
	for i := range 3 {
		s.image("a", fmt.Sprint("t", i), noise(byte(i), 100), nil)
	}
	s.stop()
	files, err := filepath.Glob(filepath.Join(s.dir, "hub", "repositories", "*.journal"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	// One tag's record is damaged, and a killed process left half a line at the end.
	i := bytes.Index(b, []byte(`"name":"t1"`))
	b[i+9] = 'x'
	if err := os.WriteFile(files[0], append(b, "00000000 {\"op\":\"ta"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	if a := s.want(200, "", "GET", "/v2/a/tags/list", nil); string(a.body) != `{"name":"a","tags":["t0","t2"]}` {
		t.Errorf("%s", a.body)
	}
	s.image("a", "t3", noise(9, 100), nil)
	s.stop()
	s.start()
	if a := s.want(200, "", "GET", "/v2/a/tags/list", nil); string(a.body) != `{"name":"a","tags":["t0","t2","t3"]}` {
		t.Errorf("%s", a.body)
	}
}

// TestLostContent: what a disk lost is not promised, and can be pushed again.
func TestLostContent(t *testing.T) {
	s := serve(t, hub.Config{})
	layer := noise(1, 100)
	s.image("a", "1", layer, nil)
	d := digest.FromBytes(layer)
	s.stop()
	if err := os.Remove(filepath.Join(s.dir, "blobs", "sha256", d.Encoded())); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.want(404, "", "HEAD", "/v2/a/blobs/"+string(d), nil)
	s.image("a", "1", layer, nil)
	s.want(200, "", "HEAD", "/v2/a/blobs/"+string(d), nil)
}

func TestOneRegistryPerFolder(t *testing.T) {
	s := serve(t, hub.Config{})
	if _, err := hub.New(t.Context(), s.c); err == nil {
		t.Fatal("two registries serve one folder")
	}
}

func TestPages(t *testing.T) {
	s := serve(t, hub.Config{})
	data, _ := s.image("a", "t00", noise(1, 10), nil)
	for i := range 30 {
		s.want(201, "", "PUT", fmt.Sprintf("/v2/a/manifests/t%02d", i), data, "Content-Type", ispec.MediaTypeImageManifest)
	}
	var seen []string
	for next := "/v2/a/tags/list?n=7"; next != ""; {
		a := s.want(200, "", "GET", next, nil)
		var doc struct{ Tags []string }
		if err := json.Unmarshal(a.body, &doc); err != nil || len(doc.Tags) > 7 {
			t.Fatal(err, doc)
		}
		seen = append(seen, doc.Tags...)
		next, _, _ = strings.Cut(strings.TrimPrefix(a.Header.Get("Link"), "<"), ">")
	}
	if len(seen) != 30 || seen[0] != "t00" || seen[29] != "t29" {
		t.Error(seen)
	}
	if a := s.want(200, "", "GET", "/v2/a/tags/list?n=0", nil); string(a.body) != `{"name":"a","tags":[]}` {
		t.Errorf("%s", a.body)
	}
	s.want(400, "UNSUPPORTED", "GET", "/v2/a/tags/list?n=-1", nil)
	s.want(404, "NAME_UNKNOWN", "GET", "/v2/nobody/tags/list", nil)
}

// TestManyAtOnce pushes the same and other images from many sides while sweeps run.
func TestManyAtOnce(t *testing.T) {
	s := serve(t, hub.Config{})
	var pushing sync.WaitGroup
	for i := range 8 {
		pushing.Go(func() {
			for k := range 5 {
				s.image(fmt.Sprintf("r%d", i%3), fmt.Sprintf("t%d-%d", i, k), noise(byte(k), 50_000), nil)
			}
		})
	}
	done := make(chan struct{})
	go func() { pushing.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			if err := s.hub.Sweep(t.Context()); err != nil {
				t.Error(err)
				return
			}
		}
	}
	for i := range 8 {
		for k := range 5 {
			a := s.want(200, "", "GET", fmt.Sprintf("/v2/r%d/manifests/t%d-%d", i%3, i, k), nil)
			var m ispec.Manifest
			if err := json.Unmarshal(a.body, &m); err != nil {
				t.Fatal(err)
			}
			if b := s.want(200, "", "GET", fmt.Sprintf("/v2/r%d/blobs/%s", i%3, m.Layers[0].Digest), nil); digest.FromBytes(b.body) != m.Layers[0].Digest {
				t.Error("a blob is not what it was")
			}
		}
	}
}
