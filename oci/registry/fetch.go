package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"

	"github.com/wherry-run/wherry/oci"
)

// document is an index or manifest as the registry gave it.
type document struct {
	desc ispec.Descriptor
	data []byte
}

// Resolve returns what ref names in its registry.
func (c *Client) Resolve(ctx context.Context, ref oci.Reference) (ispec.Descriptor, error) {
	s, err := c.open(ctx, ref, pullScope)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	doc, err := s.root(ctx)
	return doc.desc, err
}

// Fetch brings what the sandbox needs of the image that ref names into dst: of
// an index the manifest for the sandbox's platform and the artifacts that the
// client wants. It returns what ref names. dst gets what refers to other content
// after that content; nothing that is not verified.
func (c *Client) Fetch(ctx context.Context, ref oci.Reference, dst oci.Sink) (ispec.Descriptor, error) {
	s, err := c.open(ctx, ref, pullScope)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	root, err := s.root(ctx)
	if err != nil {
		return ispec.Descriptor{}, err
	}
	f := &fetch{session: s, dst: dst, blobs: map[digest.Digest]bool{}, spare: map[digest.Digest]digest.Digest{}, incomplete: map[digest.Digest]bool{}}
	if err := f.plan(ctx, root, 0); err != nil {
		return ispec.Descriptor{}, err
	}
	if err := f.layersInto(ctx); err != nil {
		return ispec.Descriptor{}, err
	}
	for _, d := range f.documents {
		if f.incomplete[d.desc.Digest] {
			continue
		}
		if _, err := dst.Ingest(ctx, d.desc, bytes.NewReader(d.data)); err != nil {
			return ispec.Descriptor{}, err
		}
	}
	return root.desc, nil
}

// fetch is one Fetch: first all documents are read and judged, then blobs move.
type fetch struct {
	*session
	dst       oci.Sink
	documents []document // children before parents
	layers    []ispec.Descriptor
	blobs     map[digest.Digest]bool // planned

	// Derived data is not worth a failure. spare tells, for each of its layers
	// that nothing else has, its manifest; incomplete is the manifests of which
	// the registry lacks a layer.
	spare      map[digest.Digest]digest.Digest
	mu         sync.Mutex
	incomplete map[digest.Digest]bool
}

func (f *fetch) plan(ctx context.Context, doc document, depth int) error {
	if f.blobs[doc.desc.Digest] {
		return nil
	}
	f.blobs[doc.desc.Digest] = true
	if depth > oci.MaxDepth {
		return &oci.DocumentError{Doc: "index", Err: fmt.Errorf("indexes are nested deeper than %d", oci.MaxDepth)}
	}
	var err error
	if oci.KindOf(doc.desc.MediaType) == oci.KindIndex {
		err = f.planIndex(ctx, doc, depth)
	} else {
		err = f.planManifest(ctx, doc)
	}
	if err != nil {
		return err
	}
	f.documents = append(f.documents, doc)
	return nil
}

func (f *fetch) planIndex(ctx context.Context, doc document, depth int) error {
	index, err := oci.ParseIndex(doc.data, doc.desc.MediaType)
	if err != nil {
		return err
	}
	image, err := oci.PickManifest(index)
	if err != nil {
		return fmt.Errorf("%s: %w", f.ref.Familiar(), err)
	}
	wanted := []ispec.Descriptor{image}
	for _, d := range index.Manifests {
		if f.c.artifacts[d.ArtifactType] && oci.KindOf(d.MediaType) == oci.KindManifest {
			wanted = append(wanted, d)
		}
	}
	for _, d := range wanted {
		child, err := f.manifest(ctx, string(d.Digest), d)
		if err == nil {
			err = f.plan(ctx, child, depth+1)
		}
		if err != nil && (d.ArtifactType != oci.DerivedArtifact || !isContent(err)) {
			return err
		}
	}
	return nil
}

