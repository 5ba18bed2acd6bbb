package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/wherry-run/wherry/oci"
)

// PushOptions are what one push may say.
type PushOptions struct {
	// MountFrom are images whose blobs the registry may have already, under
	// another repository; those of other registries are left out.
	MountFrom []oci.Reference
	// ModelTag also names the ModelPack manifest of an index, for model tools
	// that do not descend into indexes; "" leaves it without a tag.
	ModelTag string
}

// maxMounts bounds the repositories that are asked for as mount sources: each
// is one more scope of the token.
const maxMounts = 4

// Push sends the image that root describes from src to the repository of ref
// and makes ref's tag name it. Only what the registry lacks is sent.
func (c *Client) Push(ctx context.Context, ref oci.Reference, root ispec.Descriptor, src oci.Source, o PushOptions) error {
	from := mountSources(ref, o.MountFrom)
	s, err := c.open(ctx, ref, func(r name.Repository) []string {
		scopes := []string{r.Scope(transport.PushScope)}
		for _, m := range from {
			scopes = append(scopes, r.Registry.Repo(m).Scope(transport.PullScope))
		}
		return scopes
	})
	if err != nil {
		return err
	}
	p := &push{session: s, src: src, from: from, seen: map[digest.Digest]bool{}}
	if err := p.plan(ctx, root, 0); err != nil {
		return err
	}
	if err := p.sendBlobs(ctx); err != nil {
		return err
	}
	return p.sendDocuments(ctx, root, o)
}

// mountSources returns repositories of the same registry, each once.
func mountSources(ref oci.Reference, list []oci.Reference) []string {
	var from []string
	seen := map[string]bool{ref.Repository: true}
	for _, r := range list {
		if r.Registry == ref.Registry && !seen[r.Repository] && len(from) < maxMounts {
			seen[r.Repository] = true
			from = append(from, r.Repository)
		}
	}
	return from
}

// push is one Push.
type push struct {
	*session
	src       oci.Source
	from      []string
	seen      map[digest.Digest]bool
	documents []document // children before parents
	blobs     []ispec.Descriptor
}

// plan reads the documents and lists what they need.
func (p *push) plan(ctx context.Context, d ispec.Descriptor, depth int) error {
	if p.seen[d.Digest] {
		return nil
	}
	p.seen[d.Digest] = true
	if depth > oci.MaxDepth {
		return &oci.DocumentError{Doc: "index", Err: fmt.Errorf("indexes are nested deeper than %d", oci.MaxDepth)}
	}
	data, err := readDocument(ctx, p.src, d)
	if errors.Is(err, fs.ErrNotExist) && depth > 0 {
		return p.mustHave(ctx, d)
	}
	if err != nil {
		return err
	}
	if oci.KindOf(d.MediaType) == oci.KindIndex {
		index, err := oci.ParseIndex(data, d.MediaType)
		if err != nil {
			return err
		}
		for _, child := range index.Manifests {
			if err := p.plan(ctx, child, depth+1); err != nil {
				return err
			}
		}
	} else if err := p.planManifest(data, d.MediaType); err != nil {
		return err
	}
	p.documents = append(p.documents, document{ispec.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: int64(len(data))}, data})
	return nil
}

func (p *push) planManifest(data []byte, mediaType string) error {
	m, err := oci.ParseManifest(data, mediaType)
	if err != nil {
		return err
	}
	for _, b := range append([]ispec.Descriptor{m.Config}, m.Layers...) {
		if !p.seen[b.Digest] {
			p.seen[b.Digest] = true
			p.blobs = append(p.blobs, b)
		}
	}
	return nil
}

// mustHave lets an index name what this machine does not have, if the registry
// has it: pushing a pulled index back to where it came from.
func (p *push) mustHave(ctx context.Context, d ispec.Descriptor) error {
	resp, err := p.head(ctx, p.url("manifests", string(d.Digest)), accept)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	what := "manifest " + string(d.Digest)
	if d.Platform != nil {
		what += " for " + oci.FormatPlatform(*d.Platform)
	}
	return &IncompleteError{What: what}
}

func readDocument(ctx context.Context, src oci.Source, d ispec.Descriptor) ([]byte, error) {
	r, err := src.Open(ctx, d.Digest)
	if err != nil {
		return nil, &localError{err}
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, oci.MaxDocument+1))
	if err != nil {
		return nil, &localError{err}
	}
	return data, oci.Verify(d, data)
}

