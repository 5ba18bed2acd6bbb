package images

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// HistoryItem is one line of an image's history.
type HistoryItem struct {
	ID        string // the image's for the newest item, else "<missing>"
	Created   time.Time
	CreatedBy string
	Comment   string
	Size      int64 // of the layer as it is stored
	Tags      []string
}

// History tells how an image was made, newest first.
func History(ctx context.Context, s *store.Store, name string) ([]HistoryItem, error) {
	e, err := Find(ctx, s, name)
	if err != nil {
		return nil, err
	}
	r, err := resolve(s, e.Descriptor)
	if err != nil {
		return nil, fmt.Errorf("history of %s: %w", name, err)
	}
	items := historyItems(&r)
	slices.Reverse(items)
	if len(items) > 0 {
		items[0].ID = string(r.manifest.Config.Digest)
		items[0].Tags, err = tagsOf(ctx, s, e.Descriptor.Digest)
	}
	return items, err
}

// historyItems joins history and layers. Layers that no history tells of come
// first: they are a base's whose builder wrote none.
func historyItems(r *resolved) []HistoryItem {
	layers := r.manifest.Layers
	filled := 0
	for _, h := range r.config.History {
		if !h.EmptyLayer {
			filled++
		}
	}
	var items []HistoryItem
	for ; len(layers) > filled; layers = layers[1:] {
		items = append(items, HistoryItem{ID: "<missing>", Size: layers[0].Size})
	}
	for _, h := range r.config.History {
		item := HistoryItem{ID: "<missing>", CreatedBy: h.CreatedBy, Comment: h.Comment}
		if h.Created != nil {
			item.Created = *h.Created
		}
		if !h.EmptyLayer {
			item.Size, layers = layers[0].Size, layers[1:]
		}
		items = append(items, item)
	}
	return items
}

// tagsOf returns the names of an image as people type them.
func tagsOf(ctx context.Context, s *store.Store, d digest.Digest) ([]string, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	tags := []string{}
	for _, e := range entries {
		if e.Descriptor.Digest == d && e.Ref.Tag != "" {
			tags = append(tags, e.Ref.Familiar())
		}
	}
	return tags, nil
}

// Inspection is what inspect shows, in the words of Docker's.
type Inspection struct {
	ID           digest.Digest     `json:"Id"`
	RepoTags     []string          `json:"RepoTags"`
	RepoDigests  []string          `json:"RepoDigests"`
	Comment      string            `json:"Comment"`
	Created      string            `json:"Created"`
	Author       string            `json:"Author"`
	Config       oci.ImageConfig   `json:"Config"`
	Architecture string            `json:"Architecture"`
	OS           string            `json:"Os"`
	Size         int64             `json:"Size"`
	RootFS       InspectedRootFS   `json:"RootFS"`
	Descriptor   ispec.Descriptor  `json:"Descriptor"`
	Manifest     ispec.Descriptor  `json:"Manifest"`
	Model        *oci.ModelConfig  `json:"Model,omitempty"`
	Derived      *InspectedDerived `json:"Derived,omitempty"`
	Annotations  map[string]string `json:"Annotations,omitempty"`
}

// InspectedRootFS lists the diff IDs of the layers.
type InspectedRootFS struct {
	Type   string          `json:"Type"`
	Layers []digest.Digest `json:"Layers"`
}

// Inspect tells all about one image.
func Inspect(ctx context.Context, s *store.Store, name string) (*Inspection, error) {
	e, err := Find(ctx, s, name)
	if err != nil {
		return nil, err
	}
	r, err := resolve(s, e.Descriptor)
	if err != nil {
		return nil, fmt.Errorf("inspect %s: %w", name, err)
	}
	out := &Inspection{
		ID: r.manifest.Config.Digest, RepoDigests: []string{},
		Author: r.config.Author, Config: r.config.Config, Architecture: r.config.Architecture, OS: r.config.OS,
		Size: sizeOf(s, e.Descriptor), RootFS: InspectedRootFS{Type: "layers", Layers: r.config.RootFS.DiffIDs},
		Descriptor: e.Descriptor, Manifest: r.descriptor, Annotations: r.manifest.Annotations,
	}
	if r.config.Created != nil {
		out.Created = r.config.Created.UTC().Format(time.RFC3339Nano)
	}
	if n := len(r.config.History); n > 0 {
		out.Comment = r.config.History[n-1].Comment
	}
	if out.RepoTags, err = tagsOf(ctx, s, e.Descriptor.Digest); err != nil {
		return nil, err
	}
	if out.RepoDigests, err = digestsOf(ctx, s, e.Descriptor.Digest); err != nil {
		return nil, err
	}
	out.Derived = inspectDerived(s, &r)
	out.Model, err = readModel(s, r.index)
	return out, err
}

// digestsOf returns the repositories that have an image, each with its digest.
func digestsOf(ctx context.Context, s *store.Store, d digest.Digest) ([]string, error) {
	entries, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range entries {
		if e.Descriptor.Digest == d && !e.Ref.IsZero() {
			names = append(names, e.Ref.FamiliarName()+"@"+string(d))
		}
	}
	return slices.Compact(names), nil
}

// readModel reads the ModelPack config of an image that carries a model.
func readModel(s *store.Store, index *ispec.Index) (*oci.ModelConfig, error) {
	if index == nil {
		return nil, nil
	}
	d, ok := oci.ModelManifest(index)
	if !ok {
		return nil, nil
	}
	m, config, err := readArtifact(s, d)
	if m == nil && errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return oci.ParseModelConfig(config)
}
