package oci

import (
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/pattern"
)

// Media types of documents and layers that the image-spec package does not name.
const (
	// DockerManifestList is Docker's older spelling of an index.
	DockerManifestList = "application/vnd.docker.distribution.manifest.list.v2+json"
	// DockerManifest is Docker's older spelling of an image manifest.
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	// DockerConfig is the config that DockerManifest refers to.
	DockerConfig = "application/vnd.docker.container.image.v1+json"
	// DockerLayer is a gzip layer in a DockerManifest.
	DockerLayer = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	// DockerLayerTar is an uncompressed layer in a DockerManifest.
	DockerLayerTar = "application/vnd.docker.image.rootfs.diff.tar"
	// DockerLayerZstd is a zstd layer in a DockerManifest.
	DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"

	// WasmConfig is the config of a CNCF Wasm artifact.
	WasmConfig = "application/vnd.wasm.config.v0+json"
	// WasmLayer is the one layer of a CNCF Wasm artifact: a bare module.
	WasmLayer = "application/wasm"

	// ModelArtifact is the artifact type of a CNCF ModelPack manifest.
	ModelArtifact = "application/vnd.cncf.model.manifest.v1+json"
	// ModelConfigType is the config of a CNCF ModelPack manifest.
	ModelConfigType = "application/vnd.cncf.model.config.v1+json"
	// ModelWeightTar is a weight file in an uncompressed tar.
	ModelWeightTar = "application/vnd.cncf.model.weight.v1.tar"
)

// Annotations that the image-spec package does not name.
const (
	// AnnotationImageName is the full reference of an entry of index.json, as
	// containerd, Docker and Podman write and read it in layouts.
	AnnotationImageName = "io.containerd.image.name"
	// AnnotationModelFile is the path of the one file in a weight layer.
	AnnotationModelFile = "org.cncf.model.filepath"
	// AnnotationWasmVariant asks crun to treat the image as WebAssembly. Newer
	// engines ignore it on images; it is kept for the old ones.
	AnnotationWasmVariant = "module.wasm.image/variant"
	// AnnotationBaseRef and AnnotationBaseDigest (image-spec names) say which
	// base an image was built on; they are set by the packager.
	AnnotationBaseRef    = ispec.AnnotationBaseImageName
	AnnotationBaseDigest = ispec.AnnotationBaseImageDigest
)

// Kind says what a document is, by its media type.
type Kind uint8

// The kinds of document and content.
const (
	KindUnknown  Kind = iota
	KindIndex         // an index or a manifest list
	KindManifest      // an image or artifact manifest
	KindConfig        // an image config
	KindLayer         // a layer that belongs to a rootfs
)

// KindOf returns what a descriptor of this media type points at.
func KindOf(mediaType string) Kind {
	switch mediaType {
	case ispec.MediaTypeImageIndex, DockerManifestList:
		return KindIndex
	case ispec.MediaTypeImageManifest, DockerManifest:
		return KindManifest
	case ispec.MediaTypeImageConfig, DockerConfig:
		return KindConfig
	}
	if _, ok := LayerCompression(mediaType); ok {
		return KindLayer
	}
	return KindUnknown
}

// Compression is how a layer's tar is wrapped.
type Compression string

// The compressions of layers.
const (
	Uncompressed Compression = ""
	Gzip         Compression = "gzip"
	Zstd         Compression = "zstd"
)

// LayerCompression tells how a rootfs layer of this media type is compressed;
// ok is false for anything that is not a layer of a rootfs. Weight layers of a
// ModelPack manifest are not: they are layers of another document.
func LayerCompression(mediaType string) (c Compression, ok bool) {
	switch mediaType {
	case ispec.MediaTypeImageLayer, DockerLayerTar:
		return Uncompressed, true
	case ispec.MediaTypeImageLayerGzip, DockerLayer:
		return Gzip, true
	case ispec.MediaTypeImageLayerZstd, DockerLayerZstd:
		return Zstd, true
	}
	return Uncompressed, false
}

// mediaTypeForm is RFC 6838's, and either part has at most 127 bytes.
var mediaTypeForm = pattern.New(`^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*$`)

func validMediaType(s string) bool {
	kind, sub, _ := strings.Cut(s, "/")
	return len(kind) <= 127 && len(sub) <= 127 && mediaTypeForm.MatchString(s)
}

// TrimMediaType cuts the parameters from a Content-Type header.
func TrimMediaType(header string) string {
	t, _, _ := strings.Cut(header, ";")
	return strings.TrimSpace(t)
}
