package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
)

// cutting says how a module is loaded in parts.
type cutting struct {
	content string // what names the module's bytes
	facts   string // digest of what is said about them
	hot     []uint32
	later   []uint32 // loaded together when one of them is called
	pages   uint32
	record  bool
	open    func() (*prepare.Split, io.Closer, error)
}

// parts prepares the groups of a module when they are needed. It opens the
// module with the first of them: a program whose functions are all in the
// primary never does.
type parts struct {
	later []uint32

	mu     sync.Mutex
	ways   []*way // to open the module, of those who have it loaded
	split  *prepare.Split
	file   io.Closer
	closed bool
}

// way is how a container opens a module. It ends with the container's use of
// the module, for then its layers may go.
type way struct {
	open func() (*prepare.Split, io.Closer, error)
}

// offer adds a way to open the module.
func (p *parts) offer(open func() (*prepare.Split, io.Closer, error)) (withdraw func()) {
	w := &way{open}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ways = append(p.ways, w)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ways = slices.DeleteFunc(p.ways, func(x *way) bool { return x == w })
	}
}

// get opens the module unless it is open. A failure is not kept: the next may
// have another way.
func (p *parts) get() (*prepare.Split, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	err := ErrClosed
	for _, w := range p.ways {
		if p.split != nil {
			break
		}
		if p.split, p.file, err = w.open(); p.split != nil {
			p.split = withLater(p.split, p.later)
		}
	}
	if p.split == nil {
		return nil, err
	}
	return p.split, nil
}

// maxHint is how much code of a module is compiled at once because somebody said
// that it is needed. With more, a program starts later than by its groups, and
// nobody's hint is worth the minutes that all of a large module take.
const maxHint = 16 << 20

// hinted is a list of functions as it was said, or nothing when it is too much.
func hinted(s *prepare.Split, list []uint32) []uint32 {
	if s.Bytes(list) > maxHint {
		return nil
	}
	return list
}

// withLater is a split with the group of what was said to be needed later.
func withLater(s *prepare.Split, later []uint32) *prepare.Split {
	if later = hinted(s, later); len(later) == 0 {
		return s
	}
	return s.Later(later)
}

// Close implements engine.Parts: it gives the module's bytes back.
func (p *parts) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed, p.split, p.ways = true, nil, nil
	if p.file == nil {
		return nil
	}
	err := p.file.Close()
	p.file = nil
	return err
}

// Group implements engine.Parts.
func (p *parts) Group(ctx context.Context, group uint32) (engine.Artifact, error) {
	s, err := p.get()
	if err != nil {
		return engine.Artifact{}, err
	}
	part, err := s.Group(ctx, group)
	if err != nil {
		return engine.Artifact{}, err
	}
	return artifact(part), nil
}

// Shape implements engine.Shaped.
func (p *parts) Shape(group uint32) string {
	if group != prepare.LaterGroup {
		return ""
	}
	return hashFunctions(p.later)
}

// GroupOf implements engine.Parts.
func (p *parts) GroupOf(slot uint32) (uint32, bool, error) {
	s, err := p.get()
	if err != nil {
		return 0, false, err
	}
	group, ok := s.GroupOf(slot)
	return group, ok, nil
}

// Name implements engine.Parts.
func (p *parts) Name(function uint32) string {
	s, err := p.get()
	if err != nil {
		return ""
	}
	return s.Name(function)
}

func artifact(p *prepare.Part) engine.Artifact {
	part := &engine.Part{First: p.First, Origins: p.Origins, Fills: make([]engine.Fill, len(p.Fills))}
	for i, f := range p.Fills {
		part.Fills[i] = engine.Fill(f)
	}
	return engine.Artifact{Wasm: p.Wasm, Part: part}
}

