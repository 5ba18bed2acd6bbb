package store

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/wherry-run/wherry/oci"
)

// Content that comes from afar lies in parts/ until it is whole, with a map of what has
// come: whoever gets it next, in another process too, asks for the rest. All of it is
// hashed before it becomes a blob, so a part or a map that a power failure spoilt costs
// another transfer and nothing else.
const (
	partsFrom    = 1 << 20  // less is not worth a second file
	parallelFrom = 64 << 20 // more comes in several streams
	streams      = 4
	leastPiece   = 8 << 20
	mostPiece    = 64 << 20
	pieces       = 16        // of a blob, between these bounds
	keptFor      = time.Hour // by sweeps
	writeEvery   = 4 << 20   // so much comes before the disk is told to begin
)

// pieceSize is how much one request of several asks for.
func pieceSize(size int64) int64 { return min(max(size/pieces, leastPiece), mostPiece) }

func (s *Store) partPath(d digest.Digest) string {
	return s.path(partsDir, d.Algorithm().String()+"-"+d.Encoded())
}

// receiveParts is receive for content that can be had in parts. The caller has the lock
// of the blob.
func (l *Lease) receiveParts(ctx context.Context, want ispec.Descriptor, r oci.Ranged) (ispec.Descriptor, error) {
	p, err := openPart(l.s.partPath(want.Digest), want)
	if err != nil {
		return ispec.Descriptor{}, fmt.Errorf("store content: %w", err)
	}
	r.Have(p.came())
	got, err := p.fill(ctx, r)
	if cerr := p.close(); err == nil {
		err = cerr
	}
	if err == nil && got != want.Digest {
		err = &oci.MismatchError{What: "digest", Want: string(want.Digest), Got: string(got)}
	}
	var wrong *oci.MismatchError
	if err != nil && (errors.As(err, &wrong) || errors.Is(err, oci.ErrNoRanges) || isDiskFull(err)) {
		p.remove()
	}
	if err == nil {
		if err = l.commit(ctx, p.name, want.Digest); err == nil {
			_ = os.Remove(p.name + mapSuffix)
		}
	}
	if err != nil {
		return ispec.Descriptor{}, fmt.Errorf("store content: %w", err)
	}
	return want, nil
}

// part is content on its way.
type part struct {
	name  string
	want  ispec.Descriptor
	piece int64
	file  *os.File
	state *partMap

	mu    sync.Mutex
	grew  sync.Cond
	taken []bool // pieces that some stream sees to
	ended error  // no more comes
}

