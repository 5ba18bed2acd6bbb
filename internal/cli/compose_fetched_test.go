package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/compose"
	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/state"
	"github.com/wherry-run/wherry/oci"
)

// stackRegistry is a registry with one stack, which becomes another one.
type stackRegistry struct {
	mu      sync.Mutex
	blobs   map[string][]byte
	latest  compose.Artifact
	fetched int // manifests
	sent    int // bytes of others than manifests
}

func (h *stackRegistry) put(t *testing.T, text string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "compose.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := compose.Load(t.Context(), compose.Source{Files: []string{name}, NoVariable: true})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Publish(nil, nil, "1")
	if err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest = a; h.blobs == nil {
		h.blobs = map[string][]byte{}
	}
	for _, d := range a.Documents {
		h.blobs[string(d.Descriptor.Digest)] = d.Data
	}
}

func (h *stackRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, what, _ := strings.Cut(r.URL.Path, "/v2/team/shop/")
	kind, name, _ := strings.Cut(what, "/")
	m := h.latest.Manifest()
	data, ok := h.blobs[name]
	if kind == "manifests" && name == "1" {
		data, ok = h.blobs[string(m.Digest)], true
		h.fetched++
	}
	switch {
	case r.URL.Path == "/v2/":
		return
	case !ok:
		http.NotFound(w, r)
		return
	case kind == "manifests":
		w.Header().Set("Content-Type", m.MediaType)
		w.Header().Set("Docker-Content-Digest", string(m.Digest))
	}
	if kind != "manifests" {
		h.sent += len(data)
	}
	_, _ = w.Write(data)
}

// TestFetchedImage: what is no stack is not fetched to find out.
func TestFetchedImage(t *testing.T) {
	h := &stackRegistry{}
	server := httptest.NewServer(h)
	defer server.Close()
	home := t.TempDir()
	a := &app{Streams: ux.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, env: func(name string) string {
		return map[string]string{"WHERRY_HOME": home, "HOME": home}[name]
	}}
	h.put(t, "name: strange\nservices: {a: {image: 'r.example/a:1'}}\n")
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, ArtifactType: compose.ArtifactType, Config: h.latest.Documents[1].Descriptor, Layers: []ispec.Descriptor{h.latest.Documents[0].Descriptor}}
	m.SchemaVersion = 2
	large := bytes.Repeat([]byte{1}, maxStack+1)
	d := ispec.Descriptor{MediaType: "application/octet-stream", Digest: digest.FromBytes(large), Size: int64(len(large))}
	m.Layers = append(m.Layers, d)
	h.blobs[string(d.Digest)] = large
	doc, err := oci.NewDocument(ispec.MediaTypeImageManifest, m)
	if err != nil {
		t.Fatal(err)
	}
	h.blobs[string(doc.Descriptor.Digest)] = doc.Data
	h.latest.Documents = []oci.Document{doc}
	o := &composeOptions{app: a, files: []string{"oci://" + strings.TrimPrefix(server.URL, "http://") + "/team/shop:1"}, progress: "quiet"}
	if _, err := o.load(t.Context()); !errors.Is(err, compose.ErrNoStack) || h.sent > 1<<20 {
		t.Errorf("%v after %d bytes", err, h.sent)
	}
}

