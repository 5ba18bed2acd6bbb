package oci

import (
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is an image config: the OCI one with Docker's additions.
type Image struct {
	ispec.Image
	// Config shadows the embedded one, which lacks Docker's additions.
	Config ImageConfig `json:"config,omitempty"`
}

// ImageConfig is how an image wants to be run.
type ImageConfig struct {
	ispec.ImageConfig
	Healthcheck *Healthcheck `json:"Healthcheck,omitempty"`
	Shell       []string     `json:"Shell,omitempty"`
	OnBuild     []string     `json:"OnBuild,omitempty"`
}

// Healthcheck is Docker's: Test is {"NONE"}, {"CMD", args...} or {"CMD-SHELL", line}.
type Healthcheck struct {
	Test          []string      `json:"Test,omitempty"`
	Interval      time.Duration `json:"Interval,omitempty"`
	Timeout       time.Duration `json:"Timeout,omitempty"`
	StartPeriod   time.Duration `json:"StartPeriod,omitempty"`
	StartInterval time.Duration `json:"StartInterval,omitempty"`
	Retries       int           `json:"Retries,omitempty"`
}

// WasmArtifact is the config of a CNCF Wasm artifact: one module, no rootfs.
type WasmArtifact struct {
	Created      *time.Time      `json:"created,omitempty"`
	Author       string          `json:"author,omitempty"`
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	LayerDigests []digest.Digest `json:"layerDigests"`
}

// ParseWasmArtifact reads the config of a CNCF Wasm artifact and checks it
// against its manifest: exactly one layer, a module.
func ParseWasmArtifact(data []byte, m *ispec.Manifest) (*WasmArtifact, error) {
	var c WasmArtifact
	if err := decodeStrict("config", data, MaxConfig, &c); err != nil {
		return nil, err
	}
	if c.Architecture != "wasm" {
		return nil, refuse("config", "architecture", "is %s, expected \"wasm\"", quote(c.Architecture))
	}
	if c.OS != "wasip1" && c.OS != "wasi" {
		return nil, refuse("config", "os", "is %s; the sandbox runs wasip1 (a component needs wasip2)", quote(c.OS))
	}
	if len(m.Layers) != 1 || m.Layers[0].MediaType != WasmLayer {
		return nil, refuse("manifest", "layers", "a Wasm artifact has exactly one, of type %s", WasmLayer)
	}
	if len(c.LayerDigests) > 0 && (len(c.LayerDigests) != 1 || c.LayerDigests[0] != m.Layers[0].Digest) {
		return nil, refuse("config", "layerDigests", "they are not the digest of the one layer, %s", m.Layers[0].Digest)
	}
	return &c, nil
}

// ModelConfig is the config of a CNCF ModelPack manifest.
type ModelConfig struct {
	Descriptor ModelDescriptor `json:"descriptor"`
	Config     ModelParams     `json:"config"`
	ModelFS    ModelFS         `json:"modelfs"`
}

// ModelDescriptor says what a model is and where it comes from.
type ModelDescriptor struct {
	CreatedAt   *time.Time `json:"createdAt,omitempty"`
	Authors     []string   `json:"authors,omitempty"`
	Vendor      string     `json:"vendor,omitempty"`
	Family      string     `json:"family,omitempty"`
	Name        string     `json:"name,omitempty"`
	Version     string     `json:"version,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	DocURL      string     `json:"docURL,omitempty"`
	SourceURL   string     `json:"sourceURL,omitempty"`
	DatasetsURL []string   `json:"datasetsURL,omitempty"`
	Revision    string     `json:"revision,omitempty"`
	Licenses    []string   `json:"licenses,omitempty"`
}

// ModelParams says how a model is made.
type ModelParams struct {
	Architecture string             `json:"architecture,omitempty"`
	Format       string             `json:"format,omitempty"`
	ParamSize    string             `json:"paramSize,omitempty"`
	Precision    string             `json:"precision,omitempty"`
	Quantization string             `json:"quantization,omitempty"`
	Capabilities *ModelCapabilities `json:"capabilities,omitempty"`
}

// ModelCapabilities says what goes into a model and what comes out.
type ModelCapabilities struct {
	InputTypes  []string `json:"inputTypes,omitempty"`
	OutputTypes []string `json:"outputTypes,omitempty"`
	Languages   []string `json:"languages,omitempty"`
	Reasoning   *bool    `json:"reasoning,omitempty"`
	ToolUsage   *bool    `json:"toolUsage,omitempty"`
	Reward      *bool    `json:"reward,omitempty"`
}

// ModelFS lists the weight layers, as a rootfs lists its own.
type ModelFS struct {
	Type    string          `json:"type"`
	DiffIDs []digest.Digest `json:"diffIds"`
}

// ParseModelConfig reads the config of a ModelPack manifest.
func ParseModelConfig(data []byte) (*ModelConfig, error) {
	var c ModelConfig
	if err := decodeStrict("config", data, MaxConfig, &c); err != nil {
		return nil, err
	}
	for i, id := range c.ModelFS.DiffIDs {
		if _, err := ParseDigest(string(id)); err != nil {
			return nil, refuse("config", "modelfs.diffIds", "entry %d: %w", i, err)
		}
	}
	return &c, nil
}
