package images

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// Bounds on archives that Load reads.
const (
	maxArchiveEntries = 20_000
	maxArchiveName    = 1024
	maxArchiveIndex   = oci.MaxDocument
)

// reserved ends the host names under which a machine keeps images of its own
// making. An archive that brought one would pass for such an image.
const reserved = ".invalid"

// Loaded is one image that Load found.
type Loaded struct {
	Ref oci.Reference // zero when the archive gives it no name
	ID  digest.Digest
}

// Load reads images from a tar: an OCI image layout, or what `docker save`
// writes, plain or compressed. Everything in it is checked; names of entries are
// never paths of this machine.
func Load(ctx context.Context, s *store.Store, r io.Reader) ([]Loaded, error) {
	lease, err := s.Lease(ctx)
	if err != nil {
		return nil, err
	}
	loaded, err := load(ctx, lease, r)
	if rerr := lease.Release(); err == nil {
		err = rerr
	}
	if err != nil {
		return nil, fmt.Errorf("load images: %w", err)
	}
	return loaded, nil
}

func load(ctx context.Context, lease *store.Lease, r io.Reader) ([]Loaded, error) {
	// The archive is bounded by its entries, each of which is a verified blob or
	// small; a compressed one also by its ratio.
	plain, err := layer.Decompress(&contextReader{ctx, r}, layer.Limits{})
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	l := &loader{ctx: ctx, lease: lease, files: map[string]ispec.Descriptor{}, links: map[string]string{}, small: map[string][]byte{}}
	if err := l.read(tar.NewReader(plain)); err != nil {
		return nil, err
	}
	switch {
	case l.small["index.json"] != nil:
		return l.layout()
	case l.small["manifest.json"] != nil:
		return l.dockerArchive()
	}
	return nil, errors.New("the file is no archive of images: it has neither index.json nor manifest.json")
}

// loader is one Load.
type loader struct {
	ctx   context.Context
	lease *store.Lease
	files map[string]ispec.Descriptor // what other entries became, by name
	links map[string]string           // docker save links equal layers
	small map[string][]byte           // index.json and the like
}

func (l *loader) read(tr *tar.Reader) error {
	for n := 0; ; n++ {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read archive: %w", err)
		}
		if n >= maxArchiveEntries {
			return fmt.Errorf("the archive has more than %d entries", maxArchiveEntries)
		}
		if len(h.Name) > maxArchiveName {
			return fmt.Errorf("the archive has a name of %d bytes", len(h.Name))
		}
		if err := l.entry(h, tr); err != nil {
			return fmt.Errorf("entry %.120q: %w", h.Name, err)
		}
	}
}

func (l *loader) entry(h *tar.Header, r io.Reader) error {
	name := path.Clean("/" + h.Name)[1:]
	for key := range h.PAXRecords {
		// A sparse entry of a few bytes would fill the disk with zeros.
		if strings.HasPrefix(key, "GNU.sparse.") {
			return errors.New("an archive of images has no sparse entries")
		}
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return l.file(name, h.Size, r)
	case tar.TypeSymlink, tar.TypeLink:
		if len(h.Linkname) > maxArchiveName {
			return fmt.Errorf("it links to a name of %d bytes", len(h.Linkname))
		}
		target := h.Linkname
		if h.Typeflag == tar.TypeSymlink {
			target = path.Join(path.Dir(name), target)
		}
		l.links[name] = path.Clean("/" + target)[1:]
		return nil
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	}
	return fmt.Errorf("an archive of images has no entries of type %q", h.Typeflag)
}

