package oci

import (
	"fmt"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The platforms that an image for the sandbox is listed under. Both name the
// same manifest: containerd and the CNCF text say wasip1, Docker and Podman wasi.
var (
	wasip1 = ispec.Platform{OS: "wasip1", Architecture: "wasm"}
	wasi   = ispec.Platform{OS: "wasi", Architecture: "wasm"}
)

// Platforms returns what runs in the sandbox, best first.
func Platforms() []ispec.Platform {
	return []ispec.Platform{wasip1, wasi, {OS: "wasi", Architecture: "wasm32"}}
}

// Runnable reports whether a manifest listed for (or a config naming) this
// platform can run in the sandbox.
func Runnable(p ispec.Platform) bool { return rank(p) >= 0 }

func rank(p ispec.Platform) int {
	for i, q := range Platforms() {
		if p.OS == q.OS && p.Architecture == q.Architecture {
			return i
		}
	}
	return -1
}

// FormatPlatform writes a platform as os/architecture[/variant].
func FormatPlatform(p ispec.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

// PlatformError says that an image exists, but for no platform that runs here.
type PlatformError struct{ Have []string }

func (e *PlatformError) Error() string {
	if len(e.Have) == 0 {
		return "nothing in it runs in the sandbox: no manifest for wasip1/wasm or wasi/wasm"
	}
	return fmt.Sprintf("it is built for %s; the sandbox runs wasip1/wasm and wasi/wasm", strings.Join(e.Have, ", "))
}

// PickManifest returns the manifest of an index that runs in the sandbox:
// wasip1/wasm before wasi/wasm, the first of equals.
func PickManifest(index *ispec.Index) (ispec.Descriptor, error) {
	best, at := -1, -1
	var have []string
	for i, m := range index.Manifests {
		if m.Platform == nil || KindOf(m.MediaType) != KindManifest {
			continue
		}
		r := rank(*m.Platform)
		if r < 0 && m.Platform.OS != "unknown" && len(have) < 12 {
			have = append(have, FormatPlatform(*m.Platform))
		}
		if r >= 0 && (best < 0 || r < best) {
			best, at = r, i
		}
	}
	if at >= 0 {
		return index.Manifests[at], nil
	}
	if d, ok := onlyManifest(index); ok {
		return d, nil
	}
	return ispec.Descriptor{}, &PlatformError{Have: have}
}

// onlyManifest is for indexes that oras or skopeo wrote around one manifest
// without saying its platform; the config decides later.
func onlyManifest(index *ispec.Index) (ispec.Descriptor, bool) {
	if len(index.Manifests) != 1 {
		return ispec.Descriptor{}, false
	}
	m := index.Manifests[0]
	return m, m.Platform == nil && KindOf(m.MediaType) == KindManifest
}

// ModelManifest returns the ModelPack manifest of an index, if it lists one.
func ModelManifest(index *ispec.Index) (ispec.Descriptor, bool) {
	for _, m := range index.Manifests {
		if m.ArtifactType == ModelArtifact && KindOf(m.MediaType) == KindManifest {
			return m, true
		}
	}
	return ispec.Descriptor{}, false
}
