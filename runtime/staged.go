package runtime

import (
	"os"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/oci"
)

// Staged is the snapshot of a Recording that another one begins with.
type Staged struct {
	Snapshot *oci.Snapshot
	// Hot are functions that nearly all will run that is recorded over it: they are at hand.
	Hot []uint32
	// Memory is that of the snapshot, and belongs to the caller.
	Memory *os.File
}

// image is what the engine restores; nil is a program's beginning.
func (s *Staged) image() *engine.Image {
	if s == nil {
		return nil
	}
	return &engine.Image{File: s.Memory, Size: s.Snapshot.Memory, Globals: s.Snapshot.Globals}
}

// hot are the functions that are at hand when something is recorded.
func (s *Staged) hot() []uint32 {
	if s == nil {
		return nil
	}
	return s.Hot
}

// pages is how many pages of memory the module has at least that is restored from an image: that over
// packages is the same one for them and for what is recorded over them.
func (s *Staged) pages(image *engine.Image) uint32 {
	if s == nil {
		return uint32(image.Size >> 16)
	}
	return uint32(s.Snapshot.Memory >> 16)
}

// monotonic is the time that has passed when a program begins.
func (s *Staged) monotonic() int64 {
	if s == nil {
		return 0
	}
	return s.Snapshot.Monotonic
}
