package preview1

import (
	"encoding/binary"
	"time"

	"github.com/wherry-run/wherry/internal/rootfs"
)

var le = binary.LittleEndian

// fileType is the WASI type of a file.
type fileType uint8

const (
	typeUnknown         fileType = 0
	typeCharacterDevice fileType = 2
	typeDirectory       fileType = 3
	typeRegularFile     fileType = 4
	typeSocketDatagram  fileType = 5
	typeSocketStream    fileType = 6
	typeSymbolicLink    fileType = 7
)

// fdFlags change how a descriptor reads and writes.
type fdFlags uint16

const (
	flagAppend fdFlags = 1 << iota
	flagDsync
	flagNonblock
	flagRsync
	flagSync

	allFDFlags = flagAppend | flagDsync | flagNonblock | flagRsync | flagSync
)

const (
	lookupSymlinkFollow = 1

	oflagCreat     = 1
	oflagDirectory = 2
	oflagExcl      = 4
	oflagTrunc     = 8
	allOflags      = oflagCreat | oflagDirectory | oflagExcl | oflagTrunc

	fstAtim    = 1
	fstAtimNow = 2
	fstMtim    = 4
	fstMtimNow = 8
	allFst     = fstAtim | fstAtimNow | fstMtim | fstMtimNow

	preopenTypeDir   = 0
	preopenTypeOther = 1 // of no name in WASI: there is something, and no directory
)

// Sizes and alignments of structures in guest memory.
const (
	sizeIovec    = 8
	sizeFdstat   = 24
	sizePrestat  = 8
	sizeDirent   = 24
	sizeEvent    = 32
	sizeFilestat = 64
)

// layout is what differs between the two versions of preview 1.
type layout struct {
	module           string
	sizeFilestat     uint32
	whence           [3]int // guest's number -> io.SeekStart, io.SeekCurrent, io.SeekEnd
	sizeSubscription uint32
	clockID          int // offset of the clock's id in a subscription
	timeout          int
	clockFlags       int
}

var (
	snapshot1 = &layout{
		module:       "wasi_snapshot_preview1",
		sizeFilestat: 64, whence: [3]int{0, 1, 2},
		sizeSubscription: 48, clockID: 16, timeout: 24, clockFlags: 40,
	}
	// unstable is the first snapshot, with 32-bit link counts, another order
	// of whence and one more field in clock subscriptions.
	unstable = &layout{
		module:       "wasi_unstable",
		sizeFilestat: 56, whence: [3]int{1, 2, 0},
		sizeSubscription: 56, clockID: 24, timeout: 32, clockFlags: 48,
	}
)

func putFdstat(b []byte, t fileType, flags fdFlags, base, inheriting rights) {
	clear(b[:sizeFdstat])
	b[0] = byte(t)
	le.PutUint16(b[2:], uint16(flags))
	le.PutUint64(b[8:], uint64(base))
	le.PutUint64(b[16:], uint64(inheriting))
}

// filestat is what both layouts say about a file.
type filestat struct {
	dev, ino, nlink, size uint64
	kind                  fileType
	atim, mtim, ctim      uint64
}

func (l *layout) putFilestat(b []byte, s filestat) {
	clear(b[:l.sizeFilestat])
	le.PutUint64(b[0:], s.dev)
	le.PutUint64(b[8:], s.ino)
	b[16] = byte(s.kind)
	if l == unstable {
		le.PutUint32(b[20:], uint32(min(s.nlink, 1<<32-1)))
		b = b[24:]
	} else {
		le.PutUint64(b[24:], s.nlink)
		b = b[32:]
	}
	le.PutUint64(b[0:], s.size)
	le.PutUint64(b[8:], s.atim)
	le.PutUint64(b[16:], s.mtim)
	le.PutUint64(b[24:], s.ctim)
}

func filestatOf(s rootfs.Stat) filestat {
	return filestat{
		dev: s.Dev, ino: s.Ino, kind: fileTypeOf(s.Kind), nlink: s.Nlink, size: uint64(max(s.Size, 0)),
		atim: nanoseconds(s.Atime), mtim: nanoseconds(s.Mtime), ctim: nanoseconds(s.Ctime),
	}
}

// nanoseconds is t as WASI counts: since 1970, never negative.
func nanoseconds(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) }

func fileTypeOf(k rootfs.Kind) fileType {
	switch k {
	case rootfs.KindFile:
		return typeRegularFile
	case rootfs.KindDir:
		return typeDirectory
	case rootfs.KindSymlink:
		return typeSymbolicLink
	case rootfs.KindDevice:
		return typeCharacterDevice
	}
	return typeUnknown
}

func putDirent(b []byte, next, ino uint64, nameLen int, t fileType) {
	clear(b[:sizeDirent])
	le.PutUint64(b[0:], next)
	le.PutUint64(b[8:], ino)
	le.PutUint32(b[16:], uint32(nameLen))
	b[20] = byte(t)
}
