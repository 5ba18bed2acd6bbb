package hub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/oci/store"
)

// read takes a place among the manifests that are in memory, or refuses after a while.
func (h *Hub) read(r *http.Request) (release func(), err error) {
	ctx, stop := context.WithTimeout(r.Context(), h.patience)
	defer stop()
	select {
	case h.reading <- struct{}{}:
		return func() { <-h.reading }, nil
	case <-ctx.Done():
		return nil, later(5, "too many manifests are on their way")
	}
}

func (h *Hub) getManifest(w http.ResponseWriter, r *http.Request, rt route) error {
	repo := h.find(rt.repo)
	if repo == nil {
		return refuse(http.StatusNotFound, codeNameUnknown, "there is no repository %s", rt.repo)
	}
	d, m := repo.manifestOf(rt)
	if m == nil {
		return manifestUnknown(rt)
	}
	header := w.Header()
	header.Set("Content-Type", m.mediaType)
	header.Set("Docker-Content-Digest", string(d))
	header.Set("Etag", strconv.Quote(string(d)))
	if r.Method == http.MethodHead {
		header.Set("Content-Length", strconv.FormatInt(m.size, 10))
		return nil
	}
	release, err := h.read(r)
	if err != nil {
		return err
	}
	defer release()
	data, err := h.store.ReadBlob(ispec.Descriptor{Digest: d, Size: m.size}, oci.MaxDocument)
	if err != nil {
		return err
	}
	http.ServeContent(h.patient(w), r, "", time.Time{}, bytes.NewReader(data))
	return nil
}

// mostTags is how many tags one request may give a manifest.
const mostTags = 100

func (h *Hub) putManifest(w http.ResponseWriter, r *http.Request, rt route) error {
	tags, err := tagsOf(r, rt)
	if err != nil {
		return err
	}
	release, err := h.read(r)
	if err != nil {
		return err
	}
	defer release()
	data, err := h.readManifest(w, r)
	if err != nil {
		return err
	}
	in, err := readIncoming(data, r.Header.Get("Content-Type"), rt.digest)
	if err != nil {
		return err
	}
	if err := h.space.take(in.Size); err != nil {
		return err
	}
	had, err := h.store.Has(r.Context(), in.Digest)
	if err == nil {
		err = h.bring(rt.repo, func(repo *repository, l *store.Lease) error {
			if _, err := l.Ingest(r.Context(), ispec.Descriptor{Digest: in.Digest, Size: in.Size}, bytes.NewReader(data)); err != nil {
				return err
			}
			return repo.putManifest(r.Context(), in.record, in.optional, in.children, tags)
		})
	}
	spare := had
	if err != nil && !had {
		there, _ := h.store.Has(r.Context(), in.Digest)
		spare = !there // what came for nothing is given back by the sweep that takes it
	}
	if spare {
		h.space.give(in.Size)
	}
	if err != nil {
		return err
	}
	h.log.Info("pushed", "repository", rt.repo, "tags", strings.Join(tags, " "), "digest", in.Digest)
	header := w.Header()
	header.Set("Location", "/v2/"+rt.repo+"/manifests/"+string(in.Digest))
	header.Set("Docker-Content-Digest", string(in.Digest))
	if in.Subject != "" {
		header.Set("OCI-Subject", string(in.Subject))
	}
	if rt.tag == "" && len(tags) > 0 {
		header.Set("OCI-Tag", strings.Join(tags, ", "))
	}
	header.Set("Content-Length", "0")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// tagsOf are the tags that a manifest comes under: that of the path, or those of the
// query where the path has a digest.
func tagsOf(r *http.Request, rt route) ([]string, error) {
	if rt.tag != "" {
		return []string{rt.tag}, nil
	}
	tags := r.URL.Query()["tag"]
	if len(tags) > mostTags {
		return nil, refuse(http.StatusRequestURITooLong, codeManifestInvalid, "there are %d tags, more than %d", len(tags), mostTags)
	}
	for _, t := range tags {
		if !oci.IsTag(t) {
			return nil, refuse(http.StatusBadRequest, codeManifestInvalid, "%s is not a tag", quote(t))
		}
	}
	return tags, nil
}

func (h *Hub) readManifest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	tooLarge := refuse(http.StatusRequestEntityTooLarge, codeManifestInvalid, "a manifest has at most %d bytes", oci.MaxDocument)
	if r.ContentLength > oci.MaxDocument {
		return nil, tooLarge
	}
	data, err := io.ReadAll(io.LimitReader(h.body(w, r), oci.MaxDocument+1))
	if err != nil {
		return nil, refuse(http.StatusRequestTimeout, codeManifestInvalid, "the connection broke off")
	}
	if len(data) > oci.MaxDocument {
		return nil, tooLarge
	}
	return data, nil
}