func (p *push) sendBlobs(ctx context.Context) error {
	for _, d := range p.blobs {
		p.c.progress.Report(oci.Event{Status: oci.StatusWaiting, Descriptor: d, Total: d.Size})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.c.jobs)
	for _, d := range p.blobs {
		g.Go(func() error {
			if err := p.sendBlob(ctx, d); err != nil {
				return fmt.Errorf("push blob %s: %w", d.Digest, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// sendBlob uploads a blob unless the registry has it.
func (p *push) sendBlob(ctx context.Context, d ispec.Descriptor) error {
	resp, err := p.head(ctx, p.blobURL(d.Digest), "")
	if err != nil {
		return err
	}
	switch resp.StatusCode {
	case http.StatusOK:
		p.c.progress.Report(oci.Event{Status: oci.StatusExists, Descriptor: d, Done: d.Size, Total: d.Size})
		return nil
	case http.StatusNotFound:
	default:
		return checkStatus(resp, http.StatusOK)
	}
	return (&upload{push: p, d: d}).run(ctx)
}

// head asks whether something is there; its answer has no body.
func (s *session) head(ctx context.Context, u *url.URL, accept string) (*http.Response, error) {
	var resp *http.Response
	err := s.c.retry(ctx, nil, func(ctx context.Context) error {
		ctx, stop := withDeadline(ctx, s.c.idle)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.String(), nil)
		if err != nil {
			return err
		}
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		if resp, err = s.http.Do(req); err != nil {
			return classify(ctx, err)
		}
		resp.Body.Close()
		if temporaryStatus(resp.StatusCode) {
			return checkStatus(resp)
		}
		return nil
	})
	return resp, err
}

// start begins an upload and returns where it goes, and the least that the registry
// wants in a piece; nil when the registry mounted the blob from another repository.
func (p *push) start(ctx context.Context, d ispec.Descriptor) (*url.URL, int64, error) {
	ctx, stop := withDeadline(ctx, p.c.idle)
	defer stop()
	for _, from := range append(p.from[:len(p.from):len(p.from)], "") {
		resp, err := p.post(ctx, d, from)
		if err != nil {
			return nil, 0, err
		}
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusCreated:
			p.c.progress.Report(oci.Event{Status: oci.StatusMounted, Descriptor: d, Done: d.Size, Total: d.Size})
			return nil, 0, nil
		case resp.StatusCode == http.StatusAccepted:
			// Not there; but the upload is open now, so it is used.
			least, _ := strconv.ParseInt(resp.Header.Get("OCI-Chunk-Min-Length"), 10, 64)
			where, err := location(resp)
			return where, min(max(least, 0), mostPiece), err
		}
	}
	return nil, 0, &refusedError{errNoLocation}
}

// post opens an upload, asking for a mount when from is set. A registry that
// refuses to mount is no error: the next answer counts.
func (p *push) post(ctx context.Context, d ispec.Descriptor, from string) (*http.Response, error) {
	u := p.url("blobs", "uploads")
	u.Path += "/"
	if from != "" {
		u.RawQuery = url.Values{"mount": {string(d.Digest)}, "from": {from}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, classify(ctx, err)
	}
	if from != "" && resp.StatusCode >= 400 && resp.StatusCode < 500 {
		return resp, nil
	}
	return resp, checkStatus(resp, http.StatusAccepted, http.StatusCreated)
}

// location reads where an upload goes on. It may be another origin; the
// transport sends no credentials there.
func location(resp *http.Response) (*url.URL, error) {
	u, err := resp.Location()
	if err != nil {
		return nil, &refusedError{errNoLocation}
	}
	return u, nil
}

// sendDocuments puts the documents, children first, the root under its tag last.
func (p *push) sendDocuments(ctx context.Context, root ispec.Descriptor, o PushOptions) error {
	for _, doc := range p.documents {
		name := string(doc.desc.Digest)
		if doc.desc.Digest == root.Digest && p.ref.Tag != "" {
			name = p.ref.Tag
		}
		if err := p.putManifest(ctx, name, doc); err != nil {
			return err
		}
		if err := p.tagModel(ctx, doc, o.ModelTag); err != nil {
			return err
		}
	}
	return nil
}

// tagModel gives the ModelPack manifest its own tag.
func (p *push) tagModel(ctx context.Context, doc document, tag string) error {
	if tag == "" || oci.KindOf(doc.desc.MediaType) != oci.KindManifest {
		return nil
	}
	m, err := oci.ParseManifest(doc.data, doc.desc.MediaType)
	if err != nil || m.ArtifactType != oci.ModelArtifact {
		return err
	}
	return p.putManifest(ctx, tag, doc)
}

func (s *session) putManifest(ctx context.Context, name string, doc document) error {
	err := s.c.retry(ctx, nil, func(ctx context.Context) error {
		ctx, stop := withDeadline(ctx, 2*s.c.idle)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.url("manifests", name).String(), bytes.NewReader(doc.data))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", doc.desc.MediaType)
		resp, err := s.http.Do(req)
		if err != nil {
			return classify(ctx, err)
		}
		if err := checkStatus(resp, http.StatusCreated, http.StatusOK, http.StatusAccepted); err != nil {
			return err
		}
		resp.Body.Close()
		if said := resp.Header.Get("Docker-Content-Digest"); said != "" && said != string(doc.desc.Digest) {
			return &oci.MismatchError{What: "digest of the pushed manifest", Want: string(doc.desc.Digest), Got: said}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("push manifest %s: %w", name, err)
	}
	return nil
}
