package hub

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/wherry-run/wherry/oci/store"
)

// Bounds on what one registry remembers.
const (
	maxRepositories = 100_000
	maxTags         = 100_000 // of a repository
	maxManifests    = 200_000 // of a repository
	maxLinks        = 1_000_000
)

// repository is what belongs to a name. A change is first pinned in the store, so that
// no sweep takes the content, then written to the journal, then visible.
type repository struct {
	name  string
	file  string // the journal
	pin   string // the name of its pin in the store
	store *store.Store

	write   sync.Mutex // one change at a time
	whole   int64      // length of the journal
	records int        // in the journal
	shrunk  bool       // something went since the pin was written whole

	mu        sync.RWMutex
	manifests map[digest.Digest]*manifest
	blobs     map[digest.Digest]*link
	tags      map[string]digest.Digest
	referrers map[digest.Digest]map[digest.Digest]bool // by subject
}

// manifest is what is known of a manifest or index without reading it.
type manifest struct {
	mediaType    string
	artifactType string
	size         int64
	subject      digest.Digest
	refs         []digest.Digest // the blobs that it needs
}

// link is that a repository has a blob.
type link struct {
	at   int64 // when somebody cared last, in seconds
	uses int   // by manifests of the repository
}

// repositoryID is where a repository lies on disk: names have slashes, and words that
// Windows keeps for itself.
func repositoryID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:16])
}

func newRepository(name, file string, s *store.Store) *repository {
	return &repository{
		name: name, file: file, pin: "hub-" + repositoryID(name), store: s,
		manifests: map[digest.Digest]*manifest{}, blobs: map[digest.Digest]*link{}, tags: map[string]digest.Digest{},
		referrers: map[digest.Digest]map[digest.Digest]bool{},
	}
}

// commit makes records true: on disk with their content pinned, then in memory.
func (r *repository) commit(ctx context.Context, durable bool, records ...record) error {
	var pinned []digest.Digest
	for _, rec := range records {
		if rec.Op == opBlob || rec.Op == opManifest {
			pinned = append(pinned, rec.Digest)
		}
		r.shrunk = r.shrunk || rec.Op == opNoBlob || rec.Op == opNoManifest
	}
	if len(pinned) > 0 {
		if err := r.store.PinMore(ctx, r.pin, durable, pinned...); err != nil {
			return err
		}
	}
	lines := records
	if r.whole == 0 {
		lines = append([]record{{Op: opName, Name: r.name}}, records...)
	}
	whole, err := appendJournal(r.file, r.whole, durable, lines...)
	if err != nil {
		return fmt.Errorf("write journal of repository %s: %w", r.name, err)
	}
	r.whole, r.records = whole, r.records+len(lines)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rec := range records {
		r.apply(rec)
	}
	return nil
}

// apply makes one record true in memory. Any order of records is harmless: the journal
// may be damaged.
func (r *repository) apply(rec record) {
	switch rec.Op {
	case opBlob:
		l := r.blobs[rec.Digest]
		if l == nil {
			l = &link{}
			r.blobs[rec.Digest] = l
		}
		l.at = rec.At
	case opNoBlob:
		delete(r.blobs, rec.Digest)
	case opManifest:
		r.applyManifest(rec)
	case opNoManifest:
		r.dropManifest(rec.Digest, rec.At)
	case opTag:
		if r.manifests[rec.Digest] != nil {
			r.tags[rec.Name] = rec.Digest
		}
	case opNoTag:
		delete(r.tags, rec.Name)
	}
}

func (r *repository) applyManifest(rec record) {
	if r.manifests[rec.Digest] != nil {
		return
	}
	r.manifests[rec.Digest] = &manifest{mediaType: rec.MediaType, artifactType: rec.ArtifactType, size: rec.Size, subject: rec.Subject, refs: rec.Refs}
	for _, d := range rec.Refs {
		if l := r.blobs[d]; l != nil {
			l.uses++
		}
	}
	if rec.Subject != "" {
		if r.referrers[rec.Subject] == nil {
			r.referrers[rec.Subject] = map[digest.Digest]bool{}
		}
		r.referrers[rec.Subject][rec.Digest] = true
	}
}

func (r *repository) dropManifest(d digest.Digest, at int64) {
	m := r.manifests[d]
	if m == nil {
		return
	}
	delete(r.manifests, d)
	maps.DeleteFunc(r.tags, func(_ string, of digest.Digest) bool { return of == d })
	for _, ref := range m.refs {
		if l := r.blobs[ref]; l != nil {
			l.uses, l.at = max(l.uses-1, 0), max(l.at, at)
		}
	}
	if s := r.referrers[m.subject]; s != nil {
		delete(s, d)
		if len(s) == 0 {
			delete(r.referrers, m.subject)
		}
	}
}

// hasBlob reports whether the repository has a blob, and that somebody cares for it.
func (r *repository) hasBlob(d digest.Digest, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.blobs[d]
	if l == nil {
		return false
	}
	l.at = max(l.at, now.Unix())
	return true
}

