package models

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/images"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
	"github.com/wherry-run/wherry/test/dock"
)

// specimen is an image in a store, taken apart so that its derived data can be
// made into something else.
type specimen struct {
	t        *testing.T
	wherry   dock.Program
	manifest oci.Document // of the image
	// derived is what was found out about its programs, and layers the blobs that
	// it names. What is added lies in blobs until it is loaded.
	derived oci.Derived
	layers  []ispec.Descriptor
	blobs   [][]byte
	image   *images.Image
}

// dissect opens an image of the program's store.
func dissect(t *testing.T, wherry dock.Program, home, name string) *specimen {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(home, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	img, err := images.Open(t.Context(), s, name, images.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { img.Close() })
	ref, err := oci.ParseReference(name)
	if err != nil {
		t.Fatal(err)
	}
	top, err := s.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.ReadBlob(top, oci.MaxDocument)
	if err != nil {
		t.Fatal(err)
	}
	index, err := oci.ParseIndex(data, "")
	if err != nil {
		t.Fatal(err)
	}
	d, err := oci.PickManifest(index)
	if err != nil {
		t.Fatal(err)
	}
	if data, err = s.ReadBlob(d, oci.MaxDocument); err != nil {
		t.Fatal(err)
	}
	out := &specimen{t: t, wherry: wherry, manifest: oci.Document{Descriptor: d, Data: data}, image: img, layers: img.DerivedLayers()}
	if known := img.Derived(); known != nil {
		out.derived = *known
	}
	return out
}

// other is the same image, to be changed.
func (s *specimen) other() *specimen {
	n := *s
	n.derived.Modules = slices.Clone(s.derived.Modules)
	n.derived.Snapshots = slices.Clone(s.derived.Snapshots)
	n.layers, n.blobs = slices.Clone(s.layers), slices.Clone(s.blobs)
	return &n
}

// hot gives every module and snapshot these functions.
func (s *specimen) hot(list oci.Functions) {
	for i := range s.derived.Modules {
		s.derived.Modules[i].Hot = list
	}
	for i := range s.derived.Snapshots {
		s.derived.Snapshots[i].Hot, s.derived.Snapshots[i].Later = list, nil
	}
}

// add keeps a compressed blob for the archive.
func (s *specimen) add(mediaType string, data []byte) digest.Digest {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	data = w.EncodeAll(data, nil)
	d := ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))}
	s.layers, s.blobs = append(s.layers, d), append(s.blobs, data)
	return d.Digest
}

// module finds a module of the image, as derived data names it, and its bytes.
func (s *specimen) module(path string) (content string, bin []byte) {
	s.t.Helper()
	for _, l := range slices.Backward(s.image.Layers()) {
		e := l.Index.Lookup(path)
		if e == nil || e.Kind != layer.File {
			continue
		}
		blob, err := l.Content.OpenContent(e.Content.Digest)
		if err != nil {
			s.t.Fatal(err)
		}
		defer blob.Close()
		bin = make([]byte, e.Content.Size)
		if _, err := io.ReadFull(io.NewSectionReader(blob, e.Content.Offset, e.Content.Size), bin); err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprintf("%s@%d+%d", e.Content.Digest, e.Content.Offset, e.Content.Size), bin
	}
	s.t.Fatalf("the image has no %s", path)
	return "", nil
}

// survey finds the facts of a module of the image, which has none yet, and puts
// them into its derived data.
func (s *specimen) survey(path string) {
	s.t.Helper()
	content, bin := s.module(path)
	facts, err := prepare.Survey(s.t.Context(), bin, prepare.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	if facts.Whole != "" {
		s.t.Fatalf("%s has to stay whole: %s", path, facts.Whole)
	}
	data, err := facts.MarshalBinary()
	if err != nil {
		s.t.Fatal(err)
	}
	s.derived.Modules = append(s.derived.Modules, oci.DerivedModule{Content: content, Facts: s.add(oci.FactsLayer, data)})
}

// load has the program take the image up under another name, with the derived
// data as it is now, or with none.
func (s *specimen) load(name string, with bool) string {
	s.t.Helper()
	docs, list := []oci.Document{}, []ispec.Descriptor(nil)
	if with {
		config, manifest, err := oci.BuildDerived(s.derived, s.manifest.Descriptor, s.layers, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		docs = append(docs, config, manifest)
		list = append(list, oci.ArtifactDescriptor(manifest, oci.DerivedArtifact))
	}
	index, err := oci.BuildIndex(s.manifest, list, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, d := range append(docs, index) {
		files["blobs/sha256/"+d.Descriptor.Digest.Encoded()] = d.Data
	}
	for _, b := range s.blobs {
		files["blobs/sha256/"+digest.FromBytes(b).Encoded()] = b
	}
	name = "localhost/test-models:" + name
	top := index.Descriptor
	top.Annotations = map[string]string{oci.AnnotationImageName: name}
	files["index.json"], err = json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []ispec.Descriptor{top}})
	if err != nil {
		s.t.Fatal(err)
	}
	files[ispec.ImageLayoutFile] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	archive := filepath.Join(s.t.TempDir(), "image.tar")
	if err := os.WriteFile(archive, packed(s.t, files), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.wherry.Must(s.t, "", "load", "-i", archive)
	return name
}

func packed(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// lies are functions at random, many of them twice, and some of no module.
func lies() oci.Functions {
	r := rand.New(rand.NewPCG(5, 5))
	var list oci.Functions
	for range 400 {
		f := r.Uint32N(100_000)
		list = append(list, f, f)
	}
	list = append(list, 1<<20, 1<<31, 1<<32-1)
	slices.Sort(list)
	return list
}

// all are the functions of a module of so many.
func all(n uint32) oci.Functions {
	list := make(oci.Functions, n)
	for i := range list {
		list[i] = uint32(i)
	}
	return list
}

// began tells how a run began: "restored", "parts" or "whole", by its --stats.
func began(t *testing.T, stderr string) string {
	t.Helper()
	at := strings.LastIndex(stderr, "\n{")
	var s struct {
		Restored int64
		Groups   int64
		Notes    []string
	}
	if err := json.Unmarshal([]byte(stderr[at+1:]), &s); err != nil {
		t.Fatalf("--stats=json: %v\n%s", err, stderr)
	}
	switch {
	case s.Restored > 0:
		return fmt.Sprintf("restored, %d groups", s.Groups)
	case s.Groups > 0:
		return fmt.Sprintf("in %d groups: %s", s.Groups, strings.Join(s.Notes, "; "))
	}
	return "from its beginning: " + strings.Join(s.Notes, "; ")
}
