package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tetratelabs/wazero/api"
)

// Image is what the memory and the globals of an instance held between two calls. Others begin with it: their module
// is a primary that was made for it, without data and start function.
type Image struct {
	// File holds the memory from its first byte on. It must not change while an instance has it, and may be closed
	// when Instantiate has returned.
	File *os.File
	// Size is the length of the memory in bytes, whole pages.
	Size uint64
	// Globals are the values of the module's own globals, in their order.
	Globals []uint64
	// Key is the hex SHA-256 of what File holds, or of what names it. By it is remembered which pages a run touches; ""
	// has nothing remembered.
	Key string
}

// ErrGrown is returned by Reset when the memory is larger than its image: it cannot become smaller again.
var ErrGrown = errors.New("engine: the memory has grown")

// ErrImage is returned by Instantiate and Reset for the image of another module.
var ErrImage = errors.New("engine: the image does not fit the module")

// Globals gives the values of the module's own globals, of a module in parts. It is for use between calls.
func (i *Instance) Globals() []uint64 {
	var list []uint64
	for n := 0; ; n++ {
		g := i.mod.ExportedGlobal(fmt.Sprint(stateExport, n))
		if g == nil {
			return list
		}
		list = append(list, g.Get())
	}
}

// restore begins with an image.
func (i *Instance) restore(m *Image) error {
	if i.mem == nil || !i.growTo(m.Size) {
		return ErrImage
	}
	i.learn()
	mapped, err := i.mem.restore(m.File)
	if err != nil {
		return fmt.Errorf("restore memory: %w", err)
	}
	i.pages.mapped, i.pages.fresh = mapped, ""
	if mapped && validKey(m.Key) {
		i.pages.fresh = m.Key
	}
	return i.setGlobals(m.Globals)
}

func (i *Instance) setGlobals(values []uint64) error {
	for n, v := range values {
		switch g := i.mod.ExportedGlobal(fmt.Sprint(stateExport, n)).(type) {
		case api.MutableGlobal:
			g.Set(v)
		case nil:
			return ErrImage
		default:
			if g.Get() != v {
				return ErrImage
			}
		}
	}
	if i.mod.ExportedGlobal(fmt.Sprint(stateExport, len(values))) != nil {
		return ErrImage
	}
	return nil
}

// Reset puts an instance back to the image it began with, in place: what it wrote is forgotten, groups that were
// loaded stay. It is for use between calls. It returns ErrGrown when the memory has grown since, and the instance is as
// it was then.
func (i *Instance) Reset(m *Image) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.closed:
		return ErrClosed
	case i.calling != nil:
		return ErrBusy
	case i.mem == nil || uint64(len(i.mem.buf)) < m.Size:
		return ErrImage
	case uint64(len(i.mem.buf)) > m.Size:
		return ErrGrown
	}
	if i.pending != nil {
		i.pending.Set(0)
	}
	if i.pages.learn == "" && i.putBack(m.File) {
		return i.setGlobals(m.Globals)
	}
	return i.restore(m)
}

// putBackMost is how much memory that was written to is kept and overwritten, in bytes. More of it is given back.
const putBackMost = 16 << 20

// putBack is restore for a memory that the same file was mapped over before. To overwrite the few pages that were
// written to takes a fraction of the time in which the kernel unmaps them and, one fault each, copies them again. It
// reports false when restore has to do it.
func (i *Instance) putBack(f *os.File) bool {
	if i.mem.from == nil {
		return false
	}
	st, err := f.Stat()
	if err != nil || !os.SameFile(st, i.mem.from) {
		return false
	}
	source := i.code.sources.of(f, st, len(i.mem.buf))
	return source != nil && putBack(i.mem.buf, source, &i.mem.own)
}

// ownPages are the pages of a mapped memory that are not its file's any more. To ask the kernel for them takes as long
// as to put them back. There are no others when the process had no fault while the guest ran, or its memory was used.
type ownPages struct {
	list    []span // nil: not known
	stale   bool   // there may be more
	watched bool   // it is known whether there are
}