func openPart(name string, want ispec.Descriptor) (*part, error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	p := &part{name: name, want: want, piece: pieceSize(want.Size), file: f}
	p.grew.L = &p.mu
	st, err := f.Stat()
	if err == nil {
		p.state, err = openPartMap(name+mapSuffix, want.Size, p.piece, st.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	p.taken = make([]bool, len(p.state.came))
	return p, nil
}

func (p *part) close() error {
	err := p.state.close()
	if cerr := p.file.Close(); err == nil {
		err = cerr
	}
	return err
}

func (p *part) remove() {
	_ = os.Remove(p.name + mapSuffix)
	_ = os.Remove(p.name)
}

// came is how many bytes are there.
func (p *part) came() (n int64) {
	for _, c := range p.state.came {
		n += c
	}
	return n
}

// length of a piece: the last one is shorter.
func (p *part) length(i int) int64 {
	return min(p.piece, p.want.Size-int64(i)*p.piece)
}

// fill gets what is missing, in several streams when it is much, while the digest is
// made behind them. The content is on disk when fill returns.
func (p *part) fill(ctx context.Context, r oci.Ranged) (digest.Digest, error) {
	many := 1
	if p.want.Size >= parallelFrom {
		many = streams
	}
	g, ctx := errgroup.WithContext(ctx)
	sum := p.want.Digest.Algorithm().Hash()
	for range many {
		g.Go(func() error { return p.end(p.stream(ctx, r, many)) })
	}
	g.Go(func() error { return p.hash(ctx, sum) })
	if err := g.Wait(); err != nil {
		return "", err
	}
	if err := p.file.Sync(); err != nil {
		return "", err
	}
	return digest.NewDigest(p.want.Digest.Algorithm(), sum), nil
}

// end tells the hash of a failure.
func (p *part) end(err error) error {
	if err != nil {
		p.mu.Lock()
		p.ended = err
		p.mu.Unlock()
		p.grew.Broadcast()
	}
	return err
}

// stream gets one stretch after the other.
func (p *part) stream(ctx context.Context, r oci.Ranged, many int) error {
	buf := make([]byte, 256<<10)
	for {
		from, to := p.take(many)
		if from == to {
			return nil
		}
		body := r.Range(ctx, from, to)
		err := p.copy(ctx, body, from, to, buf)
		body.Close()
		if err != nil {
			return err
		}
	}
}

// take finds the next stretch that is missing: one piece, or, for the only stream, all
// pieces that follow each other.
func (p *part) take(many int) (from, to int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, taken := range p.taken {
		if p.taken[i] = true; taken || p.state.came[i] == p.length(i) {
			continue
		}
		from = int64(i)*p.piece + p.state.came[i]
		to = int64(i)*p.piece + p.length(i)
		for k := i + 1; many == 1 && k < len(p.taken) && p.state.came[k] == 0; k++ {
			p.taken[k], to = true, int64(k)*p.piece+p.length(k)
		}
		return from, to
	}
	return 0, 0
}

func (p *part) copy(ctx context.Context, body io.Reader, from, to int64, buf []byte) error {
	for written := from; from < to; {
		if err := ctx.Err(); err != nil {
			return err
		}
		i := int(from / p.piece)
		most := min(int64(i)*p.piece+p.length(i), to) - from
		n, err := body.Read(buf[:min(int64(len(buf)), most)])
		if n > 0 {
			if _, werr := p.file.WriteAt(buf[:n], from); werr != nil {
				return werr
			}
			from += int64(n)
			if werr := p.note(i, int64(n)); werr != nil {
				return werr
			}
			if from-written >= writeEvery {
				beginWriting(p.file, written, from-written)
				written = from
			}
		}
		if err == io.EOF && from < to {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return err
		}
	}
	return onlyEnd(body, buf[:1])
}

// onlyEnd holds that nothing follows: content that is longer than it should be is wrong.
func onlyEnd(r io.Reader, buf []byte) error {
	for range 4 {
		n, err := r.Read(buf)
		if n > 0 {
			return &oci.MismatchError{What: "size", Want: "the end", Got: "more"}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// note writes down that a piece has grown.
func (p *part) note(i int, n int64) error {
	p.mu.Lock()
	err := p.state.grow(i, n, p.state.came[i]+n == p.length(i))
	p.mu.Unlock()
	p.grew.Broadcast()
	return err
}

// hash follows what has come without a gap.
func (p *part) hash(ctx context.Context, sum hash.Hash) error {
	buf := make([]byte, 256<<10)
	for off := int64(0); off < p.want.Size; {
		ready, err := p.wait(off)
		if err != nil {
			return err
		}
		for off < ready {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := p.file.ReadAt(buf[:min(int64(len(buf)), ready-off)], off)
			if n == 0 {
				return fmt.Errorf("read what came: %w", err)
			}
			sum.Write(buf[:n])
			off += int64(n)
		}
	}
	return nil
}

// wait waits until there is more behind an offset, and tells how far it goes.
func (p *part) wait(off int64) (ready int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		i := int(off / p.piece)
		if ready = int64(i)*p.piece + p.state.came[i]; ready > off {
			return ready, nil
		}
		if p.ended != nil {
			return 0, p.ended
		}
		p.grew.Wait()
	}
}

// sweepParts removes parts that nobody has gone on with for a while. The caller has the
// gc lock.
func (s *Store) sweepParts() (freed int64) {
	entries, err := os.ReadDir(s.path(partsDir))
	if err != nil {
		return 0
	}
	for _, e := range entries {
		algorithm, hex, _ := strings.Cut(strings.TrimSuffix(e.Name(), mapSuffix), "-")
		d, err := oci.ParseDigest(algorithm + ":" + hex)
		if err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < keptFor {
			continue
		}
		lock := flock.New(s.path(locksDir, "blob-"+d.Encoded()+".lock"), flock.SetPermissions(0o600))
		if free, err := lock.TryLock(); free && err == nil {
			if err := os.Remove(s.path(partsDir, e.Name())); err == nil || errors.Is(err, fs.ErrNotExist) {
				freed += info.Size()
			}
		}
		_ = lock.Close()
	}
	return freed
}
