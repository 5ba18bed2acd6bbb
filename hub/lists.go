package hub

import (
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/oci"
)

// Bounds on one answer; the next page has the rest.
const (
	maxListed    = 1000
	maxReferrers = 100
	maxListBytes = 2 << 20
)

// json answers with a value.
func (h *Hub) json(w http.ResponseWriter, r *http.Request, mediaType string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method != http.MethodHead {
		_, _ = h.patient(w).Write(b) // who is gone needs no answer
	}
	return nil
}

// catalog lists the repositories that have manifests.
func (h *Hub) catalog(w http.ResponseWriter, r *http.Request, _ route) error {
	n, last, no := parsePage(r, maxListed)
	if no != nil {
		return no
	}
	h.mu.RLock()
	names, more := page(func(yield func(string) bool) {
		for name, repo := range h.repos {
			if repo.listed() && !yield(name) {
				return
			}
		}
	}, last, n, strings.Compare)
	h.mu.RUnlock()
	if more && len(names) > 0 {
		nextPage(w, r, n, names[len(names)-1])
	}
	return h.json(w, r, "application/json", struct {
		Repositories []string `json:"repositories"`
	}{append([]string{}, names...)})
}

func (r *repository) listed() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.manifests) > 0
}

func (h *Hub) listTags(w http.ResponseWriter, r *http.Request, rt route) error {
	n, last, no := parsePage(r, maxListed)
	if no != nil {
		return no
	}
	repo := h.find(rt.repo)
	if repo == nil {
		return refuse(http.StatusNotFound, codeNameUnknown, "there is no repository %s", rt.repo)
	}
	tags, more := repo.tagsAfter(last, n)
	if more && len(tags) > 0 {
		nextPage(w, r, n, tags[len(tags)-1])
	}
	return h.json(w, r, "application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{rt.repo, append([]string{}, tags...)})
}

// listReferrers lists the manifests whose subject a digest is, whether it is there or
// not.
func (h *Hub) listReferrers(w http.ResponseWriter, r *http.Request, rt route) error {
	n, last, no := parsePage(r, maxReferrers)
	if no != nil {
		return no
	}
	release, err := h.read(r)
	if err != nil {
		return err
	}
	defer release()
	index := ispec.Index{MediaType: ispec.MediaTypeImageIndex, Manifests: []ispec.Descriptor{}}
	index.SchemaVersion = 2
	artifactType := r.URL.Query().Get("artifactType")
	if repo := h.find(rt.repo); repo != nil {
		list, more := repo.referrersAfter(rt.digest, artifactType, digest.Digest(last), n)
		size := 0
		for i, d := range list {
			d.Annotations = h.annotations(d)
			for k, v := range d.Annotations {
				size += len(k) + len(v)
			}
			if index.Manifests = append(index.Manifests, d); size > maxListBytes {
				more = more || i < len(list)-1
				break
			}
		}
		if shown := len(index.Manifests); more && shown > 0 {
			nextPage(w, r, n, string(index.Manifests[shown-1].Digest))
		}
	}
	if artifactType != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	return h.json(w, r, ispec.MediaTypeImageIndex, index)
}

// referrersAfter are the manifests that refer to a subject, without their annotations.
func (r *repository) referrersAfter(subject digest.Digest, artifactType string, last digest.Digest, n int) (list []ispec.Descriptor, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	digests, more := page(func(yield func(digest.Digest) bool) {
		for d := range maps.Keys(r.referrers[subject]) {
			if (artifactType == "" || r.manifests[d].artifactType == artifactType) && !yield(d) {
				return
			}
		}
	}, last, n, func(a, b digest.Digest) int { return strings.Compare(string(a), string(b)) })
	for _, d := range digests {
		m := r.manifests[d]
		list = append(list, ispec.Descriptor{MediaType: m.mediaType, Digest: d, Size: m.size, ArtifactType: m.artifactType})
	}
	return list, more
}

// annotations reads those of a manifest; one that is damaged has none.
func (h *Hub) annotations(d ispec.Descriptor) map[string]string {
	data, err := h.store.ReadBlob(ispec.Descriptor{Digest: d.Digest, Size: d.Size}, oci.MaxDocument)
	if err != nil {
		h.log.Error("read referrer", "error", err)
		return nil
	}
	var doc struct {
		Annotations map[string]string `json:"annotations"`
	}
	if json.Unmarshal(data, &doc) != nil {
		return nil
	}
	return doc.Annotations
}
