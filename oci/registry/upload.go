package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

// The pieces of a blob that does not go through in one.
const (
	firstPiece = 32 << 20
	leastPiece = 1 << 20
	mostPiece  = 512 << 20 // of what a registry may ask for
)

// upload is a blob on its way to a registry. It goes in one request, the form that all
// registries take. When that breaks off or is too large for something on the way, the
// registry is asked how far it came, and the rest goes from there, in pieces: a registry
// that forgets what a broken request brought then loses one piece.
type upload struct {
	*push
	d ispec.Descriptor

	where  *url.URL    // nil: no upload is open
	off    int64       // what the registry has
	piece  int64       // 0: the rest in one
	least  int64       // what the registry wants in a piece
	whole  bool        // pieces were refused
	broke  int64       // the offset of the last break
	failed int         // since much went last
	broken int         // in all
	begun  int         // how often it began at zero
	kept   *keptUpload // what is remembered of it; nil: nothing
}

func (u *upload) run(ctx context.Context) error {
	if u.d.Size >= keepFrom {
		u.kept = u.c.kept.hold(u.key())
	}
	from := u.kept.load()
	defer func() { u.kept.release() }()
	if u.where = from; from != nil && u.ask(ctx) != nil {
		u.where = nil
	}
	for {
		err := u.attempt(ctx)
		if err == nil {
			u.kept.done()
			return nil
		}
		if err := u.recover(ctx, err); err != nil {
			return err
		}
	}
}

// attempt goes on from where the upload is, to its end.
func (u *upload) attempt(ctx context.Context) error {
	if u.where == nil {
		done, err := u.open(ctx)
		if done || err != nil {
			return err
		}
	}
	for u.off < u.d.Size || u.d.Size == 0 && u.piece == 0 {
		n := u.d.Size - u.off
		if u.piece > 0 {
			n = min(n, max(u.piece, u.least))
		}
		where, err := u.send(ctx, n)
		if err != nil {
			return err
		}
		u.where, u.off = where, u.off+n
		if u.d.Size == 0 {
			break
		}
	}
	return u.finish(ctx)
}

// open begins an upload.
func (u *upload) open(ctx context.Context) (done bool, err error) {
	u.off = 0
	u.begun++
	if u.where, u.least, err = u.start(ctx, u.d); err != nil || u.where == nil {
		return err == nil, err
	}
	u.kept.keep(u.where)
	return false, nil
}

// recover decides after an error whether and from where the upload goes on.
func (u *upload) recover(ctx context.Context, err error) error {
	if u.off-u.broke >= worthwhile {
		u.failed = 0
	}
	u.failed++
	u.broken++
	if u.failed >= maxAttempts || u.broken >= maxBreaks {
		return err
	}
	again, ask := u.judge(ctx, err)
	if !again {
		return err
	}
	u.c.progress.Report(oci.Event{Status: oci.StatusRetrying, Descriptor: u.d, Done: u.off, Total: u.d.Size})
	if perr := u.c.pause(ctx, u.failed, err); perr != nil {
		return err
	}
	if u.where != nil && (!ask || u.ask(ctx) != nil) {
		u.where, u.off = nil, 0
	}
	if u.where == nil && u.begun >= maxAttempts {
		return err // a blob that never arrives is not sent for ever
	}
	u.broke = u.off
	return ctx.Err()
}

// judge says of an error whether the upload can go on, and whether it is worth asking
// how far it came. It makes pieces smaller.
func (u *upload) judge(ctx context.Context, err error) (again, ask bool) {
	var status *StatusError
	if !errors.As(err, &status) {
		if again = temporary(ctx, err); again && u.where != nil {
			u.smaller(firstPiece)
		}
		return again, !u.whole
	}
	began := u.where != nil
	switch status.Code {
	case http.StatusRequestEntityTooLarge:
		if !began || u.piece > 0 && u.piece <= max(leastPiece, u.least) || u.whole {
			return false, false
		}
		u.smaller(u.piece / 4)
		return true, true
	case http.StatusRequestedRangeNotSatisfiable:
		return began, true
	case http.StatusUnauthorized:
		return began && u.failed <= 2, true // a token that ended meanwhile; asking gets the next one
	case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusConflict:
		if !began || u.whole || u.off == 0 && u.piece == 0 {
			return false, false
		}
		// It forgot the upload, or takes no pieces: once more from the beginning, in one.
		u.whole, u.piece = true, 0
		return true, false
	}
	if again = temporary(ctx, err); again && began {
		u.smaller(firstPiece)
	}
	return again, !u.whole
}

// smaller sets the piece, unless it is smaller already or pieces are refused.
func (u *upload) smaller(n int64) {
	if n = max(n, leastPiece); u.piece == 0 {
		n = firstPiece
	}
	if !u.whole && (u.piece == 0 || n < u.piece) {
		u.piece = n
	}
}

