// Package images knows what an image is to its user: a name that leads to a
// config and layers that a container can be made of.
//
// It opens images out of an oci/store, fetching what is missing through a
// Fetcher, and lists, tags, removes, saves and loads them as Docker does. It
// picks what runs in the sandbox out of whatever the name leads to: an index, a
// Docker image for wasi/wasm, or a CNCF Wasm artifact.
package images

import (
	"context"
	"errors"
	"fmt"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// Fetcher gets an image from where images come from. It puts everything that
// the sandbox needs into dst, verified, and returns what ref names.
type Fetcher interface {
	Fetch(ctx context.Context, ref oci.Reference, dst oci.Sink) (ispec.Descriptor, error)
}

// PullPolicy says when to ask the Fetcher.
type PullPolicy string

// The policies, by the words of Docker's --pull.
const (
	PullMissing PullPolicy = "missing" // the zero policy means this too
	PullAlways  PullPolicy = "always"
	PullNever   PullPolicy = "never"
)

// Options say how to open an image.
type Options struct {
	Fetcher Fetcher    // nil: only what the store has
	Pull    PullPolicy // "" is PullMissing
	// Limits bound what a layer may unpack to; zero is layer.DefaultLimits.
	Limits layer.Limits
	// Progress hears of layers that are unpacked; nil means nobody looks.
	Progress oci.Progress
}

// Image is an open image. What it needs stays in the store until Close.
type Image struct {
	lease    *store.Lease
	name     oci.Reference // zero when opened by ID
	target   ispec.Descriptor
	resolved resolved
	layers   []layer.Layer
	derived  *derived
	underive error // why there is none
}

// NotFoundError says that no image has this name.
type NotFoundError struct{ Name string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("no such image: %s", e.Name)
}

// Is makes the error one of store.ErrNotFound, and so of fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return errors.Is(store.ErrNotFound, target) }

// Open opens the image that name (a reference, or an image ID) leads to. The
// caller must Close it.
func Open(ctx context.Context, s *store.Store, name string, o Options) (*Image, error) {
	lease, err := s.Lease(ctx)
	if err != nil {
		return nil, err
	}
	img, err := open(ctx, lease, name, o)
	if err != nil {
		_ = lease.Release()
		return nil, err
	}
	return img, nil
}

func open(ctx context.Context, lease *store.Lease, name string, o Options) (*Image, error) {
	img, err := locate(ctx, lease, name, o)
	if err != nil {
		return nil, err
	}
	if err := img.read(ctx, o); err != nil {
		return nil, fmt.Errorf("open image %s: %w", name, err)
	}
	return img, nil
}

// read resolves the target to a manifest and its layers. What is damaged or
// missing in the store is fetched once more, when that is allowed.
func (img *Image) read(ctx context.Context, o Options) error {
	err := img.readOnce(ctx, o)
	if err == nil || o.Fetcher == nil || o.Pull == PullNever || img.name.IsZero() {
		return err
	}
	if again, rerr := img.repairable(ctx, err); rerr != nil || !again {
		return err
	}
	// The name may have moved on in the registry; what it names here must not.
	exact := img.name
	exact.Tag, exact.Digest = "", img.target.Digest
	if _, ferr := o.Fetcher.Fetch(ctx, exact, img.lease); ferr != nil {
		return errors.Join(err, ferr)
	}
	return img.readOnce(ctx, o)
}

// repairable reports whether fetching can help, and clears the way for it.
func (img *Image) repairable(ctx context.Context, err error) (bool, error) {
	var damaged *store.DamagedError
	if errors.As(err, &damaged) {
		return img.lease.Store().Evict(ctx, damaged.Digest)
	}
	return errors.Is(err, store.ErrNotFound), nil
}

func (img *Image) readOnce(ctx context.Context, o Options) error {
	if err := img.lease.Keep(ctx, img.target.Digest); err != nil {
		return err
	}
	r, err := resolve(img.lease.Store(), img.target)
	if err != nil {
		return err
	}
	img.resolved = r
	img.derived, img.underive = readDerived(img.lease.Store(), &img.resolved)
	img.evict(ctx, img.underive)
	img.layers, err = img.openLayers(ctx, o)
	return err
}

// Underived says why derived data that the image carries is not used; nil when
// it is, or there is none.
func (img *Image) Underived() error { return img.underive }

// Close lets the store sweep the image once it is removed.
func (img *Image) Close() error { return img.lease.Release() }

// Name returns the reference that the image was opened by; zero for an ID.
func (img *Image) Name() oci.Reference { return img.name }

// ID returns the digest of the config: what Docker calls the image ID.
func (img *Image) ID() digest.Digest { return img.resolved.manifest.Config.Digest }

// Digest returns the digest of what the name leads to: the index, or the
// manifest when there is none.
func (img *Image) Digest() digest.Digest { return img.target.Digest }

// Descriptor returns the index or manifest that the name leads to.
func (img *Image) Descriptor() ispec.Descriptor { return img.target }

// ManifestDescriptor returns the image manifest that was picked.
func (img *Image) ManifestDescriptor() ispec.Descriptor { return img.resolved.descriptor }

// Manifest returns the image manifest that was picked.
func (img *Image) Manifest() *ispec.Manifest { return img.resolved.manifest }

// Config returns how the image wants to be run.
func (img *Image) Config() ispec.ImageConfig { return img.resolved.config.Config.ImageConfig }

// Document returns the whole config, with Docker's additions and the history.
func (img *Image) Document() *oci.Image { return img.resolved.config }

// Layers returns the layers, bottom first.
func (img *Image) Layers() []layer.Layer { return img.layers }

// LayerDescriptors returns the layers as the documents list them, bottom first,
// to build another image upon.
func (img *Image) LayerDescriptors() []oci.Layer {
	m := img.resolved.manifest
	out := make([]oci.Layer, 0, len(m.Layers))
	for i, d := range m.Layers {
		out = append(out, oci.Layer{Descriptor: d, DiffID: img.resolved.config.RootFS.DiffIDs[i], Weight: d.Annotations[oci.AnnotationModelFile]})
	}
	return out
}
