package oci

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// document is what a manifest and an index have together; the pointers tell
// an absent member from an empty one.
type document struct {
	SchemaVersion int                 `json:"schemaVersion"`
	MediaType     string              `json:"mediaType"`
	ArtifactType  string              `json:"artifactType"`
	Config        *ispec.Descriptor   `json:"config"`
	Layers        *[]ispec.Descriptor `json:"layers"`
	Manifests     *[]ispec.Descriptor `json:"manifests"`
	FSLayers      json.RawMessage     `json:"fsLayers"`
	Subject       *ispec.Descriptor   `json:"subject"`
	Annotations   map[string]string   `json:"annotations"`
}

// ParseIndex reads an index or manifest list. mediaType is what the descriptor
// or the registry said it is; "" leaves the word to the document.
func ParseIndex(data []byte, mediaType string) (*ispec.Index, error) {
	doc, err := parseDocument("index", data, mediaType, KindIndex)
	if err != nil {
		return nil, err
	}
	if doc.Manifests == nil || doc.Layers != nil || doc.Config != nil {
		return nil, refuse("index", "", "it must have \"manifests\" and neither \"config\" nor \"layers\"")
	}
	list := *doc.Manifests
	if len(list) > MaxManifests {
		return nil, refuse("index", "manifests", "there are %d, more than %d", len(list), MaxManifests)
	}
	for i, d := range list {
		if err := checkDocument("index", fmt.Sprintf("manifests[%d]", i), d, MaxDocument); err != nil {
			return nil, err
		}
	}
	if err := sameSizes("index", list); err != nil {
		return nil, err
	}
	index := &ispec.Index{MediaType: doc.MediaType, ArtifactType: doc.ArtifactType, Manifests: list, Subject: doc.Subject, Annotations: doc.Annotations}
	index.SchemaVersion = doc.SchemaVersion
	return index, nil
}

// ParseManifest reads an image or artifact manifest; see ParseIndex for mediaType.
func ParseManifest(data []byte, mediaType string) (*ispec.Manifest, error) {
	doc, err := parseDocument("manifest", data, mediaType, KindManifest)
	if err != nil {
		return nil, err
	}
	if doc.Config == nil || doc.Layers == nil || doc.Manifests != nil {
		return nil, refuse("manifest", "", "it must have \"config\" and \"layers\" and no \"manifests\"")
	}
	layers := *doc.Layers
	if len(layers) > MaxLayers {
		return nil, refuse("manifest", "layers", "there are %d, more than %d", len(layers), MaxLayers)
	}
	if err := checkDocument("manifest", "config", *doc.Config, MaxConfig); err != nil {
		return nil, err
	}
	for i, d := range layers {
		if err := checkDescriptor("manifest", fmt.Sprintf("layers[%d]", i), d); err != nil {
			return nil, err
		}
	}
	if err := sameSizes("manifest", append([]ispec.Descriptor{*doc.Config}, layers...)); err != nil {
		return nil, err
	}
	m := &ispec.Manifest{MediaType: doc.MediaType, ArtifactType: doc.ArtifactType, Config: *doc.Config, Layers: layers, Subject: doc.Subject, Annotations: doc.Annotations}
	m.SchemaVersion = doc.SchemaVersion
	return m, nil
}

func parseDocument(name string, data []byte, mediaType string, kind Kind) (*document, error) {
	var doc document
	if err := decodeStrict(name, data, MaxDocument, &doc); err != nil {
		return nil, err
	}
	if doc.SchemaVersion != 2 {
		return nil, refuse(name, "schemaVersion", "is %d, only 2 is known", doc.SchemaVersion)
	}
	if doc.FSLayers != nil {
		return nil, refuse(name, "", "it carries \"fsLayers\" of the first Docker schema")
	}
	if doc.MediaType == "" {
		doc.MediaType = mediaType
	}
	if mediaType != "" && doc.MediaType != mediaType {
		return nil, &DocumentError{Doc: name, Path: "mediaType", Err: &MismatchError{What: "media type", Want: mediaType, Got: doc.MediaType}}
	}
	if doc.MediaType != "" && KindOf(doc.MediaType) != kind {
		return nil, refuse(name, "mediaType", "%s is not the type of such a document", quote(doc.MediaType))
	}
	if doc.ArtifactType != "" && !validMediaType(doc.ArtifactType) {
		return nil, refuse(name, "artifactType", "%s is not a media type", quote(doc.ArtifactType))
	}
	if doc.Subject != nil {
		if err := checkDescriptor(name, "subject", *doc.Subject); err != nil {
			return nil, err
		}
	}
	return &doc, checkAnnotations(name, "annotations", doc.Annotations)
}

func checkAnnotations(doc, path string, a map[string]string) error {
	for k, v := range a {
		if k == "" {
			return refuse(doc, path, "there is one without a name")
		}
		// All of them have the document's bound: registries must take four megabytes.
		if n := len(k) + len(v); n > maxAnnotation {
			return refuse(doc, path, "%s has %d bytes, more than %d", quote(k), n, maxAnnotation)
		}
	}
	return nil
}

// checkDocument is checkDescriptor for content that is read into memory.
func checkDocument(doc, path string, d ispec.Descriptor, limit int64) error {
	if err := checkDescriptor(doc, path, d); err != nil {
		return err
	}
	if d.Size == 0 || d.Size > limit {
		return refuse(doc, path+".size", "is %d, expected 1 to %d", d.Size, limit)
	}
	return nil
}

