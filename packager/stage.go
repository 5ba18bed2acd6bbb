package packager

import (
	"context"

	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
)

// Stage is a finished stage that is no image: its files and its config. Both hold as long
// as the store and the images are open that it was built with.
type Stage struct {
	// Layers are its files, bottom first.
	Layers []rootfs.Layer
	// Config is that of the image that Build would make.
	Config oci.ImageConfig
	files  *union
	named  string // by what it is made of; "": nobody knows
}

// BuildStage does what Build does up to where it would write an image: no layer is packed,
// and nothing of the program is recorded. It is for files that change often, over an image
// that was built.
func BuildStage(ctx context.Context, o Options) (*Stage, error) {
	b, s, err := buildTarget(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := b.labelled(ctx, s); err != nil {
		return nil, err
	}
	return &Stage{Layers: s.layers(b.Store), Config: s.config.Config, files: s.tree(b.Store), named: s.digest()}, nil
}

// StageOf has the files of layers, bottom first.
func StageOf(layers []rootfs.Layer) *Stage {
	return &Stage{Layers: layers, files: newUnion(layers)}
}

// Alters tells whether one of these folders leads elsewhere than it does in the stage
// before, or has other files.
func (s *Stage) Alters(before *Stage, dirs []string) bool {
	return altered(before.files, s.files, dirs)
}

// Same tells whether two stages that were built have the same files.
func (s *Stage) Same(other *Stage) bool { return s.named != "" && s.named == other.named }
