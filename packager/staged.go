package packager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/oci"
)

// Staged is what the packages of an application came to when they were imported.
type Staged struct {
	Snapshot *oci.Snapshot
	// Hot are functions that nearly all will run that is recorded over it.
	Hot []uint32
	// Memory is that of the snapshot, and belongs to the caller.
	Memory *os.File
}

// stagedRecord is what the cache keeps of packages that were imported. It follows from
// nothing but what its key is made of: whether it was kept, or made for this build, an
// image over it is the same.
type stagedRecord struct {
	Snapshot *oci.Snapshot      `json:"snapshot"` // nil: there can be none
	Layers   []ispec.Descriptor `json:"layers"`   // that have its pages
	Hot      []uint32           `json:"hot"`
	Memory   string             `json:"memory"` // its content file
}

// recordStaged records a program: an application of Python over its packages, where that
// comes to the same, and any other from its beginning. It tells over what.
func (b *builder) recordStaged(ctx context.Context, s *state, spec RecordSpec) (*Recording, *stagedRecord, error) {
	over, err := b.staged(ctx, s)
	if err != nil {
		return nil, nil, fmt.Errorf("record the packages of the application: %w", err)
	}
	if over == nil {
		r, err := b.Recorder.Record(ctx, spec)
		return r, nil, err
	}
	memory, err := b.openMemory(over)
	if err != nil {
		return nil, nil, err
	}
	defer memory.Close()
	spec.Over = &Staged{over.Snapshot, over.Hot, memory}
	r, err := b.Recorder.Record(ctx, spec)
	var none *NoRecordingError
	if err != nil && !errors.As(err, &none) {
		return nil, nil, err
	}
	if err == nil && r.Snapshot != nil && r.Content == over.Snapshot.Content && over.Snapshot.Memory <= uint64(len(r.Memory)) {
		// What applications over these packages run at first is known of one like many; so most changes of a
		// program leave the list as it is, and the machine code that was compiled by it.
		r.Hot, r.Snapshot.Hot = prepare.Union(r.Hot, over.Hot), prepare.Union(r.Snapshot.Hot, over.Snapshot.Hot)
		return r, over, nil
	}
	spec.Over, spec.Stdout, spec.Stderr = nil, io.Discard, io.Discard // it has been seen
	r, err = b.Recorder.Record(ctx, spec)
	return r, nil, err
}

// staged has the packages of a stage's application imported, unless that is known. nil is a
// program that has none, or of whose packages there can be no snapshot.
func (b *builder) staged(ctx context.Context, s *state) (*stagedRecord, error) {
	if s.base == nil || !isPythonWeb(s) {
		return nil, nil
	}
	p, err := FindPackages(s.layers(b.Store), s.config.Config)
	if p == nil || err != nil {
		return nil, err
	}
	if p.Modules = p.first(); len(p.Modules) == 0 {
		return nil, nil
	}
	layers, ok := p.without()
	if !ok {
		return nil, nil
	}
	config, err := json.Marshal(p.config)
	if err != nil {
		return nil, err
	}
	k := newKey(deriveVersion)
	k.add("packages", string(s.base.Digest), string(config), fmt.Sprint(b.Epoch.UnixNano()))
	k.list(p.Modules)
	for _, l := range layers {
		k.add(fmt.Sprint(len(l.Index.Entries)))
		for _, e := range l.Index.Entries {
			k.add(fmt.Sprintf("%q", fmt.Sprint(e)))
		}
	}
	key, rec := k.sum(), stagedRecord{}
	known, err := b.remembered(ctx, key, &rec)
	if err != nil {
		return nil, err
	}
	if !known || b.NoCache || rec.Snapshot != nil && !b.hasStaged(ctx, &rec) {
		if rec, err = b.recordPackages(ctx, s, p, layers, key); err != nil {
			return nil, err
		}
		if err := b.remember(ctx, key, rec); err != nil {
			return nil, err
		}
	}
	if rec.Snapshot == nil {
		return nil, nil
	}
	return &rec, nil
}

