package rootfs

import (
	"fmt"
	"io"

	"github.com/wherry-run/wherry/internal/layer"
)

// blockSize is the unit in which data of a layer is copied up: a write into a
// file of many gigabytes copies the blocks it touches and nothing else. It is
// the unit of holes too.
const blockSize = 64 << 10

// chargeUnit is what data is rounded up to for the quota.
const chargeUnit = 4 << 10

// data is the content of one file: blocks of its own over a base in a layer
// over zeros. It is guarded by the inode's mu.
type data struct {
	size int64
	// base is what the file was in its layer; nil for a file of the container.
	base *base
	// own are the blocks that were written.
	own     bitset
	store   store
	charged int64
}

// base is a range of a blob. Only the first length bytes count: a file that was
// cut shorter and grows again reads zeros.
type base struct {
	at     io.ReaderAt // nil while nobody has the file open
	from   *lower
	digest string
	off    int64
	length int64
	// cut: it was longer in the layer.
	cut bool
}

func (b *base) ref() layer.Ref { return layer.Ref{Digest: b.digest, Offset: b.off, Size: b.length} }

// storage makes places for data.
type storage interface {
	newStore() (store, error)
}

// store holds the blocks of one file. It is never asked for a block that was
// not written, except in parts, which are zeros.
type store interface {
	readAt(p []byte, off int64) error
	writeAt(p []byte, off int64) error
	truncate(size int64) error
	sync() error
	// idle: nobody has the file open.
	idle() error
	discard() error
	// number names the store in the state of an upper; 0 in memory.
	number() uint64
}

// pristine tells whether the data is exactly the base.
func (d *data) pristine() bool {
	return d.base != nil && d.own.n == 0 && d.size == d.base.length && !d.base.cut
}

func (d *data) readAt(p []byte, off int64) (int, error) {
	if off >= d.size {
		return 0, io.EOF
	}
	eof := false
	if int64(len(p)) > d.size-off {
		p, eof = p[:d.size-off], true
	}
	n := 0
	for n < len(p) {
		run := d.run(off+int64(n), int64(len(p)-n))
		if err := d.readRun(p[n:n+int(run)], off+int64(n)); err != nil {
			return n, err
		}
		n += int(run)
	}
	if eof {
		return n, io.EOF
	}
	return n, nil
}

// run is how many of the next max bytes come from the same source.
func (d *data) run(off, limit int64) int64 {
	if d.base == nil && d.own.n == 0 {
		return limit
	}
	first := off / blockSize
	own := d.own.has(first)
	end := (first + 1) * blockSize
	for end < off+limit && d.own.has(end/blockSize) == own {
		end += blockSize
	}
	n := min(end-off, limit)
	if !own && d.base != nil && off < d.base.length {
		n = min(n, d.base.length-off)
	}
	return n
}

func (d *data) readRun(p []byte, off int64) error {
	switch {
	case d.own.has(off / blockSize):
		return d.store.readAt(p, off)
	case d.base != nil && off < d.base.length:
		return d.readBase(p, off)
	}
	clear(p)
	return nil
}

func (d *data) readBase(p []byte, off int64) error {
	if d.base.at == nil {
		return EIO
	}
	n, err := d.base.at.ReadAt(p, d.base.off+off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: read content: %w", EIO, err)
}

func (d *data) writeAt(fs *memFS, p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) {
		at := off + int64(n)
		chunk := int(min(blockSize-at%blockSize, int64(len(p)-n)))
		if err := d.writeBlock(fs, p[n:n+chunk], at); err != nil {
			return n, err
		}
		n += chunk
	}
	return n, nil
}

// writeBlock writes inside one block, which becomes the file's own.
func (d *data) writeBlock(fs *memFS, p []byte, off int64) error {
	block := off / blockSize
	end := off + int64(len(p))
	fresh := !d.own.has(block)
	if err := d.charge(fs, block, max(d.size, end)); err != nil {
		return err
	}
	err := d.openStore(fs)
	if err == nil && fresh {
		err = d.copyUp(block, off, end)
	}
	if err == nil {
		err = d.store.writeAt(p, off)
	}
	if err != nil {
		d.charge(fs, -1, d.size)
		return err
	}
	d.own.set(block)
	d.size = max(d.size, end)
	return nil
}

