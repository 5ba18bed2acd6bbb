package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

// sweepEvery is how often a registry looks for what nobody needs.
const sweepEvery = time.Hour

// Run sweeps now and then until ctx ends. A registry that is read only keeps what it has.
func (h *Hub) Run(ctx context.Context) {
	if h.readOnly {
		return
	}
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := h.Sweep(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("sweep failed", "error", err)
		}
	}
}

// Sweep removes content that no repository has any more, blobs that no manifest came
// for, and uploads that nobody goes on with. Requests go on meanwhile.
func (h *Hub) Sweep(ctx context.Context) error {
	h.dropUploads(h.now().Add(-h.loose))
	if err := h.release(ctx); err != nil {
		return err
	}
	swept, err := h.store.GC(ctx)
	h.space.give(swept.Bytes)
	if len(swept.Blobs) > 0 {
		h.log.Info("swept", "blobs", len(swept.Blobs), "bytes", swept.Bytes)
	}
	return err
}

// release decides what is not needed, while nothing comes in, and lets go of it.
func (h *Hub) release(ctx context.Context) error {
	h.gate.Lock()
	defer h.gate.Unlock()
	if h.lease == nil {
		return errors.New("the registry is closed")
	}
	before := h.now().Add(-h.loose).Unix()
	for name, r := range h.repos {
		if err := r.tidy(ctx, before); err != nil {
			return err
		}
		if len(r.blobs)+len(r.manifests) > 0 {
			continue
		}
		if err := r.remove(ctx); err != nil {
			return err
		}
		h.mu.Lock()
		delete(h.repos, name)
		h.mu.Unlock()
	}
	next, err := h.store.Lease(ctx)
	if err != nil {
		return err
	}
	last := h.lease
	h.lease = next
	return last.Release()
}

// tidy forgets blobs that no manifest has needed since, and writes journal and pin anew
// when they tell of much that is gone. The caller has the gate alone.
func (r *repository) tidy(ctx context.Context, before int64) error {
	r.write.Lock()
	defer r.write.Unlock()
	var loose []record
	r.mu.RLock()
	for d, l := range r.blobs {
		if l.uses == 0 && l.at < before {
			loose = append(loose, record{Op: opNoBlob, Digest: d})
		}
	}
	r.mu.RUnlock()
	if len(loose) > 0 {
		if err := r.commit(ctx, true, loose...); err != nil {
			return err
		}
	}
	records, pinned := r.snapshot()
	if r.shrunk {
		if err := r.store.Pin(ctx, r.pin, pinned...); err != nil {
			return err
		}
		r.shrunk = false
	}
	const slack = 64
	if len(pinned) == 0 || r.records <= 2*len(records)+slack {
		return nil
	}
	whole, err := rewriteJournal(r.file, records)
	if err != nil {
		return err
	}
	r.whole, r.records = whole, len(records)
	return nil
}

// remove takes a repository that has nothing off the disk.
func (r *repository) remove(ctx context.Context) error {
	if err := os.Remove(r.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.store.Unpin(ctx, r.pin)
}
