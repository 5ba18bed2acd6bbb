package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

// blobReader reads a blob as if connections never broke: it asks for the rest
// by Range and goes on where it was. Nothing is asked for before the first Read.
type blobReader struct {
	ctx   context.Context
	s     *session
	d     ispec.Descriptor
	quiet bool // no progress is told

	body    io.ReadCloser
	off     int64
	end     int64 // behind the last byte that is wanted
	broke   int64 // the offset of the last break
	failed  int   // attempts since much came last
	broken  int   // breaks in all
	noRange bool  // the registry cannot go on in the middle
	part    bool  // of a blob: nothing is read that is not wanted
	blob    *blobState
}

// blobState is what the readers of one blob have in common.
type blobState struct {
	asked   atomic.Bool  // the registry was asked at all
	refused atomic.Bool  // the registry's answer cannot be right; asking again is no use
	done    atomic.Int64 // bytes that are there
}

// worthwhile is how much must come between two breaks for the line to count as
// bad, not dead.
const worthwhile = 256 << 10

// maxBreaks bounds a transfer that breaks again and again.
const maxBreaks = 100

// reportEvery is how many bytes pass between two events.
const reportEvery = 512 << 10

func (s *session) blob(ctx context.Context, d ispec.Descriptor) *blobReader {
	return &blobReader{ctx: ctx, s: s, d: d, end: d.Size, blob: new(blobState)}
}

// Range implements oci.Ranged.
func (r *blobReader) Range(ctx context.Context, from, to int64) io.ReadCloser {
	return &blobReader{ctx: ctx, s: r.s, d: r.d, quiet: r.quiet, off: from, broke: from, end: to, part: true, blob: r.blob}
}

// Have implements oci.Ranged.
func (r *blobReader) Have(n int64) { r.blob.done.Store(n) }

// Read implements io.Reader.
func (r *blobReader) Read(p []byte) (int, error) {
	for {
		n, err := r.try(p)
		if n > 0 {
			r.advance(n)
			if errors.Is(err, errStalled) && r.off < r.end {
				if err := r.recover(err); err != nil {
					return n, err
				}
			}
			return n, nil // another error that came with the bytes comes again
		}
		if err == nil {
			continue
		}
		if r.off == r.end && !r.blob.refused.Load() {
			return 0, io.EOF // all is here, however the connection ended
		}
		if err == io.EOF {
			err = fmt.Errorf("%w after %d of %d bytes", io.ErrUnexpectedEOF, r.off, r.end)
		}
		if err := r.recover(err); err != nil {
			return 0, err
		}
	}
}

func (r *blobReader) try(p []byte) (int, error) {
	if r.off > r.end {
		r.blob.refused.Store(true)
		return 0, &oci.MismatchError{What: "size of " + string(r.d.Digest), Want: fmt.Sprint(r.d.Size), Got: "more"}
	}
	if r.body == nil {
		if r.off == r.end {
			return 0, io.EOF
		}
		if err := r.connect(); err != nil {
			return 0, err
		}
	}
	return r.body.Read(p)
}

func (r *blobReader) advance(n int) {
	r.off += int64(n)
	done := r.blob.done.Add(int64(n))
	if was := done - int64(n); !r.quiet && (was/reportEvery != done/reportEvery || done == r.d.Size) {
		r.s.c.progress.Report(oci.Event{Status: oci.StatusPulling, Descriptor: r.d, Done: min(done, r.d.Size), Total: r.d.Size})
	}
}

// recover decides whether to go on after err and waits before it.
func (r *blobReader) recover(err error) error {
	r.drop()
	if r.off-r.broke >= worthwhile {
		r.failed = 0
	}
	r.broke = r.off
	r.failed++
	r.broken++
	if r.failed >= maxAttempts || r.broken >= maxBreaks || !temporary(r.ctx, err) {
		return err
	}
	if !r.quiet {
		r.s.c.progress.Report(oci.Event{Status: oci.StatusRetrying, Descriptor: r.d, Done: min(r.blob.done.Load(), r.d.Size), Total: r.d.Size})
	}
	if perr := r.s.c.pause(r.ctx, r.failed, err); perr != nil {
		return perr
	}
	return nil
}

// connect asks for the blob from the present offset on.
func (r *blobReader) connect() error {
	r.blob.asked.Store(true)
	ctx, dog := watch(r.ctx, r.s.c.idle)
	resp, err := r.request(ctx)
	if err != nil {
		dog.stop()
		return classify(ctx, err)
	}
	dog.rest()
	r.body = &watchedBody{ReadCloser: resp.Body, ctx: ctx, dog: dog, floor: r.s.c.floor}
	skip, err := r.position(resp)
	if err == nil && skip > 0 {
		_, err = io.CopyN(io.Discard, r.body, skip)
	}
	return err
}

func (r *blobReader) request(ctx context.Context) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.s.blobURL(r.d.Digest).String(), nil)
	if err != nil {
		return nil, err
	}
	if (r.off > 0 || r.end < r.d.Size) && !r.noRange {
		// Some registries take no range without an end.
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", r.off, r.end-1))
	}
	resp, err := r.s.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && !r.noRange {
		resp.Body.Close()
		if r.part && r.off > 0 {
			return nil, &refusedError{oci.ErrNoRanges}
		}
		r.noRange = true
		return r.request(ctx)
	}
	return resp, checkStatus(resp, http.StatusOK, http.StatusPartialContent)
}

// position checks what part of the blob an answer holds and returns how much of
// it we have already: all of it, when the registry does not know Range.
func (r *blobReader) position(resp *http.Response) (skip int64, err error) {
	start := int64(0)
	if resp.StatusCode == http.StatusPartialContent {
		var end, size int64
		header := resp.Header.Get("Content-Range")
		if n, err := fmt.Sscanf(header, "bytes %d-%d/%d", &start, &end, &size); n < 3 || err != nil || start != r.off || size != r.d.Size {
			r.blob.refused.Store(true)
			return 0, &oci.MismatchError{What: "range", Want: fmt.Sprintf("bytes %d-%d/%d", r.off, r.end-1, r.d.Size), Got: header}
		}
	}
	want := r.d.Size
	if resp.StatusCode == http.StatusPartialContent {
		want = r.end
	} else if r.part && (r.off > 0 || r.end < want) {
		return 0, &refusedError{oci.ErrNoRanges}
	}
	if n := resp.ContentLength; n >= 0 && start+n != want {
		r.blob.refused.Store(true)
		return 0, &oci.MismatchError{What: "size of " + string(r.d.Digest), Want: fmt.Sprint(want), Got: fmt.Sprint(start + n)}
	}
	return r.off - start, nil
}

func (r *blobReader) drop() {
	if r.body != nil {
		r.body.Close()
		r.body = nil
	}
}

// Close ends the transfer.
func (r *blobReader) Close() error {
	r.drop()
	return nil
}

// errNoLocation is a registry that starts an upload without saying where.
var errNoLocation = errors.New("the registry did not say where to upload to")