// isContent tells that what a registry has is wrong or not there, and not that
// it could not be asked.
func isContent(err error) bool {
	var mismatch *oci.MismatchError
	var document *oci.DocumentError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &mismatch) || errors.As(err, &document)
}

// planManifest fetches the config and judges it before any layer moves.
func (f *fetch) planManifest(ctx context.Context, doc document) error {
	m, err := oci.ParseManifest(doc.data, doc.desc.MediaType)
	if err != nil {
		return err
	}
	derived := m.ArtifactType == oci.DerivedArtifact && m.Config.MediaType == oci.DerivedConfig
	config, err := f.smallBlob(ctx, m.Config)
	if err != nil {
		return err
	}
	if err := f.judge(m, config); err != nil {
		return err
	}
	if !f.blobs[m.Config.Digest] {
		f.blobs[m.Config.Digest] = true
		f.documents = append(f.documents, document{m.Config, config})
	}
	for _, d := range m.Layers {
		if !f.blobs[d.Digest] {
			f.blobs[d.Digest] = true
			f.layers = append(f.layers, d)
			if derived {
				f.spare[d.Digest] = doc.desc.Digest
			}
		} else if !derived {
			delete(f.spare, d.Digest)
		}
	}
	return nil
}

func (f *fetch) judge(m *ispec.Manifest, config []byte) error {
	switch {
	case oci.KindOf(m.Config.MediaType) == oci.KindConfig:
		c, err := oci.ParseConfig(config, m)
		if err != nil {
			return err
		}
		if !oci.Runnable(c.Platform) {
			return fmt.Errorf("%s: %w", f.ref.Familiar(), &oci.PlatformError{Have: []string{oci.FormatPlatform(c.Platform)}})
		}
		return nil
	case m.Config.MediaType == oci.WasmConfig:
		_, err := oci.ParseWasmArtifact(config, m)
		return err
	case m.Config.MediaType == oci.ModelConfigType:
		_, err := oci.ParseModelConfig(config)
		return err
	}
	// Derived data is judged when the image is opened: a newer Wherry may have
	// written it, and the image runs without.
	return nil
}

