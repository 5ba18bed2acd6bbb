package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

func (h *Hub) getBlob(w http.ResponseWriter, r *http.Request, rt route) error {
	repo := h.find(rt.repo)
	if repo == nil || !repo.hasBlob(rt.digest, h.now()) {
		return refuse(http.StatusNotFound, codeBlobUnknown, "%s is not in the repository", rt.digest)
	}
	blob, err := h.store.Blob(rt.digest)
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(http.StatusNotFound, codeBlobUnknown, "%s is not in the repository", rt.digest)
	}
	if err != nil {
		return err
	}
	f := blob.Detach()
	defer f.Close()
	header := w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Docker-Content-Digest", string(rt.digest))
	header.Set("Etag", strconv.Quote(string(rt.digest)))
	header.Set("Cache-Control", "private, max-age=31536000, immutable")
	http.ServeContent(h.patient(w), r, "", time.Time{}, f)
	return nil
}

func (h *Hub) deleteBlob(w http.ResponseWriter, r *http.Request, rt route) error {
	if err := h.change(rt, func(repo *repository) error { return repo.removeBlob(r.Context(), rt.digest) }); err != nil {
		return err
	}
	return accepted(w)
}

// startUpload opens an upload, or has the blob at once: from another repository, or
// from the body.
func (h *Hub) startUpload(w http.ResponseWriter, r *http.Request, rt route) error {
	q := r.URL.Query()
	if text := q.Get("mount"); text != "" {
		d, err := oci.ParseDigest(text)
		if err != nil {
			return refuse(http.StatusBadRequest, codeDigestInvalid, "%v", err)
		}
		ok, err := h.mount(r.Context(), rt.repo, d, q.Get("from"))
		if err != nil {
			return err
		}
		if ok {
			return created(w, rt.repo, d)
		}
	}
	of, err := uploadAlgorithm(q.Get("digest-algorithm"))
	if err != nil {
		return err
	}
	var want digest.Digest
	if text := q.Get("digest"); text != "" {
		if want, err = oci.ParseDigest(text); err != nil {
			return refuse(http.StatusBadRequest, codeDigestInvalid, "%v", err)
		}
		of = want.Algorithm()
	}
	if err := h.space.fits(max(r.ContentLength, 0)); err != nil {
		return err
	}
	u, err := h.begin(rt.repo, of)
	if err != nil {
		return err
	}
	if want == "" {
		u.tell(w, 0)
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	if err := u.use(r.Context(), nil); err != nil {
		return err
	}
	defer u.leave()
	if err := h.append(r.Context(), u, h.body(w, r), r.ContentLength); err != nil {
		h.discard(u)
		return err
	}
	if err := h.finish(r.Context(), u, want); err != nil {
		return err
	}
	return created(w, rt.repo, want)
}

// mount gives a repository the blob of another, of any when from is "". Whoever may
// push here may read all repositories.
func (h *Hub) mount(ctx context.Context, to string, d digest.Digest, from string) (bool, error) {
	h.gate.RLock()
	defer h.gate.RUnlock()
	if !h.has(d, from) {
		return false, nil
	}
	repo, err := h.obtain(to)
	if err != nil {
		return false, err
	}
	return true, repo.addBlob(ctx, d, h.now())
}

func (h *Hub) has(d digest.Digest, from string) bool {
	if from != "" {
		repo := h.find(from)
		return repo != nil && repo.hasBlob(d, h.now())
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, repo := range h.repos {
		if repo.hasBlob(d, h.now()) {
			return true
		}
	}
	return false
}

// tell says where an upload goes on.
func (u *upload) tell(w http.ResponseWriter, size int64) {
	header := w.Header()
	header.Set("Location", "/v2/"+u.repo+"/blobs/uploads/"+u.id)
	header.Set("Range", fmt.Sprintf("0-%d", max(size-1, 0)))
	header.Set("Docker-Upload-UUID", u.id)
	header.Set("Content-Length", "0")
}

func created(w http.ResponseWriter, repo string, d digest.Digest) error {
	header := w.Header()
	header.Set("Location", "/v2/"+repo+"/blobs/"+string(d))
	header.Set("Docker-Content-Digest", string(d))
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// with finds the upload of a request and makes the request the one that is busy with it.
func (h *Hub) with(w http.ResponseWriter, r *http.Request, rt route, fn func(u *upload, body *patientBody) error) error {
	u, err := h.upload(rt)
	if err != nil {
		return err
	}
	body := h.body(w, r)
	if err := u.use(r.Context(), body.end); err != nil {
		return err
	}
	defer u.leave()
	return fn(u, body)
}

func (h *Hub) uploadStatus(w http.ResponseWriter, r *http.Request, rt route) error {
	return h.with(w, r, rt, func(u *upload, _ *patientBody) error {
		u.tell(w, u.size)
		w.Header().Del("Content-Length") // 204 has none
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (h *Hub) cancelUpload(w http.ResponseWriter, r *http.Request, rt route) error {
	return h.with(w, r, rt, func(u *upload, _ *patientBody) error {
		h.discard(u)
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
}

func (h *Hub) patchUpload(w http.ResponseWriter, r *http.Request, rt route) error {
	return h.with(w, r, rt, func(u *upload, body *patientBody) error {
		if err := h.chunk(r, body, u); err != nil {
			return err
		}
		u.tell(w, u.size)
		w.WriteHeader(http.StatusAccepted)
		return nil
	})
}

// chunk takes the body of a request in, if it belongs where the upload is.
func (h *Hub) chunk(r *http.Request, body *patientBody, u *upload) error {
	most := r.ContentLength
	if text := r.Header.Get("Content-Range"); text != "" {
		first, last, ok := parseContentRange(text)
		if !ok {
			return refuse(http.StatusBadRequest, codeUploadInvalid, "the range %s cannot be read", quote(text))
		}
		if first != u.size {
			return u.wrongPlace(first)
		}
		if n := last - first + 1; most < 0 {
			most = n
		} else if most != n {
			return refuse(http.StatusBadRequest, codeSizeInvalid, "the range has %d bytes, the body %d", n, most)
		}
	}
	if err := h.space.fits(max(most, 0)); err != nil {
		return err
	}
	return h.append(r.Context(), u, body, most)
}

func (u *upload) wrongPlace(first int64) error {
	no := refuse(http.StatusRequestedRangeNotSatisfiable, codeUploadInvalid, "the chunk begins at %d, and the upload goes on at %d", first, u.size)
	return no.with("Range", fmt.Sprintf("0-%d", max(u.size-1, 0))).with("Location", "/v2/"+u.repo+"/blobs/uploads/"+u.id)
}

func (h *Hub) finishUpload(w http.ResponseWriter, r *http.Request, rt route) error {
	want, err := oci.ParseDigest(r.URL.Query().Get("digest"))
	if err != nil {
		return refuse(http.StatusBadRequest, codeDigestInvalid, "%v", err)
	}
	return h.with(w, r, rt, func(u *upload, body *patientBody) error {
		if r.ContentLength != 0 {
			if err := h.chunk(r, body, u); err != nil {
				return err
			}
		}
		if err := h.finish(r.Context(), u, want); err != nil {
			return err
		}
		return created(w, rt.repo, want)
	})
}

// finish makes an upload a blob of its repository. One that is not what it was to be is
// removed: no more of it can help.
func (h *Hub) finish(ctx context.Context, u *upload, want digest.Digest) error {
	got, err := u.digestOf(ctx, want)
	if err != nil {
		return err
	}
	if got != want {
		h.discard(u)
		return &oci.MismatchError{What: "digest", Want: string(want), Got: string(got)}
	}
	had, err := h.store.Has(ctx, want)
	if err != nil {
		return err
	}
	err = h.bring(u.repo, func(repo *repository, l *store.Lease) error {
		if err := l.Adopt(ctx, u.file, want); err != nil {
			return err
		}
		h.forget(u)
		return repo.addBlob(ctx, want, h.now())
	})
	if had && err == nil {
		h.space.give(u.size)
	}
	return err
}
