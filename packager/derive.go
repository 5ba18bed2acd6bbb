package packager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/rootfs"
	"github.com/wherry-run/wherry/oci"
)

// RecordSpec is the program of an image, to be run to where it waits for work.
type RecordSpec struct {
	// Layers are the rootfs, bottom first, and Config says what runs.
	Layers []rootfs.Layer
	Config oci.ImageConfig
	// Epoch is the one time that all clocks show, Seed makes the randomness.
	Epoch time.Time
	Seed  [32]byte
	// Stdout and Stderr get what the program prints while it loads.
	Stdout, Stderr io.Writer
	// Survey asks for the facts of the module alone: nothing runs.
	Survey bool
	// Base is what the image is built upon, and knows of its modules; nil knows nothing. Its
	// snapshots are no matter here.
	Base *Image
	// Packages are modules to import; nil is the program itself.
	Packages []string
	// Exact is set when there is to be no snapshot if one of them cannot be imported.
	Exact bool
	// Over is what those of the program came to, and it begins with; nil is its beginning.
	Over *Staged
}

// Recording is what was found out about a program.
type Recording struct {
	// Content names the program's module: digest, offset and length of its bytes.
	Content string
	// Facts are the encoded facts of the module, and Functions is how many it has.
	Facts     []byte
	Functions uint32
	// Hot are the functions that ran.
	Hot []uint32
	// Snapshot is nil when none could be taken, and Refused says why.
	Snapshot *oci.Snapshot
	Refused  string
	// Memory is that of the snapshot.
	Memory []byte
	// Signature is what a model says that it takes and gives: JSON, or nil.
	Signature []byte
}

// Recorder runs a program and records it. An error of a program that cannot be
// recorded at all, but can be run, is a *NoRecordingError.
type Recorder interface {
	Record(ctx context.Context, spec RecordSpec) (*Recording, error)
}

// NoRecordingError says why nothing can be recorded of a program.
type NoRecordingError struct {
	// Content names the program's module, if it is one.
	Content, Reason string
}

func (e *NoRecordingError) Error() string { return e.Reason }

// deriveVersion is raised when derived data of the same image becomes other data.
const deriveVersion = "derive/13"

// derivedRecord is what the cache keeps of derived data.
type derivedRecord struct {
	Derived oci.Derived        `json:"derived"`
	Layers  []ispec.Descriptor `json:"layers"`
	Note    string             `json:"note,omitempty"`
	// Signature is what the program says that it takes and gives.
	Signature json.RawMessage `json:"signature,omitempty"`
}

// writeDerived writes what was found out about the program of a finished stage:
// the documents and the descriptor to list in the index. It gives nothing for an
// image of which nothing is wanted, or nothing can be found out.
func writeDerived(rec *derivedRecord, manifest oci.Document) ([]oci.Document, *ispec.Descriptor, error) {
	if rec == nil || len(rec.Derived.Modules) == 0 {
		return nil, nil, nil
	}
	c, m, err := oci.BuildDerived(rec.Derived, manifest.Descriptor, rec.Layers, nil)
	if err != nil {
		return nil, nil, err
	}
	d := oci.ArtifactDescriptor(m, oci.DerivedArtifact)
	return []oci.Document{c, m}, &d, nil
}

// derived gives what is known of the image: its own recording, and its base's as
// far as it holds.
func (b *builder) derived(ctx context.Context, s *state, config digest.Digest) (*derivedRecord, error) {
	rec := b.inherited(s)
	if c := s.config.Config; s.snapshot && len(c.Entrypoint)+len(c.Cmd) == 0 {
		return nil, errors.New("SNAPSHOT: the image names no program; add an ENTRYPOINT")
	}
	if s.snapshot && b.Recorder == nil {
		return nil, errors.New("SNAPSHOT: there is no sandbox here to run the program in")
	}
	k := newKey(deriveVersion)
	k.add(s.digest(), string(config))
	steps := pipelineFiles(s) != nil
	if !s.snapshot && !steps && !isPythonModel(s) && !isPythonWeb(s) && !isONNXModel(s) || b.Recorder == nil {
		return b.addHot(ctx, s, rec, k.sum())
	}
	if s.secret {
		b.note(s, "no snapshot is taken: the stage was given secrets, and its memory may hold them")
		return b.addHot(ctx, s, rec, k.sum())
	}
	if steps {
		rec, err := b.derivedSteps(ctx, s, rec)
		if err != nil {
			return nil, err
		}
		return b.addHot(ctx, s, rec, k.sum())
	}
	own, err := b.recorded(ctx, s, k.sum())
	if err != nil {
		return nil, err
	}
	if own.Note != "" {
		if s.snapshot && len(own.Derived.Snapshots) == 0 {
			return nil, fmt.Errorf("SNAPSHOT: %s", own.Note)
		}
		b.note(s, "no snapshot is taken: %s", own.Note)
	}
	return b.addHot(ctx, s, merge(own, rec), k.sum())
}