// layersInto moves the layers, several at a time. The first failure ends all.
func (f *fetch) layersInto(ctx context.Context) error {
	for _, d := range f.layers {
		f.c.progress.Report(oci.Event{Status: oci.StatusWaiting, Descriptor: d, Total: d.Size})
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(f.c.jobs)
	for _, d := range f.layers {
		g.Go(func() error { return f.layer(ctx, d) })
	}
	return g.Wait()
}

// layer moves one layer. A sink that has it does not read, and nothing is asked
// for before the first read.
func (f *fetch) layer(ctx context.Context, d ispec.Descriptor) error {
	for attempt := 1; ; attempt++ {
		r := f.blob(ctx, d)
		_, err := f.dst.Ingest(ctx, d, r)
		r.Close()
		if err == nil {
			status := oci.StatusPulled
			if !r.blob.asked.Load() {
				status = oci.StatusExists
			}
			f.c.progress.Report(oci.Event{Status: status, Descriptor: d, Done: d.Size, Total: d.Size})
			return nil
		}
		if f.again(ctx, r, attempt, err) {
			continue
		}
		if of, ok := f.spare[d.Digest]; ok && isContent(err) && !errors.Is(err, context.Canceled) {
			f.mu.Lock()
			f.incomplete[of] = true
			f.mu.Unlock()
			f.c.progress.Report(oci.Event{Status: oci.StatusExists, Descriptor: d, Done: d.Size, Total: d.Size})
			return nil
		}
		return fmt.Errorf("fetch layer %s: %w", d.Digest, err)
	}
}

// smallBlob reads a config whole, again if it came wrong.
func (s *session) smallBlob(ctx context.Context, d ispec.Descriptor) ([]byte, error) {
	if d.Data != nil {
		return d.Data, nil // verified with the manifest
	}
	for attempt := 1; ; attempt++ {
		r := s.blob(ctx, d)
		r.quiet = true
		b, err := io.ReadAll(r)
		r.Close()
		if err == nil {
			err = oci.Verify(d, b)
		}
		if err == nil {
			return b, nil
		}
		if !s.again(ctx, r, attempt, err) {
			return nil, fmt.Errorf("fetch config %s: %w", d.Digest, err)
		}
	}
}

// again reports whether a blob that came whole but wrong is asked for once
// more: a proxy on the way may have spoilt it. It waits before it says yes.
func (s *session) again(ctx context.Context, r *blobReader, attempt int, err error) bool {
	var wrong *oci.MismatchError
	return errors.As(err, &wrong) && !r.blob.refused.Load() && attempt < 3 && s.c.pause(ctx, attempt, err) == nil
}

// root reads what the session's reference names.
func (s *session) root(ctx context.Context) (document, error) {
	if s.ref.Digest != "" {
		return s.manifest(ctx, string(s.ref.Digest), ispec.Descriptor{Digest: s.ref.Digest, Size: -1})
	}
	return s.manifest(ctx, s.ref.Tag, ispec.Descriptor{Size: -1})
}

// accept lists the documents we read.
var accept = strings.Join([]string{
	ispec.MediaTypeImageIndex, ispec.MediaTypeImageManifest, oci.DockerManifestList, oci.DockerManifest,
}, ", ")

// manifest reads an index or manifest by tag or digest and checks it against
// what is known of it.
func (s *session) manifest(ctx context.Context, name string, want ispec.Descriptor) (document, error) {
	var doc document
	err := s.c.retry(ctx, nil, func(ctx context.Context) error {
		ctx, stop := withDeadline(ctx, 2*s.c.idle)
		defer stop()
		var err error
		doc, err = s.manifestOnce(ctx, name, want)
		return classify(ctx, err)
	})
	if err != nil {
		return document{}, fmt.Errorf("fetch manifest of %s: %w", s.ref.Familiar(), err)
	}
	return doc, nil
}

func (s *session) manifestOnce(ctx context.Context, name string, want ispec.Descriptor) (document, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url("manifests", name).String(), nil)
	if err != nil {
		return document{}, err
	}
	req.Header.Set("Accept", accept)
	resp, err := s.http.Do(req)
	if err != nil {
		return document{}, err
	}
	if err := checkStatus(resp, http.StatusOK); err != nil {
		return document{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, oci.MaxDocument+1))
	if err != nil {
		return document{}, err
	}
	return checkManifest(resp.Header, data, want)
}

func checkManifest(h http.Header, data []byte, want ispec.Descriptor) (document, error) {
	if len(data) > oci.MaxDocument {
		return document{}, &oci.DocumentError{Doc: "manifest", Err: fmt.Errorf("it has more than %d bytes", oci.MaxDocument)}
	}
	if want.Digest == "" {
		want.Digest = digest.FromBytes(data)
		// A registry that does not know what it serves is not to be trusted
		// with a name that others will use.
		if said := h.Get("Docker-Content-Digest"); said != "" {
			d, err := oci.ParseDigest(said)
			if err != nil {
				return document{}, &oci.DocumentError{Doc: "manifest", Path: "Docker-Content-Digest", Err: err}
			}
			want.Digest = d
		}
	}
	if want.Size < 0 {
		want.Size = int64(len(data))
	}
	if err := oci.Verify(want, data); err != nil {
		return document{}, err
	}
	t, err := oci.DetectDocument(data, h.Get("Content-Type"))
	if err != nil {
		return document{}, err
	}
	if want.MediaType != "" && t != want.MediaType {
		return document{}, &oci.MismatchError{What: "media type", Want: want.MediaType, Got: t}
	}
	want.MediaType = t
	return document{desc: ispec.Descriptor{MediaType: t, Digest: want.Digest, Size: want.Size}, data: data}, nil
}
