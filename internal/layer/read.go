package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
)

// Unpack reads the tar of a layer, gives the data of its files to w and returns
// what the layer holds. It reads r to its end.
func Unpack(ctx context.Context, r io.Reader, w ContentWriter, lim Limits) (*Index, error) {
	lim = lim.withDefaults()
	src := &counter{r: &patient{ctx, r}}
	u := &unpacker{ctx: ctx, lim: lim, b: newBuilder(lim), pos: func() int64 { return src.n }}
	u.put = func(h *tar.Header, data io.Reader) (Ref, error) {
		digest, n, err := w.Put(ctx, data)
		if err != nil {
			return Ref{}, err
		}
		if n != h.Size {
			return Ref{}, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, n, h.Size)
		}
		return Ref{Digest: digest, Size: n}, nil
	}
	if err := u.run(tar.NewReader(io.LimitReader(src, lim.stream()+1))); err != nil {
		return nil, err
	}
	// What follows the end mark counts for the diff ID, and for nothing else.
	if _, err := io.Copy(io.Discard, io.LimitReader(src, lim.stream()-src.n+1)); err != nil {
		return nil, fmt.Errorf("read layer: %w", err)
	}
	if src.n > lim.stream() {
		return nil, fmt.Errorf("read layer: %w: more than %d bytes", ErrLimit, lim.stream())
	}
	return u.index()
}

// Scan reads only the headers of an uncompressed layer that is kept as the blob
// with the given digest. Files refer to ranges of the blob. A sparse file has no
// such range: Scan fails with ErrSparse, and the layer has to be unpacked.
func Scan(ctx context.Context, r io.ReaderAt, size int64, blobDigest string, lim Limits) (*Index, error) {
	lim = lim.withDefaults()
	src := &seeker{ctx: ctx, s: io.NewSectionReader(r, 0, size)}
	u := &unpacker{ctx: ctx, lim: lim, b: newBuilder(lim), pos: func() int64 { return src.pos }}
	u.put = func(h *tar.Header, _ io.Reader) (Ref, error) {
		if isSparse(h) {
			return Ref{}, ErrSparse
		}
		if h.Size > size-src.pos {
			return Ref{}, ErrTruncated
		}
		return Ref{Digest: blobDigest, Offset: src.pos, Size: h.Size}, nil
	}
	if err := u.run(tar.NewReader(src)); err != nil {
		return nil, err
	}
	return u.index()
}

// patient stops reading when the context ends.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// seeker knows its position, so that file data can be skipped and located.
type seeker struct {
	ctx context.Context
	s   *io.SectionReader
	pos int64
}

func (s *seeker) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.s.Read(p)
	s.pos += int64(n)
	return n, err
}

func (s *seeker) Seek(off int64, whence int) (int64, error) {
	pos, err := s.s.Seek(off, whence)
	if err == nil {
		s.pos = pos
	}
	return pos, err
}

// unpacker turns headers into entries.
type unpacker struct {
	ctx   context.Context
	lim   Limits
	b     *builder
	put   func(h *tar.Header, data io.Reader) (Ref, error)
	pos   func() int64
	bytes int64
	last  string
}

func (u *unpacker) index() (*Index, error) {
	x := u.b.index()
	if err := x.Validate(); err != nil {
		return nil, err
	}
	return x, nil
}

func (u *unpacker) run(tr *tar.Reader) error {
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return u.broken(err)
		}
		if err := u.entry(h, tr); err != nil {
			return err
		}
		u.last = h.Name
	}
}

