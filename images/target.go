package images

import (
	"context"
	"fmt"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci/store"
)

// OpenTarget opens the image that a document of the store describes, whatever names
// it has by now, or none: what a container was made of. The caller must Close it.
func OpenTarget(ctx context.Context, s *store.Store, d ispec.Descriptor, o Options) (*Image, error) {
	lease, err := s.Lease(ctx)
	if err != nil {
		return nil, err
	}
	img := &Image{lease: lease, target: d}
	if err := img.read(ctx, o); err != nil {
		_ = lease.Release()
		return nil, fmt.Errorf("open image %s: %w", d.Digest, err)
	}
	return img, nil
}