// Watched does something with an instance: calls, and uses of its Memory. What happens outside of it makes the next
// Reset slower. It is for the goroutine that calls the instance.
func (i *Instance) Watched(do func() error) error {
	if i.mem == nil || i.mem.own.list == nil || i.mem.own.stale {
		return do()
	}
	own := &i.mem.own
	before, ok := faults()
	own.watched = ok
	err := do()
	after, ok := faults()
	own.watched = false
	own.stale = own.stale || !ok || before != after
	return err
}

// used is told that the guest runs or its memory is used.
func (o *ownPages) used() {
	if !o.watched {
		o.stale = true
	}
}

// sources are images that are mapped to read from, one for all instances of a code that began with it.
type sources struct {
	mu   sync.Mutex
	list []source
}

type source struct {
	from  os.FileInfo
	bytes []byte
	first []span // what its instances write to in their first calls
	calls int    // in how many
}

// maxSources bounds the images of one code that are mapped: nearly every code has one, ONNX Runtime's one for each model.
const maxSources = 64

// of maps size bytes of a file; nil when that cannot be.
func (s *sources) of(f *os.File, st os.FileInfo, size int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		if os.SameFile(st, x.from) {
			if len(x.bytes) < size {
				return nil
			}
			return x.bytes[:size]
		}
	}
	if len(s.list) == maxSources || st.Size() < int64(size) {
		return nil
	}
	b, err := openSource(f, size)
	if err != nil {
		return nil
	}
	s.list = append(s.list, source{from: st, bytes: b})
	return b
}

// rememberMost is how much memory others get at once, in bytes: a first call may have been an unusual one.
const rememberMost = 8 << 20

// Remember says how many calls an instance has had that was restored: what it has written to by then others like it will
// write to as well, and their first call gets it at once, for less than what its faults would take. What was remembered
// after fewer calls gives way.
func (i *Instance) Remember(m *Image, calls int) {
	if i.mem == nil || i.mem.from == nil {
		return
	}
	s := &i.code.sources
	if _, known := s.first(i.mem.from); known >= calls || s.of(m.File, i.mem.from, len(i.mem.buf)) == nil {
		return
	}
	list, ok := scan(i.mem.buf, nil)
	size := uint64(0)
	for _, x := range list {
		size += x.end - x.off
	}
	s.remember(i.mem.from, list, calls, ok && size <= rememberMost)
}

// first is what was remembered of an image, and after how many calls.
func (s *sources) first(from os.FileInfo) ([]span, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		if os.SameFile(from, x.from) {
			return x.first, x.calls
		}
	}
	return nil, 0
}

// remember notes what was written to after so many calls, or that it is not worth it.
func (s *sources) remember(from os.FileInfo, list []span, calls int, worth bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range s.list {
		if x := &s.list[n]; os.SameFile(from, x.from) && x.calls < calls {
			x.calls = calls
			if worth {
				x.first = list
			}
		}
	}
}

// close gives them back.
func (s *sources) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.list {
		closeSource(x.bytes)
	}
	s.list = nil
}

// restore puts a file's bytes over the whole memory: mapped where that is possible, else copied.
func (l *linear) restore(f *os.File) (mapped bool, err error) {
	if len(l.buf) == 0 {
		return false, nil
	}
	if l.reserved != nil {
		st, err := f.Stat()
		if err != nil {
			return false, err
		}
		if st.Size() < int64(len(l.buf)) {
			return false, ErrImage // reading behind the end of a mapped file ends the process
		}
		if overlay(l.buf, f) == nil {
			l.from, l.own = st, ownPages{}
			return true, nil
		}
		l.from = nil
	}
	_, err = io.ReadFull(io.NewSectionReader(f, 0, int64(len(l.buf))), l.buf)
	return false, err
}
