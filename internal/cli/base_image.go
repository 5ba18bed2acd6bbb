package cli

import (
	"context"
	"os"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager"
	"github.com/wherry-run/wherry/runtime"
)

var _ runtime.DerivedImage = baseImage{}

// baseImage is a base of ours as the runtime takes images.
type baseImage struct{ *packager.Image }

func (b baseImage) Config() ispec.ImageConfig { return b.Image.Config.Config.ImageConfig }

func (b baseImage) Layers() []layer.Layer {
	var list []layer.Layer
	for _, l := range b.Image.Layers {
		list = append(list, l.Files)
	}
	return list
}

// Derived is what is known of its programs.
func (b baseImage) Derived() *oci.Derived { return b.Image.Derived }

// Facts reads the facts of one of its modules.
func (b baseImage) Facts(ctx context.Context, m *oci.DerivedModule) ([]byte, error) {
	return b.Image.Facts(ctx, m)
}

// Memory opens the memory of one of its snapshots.
func (b baseImage) Memory(ctx context.Context, s *oci.Snapshot) (*os.File, error) {
	return b.Image.Memory(ctx, s)
}
