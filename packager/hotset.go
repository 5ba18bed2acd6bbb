package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
)

// addHot puts Options.HotSet into what is known of an image: the functions of its
// modules that are listed are at hand when a program starts. A module of which
// nothing is known is surveyed; nothing of it runs.
func (b *builder) addHot(ctx context.Context, s *state, known *derivedRecord, key string) (*derivedRecord, error) {
	if len(b.HotSet) == 0 {
		return known, nil
	}
	rec := derivedRecord{}
	if known != nil {
		rec = *known
		rec.Derived.Modules, rec.Derived.Snapshots = slices.Clone(rec.Derived.Modules), slices.Clone(rec.Derived.Snapshots)
	}
	entry := ""
	if !knowsAll(rec.Derived, b.HotSet) {
		own, err := b.surveyed(ctx, s, key)
		if err != nil {
			return nil, err
		}
		entry = own.Derived.Modules[0].Content
		rec = *merge(own, &rec)
	} else {
		entry = rec.Derived.Modules[0].Content
	}
	for _, section := range b.HotSet {
		if section.Content == "" {
			section.Content = entry
		}
		if err := addSection(&rec.Derived, section); err != nil {
			return nil, err
		}
	}
	return &rec, nil
}

// knowsAll tells whether something is known of every module of a hot set.
func knowsAll(d oci.Derived, set prepare.HotSet) bool {
	return len(d.Modules) > 0 && !slices.ContainsFunc(set, func(h prepare.HotSection) bool {
		return h.Content != "" && module(d, h.Content) == nil
	})
}

func module(d oci.Derived, content string) *oci.DerivedModule {
	for i := range d.Modules {
		if d.Modules[i].Content == content {
			return &d.Modules[i]
		}
	}
	return nil
}

// addSection adds the functions of one section: to those that a restored program
// has at hand, or to those of one that begins at its beginning.
func addSection(d *oci.Derived, h prepare.HotSection) error {
	m := module(*d, h.Content)
	if m == nil {
		return fmt.Errorf("hot set: the image has no module %s; record it anew: wherry run --record-hot-set FILE IMAGE", h.Content)
	}
	if m.Whole != "" {
		return fmt.Errorf("hot set: the module has to stay whole: %s", m.Whole)
	}
	if n := len(h.Functions); n > 0 && h.Functions[n-1] >= m.Functions {
		return fmt.Errorf("hot set: there is no function %d: the module has %d; record it anew: wherry run --record-hot-set FILE IMAGE", h.Functions[n-1], m.Functions)
	}
	if !h.Restored {
		m.Hot = prepare.Union(m.Hot, h.Functions)
		return nil
	}
	for i := range d.Snapshots {
		if snap := &d.Snapshots[i]; snap.Content == h.Content {
			snap.Hot = prepare.Union(snap.Hot, h.Functions)
			snap.Later = slices.DeleteFunc(slices.Clone(snap.Later), func(f uint32) bool {
				_, found := slices.BinarySearch(snap.Hot, f)
				return found
			})
		}
	}
	return nil
}

// surveyed gives the facts of the module that the image runs.
func (b *builder) surveyed(ctx context.Context, s *state, key string) (derivedRecord, error) {
	if c := s.config.Config; len(c.Entrypoint)+len(c.Cmd) == 0 {
		return derivedRecord{}, errors.New("hot set: the image names no program; add an ENTRYPOINT")
	}
	if b.Recorder == nil {
		return derivedRecord{}, errors.New("hot set: there is no sandbox here to look at the program with")
	}
	k := newKey("survey " + key)
	var own derivedRecord
	ok, err := b.remembered(ctx, k.sum(), &own)
	if err != nil {
		return own, err
	}
	if !ok || b.NoCache || !b.hasAll(ctx, own.Layers) {
		r, err := b.Recorder.Record(ctx, RecordSpec{Layers: s.layers(b.Store), Config: s.config.Config, Epoch: b.Epoch, Survey: true})
		var none *NoRecordingError
		if errors.As(err, &none) {
			return own, fmt.Errorf("hot set: %s", none.Reason)
		}
		if err != nil {
			return own, err
		}
		var facts ispec.Descriptor
		if own.Derived.Modules, facts, err = b.facts(ctx, r); err != nil {
			return own, err
		}
		own.Layers = []ispec.Descriptor{facts}
		if err := b.remember(ctx, k.sum(), own); err != nil {
			return own, err
		}
	}
	return own, nil
}

// facts stores what is known of the module of a recording.
func (b *builder) facts(ctx context.Context, r *Recording) ([]oci.DerivedModule, ispec.Descriptor, error) {
	d, err := b.writePacked(ctx, oci.FactsLayer, func(w io.Writer) error {
		_, err := w.Write(r.Facts)
		return err
	})
	return []oci.DerivedModule{{Content: r.Content, Facts: d.Digest, Functions: r.Functions, Hot: r.Hot}}, d, err
}
