package images

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// Save writes images as one tar that is an OCI image layout and, through its
// manifest.json, also what `docker load` reads. The same images give the same
// bytes. Blobs that images share are written once.
func Save(ctx context.Context, s *store.Store, w io.Writer, names ...string) error {
	lease, err := s.Lease(ctx)
	if err != nil {
		return err
	}
	err = save(ctx, lease, w, names)
	if rerr := lease.Release(); err == nil {
		err = rerr
	}
	return err
}

func save(ctx context.Context, lease *store.Lease, w io.Writer, names []string) error {
	a := &archive{ctx: ctx, s: lease.Store(), tw: tar.NewWriter(w), blobs: map[digest.Digest]ispec.Descriptor{}}
	for _, name := range names {
		if err := a.add(lease, name); err != nil {
			return fmt.Errorf("save %s: %w", name, err)
		}
	}
	if err := a.write(); err != nil {
		return fmt.Errorf("save images: %w", err)
	}
	return nil
}

// archive collects what a saved tar holds.
type archive struct {
	ctx     context.Context
	s       *store.Store
	tw      *tar.Writer
	entries []store.Entry
	docker  []dockerImage
	blobs   map[digest.Digest]ispec.Descriptor
}

// dockerImage is one entry of manifest.json.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func (a *archive) add(lease *store.Lease, name string) error {
	e, err := Find(a.ctx, a.s, name)
	if err != nil {
		return err
	}
	if err := lease.Keep(a.ctx, e.Descriptor.Digest); err != nil {
		return err
	}
	a.entries = append(a.entries, e)
	if err := walk(a.s, e.Descriptor, func(d ispec.Descriptor, _ []byte) error {
		a.blobs[d.Digest] = d
		return nil
	}); err != nil {
		return err
	}
	return a.addDocker(e)
}

// addDocker lists what is a plain image; artifacts have no place in
// manifest.json.
func (a *archive) addDocker(e store.Entry) error {
	r, err := resolve(a.s, e.Descriptor)
	var other *oci.PlatformError
	if r.manifest == nil || r.wasm || err != nil && !errors.As(err, &other) {
		return err
	}
	for _, d := range append([]ispec.Descriptor{r.manifest.Config}, r.manifest.Layers...) {
		if _, ok := a.blobs[d.Digest]; !ok {
			return fmt.Errorf("blob %s: %w", d.Digest, store.ErrNotFound)
		}
	}
	config := blobName(r.manifest.Config.Digest)
	tags := []string{}
	if e.Ref.Tag != "" {
		tags = append(tags, e.Ref.Familiar())
	}
	if i := slices.IndexFunc(a.docker, func(d dockerImage) bool { return d.Config == config }); i >= 0 {
		a.docker[i].RepoTags = append(a.docker[i].RepoTags, tags...)
		return nil
	}
	img := dockerImage{Config: config, RepoTags: tags, Layers: []string{}}
	for _, d := range r.manifest.Layers {
		img.Layers = append(img.Layers, blobName(d.Digest))
	}
	a.docker = append(a.docker, img)
	return nil
}

func blobName(d digest.Digest) string {
	return "blobs/" + d.Algorithm().String() + "/" + d.Encoded()
}

func (a *archive) write() error {
	for _, dir := range []string{"blobs/", "blobs/sha256/"} {
		if err := a.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
	}
	list := make([]digest.Digest, 0, len(a.blobs))
	for d := range a.blobs {
		list = append(list, d)
	}
	slices.Sort(list)
	for _, d := range list {
		if err := a.blob(d); err != nil {
			return err
		}
	}
	index := ispec.Index{MediaType: ispec.MediaTypeImageIndex, Manifests: []ispec.Descriptor{}}
	index.SchemaVersion = 2
	for _, e := range a.entries {
		index.Manifests = append(index.Manifests, savedDescriptor(e))
	}
	if err := a.json("index.json", index); err != nil {
		return err
	}
	if a.docker != nil {
		if err := a.json("manifest.json", a.docker); err != nil {
			return err
		}
	}
	if err := a.json(ispec.ImageLayoutFile, ispec.ImageLayout{Version: ispec.ImageLayoutVersion}); err != nil {
		return err
	}
	return a.tw.Close()
}

// savedDescriptor names an image as other tools look for names: containerd and
// Podman by the first annotation, layouts by the second.
func savedDescriptor(e store.Entry) ispec.Descriptor {
	d := e.Descriptor
	d.Annotations = nil
	if !e.Ref.IsZero() {
		name := e.Ref.String()
		d.Annotations = map[string]string{oci.AnnotationImageName: name, ispec.AnnotationRefName: name}
	}
	return d
}

// blob copies one blob and verifies it on the way: damage must not travel.
func (a *archive) blob(d digest.Digest) error {
	b, err := a.s.Blob(d)
	if err != nil {
		return err
	}
	defer b.Close()
	if err := a.header(blobName(d), b.Size()); err != nil {
		return err
	}
	h := d.Algorithm().Hash()
	r := &contextReader{a.ctx, io.NewSectionReader(b, 0, b.Size())}
	if _, err := io.Copy(io.MultiWriter(a.tw, h), r); err != nil {
		return err
	}
	if got := digest.NewDigest(d.Algorithm(), h); got != d {
		return &store.DamagedError{Digest: d, Err: &oci.MismatchError{What: "digest", Want: string(d), Got: string(got)}}
	}
	return nil
}

func (a *archive) header(name string, size int64) error {
	return a.tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0)})
}

func (a *archive) json(name string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := a.header(name, int64(len(b))); err != nil {
		return err
	}
	_, err = a.tw.Write(b)
	return err
}

// contextReader ends when the context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