// addBlob gives the repository a blob that the store has.
func (r *repository) addBlob(ctx context.Context, d digest.Digest, now time.Time) error {
	r.write.Lock()
	defer r.write.Unlock()
	if r.hasBlob(d, now) {
		return nil
	}
	if len(r.blobs) >= maxLinks {
		return refuse(http.StatusForbidden, codeDenied, "the repository has %d blobs, and no more may be", maxLinks)
	}
	return r.commit(ctx, false, record{Op: opBlob, Digest: d, At: now.Unix()})
}

// removeBlob takes a blob away. One that a manifest needs stays.
func (r *repository) removeBlob(ctx context.Context, d digest.Digest) error {
	r.write.Lock()
	defer r.write.Unlock()
	r.mu.RLock()
	l := r.blobs[d]
	r.mu.RUnlock()
	switch {
	case l == nil:
		return refuse(http.StatusNotFound, codeBlobUnknown, "%s is not in the repository", d)
	case l.uses > 0:
		return refuse(http.StatusConflict, codeDenied, "%d manifests of the repository need %s: delete them first", l.uses, d)
	}
	return r.commit(ctx, true, record{Op: opNoBlob, Digest: d})
}

// manifestOf finds a manifest by tag or digest.
func (r *repository) manifestOf(rt route) (digest.Digest, *manifest) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d := rt.digest
	if rt.tag != "" {
		d = r.tags[rt.tag]
	}
	return d, r.manifests[d]
}

// putManifest adds a manifest that the store has, under tags. What it needs must be
// there: blobs, and the manifests of an index.
func (r *repository) putManifest(ctx context.Context, rec record, optional, children []digest.Digest, tags []string) error {
	r.write.Lock()
	defer r.write.Unlock()
	var records []record
	r.mu.RLock()
	err := r.complete(&rec, optional, children)
	if r.manifests[rec.Digest] == nil {
		records = append(records, rec)
	}
	fresh := 0
	for _, t := range tags {
		if r.tags[t] == "" {
			fresh++
		}
		if r.tags[t] != rec.Digest {
			records = append(records, record{Op: opTag, Name: t, Digest: rec.Digest})
		}
	}
	full := len(r.tags)+fresh > maxTags || len(r.manifests) >= maxManifests
	r.mu.RUnlock()
	switch {
	case err != nil:
		return err
	case full:
		return refuse(http.StatusForbidden, codeDenied, "the repository has %d tags or %d manifests, and no more may be", maxTags, maxManifests)
	case len(records) == 0:
		return nil
	}
	return r.commit(ctx, true, records...)
}

// complete holds that the repository has what a manifest needs; of what may lie
// elsewhere it notes what is here.
func (r *repository) complete(rec *record, optional, children []digest.Digest) error {
	for _, d := range rec.Refs {
		if r.blobs[d] == nil {
			return refuse(http.StatusBadRequest, codeManifestBlobUnknown, "blob %s is not in the repository", d)
		}
	}
	for _, d := range children {
		if r.manifests[d] == nil {
			return refuse(http.StatusBadRequest, codeManifestBlobUnknown, "manifest %s is not in the repository", d)
		}
	}
	for _, d := range optional {
		if r.blobs[d] != nil && !slices.Contains(rec.Refs, d) {
			rec.Refs = append(rec.Refs, d)
		}
	}
	return nil
}

// removeManifest takes a tag away, or a manifest with all its tags.
func (r *repository) removeManifest(ctx context.Context, rt route, now time.Time) error {
	r.write.Lock()
	defer r.write.Unlock()
	_, m := r.manifestOf(rt)
	switch {
	case m == nil:
		return manifestUnknown(rt)
	case rt.tag != "":
		return r.commit(ctx, true, record{Op: opNoTag, Name: rt.tag})
	}
	return r.commit(ctx, true, record{Op: opNoManifest, Digest: rt.digest, At: now.Unix()})
}

func manifestUnknown(rt route) *refusal {
	return refuse(http.StatusNotFound, codeManifestUnknown, "%s is not in the repository", cmp.Or(rt.tag, string(rt.digest)))
}

// tagsAfter are at most n tags that come after last, in order, and whether there are more.
func (r *repository) tagsAfter(last string, n int) (tags []string, more bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return page(maps.Keys(r.tags), last, n, strings.Compare)
}

// snapshot are the records that make a repository what it is, and what it pins.
func (r *repository) snapshot() (records []record, pinned []digest.Digest) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	records = append(records, record{Op: opName, Name: r.name})
	for d, l := range r.blobs {
		records, pinned = append(records, record{Op: opBlob, Digest: d, At: l.at}), append(pinned, d)
	}
	for d, m := range r.manifests {
		pinned = append(pinned, d)
		records = append(records, record{
			Op: opManifest, Digest: d, Size: m.size, MediaType: m.mediaType, ArtifactType: m.artifactType, Subject: m.subject, Refs: m.refs,
		})
	}
	for t, d := range r.tags {
		records = append(records, record{Op: opTag, Name: t, Digest: d})
	}
	return records, pinned
}