// acquireParts is acquire for a module in parts.
func (rt *Runtime) acquireParts(ctx context.Context, c cutting, options prepare.Options) (m *engine.Module, stats engine.LoadStats, release func(), err error) {
	groups, key := rt.partKeys(c, options)
	given := func(m *engine.Module) func() { // back again
		withdraw := func() {}
		if p, ok := m.Parts().(*parts); ok {
			withdraw = p.offer(c.open)
		}
		return func() {
			withdraw()
			rt.release(context.WithoutCancel(ctx), key)
		}
	}
	rt.mu.Lock()
	m = rt.reuse(key)
	rt.mu.Unlock()
	if m != nil {
		return m, engine.LoadStats{Hit: true}, given(m), nil
	}
	p := &parts{later: c.later}
	defer p.offer(c.open)()
	compiled, err := rt.engine.LoadParts(ctx, key, groups, func(ctx context.Context) (engine.Artifact, error) {
		s, err := p.get()
		if err != nil {
			return engine.Artifact{}, err
		}
		return c.primary(ctx, s)
	}, p, rt.config.progress)
	if err != nil {
		return nil, stats, nil, err
	}
	stats = compiled.Stats()
	m = rt.keep(ctx, key, compiled)
	return m, stats, given(m), nil
}

// partKeys are the key of all groups of a module, and that of its primary.
func (rt *Runtime) partKeys(c cutting, options prepare.Options) (groups, primary string) {
	groups = keyOf(c.content, c.facts, options.SplitKey(), rt.engine.Identity())
	return groups, keyOf(groups, fmt.Sprint(c.pages, c.record), hashFunctions(c.hot), hashFunctions(c.later))
}

// primary prepares the primary.
func (c cutting) primary(ctx context.Context, s *prepare.Split) (engine.Artifact, error) {
	part, err := s.Primary(ctx, prepare.PrimaryOptions{Hot: hinted(s, c.hot), Pages: c.pages, Record: c.record})
	if err != nil {
		return engine.Artifact{}, err
	}
	return artifact(part), nil
}

func keyOf(words ...string) string {
	h := sha256.New()
	for _, w := range words {
		fmt.Fprintf(h, "%d\n%s\n", len(w), w)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashFunctions(list []uint32) string {
	h := sha256.New()
	for _, f := range list {
		h.Write([]byte{byte(f), byte(f >> 8), byte(f >> 16), byte(f >> 24)})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// openSplit opens a module of a layer with its facts.
func openSplit(layers []layer.Layer, ref layer.Ref, facts []byte, options prepare.Options) (*prepare.Split, io.Closer, error) {
	var f prepare.Facts
	if err := f.UnmarshalBinary(facts); err != nil {
		return nil, nil, err
	}
	if f.Whole != "" {
		return nil, nil, fmt.Errorf("split module: %s", f.Whole)
	}
	blob, err := openContent(layers, ref.Digest)
	if err != nil {
		return nil, nil, err
	}
	bin, err := moduleBytes(blob, ref)
	if err == nil {
		if len(f.Bodies) > 0 { // all that stands before the code is looked at
			willNeed(blob, ref.Offset, int64(f.Bodies[0].Start))
		}
		var s *prepare.Split
		if s, err = prepare.NewSplit(bin, &f, options); err == nil {
			s.TellAhead(func(offset, length int) { willNeed(blob, ref.Offset+int64(offset), int64(length)) })
			return s, blob, nil
		}
	}
	blob.Close()
	return nil, nil, err
}

// openContent opens a content of one of the layers.
func openContent(layers []layer.Layer, digest string) (layer.Blob, error) {
	err := errors.New("the image has no layers")
	for _, l := range slices.Backward(layers) {
		var blob layer.Blob
		if blob, err = l.Content.OpenContent(digest); err == nil {
			return blob, nil
		}
	}
	return nil, err
}

// willNeed has a piece of a blob read ahead, where that is possible.
func willNeed(blob layer.Blob, off, length int64) {
	if a, ok := blob.(layer.Advised); ok {
		a.WillNeed(off, length)
	}
}

// moduleBytes is a part of a blob, mapped where that is possible.
func moduleBytes(blob layer.Blob, ref layer.Ref) ([]byte, error) {
	if m, ok := blob.(layer.Mapped); ok {
		if b := m.Bytes(); int64(len(b)) >= ref.Offset+ref.Size {
			return b[ref.Offset : ref.Offset+ref.Size], nil
		}
	}
	return readAll(blob, ref.Offset, ref.Size)
}
