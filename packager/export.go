package packager

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
)

// blobRecord is what the cache keeps of a written layer.
type blobRecord struct {
	Descriptor ispec.Descriptor `json:"descriptor"`
	DiffID     digest.Digest    `json:"diffID"`
}

// export writes the layers of a stage that are not blobs yet, and the documents
// over them.
func (b *builder) export(ctx context.Context, s *state) (*Result, error) {
	layers, err := b.blobs(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := b.labelled(ctx, s); err != nil {
		return nil, err
	}
	config, err := oci.BuildConfig(s.config, layers)
	if err != nil {
		return nil, err
	}
	rec, err := b.derived(ctx, s, config.Descriptor.Digest)
	if err != nil {
		return nil, err
	}
	if err := b.labelPython(ctx, s, rec); err != nil {
		return nil, err
	}
	if config, err = oci.BuildConfig(s.config, layers); err != nil {
		return nil, err
	}
	res := &Result{Config: config.Descriptor}
	annotations := b.annotations(s)
	if s.base != nil {
		res.Base, res.BaseDigest = s.base.Ref, s.base.Digest
	}
	manifest, err := oci.BuildManifest(config, layers, annotations)
	if err != nil {
		return nil, err
	}
	res.Manifest = manifest.Descriptor
	docs := []oci.Document{config, manifest}
	var artifacts []ispec.Descriptor
	modelConfig, model, ok, err := oci.BuildModel(b.modelConfig(s, layers), layers, nil)
	if err != nil {
		return nil, err
	}
	if ok {
		d := oci.ArtifactDescriptor(model, oci.ModelArtifact)
		res.Model = &d
		artifacts = append(artifacts, d)
		docs = append(docs, modelConfig, model)
	}
	derived, d, err := writeDerived(rec, manifest)
	if err != nil {
		return nil, err
	}
	if d != nil {
		res.Derived = d
		artifacts = append(artifacts, *d)
		docs = append(docs, derived...)
	}
	index, err := oci.BuildIndex(manifest, artifacts, annotations)
	if err != nil {
		return nil, err
	}
	res.Index = index.Descriptor
	for _, doc := range append(docs, index) {
		if _, err := b.Store.Ingest(ctx, doc.Descriptor, bytes.NewReader(doc.Data)); err != nil {
			return nil, fmt.Errorf("store %s: %w", doc.Descriptor.MediaType, err)
		}
	}
	return res, nil
}

// labelled writes the labels that are asked for, and those that the files give.
func (b *builder) labelled(ctx context.Context, s *state) error {
	for k, v := range b.Labels {
		s.label(k, v)
	}
	if err := b.labelPipeline(ctx, s); err != nil {
		return err
	}
	if err := b.labelReactor(ctx, s); err != nil {
		return err
	}
	return b.labelWeb(s)
}

// annotations say what the image was built on, and repeat the labels that have
// the names of annotations.
func (b *builder) annotations(s *state) map[string]string {
	a := map[string]string{}
	for k, v := range s.config.Config.Labels {
		if strings.HasPrefix(k, "org.opencontainers.image.") {
			a[k] = v
		}
	}
	a[ispec.AnnotationCreated] = b.Epoch.Format("2006-01-02T15:04:05Z")
	if s.base != nil && s.base.Ref != "" {
		a[oci.AnnotationBaseRef] = s.base.Ref
		a[oci.AnnotationBaseDigest] = string(s.base.Digest)
	} else {
		delete(a, oci.AnnotationBaseRef)
		delete(a, oci.AnnotationBaseDigest)
	}
	return a
}

// modelConfig describes the weights of the image.
func (b *builder) modelConfig(s *state, layers []oci.Layer) oci.ModelConfig {
	var c oci.ModelConfig
	c.Descriptor.CreatedAt = &b.Epoch
	labels := map[string]string{} // the base's are of the base
	for k, v := range s.config.Config.Labels {
		if s.said(k) {
			labels[k] = v
		}
	}
	c.Descriptor.Title = labels[ispec.AnnotationTitle]
	c.Descriptor.Description = labels[ispec.AnnotationDescription]
	c.Descriptor.Version = labels[ispec.AnnotationVersion]
	c.Descriptor.Vendor = labels[ispec.AnnotationVendor]
	c.Descriptor.SourceURL = labels[ispec.AnnotationSource]
	c.Descriptor.DocURL = labels[ispec.AnnotationDocumentation]
	c.Descriptor.Revision = labels[ispec.AnnotationRevision]
	if license := labels[ispec.AnnotationLicenses]; license != "" {
		c.Descriptor.Licenses = []string{license}
	}
	for _, l := range layers {
		if l.Weight == "" {
			continue
		}
		base := path.Base(l.Weight)
		ext := strings.TrimPrefix(path.Ext(base), ".")
		if c.Descriptor.Name == "" {
			c.Descriptor.Name = strings.TrimSuffix(base, path.Ext(base))
			c.Config.Format = formats[strings.ToLower(ext)]
		}
	}
	return c
}

// formats names weights by the endings of their files.
var formats = map[string]string{
	"joblib": "joblib", "pkl": "pickle", "pickle": "pickle", "onnx": "onnx", "safetensors": "safetensors",
	"gguf": "gguf", "npz": "npz", "npy": "npy", "json": "json", "ubj": "ubj", "txt": "text", "pt": "pt", "bin": "bin",
}

// blobs gives every layer of a stage as the manifest lists it.
func (b *builder) blobs(ctx context.Context, s *state) ([]oci.Layer, error) {
	var layers []oci.Layer
	if s.base != nil {
		for _, l := range s.base.Layers {
			layers = append(layers, baseLayer(l.Layer))
		}
	}
	for _, p := range s.parts {
		if p.blob != nil {
			layers = append(layers, *p.blob)
			continue
		}
		l, err := b.blob(ctx, p)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
	}
	return layers, nil
}

// baseLayer lists a layer of a base under the OCI name of its type.
func baseLayer(l oci.Layer) oci.Layer {
	l.Descriptor.Annotations = maps.Clone(l.Descriptor.Annotations)
	switch l.Descriptor.MediaType {
	case oci.DockerLayer:
		l.Descriptor.MediaType = ispec.MediaTypeImageLayerGzip
	case oci.DockerLayerTar:
		l.Descriptor.MediaType = ispec.MediaTypeImageLayer
	case oci.DockerLayerZstd:
		l.Descriptor.MediaType = ispec.MediaTypeImageLayerZstd
	}
	return l
}

// blob writes a layer of code as a gzip tar, unless it is written already.
func (b *builder) blob(ctx context.Context, p part) (oci.Layer, error) {
	k := newKey("blob")
	k.add(p.digest, ispec.MediaTypeImageLayerGzip)
	return b.writeOnce(ctx, k.sum(), func() (oci.Layer, error) {
		return b.writeLayer(ctx, layer.Gzip, p.index.Entries, layer.OpenFrom(b.Store))
	})
}

// writeOnce gives a layer that the cache remembers and the store has, or makes
// it.
func (b *builder) writeOnce(ctx context.Context, key string, write func() (oci.Layer, error)) (oci.Layer, error) {
	var rec blobRecord
	ok, err := b.remembered(ctx, key, &rec)
	if err != nil {
		return oci.Layer{}, err
	}
	if ok && !b.NoCache {
		have, err := b.Store.Has(ctx, rec.Descriptor.Digest)
		if err != nil {
			return oci.Layer{}, err
		}
		if have {
			return oci.Layer{Descriptor: rec.Descriptor, DiffID: rec.DiffID}, nil
		}
	}
	l, err := write()
	if err != nil {
		return oci.Layer{}, err
	}
	return l, b.remember(ctx, key, blobRecord{Descriptor: l.Descriptor, DiffID: l.DiffID})
}
