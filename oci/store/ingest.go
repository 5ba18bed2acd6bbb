package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

var (
	_ oci.Sink   = (*Lease)(nil)
	_ oci.Source = (*Store)(nil)
)

// Ingest stores what r delivers and keeps it. It returns want with Digest and
// Size filled in.
//
// When want names a digest, the content must have it and, unless Size is
// negative, that size; nothing is stored otherwise, and r is not read when the
// store has the content or another process gets it meanwhile. Without a digest
// the content is taken as it comes, its size is not checked.
func (l *Lease) Ingest(ctx context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error) {
	if want.Digest == "" {
		want.Size = -1
		return l.receive(ctx, want, r)
	}
	if _, err := oci.ParseDigest(string(want.Digest)); err != nil {
		return ispec.Descriptor{}, err
	}
	if ok, err := l.has(ctx, want); ok || err != nil {
		return l.found(want, err)
	}
	unlock, err := l.s.lock(ctx, "blob-"+want.Digest.Encoded(), exclusive)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	defer unlock()
	if ok, err := l.has(ctx, want); ok || err != nil {
		return l.found(want, err)
	}
	if ranged, ok := r.(oci.Ranged); ok && want.Size >= partsFrom {
		got, err := l.receiveParts(ctx, want, ranged)
		if !errors.Is(err, oci.ErrNoRanges) {
			return got, err
		}
	}
	return l.receive(ctx, want, r)
}

// found completes a descriptor of content that is there.
func (l *Lease) found(want ispec.Descriptor, err error) (ispec.Descriptor, error) {
	if err == nil && want.Size < 0 {
		want.Size, err = l.s.Size(want.Digest)
	}
	return want, err
}

// receive writes r to a temporary file, verifies, and puts it in place.
func (l *Lease) receive(ctx context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error) {
	f, err := os.CreateTemp(l.dir, "blob-*")
	if err != nil {
		return ispec.Descriptor{}, fmt.Errorf("store content: %w", err)
	}
	name := f.Name()
	got, err := copyVerified(ctx, f, r, want)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = l.commit(ctx, name, got.Digest)
	}
	if err != nil {
		_ = os.Remove(name)
		return ispec.Descriptor{}, fmt.Errorf("store content: %w", err)
	}
	return got, nil
}

// commit renames a finished file to its digest's name. The lease says that it
// holds it before it is there, so no sweep can come in between.
func (l *Lease) commit(ctx context.Context, from string, d digest.Digest) error {
	to, err := l.s.blobPath(d)
	if err != nil {
		return err
	}
	if err := seal(from); err != nil {
		return err
	}
	unlock, err := l.s.lock(ctx, "gc", shared)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.hold(d); err != nil {
		return err
	}
	return move(from, to)
}

// copyVerified copies r to w and compares what came with want.
func copyVerified(ctx context.Context, w io.Writer, r io.Reader, want ispec.Descriptor) (ispec.Descriptor, error) {
	algorithm := digest.Canonical
	if want.Digest != "" {
		algorithm = want.Digest.Algorithm()
	}
	limit := int64(oci.MaxBlob)
	if want.Size >= 0 {
		limit = want.Size
	}
	h := algorithm.Digester()
	// One byte more than expected is enough to know that it is wrong.
	n, err := copyContext(ctx, io.MultiWriter(w, h.Hash()), io.LimitReader(r, limit+1))
	if err != nil {
		return ispec.Descriptor{}, err
	}
	got := h.Digest()
	switch {
	case n > limit:
		return ispec.Descriptor{}, &oci.MismatchError{What: "size of " + string(want.Digest), Want: fmt.Sprint(limit), Got: "more"}
	case want.Size >= 0 && n != want.Size:
		return ispec.Descriptor{}, &oci.MismatchError{What: "size of " + string(want.Digest), Want: fmt.Sprint(want.Size), Got: fmt.Sprint(n)}
	case want.Digest != "" && got != want.Digest:
		return ispec.Descriptor{}, &oci.MismatchError{What: "digest", Want: string(want.Digest), Got: string(got)}
	}
	want.Digest, want.Size = got, n
	return want, nil
}

// copyContext is io.Copy that ends when the context does.
func copyContext(ctx context.Context, w io.Writer, r io.Reader) (int64, error) {
	buf := make([]byte, 256<<10)
	var total int64
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return total, werr
			}
			total += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Ingest is Lease.Ingest with a lease of the store's own that lasts until
// Close, for programs that end soon.
func (s *Store) Ingest(ctx context.Context, want ispec.Descriptor, r io.Reader) (ispec.Descriptor, error) {
	l, err := s.ownLease(ctx)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	return l.Ingest(ctx, want, r)
}

func (s *Store) ownLease(ctx context.Context) (*Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own == nil {
		l, err := s.Lease(ctx)
		if err != nil {
			return nil, err
		}
		s.own = l
	}
	return s.own, nil
}