// checkDescriptor checks everything that a descriptor can say by itself.
func checkDescriptor(doc, path string, d ispec.Descriptor) error {
	if _, err := ParseDigest(string(d.Digest)); err != nil {
		return &DocumentError{Doc: doc, Path: path + ".digest", Err: err}
	}
	if !validMediaType(d.MediaType) {
		return refuse(doc, path+".mediaType", "%s is not a media type", quote(d.MediaType))
	}
	if d.ArtifactType != "" && !validMediaType(d.ArtifactType) {
		return refuse(doc, path+".artifactType", "%s is not a media type", quote(d.ArtifactType))
	}
	if d.Size < 0 || d.Size > MaxBlob {
		return refuse(doc, path+".size", "is %d, expected 0 to %d", d.Size, int64(MaxBlob))
	}
	if d.Size == 0 && d.Digest != EmptyDigest && d.Digest.Algorithm() == digest.SHA256 {
		return refuse(doc, path+".size", "is 0, but %s is not the digest of nothing", d.Digest)
	}
	if len(d.URLs) > 16 {
		return refuse(doc, path+".urls", "there are %d, more than 16", len(d.URLs))
	}
	if d.Data != nil {
		if err := Verify(d, d.Data); err != nil {
			return &DocumentError{Doc: doc, Path: path + ".data", Err: err}
		}
	}
	return checkAnnotations(doc, path+".annotations", d.Annotations)
}

// sameSizes refuses a document that gives one digest two sizes.
func sameSizes(doc string, list []ispec.Descriptor) error {
	sizes := make(map[digest.Digest]int64, len(list))
	for _, d := range list {
		if was, ok := sizes[d.Digest]; ok && was != d.Size {
			return refuse(doc, "", "%s has two sizes, %d and %d", d.Digest, was, d.Size)
		}
		sizes[d.Digest] = d.Size
	}
	return nil
}

// ParseConfig reads the config of an image manifest and checks it against the
// manifest's layers.
func ParseConfig(data []byte, m *ispec.Manifest) (*Image, error) {
	var c Image
	if err := decodeStrict("config", data, MaxConfig, &c); err != nil {
		return nil, err
	}
	if c.OS == "" || c.Architecture == "" {
		return nil, refuse("config", "", "it names no os or no architecture")
	}
	if c.RootFS.Type != "layers" {
		return nil, refuse("config", "rootfs.type", "is %s, expected \"layers\"", quote(c.RootFS.Type))
	}
	if got, want := len(c.RootFS.DiffIDs), len(m.Layers); got != want {
		return nil, refuse("config", "rootfs.diff_ids", "there are %d for %d layers", got, want)
	}
	for i, id := range c.RootFS.DiffIDs {
		path := fmt.Sprintf("rootfs.diff_ids[%d]", i)
		if _, err := ParseDigest(string(id)); err != nil {
			return nil, &DocumentError{Doc: "config", Path: path, Err: err}
		}
		if id.Algorithm() != digest.SHA256 {
			return nil, refuse("config", path, "only sha256 is supported, not %s", id.Algorithm())
		}
		if comp, ok := LayerCompression(m.Layers[i].MediaType); ok && comp == Uncompressed && id.Algorithm() == m.Layers[i].Digest.Algorithm() && id != m.Layers[i].Digest {
			return nil, &DocumentError{Doc: "config", Path: path, Err: &MismatchError{What: "diff ID of an uncompressed layer", Want: string(m.Layers[i].Digest), Got: string(id)}}
		}
	}
	return &c, checkHistory(&c)
}

func checkHistory(c *Image) error {
	if len(c.History) > MaxHistory {
		return refuse("config", "history", "there are %d entries, more than %d", len(c.History), MaxHistory)
	}
	filled := 0
	for _, h := range c.History {
		if !h.EmptyLayer {
			filled++
		}
	}
	// Some builders write no history, or only their own part of it.
	if filled > len(c.RootFS.DiffIDs) {
		return refuse("config", "history", "it tells of %d layers, there are %d", filled, len(c.RootFS.DiffIDs))
	}
	for _, e := range c.Config.Env {
		if slices.Contains([]byte(e), 0) {
			return refuse("config", "config.Env", "%s has a NUL byte in it", quote(e))
		}
	}
	return nil
}

// DetectDocument says what an index or manifest is: by the Content-Type that it
// came with when that names one, else by what it says itself, else by its
// members.
func DetectDocument(data []byte, contentType string) (string, error) {
	t := TrimMediaType(contentType)
	if k := KindOf(t); k == KindIndex || k == KindManifest {
		return t, nil
	}
	var doc document
	if err := decodeStrict("manifest", data, MaxDocument, &doc); err != nil {
		return "", err
	}
	switch k := KindOf(doc.MediaType); {
	case k == KindIndex || k == KindManifest:
		return doc.MediaType, nil
	case doc.MediaType != "":
		return "", refuse("manifest", "mediaType", "%s is neither an index nor a manifest", quote(doc.MediaType))
	case doc.Manifests != nil:
		return ispec.MediaTypeImageIndex, nil
	case doc.Config != nil:
		return ispec.MediaTypeImageManifest, nil
	}
	return "", refuse("manifest", "", "it is neither an index nor a manifest")
}
