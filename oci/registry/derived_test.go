package registry_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/registry"
)

// derivedImage is an image with derived data, by the names of its parts.
type derivedImage struct {
	index, manifest, derived, config, facts, pages ispec.Descriptor
}

func buildDerived(t *testing.T, m *memory) derivedImage {
	t.Helper()
	var out derivedImage
	plain := build(t, m, random(1, 50_000), random(2, 50_000))
	var x ispec.Index
	if err := json.Unmarshal(m.blobs[plain.Digest], &x); err != nil {
		t.Fatal(err)
	}
	out.manifest = x.Manifests[0]
	out.manifest.Platform = nil
	out.facts, out.pages = m.put(t, oci.FactsLayer, random(3, 20_000)), m.put(t, oci.PagesLayer, random(4, 400_000))
	d := oci.Derived{
		Modules:   []oci.DerivedModule{{Content: "m@0+1", Facts: out.facts.Digest}},
		Snapshots: []oci.Snapshot{{Content: "m@0+1", Program: []string{"p"}, Protocol: oci.ProtocolWizer, Memory: 1 << 16, Pages: []digest.Digest{out.pages.Digest}}},
	}
	config, manifest, err := oci.BuildDerived(d, out.manifest, []ispec.Descriptor{out.facts, out.pages}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out.derived, out.config = manifest.Descriptor, config.Descriptor
	index, err := oci.BuildIndex(oci.Document{Descriptor: out.manifest}, []ispec.Descriptor{oci.ArtifactDescriptor(manifest, oci.DerivedArtifact)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range []oci.Document{config, manifest, index} {
		m.keep(t, doc)
	}
	out.index = index.Descriptor
	return out
}

// TestFetchDerived: derived data comes along, and whatever a registry has in its
// place, the image comes.
func TestFetchDerived(t *testing.T) {
	src := newMemory()
	img := buildDerived(t, src)
	const image, data = 1, 2 // what must be there afterwards
	spoil := func(b []byte) []byte { b = append([]byte{}, b...); b[len(b)/2] ^= 1; return b }
	short := func(b []byte) []byte { return b[:len(b)-7] }
	text := func([]byte) []byte { return []byte("<html>no</html>") }
	cases := []struct {
		what   string
		part   ispec.Descriptor
		change func([]byte) []byte // nil: 404
		code   int
		there  int
	}{
		{what: "all", there: data},
		{what: "no manifest", part: img.derived, there: image},
		{what: "another manifest", part: img.derived, change: spoil, there: image},
		{what: "a page instead of the manifest", part: img.derived, change: text, there: image},
		{what: "no config", part: img.config, there: image},
		{what: "another config", part: img.config, change: spoil, there: image},
		{what: "no facts", part: img.facts, there: image},
		{what: "no pages", part: img.pages, there: image},
		{what: "other pages", part: img.pages, change: spoil, there: image},
		{what: "short pages", part: img.pages, change: short, there: 0},
		{what: "pages are not for us", part: img.pages, code: http.StatusForbidden, there: 0},
	}
	for _, c := range cases {
		t.Run(c.what, func(t *testing.T) {
			pushed := false
			host := serve(t, func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if !pushed || c.part.Digest == "" || !strings.HasSuffix(r.URL.Path, string(c.part.Digest)) || r.Method != http.MethodGet {
						next.ServeHTTP(w, r)
						return
					}
					switch {
					case c.code != 0:
						w.WriteHeader(c.code)
					case c.change == nil:
						w.WriteHeader(http.StatusNotFound)
					default:
						w.Header().Set("Content-Type", c.part.MediaType)
						w.Write(c.change(src.blobs[c.part.Digest]))
					}
				})
			})
			ref := reference(t, host+"/iris:1")
			if err := client().Push(t.Context(), ref, img.index, src, registry.PushOptions{}); err != nil {
				t.Fatal(err)
			}
			pushed = true
			dst := newMemory()
			got, err := client().Fetch(t.Context(), ref, dst)
			if c.there == 0 {
				if err == nil {
					t.Error("a registry that breaks off is taken for one without derived data")
				}
				return
			}
			if err != nil || got.Digest != img.index.Digest {
				t.Fatalf("fetched %s: %v", got.Digest, err)
			}
			if _, ok := dst.blobs[img.manifest.Digest]; !ok {
				t.Error("the image is not there")
			}
			_, manifest := dst.blobs[img.derived.Digest]
			if manifest != (c.there == data) {
				t.Errorf("the derived manifest is there: %v", manifest)
			}
			for _, d := range []ispec.Descriptor{img.config, img.facts, img.pages} {
				if _, ok := dst.blobs[d.Digest]; manifest && !ok {
					t.Errorf("%s is not there", d.MediaType)
				}
			}
		})
	}
}

// TestFetchLaterDerived: what a later Wherry wrote travels unread.
func TestFetchLaterDerived(t *testing.T) {
	src := newMemory()
	img := buildDerived(t, src)
	config := src.put(t, oci.DerivedConfig, []byte(`{"version":9,"modules":"otherwise"}`))
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, ArtifactType: oci.DerivedArtifact, Config: config,
		Layers: []ispec.Descriptor{src.put(t, "application/vnd.wherry.later.v1", []byte("later"))}, Subject: &img.manifest}
	m.SchemaVersion = 2
	manifest, err := oci.NewDocument(ispec.MediaTypeImageManifest, m)
	if err != nil {
		t.Fatal(err)
	}
	index, err := oci.BuildIndex(oci.Document{Descriptor: img.manifest}, []ispec.Descriptor{oci.ArtifactDescriptor(manifest, oci.DerivedArtifact)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	src.keep(t, manifest)
	src.keep(t, index)
	here, there := reference(t, serve(t, nil)+"/iris:1"), reference(t, serve(t, nil)+"/iris:1")
	if err := client().Push(t.Context(), here, index.Descriptor, src, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	dst := newMemory()
	if _, err := client().Fetch(t.Context(), here, dst); err != nil {
		t.Fatal(err)
	}
	if err := client().Push(t.Context(), there, index.Descriptor, dst, registry.PushOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, ok := dst.blobs[config.Digest]; !ok {
		t.Error("the config was left behind")
	}
}
