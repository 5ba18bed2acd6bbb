package engine

import (
	"bytes"
	"fmt"
	"os"
)

// Grow makes the guest's memory larger by pages of 64 KiB, as its own memory.grow does, and gives how many there were
// before. It reports false where that would give -1: the module's maximum, the instance's limit or its quota has no room.
// Views of the memory are invalid afterwards.
func (g *Guest) Grow(pages uint32) (before uint32, ok bool) { return g.instance.grow(pages) }

func (i *Instance) grow(pages uint32) (before uint32, ok bool) {
	if i.mem == nil || i.mod == nil {
		return 0, false
	}
	before, ok = i.mod.Memory().Grow(pages)
	if ok && pages > 0 {
		i.mem.own.used()
	}
	return before, ok
}

// growTo makes the memory as large as an image.
func (i *Instance) growTo(size uint64) bool {
	have := uint64(len(i.mem.buf))
	if size%pageSize != 0 || size < have || size > maxPages*pageSize {
		return false
	}
	_, ok := i.grow(uint32((size - have) / pageSize))
	return ok
}

// Take keeps what the memory and the globals of a module in parts hold as an image in f, for others that are made of the
// same module. It is for use between calls. Pages of zeros are left out of the file where its system has holes.
func (i *Instance) Take(f *os.File) (*Image, error) {
	if i.code.part == nil || i.mem == nil {
		return nil, ErrImage
	}
	const piece = 4096
	zeros := make([]byte, piece)
	buf := i.mem.buf
	for at := 0; at < len(buf); {
		if bytes.Equal(buf[at:at+piece], zeros) {
			at += piece
			continue
		}
		end := at + piece
		for end < len(buf) && !bytes.Equal(buf[end:end+piece], zeros) {
			end += piece
		}
		if _, err := f.WriteAt(buf[at:end], int64(at)); err != nil {
			return nil, fmt.Errorf("keep memory: %w", err)
		}
		at = end
	}
	if err := f.Truncate(int64(len(buf))); err != nil {
		return nil, fmt.Errorf("keep memory: %w", err)
	}
	return &Image{File: f, Size: uint64(len(buf)), Globals: i.Globals()}, nil
}
