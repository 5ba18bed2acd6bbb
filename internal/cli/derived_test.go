package cli

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/cli/ux"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// shellImage stores an image whose program is the shell, with a config for its
// derived data.
func shellImage(t *testing.T, home string, derived []byte) {
	t.Helper()
	s, err := store.Open(t.Context(), home+"/data")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put := func(mediaType string, b []byte) ispec.Descriptor {
		d, err := s.Ingest(t.Context(), ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(b), Size: int64(len(b))}, bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	doc := func(d oci.Document, err error) oci.Document {
		if err != nil {
			t.Fatal(err)
		}
		put(d.Descriptor.MediaType, d.Data)
		return d
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "f", Mode: 0o644, ModTime: time.Unix(1, 0)})
	w.Close()
	tarred := put(ispec.MediaTypeImageLayer, b.Bytes())
	layers := []oci.Layer{{Descriptor: tarred, DiffID: tarred.Digest}}
	var img oci.Image
	img.Config.Cmd = []string{"/bin/sh", "-c", "echo ahoy"}
	config := doc(oci.BuildConfig(img, layers))
	manifest := doc(oci.BuildManifest(config, layers, nil))
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, ArtifactType: oci.DerivedArtifact, Config: put(oci.DerivedConfig, derived),
		Layers: []ispec.Descriptor{}, Subject: &manifest.Descriptor}
	m.SchemaVersion = 2
	artifact := doc(oci.NewDocument(ispec.MediaTypeImageManifest, m))
	index := doc(oci.BuildIndex(manifest, []ispec.Descriptor{oci.ArtifactDescriptor(artifact, oci.DerivedArtifact)}, nil))
	ref, err := oci.ParseReference("ship:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tag(t.Context(), ref, index.Descriptor); err != nil {
		t.Fatal(err)
	}
}

// TestUnderivedWarning: an image whose derived data cannot be used runs, and one
// line says why it starts later.
func TestUnderivedWarning(t *testing.T) {
	for derived, warning := range map[string]string{
		`{"version":1}`: "",
		`{"version":2}`: "warning: ship:1 starts later than it could: what was recorded of it cannot be used: derived data: version 2, and 1 is known\n",
		"{\"version\":1,\"\x1b[2J\":0,\"\x1b[2J\":0}": "warning: ship:1 starts later",
	} {
		home := t.TempDir()
		shellImage(t, home, []byte(derived))
		run := func(args ...string) (out, errs string, code int) {
			var o, e bytes.Buffer
			code = Main(t.Context(), args, func(name string) string {
				if name == "WHERRY_HOME" {
					return home
				}
				return ""
			}, ux.Streams{In: strings.NewReader(""), Out: &o, Err: &e})
			return o.String(), e.String(), code
		}
		out, errs, code := run("run", "ship:1")
		if code != 0 || out != "ahoy\n" || strings.Count(errs, "warning") != min(len(warning), 1) || !strings.Contains(errs, warning) || strings.Contains(errs, "\x1b") {
			t.Errorf("%q: code %d, out %q, err %q", derived, code, out, errs)
		}
		out, _, code = run("inspect", "-f", "{{if .Derived}}{{.Derived.Problem}}{{end}}", "ship:1")
		if problem := strings.TrimSpace(out); code != 0 || (problem == "") != (warning == "") {
			t.Errorf("%q: inspect: code %d, %q", derived, code, out)
		}
	}
}