func (l *loader) file(name string, size int64, r io.Reader) error {
	switch name {
	case "index.json", "manifest.json", ispec.ImageLayoutFile, "repositories":
		if l.small[name] != nil {
			return errors.New("it stands twice in the archive")
		}
		if size > maxArchiveIndex {
			return fmt.Errorf("it has %d bytes, more than %d", size, maxArchiveIndex)
		}
		b, err := io.ReadAll(r)
		l.small[name] = append([]byte{}, b...)
		return err
	}
	want := ispec.Descriptor{Size: size}
	if algorithm, hex, ok := strings.Cut(strings.TrimPrefix(name, "blobs/"), "/"); ok && strings.HasPrefix(name, "blobs/") {
		d, err := oci.ParseDigest(algorithm + ":" + hex)
		if err != nil {
			return err
		}
		want.Digest = d
	}
	got, err := l.lease.Ingest(l.ctx, want, r)
	if err != nil {
		return err
	}
	l.files[name] = got
	return nil
}

// layout takes up an OCI image layout.
func (l *loader) layout() ([]Loaded, error) {
	if err := l.checkLayout(); err != nil {
		return nil, err
	}
	index, err := oci.ParseIndex(l.small["index.json"], "")
	if err != nil {
		return nil, err
	}
	var all []named
	for _, d := range index.Manifests {
		if err := l.checkTree(d); err != nil {
			return nil, err
		}
		n, err := called(d, layoutName(d))
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return l.keep(all)
}

func (l *loader) checkLayout() error {
	b := l.small[ispec.ImageLayoutFile]
	var v ispec.ImageLayout
	if b == nil || json.Unmarshal(b, &v) != nil || !strings.HasPrefix(v.Version, "1.") {
		return fmt.Errorf("the archive is no image layout of version 1: its %s says %.80q", ispec.ImageLayoutFile, b)
	}
	return nil
}

// checkTree makes sure that something of an entry can be opened and that all
// documents below it are valid.
func (l *loader) checkTree(d ispec.Descriptor) error {
	s := l.lease.Store()
	if k := oci.KindOf(d.MediaType); k != oci.KindIndex && k != oci.KindManifest {
		return fmt.Errorf("index.json: %s is of type %.120q, which is no image", d.Digest, d.MediaType)
	}
	found := map[digest.Digest]int64{} // sizes
	if err := walk(s, d, func(d ispec.Descriptor, _ []byte) error {
		found[d.Digest] = d.Size
		return nil
	}); err != nil {
		return err
	}
	r, err := resolve(s, d)
	var other *oci.PlatformError
	if errors.As(err, &other) {
		return nil // it can be kept and saved; running it says why not
	}
	if r.manifest == nil {
		return err
	}
	for _, b := range append([]ispec.Descriptor{r.manifest.Config}, r.manifest.Layers...) {
		size, ok := found[b.Digest]
		if !ok {
			return fmt.Errorf("the archive lacks %s of the image", b.Digest)
		}
		if size != b.Size {
			return &oci.MismatchError{What: "size of " + string(b.Digest), Want: fmt.Sprint(b.Size), Got: fmt.Sprint(size)}
		}
	}
	return err
}

// layoutName is the name of an entry of index.json. A bare tag, as some tools
// write, is none.
func layoutName(d ispec.Descriptor) string {
	if n := d.Annotations[oci.AnnotationImageName]; n != "" {
		return n
	}
	if n := d.Annotations[ispec.AnnotationRefName]; strings.ContainsAny(n, ":/@") {
		return n
	}
	return ""
}

// named is an image of the archive with the name it shall get, if any.
type named struct {
	image ispec.Descriptor
	ref   oci.Reference
}

// called checks the name that an archive gives an image.
func called(d ispec.Descriptor, name string) (named, error) {
	if name == "" {
		return named{image: d}, nil
	}
	ref, err := oci.ParseReference(name)
	if err != nil {
		return named{}, err
	}
	if strings.HasSuffix(ref.Registry, reserved) {
		return named{}, fmt.Errorf("the archive calls an image %.200q: names of %s are given by this machine alone", name, ref.Registry)
	}
	if ref.Digest != "" && ref.Digest != d.Digest {
		return named{}, &oci.MismatchError{What: "digest in the name " + ref.Familiar(), Want: string(d.Digest), Got: string(ref.Digest)}
	}
	return named{d, storedName(ref)}, nil
}

// keep makes images of the store of what was checked: nothing gets a name
// before everything is.
func (l *loader) keep(all []named) ([]Loaded, error) {
	s := l.lease.Store()
	var out []Loaded
	for _, n := range all {
		var err error
		if n.ref == (oci.Reference{}) {
			err = s.Add(l.ctx, n.image)
		} else {
			err = s.Tag(l.ctx, n.ref, n.image)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Loaded{Ref: n.ref, ID: idOf(s, store.Entry{Descriptor: n.image})})
	}
	return out, nil
}

// dockerArchive takes up what `docker save` wrote before it wrote layouts.
func (l *loader) dockerArchive() ([]Loaded, error) {
	var list []dockerImage
	if err := json.Unmarshal(l.small["manifest.json"], &list); err != nil {
		return nil, fmt.Errorf("read manifest.json: %w", err)
	}
	if len(list) > oci.MaxManifests {
		return nil, fmt.Errorf("read manifest.json: it has %d images, more than %d", len(list), oci.MaxManifests)
	}
	var all []named
	for _, img := range list {
		d, err := l.convert(img)
		if err != nil {
			return nil, err
		}
		names := img.RepoTags
		if len(names) == 0 {
			names = []string{""}
		}
		for _, name := range names {
			n, err := called(d, name)
			if err != nil {
				return nil, err
			}
			all = append(all, n)
		}
	}
	return l.keep(all)
}

// convert makes a manifest for an image that has none. The config keeps its
// bytes, and the image its ID.
func (l *loader) convert(img dockerImage) (ispec.Descriptor, error) {
	config, err := l.find(img.Config)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	data, err := l.lease.Store().ReadBlob(config, oci.MaxConfig)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	config.MediaType = ispec.MediaTypeImageConfig
	m := ispec.Manifest{MediaType: ispec.MediaTypeImageManifest, Config: config, Layers: []ispec.Descriptor{}}
	m.SchemaVersion = 2
	if len(img.Layers) > oci.MaxLayers {
		return ispec.Descriptor{}, fmt.Errorf("read manifest.json: an image has %d layers, more than %d", len(img.Layers), oci.MaxLayers)
	}
	for _, name := range img.Layers {
		d, err := l.find(name)
		if err == nil {
			d.MediaType, err = l.layerType(d)
		}
		if err != nil {
			return ispec.Descriptor{}, err
		}
		m.Layers = append(m.Layers, d)
	}
	if _, err := oci.ParseConfig(data, &m); err != nil {
		return ispec.Descriptor{}, err
	}
	doc, err := oci.NewDocument(ispec.MediaTypeImageManifest, m)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	return l.lease.Ingest(l.ctx, doc.Descriptor, bytes.NewReader(doc.Data))
}

// find follows at most one link, as docker save writes them.
func (l *loader) find(name string) (ispec.Descriptor, error) {
	clean := path.Clean("/" + name)[1:]
	if target, ok := l.links[clean]; ok {
		clean = target
	}
	d, ok := l.files[clean]
	if !ok {
		return d, fmt.Errorf("read manifest.json: the archive has no entry %.120q", name)
	}
	return d, nil
}

// layerType looks at how a layer is compressed: manifest.json does not say.
func (l *loader) layerType(d ispec.Descriptor) (string, error) {
	b, err := l.lease.Store().Blob(d.Digest)
	if err != nil {
		return "", err
	}
	defer b.Close()
	var head [8]byte
	n, err := b.ReadAt(head[:], 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	switch layer.DetectCompression(head[:n]) {
	case layer.Gzip:
		return ispec.MediaTypeImageLayerGzip, nil
	case layer.Zstd:
		return ispec.MediaTypeImageLayerZstd, nil
	}
	return ispec.MediaTypeImageLayer, nil
}
