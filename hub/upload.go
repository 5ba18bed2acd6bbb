package hub

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/rogpeppe/go-internal/robustio"

	"github.com/wherry-run/wherry/oci"
)

// maxUploads bounds the uploads that are open.
const maxUploads = 4096

// uploads are the files of blobs that have not come whole. The name of a file says to
// which repository it comes and which upload it is, so that nothing else must be known
// to go on with it after the registry was ended.
type uploads struct {
	mu    sync.Mutex
	files int
	open  map[string]*upload // by the name of the file
}

// upload is a blob on its way.
type upload struct {
	repo string
	id   string
	file string

	busy chan struct{} // one request at a time

	mu        sync.Mutex
	interrupt func() // ends the request that is busy

	// The rest belongs to who is busy.
	size int64
	sum  hash.Hash // of the first size bytes; nil: not known
	of   digest.Algorithm
	gone bool
}

// load counts what is there from before.
func (u *uploads) load(dir string) (bytes int64, err error) {
	u.open = map[string]*upload{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil {
			u.files, bytes = u.files+1, bytes+info.Size()
		}
	}
	return bytes, nil
}

func (u *uploads) full() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.files >= maxUploads
}

func partName(repo, id string) string { return repositoryID(repo) + "-" + id }

// begin opens an upload.
func (h *Hub) begin(repo string, of digest.Algorithm) (*upload, error) {
	raw := make([]byte, uploadIDLength/2)
	_, _ = rand.Read(raw) // it never fails
	id := hex.EncodeToString(raw)
	name := partName(repo, id)
	u := &upload{repo: repo, id: id, file: filepath.Join(h.parts(), name), busy: make(chan struct{}, 1), of: of, sum: of.Hash()}
	if h.uploads.full() {
		h.dropUploads(h.now().Add(-time.Hour)) // clients that give up do not say so
	}
	h.uploads.mu.Lock()
	defer h.uploads.mu.Unlock()
	if h.uploads.files >= maxUploads {
		return nil, later(60, "%d uploads are open", h.uploads.files)
	}
	f, err := os.OpenFile(u.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	h.uploads.files++
	h.uploads.open[name] = u
	return u, nil
}

// upload finds an upload, also one of an earlier run.
func (h *Hub) upload(rt route) (*upload, error) {
	name := partName(rt.repo, rt.upload)
	h.uploads.mu.Lock()
	defer h.uploads.mu.Unlock()
	if u := h.uploads.open[name]; u != nil {
		return u, nil
	}
	u := &upload{repo: rt.repo, id: rt.upload, file: filepath.Join(h.parts(), name), busy: make(chan struct{}, 1)}
	st, err := os.Stat(u.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, refuse(http.StatusNotFound, codeUploadUnknown, "there is no upload %s", rt.upload)
	}
	if err != nil {
		return nil, err
	}
	u.size = st.Size()
	h.uploads.open[name] = u
	return u, nil
}

// use makes the caller the one who is busy with an upload. Who was before is cut off:
// a client that comes again knows that its last connection is dead when the registry
// does not yet.
func (u *upload) use(ctx context.Context, interrupt func()) error {
	u.mu.Lock()
	if u.interrupt != nil {
		u.interrupt()
	}
	u.mu.Unlock()
	wait := time.NewTimer(10 * time.Second)
	defer wait.Stop()
	select {
	case u.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return later(5, "another request is busy with the upload")
	}
	if u.gone {
		<-u.busy
		return refuse(http.StatusNotFound, codeUploadUnknown, "upload %s has ended", u.id)
	}
	u.mu.Lock()
	u.interrupt = interrupt
	u.mu.Unlock()
	return nil
}

func (u *upload) leave() {
	u.mu.Lock()
	u.interrupt = nil
	u.mu.Unlock()
	<-u.busy
}

// append adds what a request sends. What came stays, also when the rest does not: the
// client goes on there.
func (h *Hub) append(ctx context.Context, u *upload, body io.Reader, most int64) error {
	if u.sum == nil {
		if err := u.rehash(ctx, digest.Canonical); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(u.file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	err = h.receive(ctx, u, f, body, most)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (h *Hub) receive(ctx context.Context, u *upload, f *os.File, body io.Reader, most int64) error {
	buf := make([]byte, 256<<10)
	for came := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, rerr := body.Read(buf)
		if came += int64(n); most >= 0 && came > most {
			return refuse(http.StatusBadRequest, codeSizeInvalid, "more came than the %d bytes of the range", most)
		}
		if u.size+int64(n) > oci.MaxBlob {
			return refuse(http.StatusRequestEntityTooLarge, codeSizeInvalid, "a blob has at most %d bytes", int64(oci.MaxBlob))
		}
		if err := h.write(u, f, buf[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(rerr, io.EOF) && most >= 0 && came < most:
			return refuse(http.StatusBadRequest, codeSizeInvalid, "%d bytes came of a range of %d", came, most)
		case errors.Is(rerr, io.EOF):
			return nil
		case rerr != nil:
			return refuse(http.StatusRequestTimeout, codeUploadInvalid, "the connection broke off after %d bytes of the upload", u.size)
		}
	}
}

// write puts bytes at the end of an upload, all or none.
func (h *Hub) write(u *upload, f *os.File, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := h.space.take(int64(len(b))); err != nil {
		return err
	}
	if _, err := f.WriteAt(b, u.size); err != nil {
		h.space.give(int64(len(b)))
		_ = f.Truncate(u.size) // else the next write is over it
		return fmt.Errorf("write upload: %w", err)
	}
	u.sum.Write(b)
	u.size += int64(len(b))
	return nil
}

// rehash reads what came again: after the registry was started anew, or when the digest
// is of another algorithm than was announced.
func (u *upload) rehash(ctx context.Context, of digest.Algorithm) error {
	f, err := os.Open(u.file)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, buf := of.Hash(), make([]byte, 256<<10)
	for left := u.size; left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.Read(buf[:min(int64(len(buf)), left)])
		if err != nil {
			return fmt.Errorf("read upload again: %w", err)
		}
		sum.Write(buf[:n])
		left -= int64(n)
	}
	u.sum, u.of = sum, of
	return nil
}

// digestOf is the digest of what came, by the algorithm of want.
func (u *upload) digestOf(ctx context.Context, want digest.Digest) (digest.Digest, error) {
	if u.sum == nil || u.of != want.Algorithm() {
		if err := u.rehash(ctx, want.Algorithm()); err != nil {
			return "", err
		}
	}
	return digest.NewDigest(u.of, u.sum), nil
}

// forget ends an upload whose file is in the store now.
func (h *Hub) forget(u *upload) {
	u.gone = true
	h.uploads.mu.Lock()
	defer h.uploads.mu.Unlock()
	delete(h.uploads.open, filepath.Base(u.file))
	h.uploads.files--
}

// discard ends an upload and removes what came.
func (h *Hub) discard(u *upload) {
	if err := robustio.RemoveAll(u.file); err != nil {
		h.log.Error("remove upload", "error", err)
		return
	}
	h.space.give(u.size)
	h.forget(u)
}

// dropUploads removes uploads that nobody has gone on with since.
func (h *Hub) dropUploads(before time.Time) {
	entries, err := os.ReadDir(h.parts())
	if err != nil {
		h.log.Error("list uploads", "error", err)
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.ModTime().Before(before) {
			continue
		}
		h.uploads.mu.Lock()
		u := h.uploads.open[e.Name()]
		if u == nil {
			u = &upload{file: filepath.Join(h.parts(), e.Name()), busy: make(chan struct{}, 1), size: info.Size()}
			h.uploads.open[e.Name()] = u
		}
		h.uploads.mu.Unlock()
		select {
		case u.busy <- struct{}{}:
			if !u.gone {
				h.discard(u)
			}
			<-u.busy
		default: // somebody is at it
		}
	}
}

// uploadAlgorithm is the algorithm that a client announces.
func uploadAlgorithm(text string) (digest.Algorithm, error) {
	switch a := digest.Algorithm(strings.ToLower(text)); a {
	case "":
		return digest.Canonical, nil
	case digest.SHA256, digest.SHA512:
		return a, nil
	}
	return "", refuse(http.StatusBadRequest, codeDigestInvalid, "the algorithm %s is not known: sha256 and sha512 are", quote(text))
}