// TestFetchedAgain: what somebody let run is what runs, whatever the registry has meanwhile,
// and a stack is not ended because a stranger's has its name now.
func TestFetchedAgain(t *testing.T) {
	h := &stackRegistry{}
	server := httptest.NewServer(h)
	defer server.Close()
	home := t.TempDir()
	a := &app{Streams: ux.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard}, env: func(name string) string {
		return map[string]string{"WHERRY_HOME": home, "HOME": home}[name]
	}}
	name := "oci://" + strings.TrimPrefix(server.URL, "http://") + "/team/shop:1"
	command := func() *composeOptions { return &composeOptions{app: a, files: []string{name}, progress: "quiet"} }
	const first = "name: strange\nservices: {a: {image: 'r.example/a:1', post_start: [{command: one}]}}\n"
	h.put(t, first)

	up := command()
	s, err := up.stack(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h.put(t, strings.Replace(first, "one", "two", 1))
	again, err := up.load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p := again.Project.Services["a"].PostStart; h.fetched != 1 || len(p) != 1 || p[0].Command[0] != "one" {
		t.Errorf("a command has two stacks by one name: %d fetched, %v", h.fetched, p)
	}

	store, err := a.containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of := func(name, project, origin string) {
		t.Helper()
		labels := map[string]string{compose.LabelProject: project, compose.LabelService: "a", compose.LabelOrigin: origin}
		if _, err := store.Create(t.Context(), state.Config{Name: name, Labels: labels}); err != nil {
			t.Fatal(err)
		}
	}
	of("strange-a-1", "strange", s.Origin)
	of("mine-a-1", "mine", "")
	if got, s, err := command().name(t.Context()); err != nil || got != "strange" || s == nil {
		t.Errorf("its own stack: %q %v", got, err)
	}
	h.put(t, strings.Replace(first, "strange", "mine", 1))
	_, _, err = command().name(t.Context())
	if err == nil || !strings.Contains(err.Error(), "container mine-a-1") {
		t.Errorf("a stranger's name is another's stack: %v", err)
	}
	if _, err := command().stack(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "container mine-a-1") {
		t.Errorf("a stranger takes another's stack over: %v", err)
	}
	named := command()
	named.project = "mine"
	if got, _, err := named.name(t.Context()); err != nil || got != "mine" {
		t.Errorf("who says the name is not heard: %q %v", got, err)
	}
	agreed := command()
	agreed.yes = true
	if _, err := agreed.stack(t.Context(), nil); err != nil {
		t.Errorf("who agreed: %v", err)
	}
}

// TestConfigAsks: a variable goes to no registry with an image's name before somebody agreed.
func TestConfigAsks(t *testing.T) {
	t.Setenv("WHERRY_TEST_TOKEN", "secret")
	h := &stackRegistry{}
	server := httptest.NewServer(h)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	h.put(t, "name: strange\nservices: {a: {image: '"+host+"/${WHERRY_TEST_TOKEN}:1'}}\n")
	home := t.TempDir()
	var out bytes.Buffer
	a := &app{Streams: ux.Streams{In: strings.NewReader(""), Out: &out, Err: io.Discard}, env: func(name string) string {
		return map[string]string{"WHERRY_HOME": home, "HOME": home}[name]
	}}
	for _, c := range []configOptions{{format: "yaml", resolve: true}, {format: "yaml", lock: true}} {
		o := &composeOptions{app: a, files: []string{"oci://" + host + "/team/shop:1"}, progress: "quiet"}
		if err := o.config(context.Background(), c, nil); err == nil || !strings.Contains(err.Error(), "takes variables of this machine: WHERRY_TEST_TOKEN") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// labelled is an image with labels.
type labelled map[string]string

func (l labelled) Config() ispec.ImageConfig {
	return ispec.ImageConfig{Entrypoint: []string{"x"}, Labels: l}
}
func (labelled) Layers() []layer.Layer { return nil }

// TestImageIsOfNoStack: an image puts its containers into nobody's stack.
func TestImageIsOfNoStack(t *testing.T) {
	c := state.Config{Labels: map[string]string{compose.LabelService: "a"}}
	image := labelled{compose.LabelProject: "shop", compose.LabelService: "b", compose.LabelHooks: "1", compose.LabelOrigin: "o", "mine": "1"}
	if err := fromImage(&c, image, runOptions{}); err != nil {
		t.Fatal(err)
	}
	if len(c.Labels) != 2 || c.Labels["mine"] != "1" || c.Labels[compose.LabelService] != "a" {
		t.Error(c.Labels)
	}
}
