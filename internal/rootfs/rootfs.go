// Package rootfs knows the file system a container sees: the union of its
// image's layers, a writable upper above them, and mounts of host directories
// and of memory.
//
// Layers are indexes over content files (package layer), so the union is an
// in-memory inode tree that is built directory by directory when it is first
// looked at. What a container writes goes to data files named by number, or to
// memory. Only a host mount touches files that somebody else named, and only
// through os.Root handles.
//
// Semantics are those of POSIX as WASI can show them: files live on while they
// are open, rename replaces atomically, ".." is the directory's real parent,
// directory cookies survive changes. There are no users: modes are kept and
// reported, never checked.
package rootfs

import (
	"io"
	"time"

	"github.com/wherry-run/wherry/internal/layer"
)

// Bounds of path resolution, the ones of Linux.
const (
	MaxName  = 255
	MaxPath  = 4096
	MaxLinks = 40
)

// Layer is one read-only layer of an image.
type Layer = layer.Layer

// Upper says where the data lives that a container writes.
type Upper struct {
	// Dir is the container's own directory on the host, made when absent and
	// used by one Tree at a time. Empty means memory: nothing is kept.
	Dir string
}

// Mount puts something else over a path of the tree. A missing mount point is
// made (and is not part of Diff).
type Mount struct {
	// Target is the path in the tree.
	Target string
	// Host is a directory or a regular file of the host. Empty means a new
	// file system in memory.
	Host string
	// Data, when it is not nil, makes the mount a file with this content and
	// Mode that is only read, held in memory.
	Data []byte
	// Devices makes it a directory of the devices that need no hardware: null,
	// zero, full, random and urandom; and stdin, stdout and stderr, see File.Stream.
	Devices bool
	// ReadOnly refuses every change through this mount.
	ReadOnly bool
	// MaxBytes and MaxInodes bound a file system in memory; zero is the default.
	MaxBytes  int64
	MaxInodes int64
	// Mode of the root of a file system in memory; zero is 0o1777.
	Mode uint32
}

// Options describe a tree.
type Options struct {
	// Layers are the image's, bottom first.
	Layers []Layer
	// Checked says that New has accepted these layers before, and that nobody has
	// changed their indexes since.
	Checked bool
	Upper   Upper
	// ReadOnly refuses every change of the union; mounts have their own flag.
	ReadOnly bool
	Mounts   []Mount
	// Random is where the devices random and urandom read; nil is the system's.
	Random io.Reader
	// Now is the clock of time stamps; nil is the real one.
	Now func() time.Time
	// MaxBytes and MaxInodes bound what the container adds; zero is the default.
	MaxBytes  int64
	MaxInodes int64
	// Quota is asked besides, for bytes of the upper and of every file system in
	// memory. It may be nil.
	Quota Quota
}

// Quota counts the bytes that several trees hold together. Its methods may be
// called from any goroutine.
type Quota interface {
	// Grow asks for n more bytes; false refuses them, which is EDQUOT.
	Grow(n uint64) bool
	// Release gives n bytes back, at the latest when the tree is closed.
	Release(n uint64)
}

// Fuller is a Quota that is told when a file system is full by a bound of its
// own, most bytes, which is ENOSPC.
type Fuller interface {
	Full(most int64)
}

// Defaults of the quotas.
const (
	DefaultMaxBytes  = 64 << 30
	DefaultMaxInodes = 4_000_000
	DefaultTmpfs     = 1 << 30
	// maxFileSize keeps offsets far away from overflow.
	maxFileSize = 1 << 46
)

// Kind says what a file is.
type Kind uint8

// The kinds of files. Other is a device, a pipe or a socket on a host mount: it
// can be seen, never opened.
const (
	KindFile Kind = iota + 1
	KindDir
	KindSymlink
	KindOther
	// KindDevice is one of the character devices of a Devices mount.
	KindDevice
)

// Stat describes a file. Times have nanoseconds.
type Stat struct {
	Dev, Ino            uint64
	Kind                Kind
	Mode                uint32
	Nlink               uint64
	UID, GID            int
	Size                int64
	Atime, Mtime, Ctime time.Time
}

// Times are the time stamps to set; nil leaves one as it is.
type Times struct {
	Atime, Mtime *time.Time
}

// Dirent is one name in a directory. Next is the cookie that continues after it.
type Dirent struct {
	Name string
	Ino  uint64
	Kind Kind
	Next uint64
}

// How says what Open shall do.
type How struct {
	Read, Write bool
	// Create makes a missing file with Mode; Excl fails when it is there.
	Create, Excl bool
	Trunc        bool
	// Dir wants a directory.
	Dir bool
	// Append makes File.Write go to the end.
	Append bool
	// NoFollow fails with ELOOP when the last name is a symbolic link.
	NoFollow bool
	Mode     uint32
}
