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
	content string   // what names the module's bytes
	facts   [32]byte // hash of what is said about them
	hot     []uint32
	pages   uint32
	record  bool
	open    func() (*prepare.Split, io.Closer, error)
}

// parts prepares the groups of a module when they are needed. It opens the
// module with the first of them: a program whose functions are all in the
// primary never does.
type parts struct {
	open   func() (*prepare.Split, io.Closer, error)
	record bool

	mu     sync.Mutex
	opened bool
	split  *prepare.Split
	file   io.Closer
	err    error
}

func (p *parts) get() (*prepare.Split, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.opened {
		p.opened = true
		p.split, p.file, p.err = p.open()
	}
	return p.split, p.err
}

// Close gives the module's bytes back.
func (p *parts) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		p.opened, p.err = true, ErrClosed
		return nil
	}
	err := p.file.Close()
	p.split, p.file, p.err = nil, nil, ErrClosed
	return err
}

// Group implements engine.Parts.
func (p *parts) Group(ctx context.Context, group uint32) (engine.Artifact, error) {
	s, err := p.get()
	if err != nil {
		return engine.Artifact{}, err
	}
	part, err := s.Group(ctx, group, p.record)
	if err != nil {
		return engine.Artifact{}, err
	}
	return artifact(part), nil
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
	groups := keyOf(c.content, hex.EncodeToString(c.facts[:]), options.SplitKey(), rt.engine.Identity(), fmt.Sprint(c.record))
	key := keyOf(groups, fmt.Sprint(c.pages), hashFunctions(c.hot))
	release = func() { rt.release(context.WithoutCancel(ctx), key) }
	rt.mu.Lock()
	m = rt.reuse(key)
	p := rt.parts[key]
	if p == nil { // it stays for all who load the module, and is opened when one of them needs it
		p = &parts{open: c.open, record: c.record}
		rt.parts[key] = p
	}
	rt.mu.Unlock()
	if m != nil {
		return m, engine.LoadStats{Hit: true}, release, nil
	}
	compiled, err := rt.engine.LoadParts(ctx, key, groups, func(ctx context.Context) (engine.Artifact, error) {
		s, err := p.get()
		if err != nil {
			return engine.Artifact{}, err
		}
		part, err := s.Primary(ctx, prepare.PrimaryOptions{Hot: c.hot, Pages: c.pages, Record: c.record})
		if err != nil {
			return engine.Artifact{}, err
		}
		return artifact(part), nil
	}, p, rt.config.progress)
	if err != nil {
		return nil, stats, nil, err
	}
	return rt.keep(ctx, key, compiled), compiled.Stats(), release, nil
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
		var s *prepare.Split
		if s, err = prepare.NewSplit(bin, &f, options); err == nil {
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

// moduleBytes is a part of a blob, mapped where that is possible.
func moduleBytes(blob layer.Blob, ref layer.Ref) ([]byte, error) {
	if m, ok := blob.(layer.Mapped); ok {
		if b := m.Bytes(); int64(len(b)) >= ref.Offset+ref.Size {
			return b[ref.Offset : ref.Offset+ref.Size], nil
		}
	}
	return readAll(blob, ref.Offset, ref.Size)
}
