package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Document is one JSON document as it is stored: its bytes and what they are.
type Document struct {
	Descriptor ispec.Descriptor
	Data       []byte
}

// NewDocument encodes v. Same v, same bytes, on every OS: members stand in the
// order of the struct, keys of maps are sorted, nothing is escaped for HTML.
func NewDocument(mediaType string, v any) (Document, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return Document{}, fmt.Errorf("encode %s: %w", mediaType, err)
	}
	data := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	return Document{
		Descriptor: ispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(data), Size: int64(len(data))},
		Data:       data,
	}, nil
}

// Layer is one layer of an image that is being built.
type Layer struct {
	Descriptor ispec.Descriptor // as it is stored; Annotations are kept
	DiffID     digest.Digest    // of its uncompressed tar
	// Weight is the path of the model file that is the layer's only content;
	// "" for every other layer. Weight layers are uncompressed.
	Weight string
}

// BuildConfig encodes an image config for the sandbox. Platform and rootfs are
// set from the layers; everything else is taken from c as it stands.
func BuildConfig(c Image, layers []Layer) (Document, error) {
	c.Platform = wasip1
	c.RootFS = ispec.RootFS{Type: "layers", DiffIDs: diffIDs(layers)}
	return NewDocument(ispec.MediaTypeImageConfig, c)
}

func diffIDs(layers []Layer) []digest.Digest {
	ids := make([]digest.Digest, 0, len(layers))
	for _, l := range layers {
		ids = append(ids, l.DiffID)
	}
	return ids
}

// BuildManifest encodes the image manifest over a config and its layers.
func BuildManifest(config Document, layers []Layer, annotations map[string]string) (Document, error) {
	m := ispec.Manifest{
		MediaType:   ispec.MediaTypeImageManifest,
		Config:      config.Descriptor,
		Layers:      make([]ispec.Descriptor, 0, len(layers)),
		Annotations: withDefault(annotations, AnnotationWasmVariant, "compat"),
	}
	m.SchemaVersion = 2
	for _, l := range layers {
		if _, ok := LayerCompression(l.Descriptor.MediaType); !ok {
			return Document{}, fmt.Errorf("build manifest: %s is not the type of a layer", quote(l.Descriptor.MediaType))
		}
		m.Layers = append(m.Layers, l.Descriptor)
	}
	return NewDocument(ispec.MediaTypeImageManifest, m)
}

func withDefault(m map[string]string, key, value string) map[string]string {
	out := map[string]string{key: value}
	maps.Copy(out, m)
	return out
}

// BuildModel encodes a ModelPack config and manifest over the weight layers
// among layers: the same blobs, under the type that model tools look for. ok
// is false when there are none.
func BuildModel(c ModelConfig, layers []Layer, annotations map[string]string) (config, manifest Document, ok bool, err error) {
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, ArtifactType: ModelArtifact, Annotations: annotations}
	m.SchemaVersion = 2
	c.ModelFS = ModelFS{Type: "layers", DiffIDs: []digest.Digest{}}
	for _, l := range layers {
		if l.Weight == "" {
			continue
		}
		if comp, isLayer := LayerCompression(l.Descriptor.MediaType); !isLayer || comp != Uncompressed {
			return Document{}, Document{}, false, fmt.Errorf("build model: the layer of %s must be an uncompressed tar", quote(l.Weight))
		}
		d := l.Descriptor
		d.MediaType = ModelWeightTar
		d.Annotations = withDefault(l.Descriptor.Annotations, AnnotationModelFile, l.Weight)
		m.Layers = append(m.Layers, d)
		c.ModelFS.DiffIDs = append(c.ModelFS.DiffIDs, l.DiffID)
	}
	if len(m.Layers) == 0 {
		return Document{}, Document{}, false, nil
	}
	if config, err = NewDocument(ModelConfigType, c); err != nil {
		return Document{}, Document{}, false, err
	}
	m.Config = config.Descriptor
	manifest, err = NewDocument(ispec.MediaTypeImageManifest, m)
	return config, manifest, err == nil, err
}

// BuildIndex encodes the index that a tag names: the image manifest under both
// names of the sandbox's platform, then the artifacts. An artifact without a
// platform gets unknown/unknown, so that no engine takes it for an image; its
// ArtifactType must be set in its descriptor.
func BuildIndex(manifest Document, artifacts []ispec.Descriptor, annotations map[string]string) (Document, error) {
	index := ispec.Index{MediaType: ispec.MediaTypeImageIndex, Annotations: annotations}
	index.SchemaVersion = 2
	for _, p := range []ispec.Platform{wasip1, wasi} {
		d := manifest.Descriptor
		d.Platform = &p
		index.Manifests = append(index.Manifests, d)
	}
	for _, d := range artifacts {
		if d.ArtifactType == "" {
			return Document{}, fmt.Errorf("build index: artifact %s says no artifactType", d.Digest)
		}
		if d.Platform == nil {
			d.Platform = &ispec.Platform{OS: "unknown", Architecture: "unknown"}
		}
		index.Manifests = append(index.Manifests, d)
	}
	return NewDocument(ispec.MediaTypeImageIndex, index)
}

// ArtifactDescriptor returns the descriptor under which BuildIndex lists an
// artifact manifest.
func ArtifactDescriptor(manifest Document, artifactType string) ispec.Descriptor {
	d := manifest.Descriptor
	d.ArtifactType = artifactType
	return d
}
