package packager

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/packager/recipe"
)

// Bounds of an archive that is unpacked.
const (
	maxMembers = 500_000
	maxArchive = 64 << 30 // bytes packed, and bytes unpacked
	maxRatio   = 1000     // unpacked for one packed, above ratioFree
	ratioFree  = 256 << 20
)

// unpackInto writes the members of a zip or tar under dest.
func (c *copier) unpackInto(ctx context.Context, name string, r io.Reader, what recipe.Unpack, dest string) error {
	at, size, done, err := spool(r, maxArchive)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	defer done()
	u := &unpacker{copier: c, prefix: what.Prefix, dest: dest, packed: size, seen: map[string]node{}}
	head := make([]byte, 4)
	n, _ := at.ReadAt(head, 0)
	if h := string(head[:n]); strings.HasPrefix(h, "PK\x03\x04") || strings.HasPrefix(h, "PK\x05\x06") {
		err = u.zip(ctx, at, size)
	} else {
		err = u.tar(ctx, io.NewSectionReader(at, 0, size))
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	if what.Prefix != "" && u.written == 0 {
		return fmt.Errorf("unpack %s: nothing in it is named %s", name, what.Prefix)
	}
	return nil
}

// spoolFile copies r to a temporary file that done removes.
func spoolFile(r io.Reader, limit int64) (io.ReaderAt, int64, func(), error) {
	f, err := os.CreateTemp("", "wherry-archive-*")
	if err != nil {
		return nil, 0, nil, err
	}
	done := func() {
		f.Close()
		os.Remove(f.Name())
	}
	n, err := io.Copy(f, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	if err != nil {
		done()
		return nil, 0, nil, err
	}
	return f, n, done, nil
}

// unpacker writes one archive's members.
type unpacker struct {
	*copier
	prefix, dest string
	packed       int64
	members      int
	unpacked     int64
	written      int
	seen         map[string]node
}

// member checks a name of the archive and says where it goes; ok is false for
// names outside the prefix.
func (u *unpacker) member(name string) (at string, ok bool, err error) {
	if u.members++; u.members > maxMembers {
		return "", false, fmt.Errorf("more than %d members", maxMembers)
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
	if name == "" || name == "." {
		return "", false, nil
	}
	if strings.ContainsAny(name, "\\\x00") || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") || (len(name) > 1 && name[1] == ':') {
		return "", false, fmt.Errorf("member %q: the name is not allowed", name)
	}
	if _, twice := u.seen[name]; twice {
		return "", false, fmt.Errorf("member %q comes twice", name)
	}
	switch {
	case u.prefix == "":
		return under(u.dest, name), true, nil
	case strings.HasSuffix(u.prefix, "/"):
		rest, ok := strings.CutPrefix(name, u.prefix)
		return under(u.dest, rest), ok, nil
	}
	return under(u.dest, path.Base(name)), name == u.prefix, nil
}

// file stores a member's content.
func (u *unpacker) file(ctx context.Context, r io.Reader) (node, error) {
	return u.b.storeFile(ctx, &unpackedReader{u, r})
}

// unpackedReader counts what comes out of the archive, against bombs.
type unpackedReader struct {
	u *unpacker
	r io.Reader
}

func (r *unpackedReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	r.u.unpacked += int64(n)
	if r.u.unpacked > maxArchive || (r.u.unpacked > ratioFree && r.u.unpacked/maxRatio > r.u.packed) {
		return n, errors.New("it unpacks to far more than it is")
	}
	return n, err
}

// write plans a member.
func (u *unpacker) write(name, at string, n node) error {
	u.written++
	resolved, err := follow(u.below, at, n.kind == layer.Dir)
	if err != nil {
		return err
	}
	u.seen[name] = n
	return u.put(resolved, n)
}

func (u *unpacker) zip(ctx context.Context, r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return err
	}
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		at, ok, err := u.member(f.Name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		n := node{kind: layer.Dir, mode: 0o755}
		if !strings.HasSuffix(f.Name, "/") {
			if f.Mode()&os.ModeType != 0 {
				return fmt.Errorf("member %q is neither a file nor a folder", f.Name)
			}
			if n, err = u.zipFile(ctx, f); err != nil {
				return fmt.Errorf("member %q: %w", f.Name, err)
			}
		}
		if err := u.write(strings.TrimSuffix(f.Name, "/"), at, n); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacker) zipFile(ctx context.Context, f *zip.File) (node, error) {
	r, err := f.Open()
	if err != nil {
		return node{}, err
	}
	defer r.Close()
	return u.file(ctx, r)
}

func (u *unpacker) tar(ctx context.Context, r io.Reader) error {
	plain, err := gunzip(r)
	if err != nil {
		return err
	}
	t := tar.NewReader(plain)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		at, ok, err := u.member(h.Name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		n, err := u.tarMember(ctx, t, h)
		if err != nil {
			return fmt.Errorf("member %q: %w", h.Name, err)
		}
		name := strings.TrimSuffix(strings.TrimPrefix(h.Name, "./"), "/")
		if err := u.write(name, at, n); err != nil {
			return err
		}
	}
}

func (u *unpacker) tarMember(ctx context.Context, t *tar.Reader, h *tar.Header) (node, error) {
	mode := uint32(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeDir:
		return node{kind: layer.Dir, mode: mode | 0o700}, nil
	case tar.TypeSymlink:
		if h.Linkname == "" || len(h.Linkname) > 4096 {
			return node{}, errors.New("link without a target")
		}
		return node{kind: layer.Symlink, mode: 0o777, target: h.Linkname}, nil
	case tar.TypeLink:
		first, ok := u.seen[strings.TrimPrefix(h.Linkname, "./")]
		if !ok || first.kind != layer.File {
			return node{}, fmt.Errorf("hard link to %q, which is not in the archive before it", h.Linkname)
		}
		return first, nil
	case tar.TypeReg:
		n, err := u.file(ctx, t)
		n.mode = mode
		return n, err
	}
	return node{}, errors.New("neither a file, a folder nor a link")
}

// gunzip unpacks gzip, by its first bytes.
func gunzip(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	if head, _ := br.Peek(2); string(head) == "\x1f\x8b" {
		return gzip.NewReader(br)
	}
	return br, nil
}

// isTar reports whether r is a tar, plain or gzipped.
func isTar(r io.Reader) (bool, error) {
	plain, err := gunzip(r)
	if err != nil {
		return false, nil
	}
	block := make([]byte, 512)
	if _, err := io.ReadFull(plain, block); err != nil {
		return false, nil
	}
	return string(block[257:262]) == "ustar", nil
}
