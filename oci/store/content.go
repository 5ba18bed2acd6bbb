package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/internal/layer"
)

// LayerIndex returns the index of a layer. When nobody has unpacked the layer
// yet, make does it, once, whatever number of processes ask; it puts the
// content of files into w. The lease keeps the layer.
func (l *Lease) LayerIndex(ctx context.Context, d digest.Digest, make func(ctx context.Context, w layer.ContentWriter) (*layer.Index, error)) (*layer.Index, error) {
	if err := l.Keep(ctx, d); err != nil {
		return nil, err
	}
	if x, err := l.s.readLayer(d); err == nil {
		return x, nil
	}
	unlock, err := l.s.lock(ctx, "layer-"+d.Encoded(), exclusive)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if x, err := l.s.readLayer(d); err == nil {
		return x, nil
	}
	// New content files belong to nothing until the index is there, so no sweep
	// may run in between.
	unlockGC, err := l.s.lock(ctx, "gc", shared)
	if err != nil {
		return nil, err
	}
	defer unlockGC()
	w := &contentWriter{s: l.s, tmp: l.dir}
	x, err := make(ctx, w)
	if err != nil {
		return nil, err
	}
	if err := l.s.writeLayer(d, x, w.touched); err != nil {
		return nil, fmt.Errorf("store index of layer %s: %w", d, err)
	}
	return x, nil
}

// writeLayer makes an index durable, after the files that it names.
func (s *Store) writeLayer(d digest.Digest, x *layer.Index, touched []string) error {
	data, err := x.MarshalBinary()
	if err != nil {
		return err
	}
	if len(touched) > 0 {
		if err := syncFiles(s.dir, touched); err != nil {
			return err
		}
	}
	path, err := s.layerPath(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return writeAtomic(path, data)
}

// readLayer reads a layer index. A damaged one (it carries a checksum) counts
// as absent: it is made again from the blob.
func (s *Store) readLayer(d digest.Digest) (*layer.Index, error) {
	path, err := s.layerPath(d)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	x := new(layer.Index)
	if err := x.UnmarshalBinary(b); err != nil {
		return nil, &DamagedError{Digest: d, Err: err}
	}
	return x, nil
}

// Put stores the content of one file and keeps it; it makes a lease a
// layer.ContentWriter for files that belong to no layer yet.
func (l *Lease) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	unlock, err := l.s.lock(ctx, "gc", shared)
	if err != nil {
		return "", 0, err
	}
	defer unlock()
	w := &contentWriter{s: l.s, tmp: l.dir}
	d, n, err := w.Put(ctx, r)
	if err != nil {
		return "", 0, err
	}
	return d, n, l.hold(digest.Digest(d))
}

// OpenContent opens the content of a file; see Store.OpenContent.
func (l *Lease) OpenContent(name string) (layer.Blob, error) { return l.s.OpenContent(name) }

// contentWriter puts the content of files into files/. One layer is unpacked
// by one goroutine, so it needs no lock.
type contentWriter struct {
	s       *Store
	tmp     string   // where unfinished files lie
	touched []string // what must be on disk before an index may name it
	head    bytes.Buffer
}

// smallFile is what is hashed in memory, so that a file that is there already
// costs no write.
const smallFile = 1 << 20

// Put stores the content of one file.
func (w *contentWriter) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	head := &w.head
	head.Reset()
	n, err := io.CopyN(head, r, smallFile)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, fmt.Errorf("read file of layer: %w", err)
	}
	h := sha256.New()
	h.Write(head.Bytes())
	if n < smallFile {
		d := digest.NewDigest(digest.SHA256, h)
		return string(d), n, w.place(ctx, d, n, bytes.NewReader(head.Bytes()), nil)
	}
	return w.putLarge(ctx, head.Bytes(), r, h)
}

func (w *contentWriter) putLarge(ctx context.Context, head []byte, r io.Reader, h hash.Hash) (string, int64, error) {
	f, err := os.CreateTemp(w.tmp, "file-*")
	if err != nil {
		return "", 0, fmt.Errorf("store file of layer: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(head)
	var n int64
	if err == nil {
		holes := &sparse{f: f}
		n, err = copyContext(ctx, io.MultiWriter(holes, h), r)
		if err == nil {
			err = holes.end()
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", 0, fmt.Errorf("store file of layer: %w", err)
	}
	d := digest.NewDigest(digest.SHA256, h)
	n += int64(len(head))
	return string(d), n, w.place(ctx, d, n, nil, f)
}

// place puts content under its name: from the finished file f, or from r. What
// is there with the right size is left alone.
func (w *contentWriter) place(ctx context.Context, d digest.Digest, size int64, r io.Reader, f *os.File) error {
	path, err := w.s.filePath(d)
	if err != nil {
		return err
	}
	w.touched = append(w.touched, path)
	if st, err := os.Stat(path); err == nil && st.Size() == size {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f == nil {
		if f, err = os.CreateTemp(w.tmp, "file-*"); err != nil {
			return fmt.Errorf("store file of layer: %w", err)
		}
		defer os.Remove(f.Name())
		_, err = copyContext(ctx, f, r)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err == nil {
		err = seal(f.Name())
	}
	if err == nil {
		err = rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("store file of layer: %w", err)
	}
	return nil
}

// sparse writes a file behind what it has, and leaves holes where there would be
// zeros: memories are full of them. Systems without holes fill them.
type sparse struct {
	f    *os.File
	hole int64 // bytes that are not written yet
}

// holeSize is the least that is worth a hole.
const holeSize = 4096

var zeros [holeSize]byte

func (s *sparse) Write(p []byte) (int, error) {
	for at := 0; at < len(p); {
		end := at
		for len(p)-end >= holeSize && bytes.Equal(p[end:end+holeSize], zeros[:]) {
			end += holeSize
		}
		s.hole += int64(end - at)
		at = end
		for end < len(p) && (len(p)-end < holeSize || !bytes.Equal(p[end:end+holeSize], zeros[:])) {
			end = min(end+holeSize, len(p))
		}
		if end == at {
			continue
		}
		if err := s.skip(); err != nil {
			return at, err
		}
		if n, err := s.f.Write(p[at:end]); err != nil {
			return at + n, err
		}
		at = end
	}
	return len(p), nil
}

// skip moves behind the hole.
func (s *sparse) skip() error {
	if s.hole == 0 {
		return nil
	}
	_, err := s.f.Seek(s.hole, io.SeekCurrent)
	s.hole = 0
	return err
}

// end gives the file its length when it ends in a hole.
func (s *sparse) end() error {
	if s.hole == 0 {
		return nil
	}
	if err := s.skip(); err != nil {
		return err
	}
	size, err := s.f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	return s.f.Truncate(size)
}
