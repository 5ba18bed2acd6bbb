// Package layer knows the two forms of one image layer: the tar stream that
// registries carry, and an index over content files that a container reads.
//
// An index is a sorted list of entries. File data is never unpacked into a tree
// of files named by the archive: it goes to content files named by their digest
// (Unpack), or stays where it is inside an uncompressed blob (Scan). So a name
// in an archive can never become a path of the host.
//
// Writing is the other way round and deterministic: the same entries give the
// same bytes on every OS and with every Go release.
package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sort"
	"time"
)

// Kind says what an entry is.
type Kind uint8

// The kinds of entries. Whiteout and Opaque sort before the entries of the same
// path, because they speak about the layers below and never about their own.
const (
	// Whiteout hides Path in all layers below.
	Whiteout Kind = iota + 1
	// Opaque hides everything inside the directory Path of all layers below.
	Opaque
	// Dir is a directory.
	Dir
	// File is a regular file, or one more name of it when Link is set.
	File
	// Symlink is a symbolic link to Target.
	Symlink
)

// String names the kind in messages.
func (k Kind) String() string {
	switch k {
	case Whiteout:
		return "whiteout"
	case Opaque:
		return "opaque"
	case Dir:
		return "directory"
	case File:
		return "file"
	case Symlink:
		return "symlink"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Ref says where the bytes of a file are: the whole of a content file
// (Offset 0), or a range of an uncompressed blob.
type Ref struct {
	// Digest is "sha256:..." of a content file or of a blob; empty for an empty file.
	Digest string
	Offset int64
	Size   int64
}

// Entry is one name in a layer.
type Entry struct {
	// Path is cleaned, relative and separated by "/"; "" is the root directory.
	Path string
	Kind Kind
	// Mode holds permission bits and the sticky bit, never a file type.
	Mode     uint32
	UID, GID int
	// ModTime is in nanoseconds since the Unix epoch.
	ModTime int64
	// Size is the length of a file.
	Size int64
	// Target is what a symbolic link points to, as written.
	Target string
	// Link makes a File one more name of the file at this path, which is the
	// first name in sort order when it is in the same layer, else a file of a
	// layer below.
	Link    string
	Content Ref
}

// Index is the content of one layer, sorted by Path and then by Kind.
type Index struct {
	Entries []Entry
}

// Less is the order of an index: by path, whiteouts first.
func Less(a, b *Entry) bool {
	if a.Path != b.Path {
		return a.Path < b.Path
	}
	return a.Kind < b.Kind
}

// Sort puts the entries into the order every reader relies on.
func (x *Index) Sort() {
	sort.SliceStable(x.Entries, func(i, j int) bool { return Less(&x.Entries[i], &x.Entries[j]) })
}

// Lookup returns the file, directory or link at path, or nil.
func (x *Index) Lookup(path string) *Entry {
	i := sort.Search(len(x.Entries), func(i int) bool { return x.Entries[i].Path >= path })
	for ; i < len(x.Entries) && x.Entries[i].Path == path; i++ {
		if x.Entries[i].Kind > Opaque {
			return &x.Entries[i]
		}
	}
	return nil
}

// Size is the sum of the sizes of all files, hard links counted once.
func (x *Index) Size() int64 {
	var n int64
	for i := range x.Entries {
		if x.Entries[i].Link == "" {
			n += x.Entries[i].Size
		}
	}
	return n
}

// ContentWriter takes the data of one file and says how it is found again.
// Put reads r to its end and may be called for the same data many times.
type ContentWriter interface {
	Put(ctx context.Context, r io.Reader) (digest string, size int64, err error)
}

// Content opens content files and blobs by digest.
type Content interface {
	OpenContent(digest string) (Blob, error)
}

// Blob is an open content file or blob, safe for concurrent reads.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Mapped is what a Blob also has when its bytes are in memory anyway.
// The slice must not be written to, nor used after Close.
type Mapped interface {
	Bytes() []byte
}

// Advised is what a Mapped also has whose bytes come from a disk when they are
// touched, and only those. WillNeed has a piece of them read ahead, in the
// background; it is no more than a hint.
type Advised interface {
	WillNeed(off, length int64)
}

// Limits bound what an archive may ask for. The zero value of a field means the
// value of DefaultLimits.
type Limits struct {
	// Bytes bounds the sum of all file sizes, and the length of the tar stream.
	Bytes int64
	// Entries bounds the number of headers.
	Entries int
	// PathLen and NameLen bound a path and one element of it.
	PathLen, NameLen int
	// Depth bounds the number of elements of a path.
	Depth int
	// Ratio bounds unpacked bytes per packed byte once RatioFree bytes are out.
	Ratio     int64
	RatioFree int64
}

// DefaultLimits suit images with tens of gigabytes of weights and no bomb.
func DefaultLimits() Limits {
	return Limits{
		Bytes: 256 << 30, Entries: 2_000_000, PathLen: 4096, NameLen: 255, Depth: 1024,
		Ratio: 200, RatioFree: 64 << 20,
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	if l.Bytes == 0 {
		l.Bytes = d.Bytes
	}
	if l.Entries == 0 {
		l.Entries = d.Entries
	}
	if l.PathLen == 0 {
		l.PathLen = d.PathLen
	}
	if l.NameLen == 0 {
		l.NameLen = d.NameLen
	}
	if l.Depth == 0 {
		l.Depth = d.Depth
	}
	if l.Ratio == 0 {
		l.Ratio = d.Ratio
	}
	if l.RatioFree == 0 {
		l.RatioFree = d.RatioFree
	}
	return l
}

// Reasons an entry or a layer is refused; test with errors.Is.
var (
	ErrName       = errors.New("name is not allowed")
	ErrEscape     = errors.New("name leads out of the root")
	ErrType       = errors.New("type is not allowed in a layer")
	ErrParent     = errors.New("parent is not a directory")
	ErrLink       = errors.New("hard link has no file to point to")
	ErrSparse     = errors.New("sparse file cannot be used in place")
	ErrLimit      = errors.New("limit exceeded")
	ErrFormat     = errors.New("malformed")
	ErrTruncated  = errors.New("ends in the middle")
	ErrUnordered  = errors.New("index is not in order")
	ErrCompressed = errors.New("unknown compression")
)

// EntryError tells which entry of a layer was refused and why. Name is quoted
// in the message since it comes from the archive.
type EntryError struct {
	Name   string
	Detail string
	Err    error
}

// Error says the entry's name, the reason and the detail.
func (e *EntryError) Error() string {
	s := fmt.Sprintf("layer entry %q: %v", clip(e.Name), e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap gives the reason.
func (e *EntryError) Unwrap() error { return e.Err }

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

func refuse(name string, reason error, format string, args ...any) error {
	return &EntryError{Name: name, Err: reason, Detail: fmt.Sprintf(format, args...)}
}

// Time returns ModTime as a time.
func (e *Entry) Time() time.Time { return time.Unix(0, e.ModTime).UTC() }
