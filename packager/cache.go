package packager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"github.com/wherry-run/wherry/internal/layer"
)

// generation is part of every cache key: what is remembered by a version that
// would do a step differently is not used.
const generation = "1"

// key is a cache key in the making: every field carries its length, so that no
// two lists of fields look alike.
type key struct{ h hash.Hash }

func newKey(kind string) *key {
	k := &key{sha256.New()}
	k.add(kind, generation)
	return k
}

func (k *key) add(fields ...string) {
	var n [8]byte
	for _, f := range fields {
		binary.BigEndian.PutUint64(n[:], uint64(len(f)))
		k.h.Write(n[:])
		io.WriteString(k.h, f)
	}
}

func (k *key) list(fields []string) {
	k.add(fmt.Sprint(len(fields)))
	k.add(fields...)
}

func (k *key) sum() string { return hex.EncodeToString(k.h.Sum(nil)) }

// remembered reads a record into v; false when there is none, or none to trust.
func (b *builder) remembered(ctx context.Context, key string, v any) (bool, error) {
	if b.Cache == nil {
		return false, nil
	}
	data, err := b.Cache.Get(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the build cache: %w", err)
	}
	return json.Unmarshal(data, v) == nil, nil
}

func (b *builder) remember(ctx context.Context, key string, v any) error {
	if b.Cache == nil {
		return nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := b.Cache.Put(ctx, key, data); err != nil {
		return fmt.Errorf("write the build cache: %w", err)
	}
	return nil
}

// stepRecord is what the cache keeps of a step that ran: its layers' encoded
// indexes, by digest.
type stepRecord struct {
	Indexes []string `json:"indexes"`
}

// maxIndex bounds an encoded index that is read back.
const maxIndex = 1 << 30

// recall gives the layer indexes of a remembered step; nil when it has to run.
func (b *builder) recall(ctx context.Context, key string) ([]part, error) {
	var rec stepRecord
	ok, err := b.remembered(ctx, key, &rec)
	if b.NoCache || !ok || err != nil {
		return nil, err
	}
	parts := make([]part, 0, len(rec.Indexes))
	for _, digest := range rec.Indexes {
		p, ok := b.loadIndex(digest)
		if !ok {
			return nil, nil // swept since; run the step again
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// loadIndex reads an encoded index from the store and checks that the contents
// it names are there.
func (b *builder) loadIndex(digest string) (part, bool) {
	blob, err := b.Store.OpenContent(digest)
	if err != nil {
		return part{}, false
	}
	defer blob.Close()
	if blob.Size() > maxIndex {
		return part{}, false
	}
	data, err := io.ReadAll(io.NewSectionReader(blob, 0, blob.Size()))
	if err != nil {
		return part{}, false
	}
	var x layer.Index
	if err := x.UnmarshalBinary(data); err != nil {
		return part{}, false
	}
	seen := map[string]bool{}
	for i := range x.Entries {
		ref := x.Entries[i].Content
		if ref.Size == 0 || seen[ref.Digest] {
			continue
		}
		seen[ref.Digest] = true
		content, err := b.Store.OpenContent(ref.Digest)
		if err != nil {
			return part{}, false
		}
		fits := ref.Offset >= 0 && ref.Offset+ref.Size <= content.Size()
		content.Close()
		if !fits {
			return part{}, false
		}
	}
	return part{index: &x, digest: digest}, true
}

// newPart encodes the index of a layer into the store.
func (b *builder) newPart(ctx context.Context, entries []layer.Entry) (part, error) {
	x := &layer.Index{Entries: entries}
	x.Sort()
	data, err := x.MarshalBinary()
	if err != nil {
		return part{}, err
	}
	digest, _, err := b.Store.Put(ctx, bytes.NewReader(data))
	if err != nil {
		return part{}, fmt.Errorf("store a layer's index: %w", err)
	}
	return part{index: x, digest: digest}, nil
}

// commit makes entries the next layer of the stage. cached says that the layer
// was built before.
func (b *builder) commit(ctx context.Context, s *state, entries []layer.Entry, createdBy string) (cached bool, err error) {
	if len(entries) == 0 {
		s.history(createdBy, b.Epoch, true)
		return true, nil
	}
	p, err := b.newPart(ctx, entries)
	if err != nil {
		return false, err
	}
	s.push(p, createdBy, b.Epoch)
	if b.NoCache {
		return false, nil
	}
	seen := newKey("seen")
	seen.add(p.digest)
	var before bool
	if before, err = b.remembered(ctx, seen.sum(), &cached); err != nil || before {
		return before, err
	}
	return false, b.remember(ctx, seen.sum(), true)
}
