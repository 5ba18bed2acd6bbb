package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/wherry-run/wherry/internal/engine"
	"github.com/wherry-run/wherry/internal/hostmath"
	"github.com/wherry-run/wherry/internal/layer"
	"github.com/wherry-run/wherry/internal/prepare"
	"github.com/wherry-run/wherry/internal/wasm"
)

// load compiles the program, or takes it from the cache.
func (s *session) load(ctx context.Context, x *executable, p Process, planning planner) (*engine.Module, *plan, engine.LoadStats, func(), error) {
	defer s.hold()()
	options := s.container.rt.prepareOptions(s.limits.Tables)
	options.Deterministic = s.container.spec.Deterministic && !s.container.spec.KeepNaNs
	options.Trace = s.container.spec.Trace
	plan := &plan{}
	var pins []hostmath.Pin
	if ref, _, ok := x.file.Content(); ok {
		pins = s.container.rt.pins(contentName(ref))
		options = accelerate(options, pins)
		plan = planning(ctx, x, p, ref, options)
		if s.container.spec.RecordFunctions {
			if err := s.recordedCutting(ctx, plan, x, ref, options); err != nil {
				plan.close()
				return nil, nil, engine.LoadStats{}, nil, err
			}
		}
	}
	if plan.cutting != nil {
		m, how, release, err := s.container.rt.acquireParts(ctx, *plan.cutting, options)
		plan.pins = pins
		if err == nil {
			if plan.snapshot == nil || p.Driver != nil || protocolOf(exported(m)) == plan.snapshot.Protocol {
				return m, plan, how, release, nil
			}
			release()
			err = errors.New("its snapshot is of a program that waits for work in another way")
		}
		if ctx.Err() != nil {
			plan.close()
			return nil, nil, how, nil, err
		}
		// What is said about the module is wrong: it starts as if nothing were said.
		plan.abandon("it cannot be loaded in parts: %v", err)
	}
	digest, read, err := identify(x, int64(options.Limits.Module))
	if err != nil {
		return nil, nil, engine.LoadStats{}, nil, fmt.Errorf("read %s: %w", x.path, err)
	}
	plan.pins = s.container.rt.pins(digest)
	options = accelerate(options, plan.pins)
	m, how, release, err := s.loadWhole(ctx, x, p, digest, options, read)
	return m, plan, how, release, err
}

// loadWhole compiles a program in one piece, or takes it from the cache.
func (s *session) loadWhole(ctx context.Context, x *executable, p Process, digest string, options prepare.Options, read func() ([]byte, error)) (*engine.Module, engine.LoadStats, func(), error) {
	for {
		var refused error
		m, how, release, err := s.container.rt.acquire(ctx, digest, options, func() ([]byte, error) {
			data, err := read()
			if err == nil && p.Driver == nil { // what a driver's module imports it says itself
				refused = s.fits(x, data, options.Limits)
				err = refused
			}
			return data, err
		})
		if err == nil {
			return m, how, release, nil
		}
		var format *FormatError
		if errors.As(err, &format) && refused == nil && ctx.Err() == nil {
			continue // it does not fit another container, which was the first to load it
		}
		if refused != nil {
			err = refused
		}
		return nil, how, nil, refuse(x, err)
	}
}

// identify is the digest of the program's content, and how to read just that
// content: the cache believes in the pair. So bytes that a guest could change
// meanwhile are read once; those of a layer, whose digest is known, nobody can
// change.
func identify(x *executable, limit int64) (digest string, read func() ([]byte, error), err error) {
	ref, blob, ok := x.file.Content()
	if !ok {
		st, err := x.file.Stat()
		if err != nil {
			return "", nil, err
		}
		ref = layer.Ref{Size: st.Size}
	}
	if ref.Size > limit { // a guest can make a file of any length, all holes
		return "", nil, &FormatError{x.path, fmt.Sprintf("exec format error: a module of %d bytes, more than %d", ref.Size, limit)}
	}
	if ok {
		return contentName(ref), func() ([]byte, error) {
			return readAll(blob, ref.Offset, ref.Size)
		}, nil
	}
	data, err := readAll(x.file, 0, ref.Size)
	if err != nil {
		return "", nil, err
	}
	sum := sha256.Sum256(data)
	digest = fmt.Sprintf("sha256:%s@0+%d", hex.EncodeToString(sum[:]), len(data))
	return digest, func() ([]byte, error) { return data, nil }, nil
}

func readAll(r io.ReaderAt, off, size int64) ([]byte, error) {
	data := make([]byte, size)
	_, err := io.ReadFull(io.NewSectionReader(r, off, size), data)
	return data, err
}

// refuse says of a module that could not be loaded why, in words that name the
// file when the fault lies in it.
func refuse(x *executable, err error) error {
	var malformed *wasm.Error
	var unsupported *prepare.Unsupported
	var invalid *engine.InvalidModuleError
	var limit *engine.LimitError
	if errors.As(err, &malformed) || errors.As(err, &unsupported) || errors.As(err, &invalid) || errors.As(err, &limit) {
		return &FormatError{x.path, "exec format error: " + err.Error()}
	}
	if over := (*engine.BudgetError)(nil); errors.As(err, &over) {
		return &LimitError{Resource: "compile time", Limit: over.Limit(), Scope: ScopeCall}
	}
	return err
}
