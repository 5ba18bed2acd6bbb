package rootfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
)

// The state of an upper: magic, version, an encoded layer index of what the
// container changed, then for every file in it where its data is, and a
// checksum over all. It is applied to the layers again when the container
// starts; the layers have to be the same, which their digests tell.
const (
	stateMagic   = "WUPR"
	stateVersion = 1
)

// ErrState is a state that cannot be used: damaged, of another version, or of
// other layers.
var ErrState = errors.New("the container's state cannot be used")

// placeholder stands for data that is not in a content file by itself.
var placeholder = "sha256:" + strings.Repeat("0", 64)

// fileState is where the data of one file is.
type fileState struct {
	atime, ctime int64
	// store is the number of the data file, 0 for none; words are its blocks.
	store uint64
	words map[int64]uint64
	// base is what shows where no block is: layer -1 for nothing.
	layer  int64
	digest string
	off    int64
	length int64
	cut    bool
}

// encodeState describes all changes; fs.mu is held. It returns the data files
// that the state speaks of.
func (fs *memFS) encodeState() ([]byte, map[uint64]bool, error) {
	all, err := fs.changes()
	if err != nil {
		return nil, nil, err
	}
	x := &layer.Index{Entries: make([]layer.Entry, len(all))}
	kept := make(map[uint64]bool)
	var files []byte
	for k, c := range all {
		x.Entries[k] = c.e
		if c.e.Kind != layer.File || c.e.Link != "" {
			continue
		}
		e := &x.Entries[k]
		e.Content = layer.Ref{}
		s := c.i.state(e)
		if e.Size > 0 {
			e.Content = layer.Ref{Digest: placeholder, Size: e.Size}
		}
		if s.store != 0 {
			kept[s.store] = true
		}
		files = s.append(files)
	}
	index, err := x.MarshalBinary()
	if err != nil {
		return nil, nil, err
	}
	b := append([]byte(stateMagic), stateVersion)
	b = binary.AppendUvarint(b, uint64(len(index)))
	b = append(append(b, index...), files...)
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), kept, nil
}

// state describes the data of a file at one moment, and sets e's size and time
// to those of that moment.
func (i *inode) state(e *layer.Entry) fileState {
	i.mu.RLock()
	defer i.mu.RUnlock()
	e.Size, e.ModTime = i.data.size, i.mtime
	s := fileState{atime: i.atime, ctime: i.ctime, layer: -1}
	if i.data.store != nil {
		s.store = i.data.store.number()
		s.words = maps.Clone(i.data.own.words)
	}
	if b := i.data.base; b != nil {
		s.layer, s.digest, s.off, s.length, s.cut = int64(b.from.n), b.digest, b.off, b.length, b.cut
	}
	return s
}

func (s *fileState) append(b []byte) []byte {
	b = binary.AppendVarint(b, s.atime)
	b = binary.AppendVarint(b, s.ctime)
	b = binary.AppendUvarint(b, s.store)
	b = binary.AppendUvarint(b, uint64(len(s.words)))
	prev := int64(0)
	for _, w := range slices.Sorted(maps.Keys(s.words)) {
		b = binary.AppendUvarint(b, uint64(w-prev))
		b = binary.AppendUvarint(b, s.words[w])
		prev = w
	}
	b = binary.AppendVarint(b, s.layer)
	if s.layer < 0 {
		return b
	}
	raw, _ := hex.DecodeString(strings.TrimPrefix(s.digest, "sha256:"))
	b = append(b, raw...)
	b = binary.AppendUvarint(b, uint64(s.off))
	b = binary.AppendUvarint(b, uint64(s.length))
	if s.cut {
		return append(b, 1)
	}
	return append(b, 0)
}

// save writes the state when something changed since it was written.
func (fs *memFS) save(u *upper) error {
	fs.saving.Lock()
	defer fs.saving.Unlock()
	fs.mu.Lock()
	seen := fs.changed.Load()
	if seen == fs.saved {
		fs.mu.Unlock()
		return nil
	}
	trash := u.takeTrash()
	b, kept, err := fs.encodeState()
	fs.mu.Unlock()
	if err == nil {
		err = u.writeState(b)
	}
	if err != nil {
		u.mu.Lock()
		u.trash = append(u.trash, trash...)
		u.mu.Unlock()
		return err
	}
	fs.saved = seen
	return u.written(kept, trash)
}

// restore applies the state of the upper to the layers.
func (m *memFS) restore(u *upper) error {
	b, err := os.ReadFile(filepath.Join(u.dir, upperState))
	if errors.Is(err, fs.ErrNotExist) {
		return u.sweep()
	}
	if err != nil {
		return fmt.Errorf("read container's state: %w", err)
	}
	x, files, err := decodeState(b)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := &applier{fs: m, u: u, files: files}
	for k := range x.Entries {
		if err := a.apply(&x.Entries[k]); err != nil {
			return fmt.Errorf("%w: %q: %w", ErrState, x.Entries[k].Path, err)
		}
	}
	m.saved = m.changed.Load()
	return u.sweep()
}

// decodeState reads what encodeState wrote: the entries, and the states of
// their files in order.
func decodeState(b []byte) (*layer.Index, []fileState, error) {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrState, what) }
	const head, tail = len(stateMagic) + 1, sha256.Size
	if len(b) < head+tail || string(b[:head-1]) != stateMagic {
		return nil, nil, bad("it is not one")
	}
	if b[head-1] != stateVersion {
		return nil, nil, bad(fmt.Sprintf("version %d, this program knows %d", b[head-1], stateVersion))
	}
	sum := sha256.Sum256(b[:len(b)-tail])
	if !bytes.Equal(sum[:], b[len(b)-tail:]) {
		return nil, nil, bad("its checksum does not match")
	}
	d := &stateReader{b: b[head : len(b)-tail]}
	index := d.bytes(d.uint())
	x := &layer.Index{}
	if d.bad {
		return nil, nil, bad("its parts do not add up")
	}
	if err := x.UnmarshalBinary(index); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	var files []fileState
	for k := range x.Entries {
		if e := &x.Entries[k]; e.Kind == layer.File && e.Link == "" {
			files = append(files, d.file())
		}
	}
	if d.bad || len(d.b) > 0 {
		return nil, nil, bad("its parts do not add up")
	}
	return x, files, nil
}

// stateReader reads numbers; the first error sticks.
type stateReader struct {
	b   []byte
	bad bool
}

func (d *stateReader) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *stateReader) int() int64 {
	v, n := binary.Varint(d.b)
	if d.bad || n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *stateReader) bytes(n uint64) []byte {
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *stateReader) file() fileState {
	s := fileState{atime: d.int(), ctime: d.int(), store: d.uint()}
	count := d.uint()
	if count > uint64(len(d.b)) {
		d.bad = true
		return s
	}
	s.words = make(map[int64]uint64, count)
	w := int64(0)
	for range count {
		w += int64(d.uint())
		s.words[w] = d.uint()
		if w < 0 || w > maxFileSize/blockSize/64 {
			d.bad = true
		}
	}
	if s.layer = d.int(); s.layer < 0 {
		return s
	}
	s.digest = "sha256:" + hex.EncodeToString(d.bytes(sha256.Size))
	s.off, s.length = int64(d.uint()), int64(d.uint())
	s.cut = d.uint() != 0
	if s.off < 0 || s.length < 0 || s.off+s.length < s.off {
		d.bad = true
	}
	return s
}