// incoming is a manifest that was read and judged.
type incoming struct {
	record
	optional []digest.Digest // blobs that may lie elsewhere
	children []digest.Digest // manifests of an index
}

// readIncoming judges a manifest: want is the digest it was announced by, "" when a tag
// was.
func readIncoming(data []byte, contentType string, want digest.Digest) (*incoming, error) {
	d := digest.FromBytes(data)
	if want != "" {
		if d = want.Algorithm().FromBytes(data); d != want {
			return nil, &oci.MismatchError{What: "digest of the manifest", Want: string(want), Got: string(d)}
		}
	}
	said := oci.TrimMediaType(contentType)
	mediaType, err := oci.DetectDocument(data, said)
	if err != nil {
		return nil, err
	}
	if said != "" && said != mediaType {
		return nil, refuse(http.StatusBadRequest, codeManifestInvalid, "%s is no type of a manifest that is known here", quote(said))
	}
	in := &incoming{record: record{Op: opManifest, Digest: d, Size: int64(len(data)), MediaType: mediaType}}
	if oci.KindOf(mediaType) == oci.KindIndex {
		return in, in.index(data)
	}
	return in, in.manifest(data)
}

func (in *incoming) index(data []byte) error {
	index, err := oci.ParseIndex(data, in.MediaType)
	if err != nil {
		return err
	}
	for _, d := range index.Manifests {
		in.children = append(in.children, d.Digest)
	}
	in.ArtifactType = index.ArtifactType
	in.subject(index.Subject)
	return nil
}

func (in *incoming) manifest(data []byte) error {
	m, err := oci.ParseManifest(data, in.MediaType)
	if err != nil {
		return err
	}
	seen := map[digest.Digest]bool{}
	for _, d := range append([]ispec.Descriptor{m.Config}, m.Layers...) {
		switch {
		case seen[d.Digest]:
		case elsewhere(d):
			in.optional = append(in.optional, d.Digest)
		default:
			in.Refs = append(in.Refs, d.Digest)
		}
		seen[d.Digest] = true
	}
	in.ArtifactType = cmp.Or(m.ArtifactType, m.Config.MediaType)
	in.subject(m.Subject)
	return nil
}

func (in *incoming) subject(d *ispec.Descriptor) {
	if d != nil {
		in.Subject = d.Digest
	}
}

// elsewhere reports whether a layer may lie at another place than the registry: those
// that must not be distributed.
func elsewhere(d ispec.Descriptor) bool {
	return strings.HasPrefix(d.MediaType, "application/vnd.oci.image.layer.nondistributable.") ||
		d.MediaType == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
}

func (h *Hub) deleteManifest(w http.ResponseWriter, r *http.Request, rt route) error {
	err := h.change(rt, func(repo *repository) error { return repo.removeManifest(r.Context(), rt, h.now()) })
	if err != nil {
		return err
	}
	h.log.Info("deleted", "repository", rt.repo, "manifest", cmp.Or(rt.tag, string(rt.digest)))
	return accepted(w)
}

// change calls fn with a repository that there is, while no sweep decides.
func (h *Hub) change(rt route, fn func(*repository) error) error {
	h.gate.RLock()
	defer h.gate.RUnlock()
	if h.lease == nil {
		return errors.New("the registry is closed")
	}
	repo := h.find(rt.repo)
	if repo == nil {
		return refuse(http.StatusNotFound, codeNameUnknown, "there is no repository %s", rt.repo)
	}
	return fn(repo)
}

func accepted(w http.ResponseWriter) error {
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusAccepted)
	return nil
}
