package engine

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

// A run of a restored program touches a few of the many pages of its image, and each run nearly the same ones. Which
// they are is learnt from one run, kept in the cache, and had at hand at once in the runs after it. Without that each of
// them is a fault of its own, and the kernel maps fifteen neighbours along with it.

// touched is what is known of the pages of images.
type touched struct {
	dir   string // of the cache; "" for none
	fixed bool   // nothing can be written there

	mu       sync.Mutex
	known    map[string][]span // by the key of an image; nil when nothing is known of it
	learning bool              // by one instance at a time: to watch costs the process many mappings
}

// span is a piece of a memory, in bytes.
type span struct{ off, end uint64 }

const (
	touchedMagic = "WTCH\x01"
	// touchedMost bounds the spans of an image. touchedFiles bounds the files that are kept.
	touchedMost  = 1 << 15
	touchedFiles = 256
)

// newTouched has what was learnt kept in the folder of a cache.
func newTouched(c *cache) *touched {
	t := &touched{known: map[string][]span{}}
	if c != nil {
		t.dir, t.fixed = c.path("touched"), c.readOnly
	}
	return t
}

// of is what is known of an image.
func (t *touched) of(key string) []span {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, asked := t.known[key]
	if !asked && t.dir != "" {
		if b, err := readBounded(filepath.Join(t.dir, key), 32*touchedMost); err == nil {
			list = decodeTouched(b)
		}
		t.known[key] = list
	}
	return list
}

// claim lets one instance learn of an image of which nothing is known.
func (t *touched) claim(key string) bool {
	if t.dir == "" || t.fixed || t.of(key) != nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	free := !t.learning
	t.learning = true
	return free
}

// learnt ends a claim. An empty list says that nothing was learnt.
func (t *touched) learnt(key string, list []span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.learning = false
	if len(list) == 0 || len(list) > touchedMost {
		return
	}
	t.known[key] = list
	_ = t.keep(key, encodeTouched(list)) // a start without it is as right
}

// keep writes a file whole or not at all.
func (t *touched) keep(key string, b []byte) error {
	if err := os.MkdirAll(t.dir, 0o700); err != nil {
		return err
	}
	t.thin()
	return replaceFile(filepath.Join(t.dir, key), b)
}

// thin removes the oldest files when there are too many.
func (t *touched) thin() {
	list, _ := os.ReadDir(t.dir)
	if len(list) < touchedFiles {
		return
	}
	age := func(d os.DirEntry) int64 {
		st, err := d.Info()
		if err != nil {
			return 0
		}
		return st.ModTime().UnixNano()
	}
	slices.SortFunc(list, func(a, b os.DirEntry) int { return cmp.Compare(age(a), age(b)) })
	for _, d := range list[:len(list)/2] {
		_ = os.Remove(filepath.Join(t.dir, d.Name()))
	}
}

// encodeTouched writes spans behind a hash: numbers as unsigned LEB128, each the distance from the one before.
func encodeTouched(list []span) []byte {
	body := []byte(touchedMagic)
	last := uint64(0)
	for _, s := range list {
		body = binary.AppendUvarint(body, s.off-last)
		body = binary.AppendUvarint(body, s.end-s.off)
		last = s.end
	}
	sum := sha256.Sum256(body)
	return append(sum[:], body...)
}

// decodeTouched reads what encodeTouched wrote: spans in order, not empty, apart. It is nil for anything else.
func decodeTouched(b []byte) []span {
	if len(b) < sha256.Size {
		return nil
	}
	sum, body := b[:sha256.Size], b[sha256.Size:]
	if want := sha256.Sum256(body); !bytes.Equal(sum, want[:]) || !bytes.HasPrefix(body, []byte(touchedMagic)) {
		return nil
	}
	var list []span
	last := uint64(0)
	for body = body[len(touchedMagic):]; len(body) > 0; {
		skip, n := binary.Uvarint(body)
		if n <= 0 {
			return nil
		}
		length, m := binary.Uvarint(body[n:])
		if m <= 0 || length == 0 || skip > maxPages*pageSize || length > maxPages*pageSize || len(list) == touchedMost {
			return nil
		}
		body = body[n+m:]
		list = append(list, span{last + skip, last + skip + length})
		last += skip + length
	}
	return list
}

// pages is what an instance has to do with what is known of its image.
type pages struct {
	mapped bool   // an image was mapped, and nothing of it was touched yet
	fresh  string // its key, else ""
	learn  string // the key of the one whose pages are watched, else ""
	size   int    // of that image
	fine   bool   // the last call did what it should
}

// prefault has the pages at hand that the first call after a restore will touch, or begins to learn which they are.
func (i *Instance) prefault() {
	if !i.pages.mapped {
		return
	}
	key := i.pages.fresh
	i.pages.mapped, i.pages.fresh = false, ""
	if key == "" {
		list, _ := i.code.sources.first(i.mem.from)
		bring(i.mem.buf, list)
		return
	}
	t := i.code.engine.touched
	if list := t.of(key); list != nil {
		bring(i.mem.buf, list)
		return
	}
	if i.pages.learn == "" && canLearn && t.claim(key) {
		i.pages = pages{learn: key, size: len(i.mem.buf)}
		watch(i.mem.buf)
	}
}

// learn ends what prefault began, before the memory is restored or given back. A run that failed says nothing about the
// others.
func (i *Instance) learn() {
	if i.pages.learn == "" {
		return
	}
	var list []span
	if i.pages.fine {
		list = seen(i.mem.buf[:i.pages.size])
	}
	i.code.engine.touched.learnt(i.pages.learn, list)
	i.pages = pages{}
}
