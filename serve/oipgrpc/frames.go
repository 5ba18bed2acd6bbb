package oipgrpc

import "encoding/binary"

// frames goes through the frames of one direction of a connection of HTTP/2, as they
// come by. It keeps no bytes of them.
type frames struct {
	preface int // bytes that stand before the first frame
	head    [9]byte
	have    int // bytes of head
	left    int // bytes of the frame after its head
	pad     int // bytes at its end that say nothing; -1: the next byte tells how many
	// opened is called for a stream that begins, data for what comes by one, and ended
	// when one direction of it, or both, is over.
	opened, ended func(stream uint32)
	data          func(stream uint32, part []byte)
}

// Types of frames and their flags.
const (
	frameData    = 0x0
	frameHeaders = 0x1
	frameReset   = 0x3

	flagEnd    = 0x1
	flagPadded = 0x8
)

func (f *frames) kind() byte     { return f.head[3] }
func (f *frames) stream() uint32 { return binary.BigEndian.Uint32(f.head[5:]) &^ (1 << 31) }

// pass takes note of bytes that come by.
func (f *frames) pass(p []byte) {
	if f.preface > 0 {
		n := min(f.preface, len(p))
		f.preface -= n
		p = p[n:]
	}
	for len(p) > 0 {
		if f.have < len(f.head) {
			n := copy(f.head[f.have:], p)
			f.have += n
			if p = p[n:]; f.have == len(f.head) {
				f.begin()
			}
			continue
		}
		n := min(f.left, len(p))
		f.part(p[:n])
		p = p[n:]
	}
}

// begin is called when the head of a frame is there.
func (f *frames) begin() {
	f.left, f.pad = int(f.head[0])<<16|int(f.head[1])<<8|int(f.head[2]), 0
	switch {
	case f.kind() == frameData && f.head[4]&flagPadded != 0:
		f.pad = -1
	case f.kind() == frameHeaders:
		f.opened(f.stream())
	}
	if f.left == 0 {
		f.end()
	}
}

// part takes note of a part of a frame.
func (f *frames) part(p []byte) {
	f.left -= len(p)
	if f.kind() == frameData {
		if f.pad < 0 {
			f.pad, p = int(p[0]), p[1:]
		}
		// Of the padding some may have come with this part.
		if says := len(p) - max(f.pad-f.left, 0); says > 0 {
			f.data(f.stream(), p[:says])
		}
	}
	if f.left == 0 {
		f.end()
	}
}

// end is called when a frame is over.
func (f *frames) end() {
	f.have = 0
	switch {
	case f.kind() == frameReset, f.kind() <= frameHeaders && f.head[4]&flagEnd != 0:
		f.ended(f.stream())
	}
}