// recorded is the recording of a stage's program, made when it is not known yet.
func (b *builder) recorded(ctx context.Context, s *state, key string) (own derivedRecord, err error) {
	ok, err := b.remembered(ctx, key, &own)
	if err != nil || ok && !b.NoCache && b.hasAll(ctx, own.Layers) {
		return own, err
	}
	if own, err = b.record(ctx, s, key); err != nil {
		return own, err
	}
	return own, b.remember(ctx, key, own)
}

func (b *builder) hasAll(ctx context.Context, layers []ispec.Descriptor) bool {
	for _, l := range layers {
		if ok, err := b.Store.Has(ctx, l.Digest); err != nil || !ok {
			return false
		}
	}
	return true
}

// isPythonModel recognises the images that are snapshotted without being asked.
func isPythonModel(s *state) bool {
	c := s.config.Config
	return c.Labels["run.wherry.python"] != "" && len(c.Entrypoint) > 1 && path.Base(c.Entrypoint[0]) == "predict" && pipelineFiles(s) == nil
}

// isONNXModel recognises the images with a model on the base onnx.
func isONNXModel(s *state) bool {
	return onONNX(s) && s.config.Config.Labels[LabelModel] == modelONNX && pipelineFiles(s) == nil
}

// record runs the program of the stage.
func (b *builder) record(ctx context.Context, s *state, key string) (derivedRecord, error) {
	b.note(s, "recording how the program starts")
	r, over, err := b.recordStaged(ctx, s, RecordSpec{
		Layers: s.layers(b.Store), Config: recordedConfig(s), Epoch: b.Epoch, Seed: seed(key), Stdout: b.Stdout, Stderr: b.Stderr,
		Base: s.base,
	})
	var none *NoRecordingError
	if errors.As(err, &none) {
		out := derivedRecord{Note: none.Reason}
		if none.Content != "" {
			out.Derived.Modules = []oci.DerivedModule{{Content: none.Content, Whole: none.Reason}}
		}
		return out, nil
	}
	if err != nil {
		return derivedRecord{}, err
	}
	out := derivedRecord{Note: r.Refused, Signature: r.Signature}
	modules, facts, err := b.facts(ctx, r)
	if err != nil {
		return derivedRecord{}, err
	}
	out.Layers = append(out.Layers, facts)
	out.Derived.Modules = modules
	if r.Snapshot == nil {
		return out, nil
	}
	snap, layers, err := b.snapshot(ctx, s, r, over)
	if err != nil {
		return derivedRecord{}, err
	}
	out.Layers = append(out.Layers, layers...)
	if snap != nil {
		out.Derived.Snapshots = []oci.Snapshot{*snap}
	}
	return out, nil
}

// mostWeights is how much memory of an ONNX model is kept, in bytes. It is its weights,
// mostly, which the image has already: to load more of them takes about as long as to
// read them once more, and they would be pulled twice.
const mostWeights = 32 << 20

// snapshot writes the memory of a snapshot: over that of its packages, or of the base, when
// the base has one of the same module. An ONNX model that is too large starts from the base's, with
// what of the module it needs to load and to answer.
func (b *builder) snapshot(ctx context.Context, s *state, r *Recording, over *stagedRecord) (*oci.Snapshot, []ispec.Descriptor, error) {
	under, base, below, err := b.below(ctx, s, r, over)
	if err != nil {
		return nil, nil, err
	}
	defer under.close()
	snap := *r.Snapshot
	var layers []ispec.Descriptor
	if base != nil {
		snap.Pages = slices.Clone(base.Pages)
		for _, l := range below {
			if slices.Contains(snap.Pages, l.Digest) {
				layers = append(layers, l)
			}
		}
	}
	if isONNXModel(s) && prepare.PageBytes(r.Memory, under.memory) > mostWeights {
		if base == nil {
			return nil, nil, nil
		}
		from := *base
		from.Program, from.Hot, from.Later = snap.Program, r.Hot, nil
		return &from, layers, nil
	}
	own, err := b.writePacked(ctx, oci.PagesLayer, func(w io.Writer) error { return prepare.EncodePages(w, r.Memory, under.memory) })
	if err != nil {
		return nil, nil, err
	}
	snap.Pages = append(snap.Pages, own.Digest)
	return &snap, append(layers, own), nil
}

// below is what a snapshot is written over: its memory, the snapshot, and the layers that
// have its pages.
func (b *builder) below(ctx context.Context, s *state, r *Recording, over *stagedRecord) (openMemory, *oci.Snapshot, []ispec.Descriptor, error) {
	open := openMemory{close: func() error { return nil }}
	var err error
	if over != nil {
		open.memory, open.close, err = b.stagedMemory(over)
		return open, over.Snapshot, over.Layers, err
	}
	var base *oci.Snapshot
	if open.memory, base, err = baseMemory(ctx, s, r); base == nil || err != nil {
		return open, nil, nil, err
	}
	return open, base, s.base.DerivedLayers, nil
}

// openMemory is the memory of a snapshot, until close.
type openMemory struct {
	memory []byte
	close  func() error
}

