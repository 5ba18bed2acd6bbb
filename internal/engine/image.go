package engine

import (
	"errors"
	"fmt"
	"io"
	"os"

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
	if i.mem == nil || uint64(len(i.mem.buf)) != m.Size {
		return ErrImage
	}
	i.learn()
	mapped, err := i.mem.restore(m.File)
	if err != nil {
		return fmt.Errorf("restore memory: %w", err)
	}
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
	return i.restore(m)
}

// restore puts a file's bytes over the whole memory: mapped where that is possible, else copied.
func (l *linear) restore(f *os.File) (mapped bool, err error) {
	if len(l.buf) == 0 {
		return false, nil
	}
	if l.reserved != nil {
		if st, err := f.Stat(); err != nil {
			return false, err
		} else if st.Size() < int64(len(l.buf)) {
			return false, ErrImage // reading behind the end of a mapped file ends the process
		}
		if overlay(l.buf, f) == nil {
			return true, nil
		}
	}
	_, err = io.ReadFull(io.NewSectionReader(f, 0, int64(len(l.buf))), l.buf)
	return false, err
}