// broken says where an archive stopped making sense.
func (u *unpacker) broken(err error) error {
	where := "at its start"
	if u.last != "" {
		where = fmt.Sprintf("after %q", clip(u.last))
	}
	switch {
	case u.ctx.Err() != nil:
		return u.ctx.Err()
	case errors.Is(err, tar.ErrHeader) || errors.Is(err, tar.ErrFieldTooLong):
		return fmt.Errorf("read layer %s: %w: %w", where, ErrFormat, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read layer %s: %w", where, ErrTruncated)
	}
	return fmt.Errorf("read layer %s: %w", where, err)
}

func (u *unpacker) entry(h *tar.Header, data io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return u.b.count(h.Name)
	}
	if err := u.b.count(h.Name); err != nil {
		return err
	}
	path, err := cleanName(h.Name, u.lim)
	if err != nil {
		return err
	}
	m, path, err := readMark(path)
	if err != nil {
		return err
	}
	if m != plain {
		return u.mark(m, path, h)
	}
	e := Entry{
		Path: path, Mode: uint32(h.Mode) & 0o1777, UID: owner(h.Uid), GID: owner(h.Gid), ModTime: nanos(h.ModTime),
	}
	switch h.Typeflag {
	case tar.TypeDir:
		e.Kind = Dir
		return u.b.put(&e)
	case tar.TypeSymlink:
		return u.symlink(e, h)
	case tar.TypeLink:
		target, err := cleanName(h.Linkname, u.lim)
		if err != nil {
			return refuse(h.Name, ErrLink, "%v", err)
		}
		if target == "" {
			return refuse(h.Name, ErrLink, "it points to the root")
		}
		return u.b.link(path, target, e)
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return u.file(e, h, data)
	}
	return refuse(h.Name, ErrType, "%s", typeName(h.Typeflag))
}

func (u *unpacker) mark(m mark, path string, h *tar.Header) error {
	if m == isMeta {
		return nil
	}
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeLink {
		return refuse(h.Name, ErrType, "a whiteout that is a %s", typeName(h.Typeflag))
	}
	n, err := u.b.at(path)
	if err != nil {
		return err
	}
	if m == isWhiteout {
		n.whiteout = true
		return nil
	}
	if n.entry != nil && n.entry.Kind != Dir {
		return refuse(h.Name, ErrParent, "%q is a %s", path, n.entry.Kind)
	}
	n.opaque = true
	return nil
}

func (u *unpacker) symlink(e Entry, h *tar.Header) error {
	switch {
	case h.Linkname == "" || strings.IndexByte(h.Linkname, 0) >= 0:
		return refuse(h.Name, ErrName, "link target %q", clip(h.Linkname))
	case len(h.Linkname) >= u.lim.PathLen:
		return refuse(h.Name, ErrLimit, "link target of %d bytes", len(h.Linkname))
	}
	e.Kind, e.Mode, e.Target = Symlink, 0o777, h.Linkname
	return u.b.put(&e)
}

func (u *unpacker) file(e Entry, h *tar.Header, data io.Reader) error {
	if h.Size < 0 || h.Size > u.lim.Bytes-u.bytes {
		return refuse(h.Name, ErrLimit, "files of more than %d bytes in all", u.lim.Bytes)
	}
	u.bytes += h.Size
	if isSparse(h) && u.bytes > u.lim.RatioFree && u.bytes/u.lim.Ratio > u.pos() {
		return refuse(h.Name, ErrLimit, "sparse files of %d bytes out of %d", u.bytes, u.pos())
	}
	e.Kind, e.Size = File, h.Size
	if h.Size > 0 {
		ref, err := u.put(h, data)
		if err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = ErrTruncated
			}
			return &EntryError{Name: h.Name, Err: err}
		}
		e.Content = ref
	}
	return u.b.put(&e)
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for k := range h.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

func typeName(flag byte) string {
	switch flag {
	case tar.TypeChar:
		return "character device"
	case tar.TypeBlock:
		return "block device"
	case tar.TypeFifo:
		return "named pipe"
	case tar.TypeDir:
		return "directory"
	case tar.TypeSymlink:
		return "symbolic link"
	case tar.TypeLink:
		return "hard link"
	}
	return fmt.Sprintf("tar type %q", flag)
}

// owner keeps IDs that a system can have; the rest becomes nobody.
func owner(id int) int {
	if id < 0 || int64(id) >= math.MaxUint32 {
		return 65534
	}
	return id
}

const second = int64(time.Second)

// nanos clamps a time to what nanoseconds in 64 bits can say.
func nanos(t time.Time) int64 {
	switch s := t.Unix(); {
	case s > math.MaxInt64/second-1:
		return math.MaxInt64
	case s < math.MinInt64/second+1:
		return math.MinInt64
	}
	return t.UnixNano()
}