// baseMemory reads the memory of the base's first snapshot of the same module.
func baseMemory(ctx context.Context, s *state, r *Recording) ([]byte, *oci.Snapshot, error) {
	if s.base == nil || s.base.Derived == nil || s.base.Memory == nil {
		return nil, nil, nil
	}
	for i := range s.base.Derived.Snapshots {
		snap := &s.base.Derived.Snapshots[i]
		if snap.Content != r.Content || snap.Memory > uint64(len(r.Memory)) {
			continue
		}
		f, err := s.base.Memory(ctx, snap)
		if err != nil {
			return nil, nil, fmt.Errorf("read the snapshot of %s: %w", s.base.Ref, err)
		}
		defer f.Close()
		memory := make([]byte, snap.Memory)
		if _, err := io.ReadFull(f, memory); err != nil {
			return nil, nil, fmt.Errorf("read the snapshot of %s: %w", s.base.Ref, err)
		}
		return memory, snap, nil
	}
	return nil, nil, nil
}

// writePacked stores what write writes, compressed.
func (b *builder) writePacked(ctx context.Context, mediaType string, write func(w io.Writer) error) (ispec.Descriptor, error) {
	r, w := io.Pipe()
	go func() {
		z, err := layer.NewCompressor(w, layer.Zstd)
		if err == nil {
			if err = write(z); err == nil {
				_, err = z.Close()
			}
		}
		w.CloseWithError(err)
	}()
	d, err := b.Store.Ingest(ctx, ispec.Descriptor{MediaType: mediaType}, r)
	r.CloseWithError(err)
	if err != nil {
		return ispec.Descriptor{}, fmt.Errorf("store %s: %w", mediaType, err)
	}
	d.MediaType = mediaType
	return d, nil
}

// inherited is what the base knows that holds here too. A snapshot does when no
// layer on top has anything in a folder whose files its program had opened.
func (b *builder) inherited(s *state) *derivedRecord {
	if s.base == nil || s.base.Derived == nil {
		return nil
	}
	rec := &derivedRecord{Layers: s.base.DerivedLayers}
	rec.Derived.Modules = slices.Clone(s.base.Derived.Modules)
	for _, snap := range s.base.Derived.Snapshots {
		if !b.covers(s, snap.Reads.Dirs) {
			rec.Derived.Snapshots = append(rec.Derived.Snapshots, snap)
		}
	}
	return rec
}

// covers tells whether the layers of this stage change what a program of the base
// saw in these folders: which folder a name leads to, or a file in one. A folder
// beside the files does not count.
func (b *builder) covers(s *state, dirs []string) bool {
	if len(s.parts) == 0 {
		return false
	}
	var below []rootfs.Layer
	for _, l := range s.base.Layers {
		below = append(below, l.Files)
	}
	return altered(newUnion(below), s.tree(b.Store), dirs)
}

// altered tells whether folders lead elsewhere in another tree, or have other files.
func altered(was, is *union, dirs []string) bool {
	for _, d := range dirs {
		before, err := follow(was, d, true)
		if err != nil {
			return true
		}
		if after, err := follow(is, d, true); err != nil || after != before || !sameFiles(was, is, after) {
			return true
		}
	}
	return false
}

// sameFiles tells whether a folder has the same files in two trees, or a file is
// the same.
func sameFiles(was, is *union, dir string) bool {
	x, y := was.nodes[dir], is.nodes[dir]
	if x.kind != y.kind || x.kind != layer.Dir && (x.mode != y.mode || x.size != y.size || x.ref != y.ref) {
		return false
	}
	for _, u := range []*union{was, is} {
		for name := range u.children[dir] {
			x, y := was.nodes[path.Join(dir, name)], is.nodes[path.Join(dir, name)]
			if x.kind == layer.Dir && y.kind == layer.Dir || x.kind == 0 && y.kind == layer.Dir {
				continue
			}
			if x.kind != y.kind || x.mode != y.mode || x.target != y.target || x.size != y.size || x.ref != y.ref {
				return false
			}
		}
	}
	return true
}

// merge puts what is known of the image itself before what its base knows.
func merge(own derivedRecord, base *derivedRecord) *derivedRecord {
	if base == nil {
		return &own
	}
	out := own
	for _, m := range base.Derived.Modules {
		if !slices.ContainsFunc(out.Derived.Modules, func(o oci.DerivedModule) bool { return o.Content == m.Content }) {
			out.Derived.Modules = append(out.Derived.Modules, m)
		}
	}
	out.Derived.Snapshots = append(slices.Clone(out.Derived.Snapshots), base.Derived.Snapshots...)
	needed := map[digest.Digest]bool{}
	for _, m := range out.Derived.Modules {
		needed[m.Facts] = true
	}
	for _, snap := range out.Derived.Snapshots {
		for _, p := range snap.Pages {
			needed[p] = true
		}
	}
	var layers []ispec.Descriptor
	for _, l := range slices.Concat(own.Layers, base.Layers) {
		if needed[l.Digest] {
			needed[l.Digest] = false
			layers = append(layers, l)
		}
	}
	out.Layers = layers
	return &out
}