// ask learns from the registry how far an upload came.
func (u *upload) ask(ctx context.Context) error {
	ctx, stop := withDeadline(ctx, u.c.idle)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.where.String(), nil)
	if err != nil {
		return err
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return classify(ctx, err)
	}
	if err := checkStatus(resp, http.StatusNoContent, http.StatusOK, http.StatusAccepted); err != nil {
		return err
	}
	resp.Body.Close()
	off, ok := parseCame(resp.Header.Get("Range"))
	if !ok || off > u.d.Size {
		return &refusedError{errors.New("the registry does not say how far the upload came")}
	}
	if next, err := resp.Location(); err == nil {
		u.where = next
	}
	u.off = off
	return nil
}

// parseCame reads how many bytes a registry has: the range "0-1023". "0-0" is nothing,
// as registries write it; whoever has one byte is sent it again and says so.
func parseCame(text string) (int64, bool) {
	text = strings.TrimPrefix(text, "bytes=")
	first, last, ok := strings.Cut(text, "-")
	if !ok || first != "0" || last == "" || len(last) > 15 || strings.Trim(last, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n >= oci.MaxBlob {
		return 0, false
	}
	if n == 0 {
		return 0, true
	}
	return n + 1, true
}

// send sends n bytes from where the upload is, and returns where it goes on.
func (u *upload) send(ctx context.Context, n int64) (*url.URL, error) {
	ctx, dog := watch(ctx, u.c.idle)
	defer dog.stop()
	body := func() (io.ReadCloser, error) { return u.body(ctx, dog, n) }
	sent, err := body()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, u.where.String(), sent)
	if err != nil {
		sent.Close()
		return nil, err
	}
	req.GetBody = body // where a registry leads elsewhere
	if req.ContentLength = n; n == 0 {
		sent.Close()
		req.Body, req.GetBody = http.NoBody, nil // else it means "unknown length"
	}
	if n > 1<<20 {
		// An expired token shows before the body is spent.
		req.Header.Set("Expect", "100-continue")
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	if n < u.d.Size {
		req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", u.off, u.off+n-1))
	}
	resp, err := u.http.Do(req)
	if err != nil {
		return nil, classify(ctx, err)
	}
	if err := checkStatus(resp, http.StatusAccepted, http.StatusNoContent, http.StatusCreated); err != nil {
		return nil, err
	}
	resp.Body.Close()
	return location(resp)
}

// body opens the source at the offset of the upload.
func (u *upload) body(ctx context.Context, dog *watchdog, n int64) (io.ReadCloser, error) {
	src, err := u.src.Open(ctx, u.d.Digest)
	if err != nil {
		return nil, &localError{err}
	}
	if s, ok := src.(io.Seeker); ok {
		_, err = s.Seek(u.off, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, src, u.off)
	}
	if err != nil {
		src.Close()
		return nil, &localError{fmt.Errorf("read %s: %w", u.d.Digest, err)}
	}
	done := u.off
	file, _ := src.(*os.File)
	return &sentBody{LimitedReader: &io.LimitedReader{R: src, N: n}, Closer: src, file: file, dog: dog, floor: u.c.floor, report: func(n int) {
		was := done / reportEvery
		if done += int64(n); done/reportEvery != was {
			u.c.progress.Report(oci.Event{Status: oci.StatusPushing, Descriptor: u.d, Done: done, Total: u.d.Size})
		}
	}}, nil
}

// finish makes the upload a blob. When its answer is lost, asking for the blob tells.
func (u *upload) finish(ctx context.Context) error {
	where := *u.where
	q := where.Query()
	q.Set("digest", string(u.d.Digest))
	where.RawQuery = q.Encode()
	// A registry may hash the whole blob once more before it answers.
	ctx, stop := withDeadline(ctx, 10*u.c.idle)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, where.String(), nil)
	if err != nil {
		return err
	}
	resp, err := u.http.Do(req)
	if err == nil {
		err = checkStatus(resp, http.StatusCreated, http.StatusNoContent, http.StatusAccepted)
	}
	if err != nil {
		err = classify(ctx, err)
		if !temporary(ctx, err) || !u.there(ctx) {
			return err
		}
	} else {
		resp.Body.Close()
	}
	u.c.progress.Report(oci.Event{Status: oci.StatusPushed, Descriptor: u.d, Done: u.d.Size, Total: u.d.Size})
	return nil
}

func (u *upload) there(ctx context.Context) bool {
	resp, err := u.head(ctx, u.blobURL(u.d.Digest), "")
	return err == nil && resp.StatusCode == http.StatusOK
}

// key names an upload among those that are kept.
func (u *upload) key() string {
	return digest.FromString(u.ref.Name() + "@" + string(u.d.Digest)).Encoded()
}