// hasStaged tells whether the store has what a record names.
func (b *builder) hasStaged(ctx context.Context, rec *stagedRecord) bool {
	f, err := b.Store.OpenContent(rec.Memory)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Size() == int64(rec.Snapshot.Memory) && b.hasAll(ctx, rec.Layers)
}

// recordPackages has packages imported, over layers without the application's own files.
func (b *builder) recordPackages(ctx context.Context, s *state, p *Packages, layers []layer.Layer, key string) (rec stagedRecord, err error) {
	b.note(s, "recording what the application imports")
	r, err := b.Recorder.Record(ctx, RecordSpec{
		Layers: layers, Config: p.config, Epoch: b.Epoch, Seed: seed(key), Stdout: io.Discard, Stderr: io.Discard,
		Base: s.base, Packages: append([]string{}, p.Modules...), Exact: true,
	})
	var none *NoRecordingError
	if errors.As(err, &none) {
		return rec, nil
	}
	if err != nil || r.Snapshot == nil {
		return rec, err
	}
	rec.Hot = r.Hot
	if rec.Snapshot, rec.Layers, err = b.snapshot(ctx, s, r, nil); err != nil || rec.Snapshot == nil {
		return rec, err
	}
	rec.Memory, _, err = b.Store.Put(ctx, bytes.NewReader(r.Memory))
	return rec, err
}

// without is the layers without the application's own files, but for their folder. false
// is an application that has its files among the packages, or shares some with others.
func (p *Packages) without() ([]layer.Layer, bool) {
	for _, dir := range installed() {
		if inFolder(dir, p.folder) || inFolder(p.folder, dir) {
			return nil, false
		}
	}
	var out []layer.Layer
	for _, l := range p.layers {
		var x layer.Index
		for _, e := range l.Index.Entries {
			if inFolder(e.Path, p.folder) && e.Path != p.folder {
				continue
			}
			if e.Link != "" && inFolder(e.Link, p.folder) {
				return nil, false
			}
			x.Entries = append(x.Entries, e)
		}
		if len(x.Entries) > 0 {
			out = append(out, layer.Layer{Index: &x, Content: l.Content})
		}
	}
	return out, true
}

// inFolder tells whether a clean path is that of a folder, or in it.
func inFolder(name, folder string) bool {
	return folder == "" || name == folder || strings.HasPrefix(name, folder+"/")
}

// openMemory opens the memory of packages as a file that can be mapped.
func (b *builder) openMemory(rec *stagedRecord) (*os.File, error) {
	blob, err := b.Store.OpenContent(rec.Memory)
	if err != nil {
		return nil, fmt.Errorf("open the memory of packages: %w", err)
	}
	if d, ok := blob.(interface{ Detach() *os.File }); ok {
		return d.Detach(), nil
	}
	defer blob.Close()
	f, err := os.CreateTemp("", "wherry-packages-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // where a system keeps the name of an open file, its folder is for what is temporary
	if _, err := io.Copy(f, io.NewSectionReader(blob, 0, blob.Size())); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// stagedMemory is the memory of packages, until close.
func (b *builder) stagedMemory(rec *stagedRecord) (memory []byte, close func() error, err error) {
	blob, err := b.Store.OpenContent(rec.Memory)
	if err != nil {
		return nil, nil, fmt.Errorf("open the memory of packages: %w", err)
	}
	size := int64(rec.Snapshot.Memory)
	if m, ok := blob.(layer.Mapped); ok && int64(len(m.Bytes())) == size {
		return m.Bytes(), blob.Close, nil
	}
	memory = make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(blob, 0, size), memory); err != nil {
		blob.Close()
		return nil, nil, fmt.Errorf("read the memory of packages: %w", err)
	}
	return memory, blob.Close, nil
}
