package packager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/oci"
	"github.com/wherry-run/wherry/packager/recipe"
)

// model does MODEL: every file gets an uncompressed layer of its own, so that a
// change of one is the transfer of one, and its bytes can be mapped where they
// lie.
func (b *builder) model(ctx context.Context, s *state, step recipe.Step, m *recipe.Model) (bool, error) {
	src, err := b.source(ctx, s, m.From)
	if err != nil {
		return false, err
	}
	cp := &copier{plan: newPlan(b, s), src: src}
	names, err := cp.names([]string{m.Source})
	if err != nil {
		return false, err
	}
	dest, isDir, err := cp.destination(s, m.Dest)
	if err != nil {
		return false, err
	}
	if len(names) > 1 {
		isDir = true
	}
	var weights []weight
	for _, name := range names {
		found, err := cp.weights(name, dest, isDir)
		if err != nil {
			return false, err
		}
		weights = append(weights, found...)
	}
	if len(weights) == 0 {
		return false, fmt.Errorf("%s: there is no file in it", m.Source)
	}
	var onnx *onnxModel
	switch {
	case onONNX(s):
		weights, onnx, err = cp.readONNX(s, weights)
	case s.config.Config.Labels["run.wherry.python"] != "":
		weights, err = cp.lowerBeside(s, weights)
	}
	if err != nil {
		return false, err
	}
	all := true
	for i, w := range weights {
		createdBy := step.Code
		if len(weights) > 1 {
			createdBy = fmt.Sprintf("MODEL %s /%s", w.source, w.path)
		}
		if i >= maxWeights {
			return false, fmt.Errorf("more than %d files; each would be a layer", maxWeights)
		}
		cached, err := b.addWeight(ctx, s, w, createdBy)
		if err != nil {
			return false, fmt.Errorf("%s: %w", w.source, err)
		}
		all = all && cached
	}
	if onnx != nil {
		if err := b.describeONNX(s, onnx); err != nil {
			return false, fmt.Errorf("%s: %w", m.Source, err)
		}
	}
	if m.Golden != "" {
		if err := b.golden(ctx, s, m.Golden, weights, onnx); err != nil {
			return false, fmt.Errorf("--golden=%s: %w", m.Golden, err)
		}
	}
	return all, nil
}

// maxWeights bounds the layers that MODEL makes; registries accept few more.
const maxWeights = 100

// weight is one file of a model and where it goes.
type weight struct {
	source, path string
	node         node
}

// weights lists the files of one source.
func (c *copier) weights(source, dest string, isDir bool) ([]weight, error) {
	from, err := follow(c.src, source, true)
	if err != nil {
		return nil, err
	}
	n, ok, err := c.src.lookup(from)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, c.missing(source)
	}
	if n.kind == layer.File {
		return []weight{{source, fileDest(dest, source, isDir), n}}, nil
	}
	var found []weight
	err = walk(c.src, from, func(name string, n node) error {
		if n.kind == layer.Dir {
			return nil
		}
		if n.kind != layer.File {
			return fmt.Errorf("%s is a %s; weights are files", name, n.kind)
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, from), "/")
		found = append(found, weight{path.Join(source, rel), under(dest, rel), n})
		return nil
	})
	return found, err
}

// addWeight writes the layer of one weight file straight from its source into
// the blob, and uses it from there: the bytes are on disk once.
func (b *builder) addWeight(ctx context.Context, s *state, w weight, createdBy string) (bool, error) {
	p := newPlan(b, s)
	digest, size, err := hashNode(w.node)
	if err != nil {
		return false, err
	}
	n := w.node
	n.mode, n.size, n.uid, n.gid = 0o644, size, 0, 0
	n.ref = layer.Ref{Digest: digest, Size: size}
	if err := p.put(w.path, n); err != nil {
		return false, err
	}
	entries := p.entries()
	k := newKey("weight")
	k.add(digest, fmt.Sprint(b.Epoch.Unix()))
	for _, e := range entries {
		k.add(e.Path, e.Kind.String(), fmt.Sprintf("%o", e.Mode))
	}
	cached := true
	blob, err := b.writeOnce(ctx, k.sum(), func() (oci.Layer, error) {
		cached = false
		return b.writeLayer(ctx, layer.None, entries, func(layer.Ref) (io.ReadCloser, error) {
			return openChecked(w.node, digest)
		})
	})
	if err != nil {
		return false, err
	}
	blob.Weight = w.path
	blob.Descriptor.Annotations = map[string]string{
		oci.AnnotationModelFile: w.path,
		ispec.AnnotationTitle:   path.Base(w.path),
	}
	index, err := b.scan(ctx, blob)
	if err != nil {
		return false, err
	}
	made, err := b.newPart(ctx, index.Entries)
	if err != nil {
		return false, err
	}
	made.weight, made.blob = w.path, &blob
	s.push(made, createdBy, b.Epoch)
	return cached, nil
}

// scan indexes an uncompressed layer in place.
func (b *builder) scan(ctx context.Context, l oci.Layer) (*layer.Index, error) {
	blob, err := b.Store.OpenContent(string(l.Descriptor.Digest))
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return layer.Scan(ctx, blob, blob.Size(), string(l.Descriptor.Digest), layer.Limits{})
}

// hashNode is the digest of a file's content.
func hashNode(n node) (string, int64, error) {
	r, err := n.open()
	if err != nil {
		return "", 0, err
	}
	defer r.Close()
	h := newDigester()
	size, err := io.Copy(h, r)
	return h.digest(), size, err
}

// openChecked opens a file again and fails at its end when it has changed since.
func openChecked(n node, digest string) (io.ReadCloser, error) {
	r, err := n.open()
	if err != nil {
		return nil, err
	}
	return &checkedReader{r, newDigester(), digest}, nil
}

type checkedReader struct {
	io.ReadCloser
	h    *digester
	want string
}

func (r *checkedReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.h.Write(p[:n])
	if errors.Is(err, io.EOF) && r.h.digest() != r.want {
		return n, errors.New("the file changed while it was packed")
	}
	return n, err
}
