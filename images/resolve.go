package images

import (
	"context"
	"errors"
	"fmt"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// resolved is the part of an image that the documents tell.
type resolved struct {
	index      *ispec.Index // nil when the name leads to a manifest
	descriptor ispec.Descriptor
	manifest   *ispec.Manifest
	config     *oci.Image
	wasm       bool // a CNCF Wasm artifact: the one layer is a module, not a tar
}

// resolve reads the documents from target down to the config.
func resolve(s *store.Store, target ispec.Descriptor) (resolved, error) {
	var r resolved
	d := target
	for depth := 0; oci.KindOf(d.MediaType) == oci.KindIndex; depth++ {
		if depth >= oci.MaxDepth {
			return r, fmt.Errorf("read index %s: indexes are nested deeper than %d", d.Digest, oci.MaxDepth)
		}
		b, err := s.ReadBlob(d, oci.MaxDocument)
		if err != nil {
			return r, err
		}
		index, err := oci.ParseIndex(b, d.MediaType)
		if err != nil {
			return r, err
		}
		if r.index == nil {
			r.index = index
		}
		if d, err = oci.PickManifest(index); err != nil {
			return r, err
		}
	}
	b, err := s.ReadBlob(d, oci.MaxDocument)
	if err != nil {
		return r, err
	}
	r.descriptor = d
	if r.manifest, err = oci.ParseManifest(b, d.MediaType); err != nil {
		return r, err
	}
	return r, r.readConfig(s)
}

func (r *resolved) readConfig(s *store.Store) error {
	kind := r.manifest.Config.MediaType
	if kind != oci.WasmConfig && oci.KindOf(kind) != oci.KindConfig {
		return fmt.Errorf("it is no image: its config is of type %q", kind)
	}
	b, err := s.ReadBlob(r.manifest.Config, oci.MaxConfig)
	if err != nil {
		return err
	}
	if kind == oci.WasmConfig {
		return r.readWasm(b)
	}
	if r.config, err = oci.ParseConfig(b, r.manifest); err != nil {
		return err
	}
	if !oci.Runnable(r.config.Platform) {
		return &oci.PlatformError{Have: []string{oci.FormatPlatform(r.config.Platform)}}
	}
	return nil
}

// moduleName is the file that the module of a Wasm artifact becomes.
const moduleName = "module.wasm"

func (r *resolved) readWasm(b []byte) error {
	c, err := oci.ParseWasmArtifact(b, r.manifest)
	if err != nil {
		return err
	}
	r.wasm = true
	r.config = new(oci.Image)
	r.config.Created, r.config.Author = c.Created, c.Author
	r.config.OS, r.config.Architecture = c.OS, c.Architecture
	r.config.Config.Entrypoint = []string{"/" + moduleName}
	r.config.RootFS.Type = "layers"
	r.config.RootFS.DiffIDs = append(r.config.RootFS.DiffIDs, r.manifest.Layers[0].Digest)
	return nil
}

// locate finds the image in the store or fetches it.
func locate(ctx context.Context, lease *store.Lease, name string, o Options) (*Image, error) {
	if o.Pull == PullAlways && o.Fetcher != nil && !looksLikeID(name) {
		return fetch(ctx, lease, name, o.Fetcher)
	}
	found, err := Find(ctx, lease.Store(), name)
	if err == nil {
		return &Image{lease: lease, name: found.Ref, target: found.Descriptor}, nil
	}
	if !errors.Is(err, store.ErrNotFound) || o.Fetcher == nil || o.Pull == PullNever {
		return nil, err
	}
	return fetch(ctx, lease, name, o.Fetcher)
}

func fetch(ctx context.Context, lease *store.Lease, name string, f Fetcher) (*Image, error) {
	ref, err := oci.ParseReference(name)
	if err != nil {
		return nil, err
	}
	d, err := pull(ctx, lease, ref, f)
	if err != nil {
		return nil, err
	}
	return &Image{lease: lease, name: storedName(ref), target: d}, nil
}

// Pull fetches what ref names and gives it that name in the store.
func Pull(ctx context.Context, s *store.Store, ref oci.Reference, f Fetcher) (ispec.Descriptor, error) {
	lease, err := s.Lease(ctx)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	d, err := pull(ctx, lease, ref, f)
	if rerr := lease.Release(); err == nil {
		err = rerr
	}
	return d, err
}

func pull(ctx context.Context, lease *store.Lease, ref oci.Reference, f Fetcher) (ispec.Descriptor, error) {
	d, err := f.Fetch(ctx, ref, lease)
	if err != nil {
		return ispec.Descriptor{}, fmt.Errorf("pull %s: %w", ref.Familiar(), err)
	}
	if ref.Digest != "" && d.Digest != ref.Digest {
		return ispec.Descriptor{}, fmt.Errorf("pull %s: %w", ref.Familiar(), &oci.MismatchError{What: "digest", Want: string(ref.Digest), Got: string(d.Digest)})
	}
	return d, lease.Store().Tag(ctx, storedName(ref), d)
}

// storedName is the name a pulled image gets: a digest outweighs a tag.
func storedName(ref oci.Reference) oci.Reference {
	if ref.Digest != "" {
		ref.Tag = ""
	}
	return ref
}

// Find returns the image that a name leads to: a reference, or an image ID or
// the beginning of one that fits no other image.
func Find(ctx context.Context, s *store.Store, name string) (store.Entry, error) {
	ref, refErr := oci.ParseReference(name)
	if refErr == nil {
		d, err := s.Resolve(ctx, ref)
		if err == nil {
			return store.Entry{Ref: ref, Descriptor: d}, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return store.Entry{}, err
		}
	}
	if !looksLikeID(name) {
		if refErr != nil {
			return store.Entry{}, refErr
		}
		return store.Entry{}, &NotFoundError{Name: name}
	}
	return findID(ctx, s, name)
}

// leastID is how many digits of an image ID are one: "c" or "fed" are names.
const leastID = 4

// looksLikeID tells an image ID from a name that only could be one.
func looksLikeID(name string) bool {
	hex := strings.TrimPrefix(name, "sha256:")
	if len(hex) < leastID || len(hex) > 64 {
		return false
	}
	return strings.Trim(hex, "0123456789abcdef") == ""
}

func findID(ctx context.Context, s *store.Store, name string) (store.Entry, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return store.Entry{}, err
	}
	prefix := "sha256:" + strings.TrimPrefix(name, "sha256:")
	var found []store.Entry
	for _, e := range entries {
		if !hasID(s, e.Descriptor, prefix) {
			continue
		}
		if len(found) > 0 && found[0].Descriptor.Digest != e.Descriptor.Digest {
			return store.Entry{}, fmt.Errorf("image ID %s is the beginning of several: type more of it", name)
		}
		found = append(found, e)
	}
	if len(found) == 0 {
		return store.Entry{}, &NotFoundError{Name: name}
	}
	return store.Entry{Descriptor: found[0].Descriptor}, nil
}

// hasID compares with the digests of index, manifest and config.
func hasID(s *store.Store, d ispec.Descriptor, prefix string) bool {
	if strings.HasPrefix(string(d.Digest), prefix) {
		return true
	}
	r, err := resolve(s, d)
	if r.descriptor.Digest == "" || r.manifest == nil {
		return false
	}
	_ = err // an image for another platform can be named, too
	return strings.HasPrefix(string(r.descriptor.Digest), prefix) || strings.HasPrefix(string(r.manifest.Config.Digest), prefix)
}