func (d *data) openStore(fs *memFS) (err error) {
	if d.store == nil {
		d.store, err = fs.store.newStore()
	}
	return err
}

// copyUp brings what a layer holds of a block into the store, unless the write
// from off to end covers it.
func (d *data) copyUp(block, off, end int64) error {
	start := block * blockSize
	if d.base == nil || start >= d.base.length {
		return nil
	}
	stop := min(start+blockSize, d.base.length)
	if off <= start && end >= stop {
		return nil
	}
	buf := make([]byte, stop-start)
	if err := d.readBase(buf, start); err != nil {
		return err
	}
	return d.store.writeAt(buf, start)
}

// charge settles the quota for the file with one more own block (none if
// negative) and the given size.
func (d *data) charge(fs *memFS, block, size int64) error {
	count := d.own.n
	if block >= 0 && !d.own.has(block) {
		count++
	}
	want := count * blockSize
	// Of the last block only what lies inside the file counts.
	if last := (size - 1) / blockSize; size > 0 && (d.own.has(last) || last == block) {
		tail := size - last*blockSize
		want -= blockSize - (tail+chargeUnit-1)/chargeUnit*chargeUnit
	}
	if want == d.charged {
		return nil
	}
	if err := fs.quota.bytes(want - d.charged); err != nil {
		return err
	}
	d.charged = want
	return nil
}

func (d *data) truncate(fs *memFS, size int64) error {
	if size >= d.size {
		if err := d.charge(fs, -1, size); err != nil {
			return err
		}
		d.size = size
		return nil
	}
	if d.store != nil {
		if err := d.store.truncate(size); err != nil {
			return err
		}
	}
	d.own.cut((size + blockSize - 1) / blockSize)
	if d.base != nil && d.base.length > size {
		d.base.length, d.base.cut = size, true
	}
	d.size = size
	return d.charge(fs, -1, size)
}

// allocate makes blocks the file's own, so that writing them needs no room.
func (d *data) allocate(fs *memFS, off, length int64) error {
	end := off + length
	if end > d.size {
		if room := end - d.size; fs.quota.usedBytes.Load()+room > fs.quota.maxBytes {
			return ENOSPC
		}
	}
	zero := make([]byte, 1)
	for b := off / blockSize; b*blockSize < end; b++ {
		if d.own.has(b) {
			continue
		}
		at := max(b*blockSize, off)
		if d.base != nil && at < d.base.length {
			// Already there in a layer; it is copied when it is written.
			continue
		}
		if err := d.writeBlock(fs, zero, at); err != nil {
			return err
		}
	}
	if end > d.size {
		return d.truncate(fs, end)
	}
	return nil
}

func (d *data) sync() error {
	if d.store == nil {
		return nil
	}
	return d.store.sync()
}

func (d *data) idle() error {
	if d.store == nil {
		return nil
	}
	return d.store.idle()
}

// discard gives everything back.
func (d *data) discard(fs *memFS) error {
	fs.quota.bytes(-d.charged)
	d.charged, d.own = 0, bitset{}
	if d.store == nil {
		return nil
	}
	err := d.store.discard()
	d.store = nil
	return err
}

// bitset is a sparse set of block numbers.
type bitset struct {
	words map[int64]uint64
	n     int64
}

func (s *bitset) has(b int64) bool { return s.words[b>>6]&(1<<(b&63)) != 0 }

func (s *bitset) set(b int64) {
	if s.has(b) {
		return
	}
	if s.words == nil {
		s.words = make(map[int64]uint64)
	}
	s.words[b>>6] |= 1 << (b & 63)
	s.n++
}

// cut removes everything from block b on.
func (s *bitset) cut(b int64) {
	for w, bits := range s.words {
		first := w << 6
		if first+64 <= b {
			continue
		}
		for k := int64(0); k < 64; k++ {
			if bits&(1<<k) != 0 && first+k >= b {
				bits &^= 1 << k
				s.n--
			}
		}
		if bits == 0 {
			delete(s.words, w)
		} else {
			s.words[w] = bits
		}
	}
}
